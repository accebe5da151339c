//! The machine's drives: the stick first.

use crate::{Bus, Machine};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The stick as it is at power-on.
pub(crate) const STICK: &str = "stick";

/// The name of another disk's drive.
pub(crate) fn disk(index: usize) -> String {
    format!("disk-{index}")
}

/// The name of the stick's drive once it was pulled out and plugged in again so many times: QEMU may
/// not be done with the old one.
pub(crate) fn plugged_again(times: usize) -> String {
    format!("{STICK}-{times}")
}

/// What QEMU is told of all of them, as options and their values.
pub(crate) fn arguments(machine: &Machine) -> Vec<(&'static str, OsString)> {
    let mut controllers: Vec<&str> = Vec::new();
    let disks = machine.disks.iter().map(|disk| disk.bus);
    for controller in std::iter::once(machine.bus)
        .chain(disks)
        .flat_map(Bus::controllers)
    {
        if !controllers.contains(controller) {
            controllers.push(controller);
        }
    }
    let mut arguments: Vec<_> = controllers
        .into_iter()
        .map(|controller| ("-device", controller.into()))
        .collect();
    arguments.push(("-drive", stick_drive(machine, STICK)));
    let mut devices = machine.bus.devices(STICK, 0, true);
    if let Some(device) = devices.last_mut().filter(|_| machine.bus.has_boot_index()) {
        device.push_str(",bootindex=1");
    }
    for (index, other) in machine.disks.iter().enumerate() {
        let name = disk(index);
        // It pays for the rest at a byte a second: the next one is due in an hour.
        let hangs = other.hangs_after_bytes;
        let hangs = hangs.map(|bytes| format!("{THROTTLE}=1,{THROTTLE}-max={bytes}"));
        let options = options(&name, other.kept, hangs);
        arguments.push(("-drive", with_path(&options, other.image.as_os_str())));
        devices.extend(other.bus.devices(&name, index + 1, !other.kept));
    }
    arguments.extend(devices.into_iter().map(|device| ("-device", device.into())));
    arguments
}

/// The stick's drive under this name, as a value of `-drive`.
pub(crate) fn stick_drive(machine: &Machine, name: &str) -> OsString {
    let limit = machine.stick_bytes_per_second;
    let limit = limit.map(|limit| format!("{THROTTLE}={limit}"));
    let options = options(name, machine.keeps_stick, limit);
    with_path(&options, machine.image.as_os_str())
}

/// A value of one of QEMU's options: a comma in it is written twice.
pub(crate) fn escape(value: &OsStr) -> OsString {
    let doubled = value.as_bytes().iter().flat_map(|byte| match byte {
        b',' => vec![b',', b','],
        byte => vec![*byte],
    });
    OsString::from_vec(doubled.collect())
}

const THROTTLE: &str = "throttling.bps-total";

/// All of a drive but its image. QEMU's locks are left out: a stick that was pulled out and plugged in
/// again is opened once more before QEMU is done with it, and its twin is the same image.
fn options(name: &str, is_kept: bool, limit: Option<String>) -> String {
    let snapshot = if is_kept {
        "off,file.locking=off"
    } else {
        "on"
    };
    let limit = limit.map(|limit| format!(",{limit}")).unwrap_or_default();
    format!("if=none,id={name},format=raw,snapshot={snapshot}{limit},file=")
}

fn with_path(options: &str, path: &OsStr) -> OsString {
    let mut value = OsString::from(options);
    value.push(escape(path));
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Disk, Firmware};

    #[test]
    fn drives_of_one_kind_share_a_controller() {
        let inside = Disk {
            hangs_after_bytes: Some(8),
            ..Disk::internal("/tmp/a,b", Bus::VirtioScsi)
        };
        let machine = Machine {
            disks: vec![Disk::stick("/tmp/twin"), inside.clone(), inside],
            stick_bytes_per_second: Some(1_000_000),
            ..Machine::new("/tmp/stick", Firmware::Bios)
        };
        let values: Vec<_> = arguments(&machine)
            .into_iter()
            .map(|(_, value)| value.into_string().unwrap())
            .collect();
        for once in [
            "qemu-xhci,id=xhci",
            "virtio-scsi-pci,id=scsi",
            "if=none,id=stick,format=raw,snapshot=on,throttling.bps-total=1000000,file=/tmp/stick",
            "usb-storage,id=stick,drive=stick,bus=xhci.0,removable=on,bootindex=1",
            "usb-storage,id=disk-0,drive=disk-0,bus=xhci.0,removable=on",
            "if=none,id=disk-1,format=raw,snapshot=off,file.locking=off,throttling.bps-total=1,throttling.bps-total-max=8,file=/tmp/a,,b",
            "scsi-hd,id=disk-2,drive=disk-2,bus=scsi.0,scsi-id=3,lun=0",
        ] {
            let count = values.iter().filter(|value| *value == once).count();
            assert_eq!(count, 1, "{once}: {values:#?}");
        }
    }
}
