//! The devices that were there before anybody listened.

use crate::loader::Loader;
use std::fs;
use std::path::{Path, PathBuf};

/// Asks for the modules of every device that has no driver yet.
pub fn request_all(loader: &Loader) {
    let entries = fs::read_dir(BUSES).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name());
    for name in names.filter(|name| !DULL.iter().any(|dull| name == dull)) {
        let folders = devices(&Path::new(BUSES).join(name).join("devices"));
        let modaliases = folders
            .iter()
            .filter_map(|folder| modalias_without_driver(folder));
        modaliases.for_each(|modalias| loader.request(&modalias));
    }
}

/// Begins with the controllers behind which a stick is, those of USB and of SD cards. False where
/// there are none.
///
/// The controllers of disks inside the machine are left for later. Their modules take long: they are
/// loaded only when every disk has answered, and what was begun must be waited for.
pub fn request_stick_hosts(loader: &Loader) -> bool {
    let folders = devices(Path::new(PCI)).into_iter();
    let devices = folders.filter_map(|folder| Some((modalias_without_driver(&folder)?, folder)));
    let hosts: Vec<_> = devices
        .filter(|(modalias, _)| {
            let kind = kind_of_storage(modalias);
            kind.is_some_and(|kind| kind != DISKS) && loader.knows(modalias)
        })
        .collect();
    for (modalias, _) in &hosts {
        loader.expect(modalias);
    }
    for (_, folder) in &hosts {
        enable(folder);
    }
    for (modalias, _) in &hosts {
        loader.request(modalias);
    }
    !hosts.is_empty()
}

/// Storage and USB controllers, and USB storage, for which the kernel has no driver and the initramfs
/// no module: a line each.
pub fn unsupported(loader: &Loader) -> Vec<String> {
    let buses = [Path::new(PCI), Path::new("/sys/bus/usb/devices")];
    let folders = buses.into_iter().flat_map(devices);
    let lines = folders.filter_map(|folder| {
        let modalias = modalias_without_driver(&folder)?;
        let kind = kind_of_storage(&modalias).filter(|_| !loader.knows(&modalias))?;
        let place = folder.file_name()?.to_string_lossy().into_owned();
        Some(format!("{kind} {place} ({modalias})"))
    });
    lines.collect()
}

const BUSES: &str = "/sys/bus";
const PCI: &str = "/sys/bus/pci/devices";
/// Buses with many devices that no module of an initramfs is for.
const DULL: [&str; 8] = [
    "clockevents",
    "clocksource",
    "container",
    "cpu",
    "event_source",
    "memory",
    "node",
    "workqueue",
];

fn devices(bus: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(bus).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Switches a device on, as its driver does first of all. Finding its interrupt has the kernel run the
/// firmware's code, which can take longer than loading all that the driver needs; so it is done
/// meanwhile, and before the driver, which must not meet a device that is half switched on.
fn enable(folder: &Path) {
    // What fails here, the driver tries again, and reports.
    let _ = fs::write(folder.join("enable"), "1");
}

/// The file `uevent` has what an event would say. It knows more than the file `modalias`, which some
/// buses lack (`mmc:block`). Of a device whose driver is busy with it, and may be for ever, some kernels do
/// not let it be read (`uevent_show` of `drivers/base/core.c`); the link to the driver is there by then.
fn modalias_without_driver(folder: &Path) -> Option<String> {
    if folder.join("driver").exists() {
        return None;
    }
    parse_uevent_file(&fs::read_to_string(folder.join("uevent")).ok()?)
}

fn parse_uevent_file(text: &str) -> Option<String> {
    let fields = || text.lines().filter_map(|line| line.split_once('='));
    let driven = fields().any(|(key, _)| key == "DRIVER");
    let modalias = fields().find(|(key, _)| *key == "MODALIAS");
    modalias
        .filter(|_| !driven)
        .map(|(_, value)| value.to_owned())
}

const DISKS: &str = "storage controller";

/// By the classes in a modalias: `bc01` is PCI's mass storage, `ic08` USB's.
fn kind_of_storage(modalias: &str) -> Option<&'static str> {
    let kinds = [
        ("pci:*bc01sc*", DISKS),
        ("pci:*bc0Csc03*", "USB controller"),
        ("pci:*bc08sc05*", "SD card reader"),
        ("pci:*bc05sc*", "card reader"),
        ("pci:v000010EC*bcFFsc*", "card reader"),
        ("usb:*ic08isc*", "USB storage"),
    ];
    let matches = |pattern: &str| crate::aliases::matches(pattern.as_bytes(), modalias.as_bytes());
    kinds
        .into_iter()
        .find(|(pattern, _)| matches(pattern))
        .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_with_a_driver_asks_for_none() {
        let text = "MAJOR=1\nMODALIAS=mmc:block\nMMC_TYPE=SD\n";
        assert_eq!(parse_uevent_file(text).as_deref(), Some("mmc:block"));
        assert_eq!(parse_uevent_file("DRIVER=xhci_hcd\nMODALIAS=pci:x\n"), None);
        assert_eq!(parse_uevent_file("DEVTYPE=x\n"), None);
    }

    #[test]
    fn of_a_device_with_a_driver_no_file_is_read() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("uevent"), "MODALIAS=virtio:d2\n").unwrap();
        let modalias = || modalias_without_driver(folder.path());
        assert_eq!(modalias().as_deref(), Some("virtio:d2"));
        std::os::unix::fs::symlink("/", folder.path().join("driver")).unwrap();
        assert_eq!(modalias(), None);
    }

    #[test]
    fn what_leads_to_a_stick_is_told_by_its_class() {
        let kind = |modalias| kind_of_storage(modalias);
        let xhci = "pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30";
        assert_eq!(kind(xhci), Some("USB controller"));
        let ahci = "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01";
        assert_eq!(kind(ahci), Some(DISKS));
        let stick = "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00";
        assert_eq!(kind(stick), Some("USB storage"));
        let vga = "pci:v00001234d00001111sv00001AF4sd00001100bc03sc00i00";
        assert_eq!(kind(vga), None);
    }
}
