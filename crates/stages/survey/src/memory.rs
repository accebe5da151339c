//! How much memory the stick will need.

use livestick_tree::Tree;
use serde::Serialize;

const MIB: u64 = 1 << 20;
/// Kernel, its tables, and what `/init` needs while both forms of the initramfs are in memory.
const KERNEL_BYTES: u64 = 96 * MIB;
/// An init system, its services, a login prompt, and page cache to run them from.
const CONSOLE_BYTES: u64 = 128 * MIB;
/// A display server and a desktop with one program on it.
const DESKTOP_BYTES: u64 = 768 * MIB;
/// Room for changes to begin with. The overlay may take half of the memory by default.
const CHANGES_BYTES: u64 = 64 * MIB;
/// An initramfs is about a third of what is in it.
const INITRAMFS_FACTOR: u64 = 4;
/// Memory comes in pieces of this size, and the figures are no better.
const STEP_BYTES: u64 = 128 * MIB;

/// Where a root says that it starts a graphical session.
const DESKTOP_SIGNS: [&[u8]; 2] = [
    b"etc/systemd/system/display-manager.service",
    b"etc/X11/default-display-manager",
];

/// How much memory the stick will need, by rule of thumb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// To run from the stick.
    pub bytes: u64,
    /// To run from memory, with `toram`: the image is in it then.
    pub toram_bytes: u64,
    /// Whether a graphical session is started.
    pub desktop: bool,
}

impl Memory {
    /// Adds up what there is.
    #[must_use]
    pub fn estimate(tree: &Tree, initramfs_bytes: u64, image_bytes: u64) -> Self {
        let desktop = DESKTOP_SIGNS.iter().any(|path| tree.lookup(path).is_some());
        let system = if desktop {
            DESKTOP_BYTES
        } else {
            CONSOLE_BYTES
        };
        let bytes = KERNEL_BYTES + initramfs_bytes * INITRAMFS_FACTOR + system + CHANGES_BYTES;
        Self {
            bytes: bytes.next_multiple_of(STEP_BYTES),
            toram_bytes: (bytes + image_bytes).next_multiple_of(STEP_BYTES),
            desktop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::tree;

    #[test]
    fn an_image_in_memory_and_a_desktop_take_more() {
        let console = Memory::estimate(&tree(&[("etc/fstab", "")]), 3 * MIB, 100 * MIB);
        assert_eq!(console.bytes, 384 * MIB);
        assert_eq!(console.toram_bytes, 512 * MIB);
        let with_desktop = tree(&[("etc/X11/default-display-manager", "/usr/sbin/lightdm")]);
        let desktop = Memory::estimate(&with_desktop, 3 * MIB, 100 * MIB);
        assert!(desktop.desktop && desktop.bytes > console.bytes);
    }
}
