//! Which modules an initramfs holds.
//!
//! No driver for ext4, exFAT or ISO 9660 is among them: nothing on such a filesystem is ever mounted,
//! and even a read-only mount may replay a journal.

use livestick_kernel::Want;

/// A module without which no stick boots.
pub(crate) struct CoreModule {
    pub name: &'static str,
    /// The kernel option that provides it, without `CONFIG_`.
    pub option: &'static str,
}

/// Without these no stick boots.
pub(crate) const CORE: [CoreModule; 8] = [
    core("usb_storage", "USB_STORAGE"),
    core("sd_mod", "BLK_DEV_SD"),
    core("loop", "BLK_DEV_LOOP"),
    core("squashfs", "SQUASHFS"),
    core("overlay", "OVERLAY_FS"),
    core("vfat", "VFAT_FS"),
    core("nls_cp437", "NLS_CODEPAGE_437"),
    core("nls_ascii", "NLS_ASCII"),
];

/// Loaded at once, in this order. Where the stick is a USB stick, as nearly always, all of these
/// are needed. The bus comes first: while it looks for its devices, the rest is loaded. vfat does
/// not depend on its NLS tables, and its mount fails without them.
const PRELOAD: [&str; 12] = [
    "xhci_pci",
    "usb_storage",
    "uas",
    "sd_mod",
    "loop",
    "squashfs",
    "overlay",
    "vfat",
    "nls_cp437",
    "nls_ascii",
    "nls_iso8859_1",
    "nls_utf8",
];

/// Loaded when a device asks for them by its alias, or the kernel by name: a machine has few of them.
const ON_DEMAND: [&str; 44] = [
    // USB host controllers, before and beside xHCI.
    "xhci_pci_renesas",
    "ehci_pci",
    "ohci_pci",
    "uhci_hcd",
    // Card readers and SD slots.
    "ums_realtek",
    "ums_eneub6250",
    "rtsx_usb",
    "rtsx_usb_sdmmc",
    "sdhci_pci",
    "sdhci_acpi",
    "mmc_block",
    "rtsx_pci",
    "rtsx_pci_sdmmc",
    // NVMe and SATA.
    "nvme",
    "vmd",
    "ahci",
    "ata_piix",
    "ata_generic",
    // Virtual machines.
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "virtio_mmio",
    "hv_vmbus",
    "hv_storvsc",
    "hyperv_keyboard",
    "vmw_pvscsi",
    "mptspi",
    "xen_blkfront",
    // Images in segments.
    "dm_mod",
    // Swap in RAM, and the algorithm that kernels before 6.12 compress it with.
    "zram",
    "lzo_rle",
    // Keyboards, for the rescue screen.
    "i8042",
    "atkbd",
    "usbhid",
    "hid_generic",
    "hid_apple",
    "hid_logitech",
    "hid_logitech_dj",
    "hid_microsoft",
    "hid_cherry",
    "hid_lenovo",
    "i2c_hid_acpi",
    "intel_lpss_pci",
    "idma64",
];

/// The whole set, in the order to load it.
pub(crate) fn wanted() -> Vec<Want<'static>> {
    let preload = PRELOAD.iter().map(|name| Want {
        name,
        preload: true,
    });
    let on_demand = ON_DEMAND.iter().map(|name| Want {
        name,
        preload: false,
    });
    preload.chain(on_demand).collect()
}

const fn core(name: &'static str, option: &'static str) -> CoreModule {
    CoreModule { name, option }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_core_is_preloaded_and_nothing_is_wanted_twice() {
        assert!(CORE.iter().all(|module| PRELOAD.contains(&module.name)));
        let mut names: Vec<_> = wanted().iter().map(|want| want.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
