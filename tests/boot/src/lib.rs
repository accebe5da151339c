//! Boot scenarios under QEMU, a row each.
