//! What a drive is plugged into.

/// A controller, and the kind of device that a drive is on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    /// A USB stick on USB 3: usb-storage on xHCI.
    Xhci,
    /// A USB stick on USB 2: usb-storage on EHCI.
    Ehci,
    /// A USB stick on USB 1: usb-storage on UHCI.
    Uhci,
    /// USB Attached SCSI, as fast adapters speak it, on EHCI: SeaBIOS lacks the streams that USB 3 has
    /// for it, and OVMF lacks it altogether.
    Uas,
    /// A USB stick behind a hub on xHCI.
    Hub,
    /// An NVM Express disk.
    Nvme,
    /// A SATA disk on AHCI, which this machine has six ports of.
    Ahci,
    /// A disk of a virtual machine.
    VirtioBlk,
    /// A SCSI disk of a virtual machine.
    VirtioScsi,
    /// An SD card in a reader on PCI. Its image's length must be a power of two.
    Sdhci,
}

impl Bus {
    /// The controllers, as values of `-device`: once for all drives on them.
    pub(crate) fn controllers(self) -> &'static [&'static str] {
        match self {
            Self::Xhci => &["qemu-xhci,id=xhci"],
            Self::Hub => &["qemu-xhci,id=xhci", "usb-hub,bus=xhci.0,port=1,id=hub"],
            Self::Ehci | Self::Uas => &["usb-ehci,id=ehci"],
            Self::Uhci => &["piix3-usb-uhci,id=uhci"],
            Self::VirtioScsi => &["virtio-scsi-pci,id=scsi"],
            // An NVMe drive is its own controller, and so is what virtio-blk has; AHCI is part of the
            // machine. A second drive in a reader has a reader of its own.
            Self::Nvme | Self::Ahci | Self::VirtioBlk | Self::Sdhci => &[],
        }
    }

    /// The devices of a drive, as values of `-device`. The last one but those of its own controller
    /// has the drive's name as its id, so that it can be pulled by it.
    pub(crate) fn devices(self, drive: &str, place: usize, removable: bool) -> Vec<String> {
        let usb = |bus: &str| {
            let removable = if removable { "on" } else { "off" };
            let port = if self == Self::Hub {
                format!(",port=1.{}", place + 1)
            } else {
                String::new()
            };
            vec![format!(
                "usb-storage,id={drive},drive={drive},bus={bus}.0{port},removable={removable}"
            )]
        };
        match self {
            Self::Xhci | Self::Hub => usb("xhci"),
            Self::Ehci => usb("ehci"),
            Self::Uhci => usb("uhci"),
            Self::Uas => vec![
                format!("usb-uas,id={drive},bus=ehci.0"),
                format!("scsi-hd,drive={drive},bus={drive}.0,scsi-id=0,lun=0"),
            ],
            Self::Nvme => vec![format!("nvme,id={drive},drive={drive},serial={drive}")],
            Self::Ahci => vec![format!("ide-hd,id={drive},drive={drive},bus=ide.{place}")],
            Self::VirtioBlk => vec![format!("virtio-blk-pci,id={drive},drive={drive}")],
            Self::VirtioScsi => vec![format!(
                "scsi-hd,id={drive},drive={drive},bus=scsi.0,scsi-id={place},lun=0"
            )],
            Self::Sdhci => vec![
                format!("sdhci-pci,id=reader-{drive}"),
                format!("sd-card,id={drive},drive={drive}"),
            ],
        }
    }

    /// Whether firmware can be told to boot from it with `bootindex`: a card has no such property,
    /// and is booted from where nothing else can be.
    pub(crate) fn has_boot_index(self) -> bool {
        self != Self::Sdhci
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_is_pulled_by_its_own_name() {
        for bus in [Bus::Xhci, Bus::Ehci, Bus::Uhci, Bus::Uas, Bus::Hub] {
            let devices = bus.devices("stick", 0, true);
            assert!(devices[0].contains(",id=stick,"), "{devices:?}");
        }
    }

    #[test]
    fn drives_on_one_bus_have_places_of_their_own() {
        for bus in [Bus::Hub, Bus::Ahci, Bus::VirtioScsi] {
            let strip = |place| bus.devices("x", place, false).concat();
            assert_ne!(strip(0), strip(1), "{bus:?}");
        }
    }
}
