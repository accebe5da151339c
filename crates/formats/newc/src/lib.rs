//! The cpio archive format of initramfs images.
