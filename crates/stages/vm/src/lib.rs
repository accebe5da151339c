//! Boots an image under QEMU and watches it.
