//! Where things are. On the stick, the layout of Debian's live tools, without a leading slash;
//! inside the initramfs and on the running system, absolute.

/// The kernel, on the stick.
pub const KERNEL: &str = "live/vmlinuz";
/// The initramfs, on the stick.
pub const INITRD: &str = "live/initrd.img";
/// The root, a SquashFS, on the stick.
pub const ROOT_IMAGE: &str = "live/filesystem.squashfs";
/// The [manifest](crate::Manifest), on the stick.
pub const MANIFEST: &str = "live/manifest";
/// Digests of every other file, for `sha256sum -c`, on the stick.
pub const CHECKSUMS: &str = "SHA256SUMS";
/// What the stick is, for whoever finds it.
pub const README: &str = "README.txt";

/// The [seal](crate::Seal), in the initramfs.
pub const SEAL: &str = "/livestick/seal";
/// The [module plan](crate::ModulePlan), in the initramfs.
pub const MODULE_PLAN: &str = "/livestick/modules";
/// The folder of kernel modules, in the initramfs: `xhci_pci` is `/modules/xhci_pci.ko`.
pub const MODULES: &str = "/modules";
/// Firmware, in the initramfs, where the kernel looks for it.
pub const FIRMWARE: &str = "/lib/firmware";

/// Where the stick's own mounts live on the running system: systemd leaves them alone there.
pub const LIVE: &str = "/run/initramfs";
/// The log of `/init`, with a time for each step, on the running system.
pub const LIVE_LOG: &str = "/run/initramfs/live.log";
