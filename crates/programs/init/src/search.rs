//! The search for the stick among the machine's block devices.

use crate::loader::Loader;
use crate::medium::{Medium, Rejection};
use crate::report::Report;
use livestick_disks::{BlockDevice, Transport};
use livestick_handoff::Seal;
use std::collections::BTreeMap;
use std::fmt;

/// What was looked at, and why it is not the stick. A device is looked at again whenever the kernel
/// says that it changed: there is no list of devices that are done with.
#[derive(Debug)]
pub struct Search {
    loader: &'static Loader,
    report: &'static Report,
    rejected: BTreeMap<String, Rejected>,
}

#[derive(Debug)]
struct Rejected {
    device: BlockDevice,
    reason: Rejection,
}

impl Search {
    pub fn new(loader: &'static Loader, report: &'static Report) -> Self {
        Self {
            loader,
            report,
            rejected: BTreeMap::new(),
        }
    }

    /// Looks at every device that there is now.
    pub fn look_at_all(&mut self, seal: &Seal) -> Option<Medium> {
        self.rejected.clear();
        let devices = BlockDevice::list().unwrap_or_default();
        self.look_at(devices, seal)
    }

    /// Looks at the devices of these names; forgets those that are gone.
    pub fn look_at_named(&mut self, names: &[&str], seal: &Seal) -> Option<Medium> {
        for name in names {
            self.rejected.remove(*name);
        }
        // A disk is announced before its partitions, which are there already and matter more.
        let named = names.iter().filter_map(|name| BlockDevice::read(name));
        let devices = named.flat_map(|device| {
            let partitions = device.partitions();
            partitions.into_iter().chain([device])
        });
        self.look_at(devices.collect(), seal)
    }

    /// One line for each device that is not the stick.
    pub fn table(&self) -> Vec<String> {
        self.rejected.values().map(Rejected::to_string).collect()
    }

    /// Why the stick is not used although it is there.
    pub fn damaged_stick(&self) -> Option<String> {
        let reasons = self.rejected.values().map(|rejected| &rejected.reason);
        let mut reasons = reasons.filter(|reason| reason.is_right_stick());
        reasons.next().map(Rejection::sentence)
    }

    fn look_at(&mut self, mut devices: Vec<BlockDevice>, seal: &Seal) -> Option<Medium> {
        devices.retain(|device| device.transport != Transport::Virtual);
        devices.sort_by_key(likelihood);
        devices.dedup();
        devices
            .into_iter()
            .find_map(|device| self.probe(device, seal))
    }

    fn probe(&mut self, device: BlockDevice, seal: &Seal) -> Option<Medium> {
        match Medium::probe(device.clone(), seal, self.loader) {
            Ok(medium) => Some(medium),
            Err(reason) => {
                let rejected = Rejected { device, reason };
                self.report.step(&format!("not the stick: {rejected}"));
                self.rejected.insert(rejected.device.name.clone(), rejected);
                None
            }
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BlockDevice {
            name,
            transport,
            size_bytes,
            model,
            ..
        } = &self.device;
        let size = size(*size_bytes);
        let reason = self.reason.sentence();
        write!(
            formatter,
            "{name:<10} {transport:<7} {size:>9}  {model:<20}  {reason}"
        )
    }
}

/// The likeliest first: partitions, USB, removable.
fn likelihood(device: &BlockDevice) -> (bool, bool, bool, String) {
    let partition = device.disk.is_some();
    let usb = device.transport == Transport::Usb;
    (!partition, !usb, !device.removable, device.name.clone())
}

/// As sticks are labelled, in powers of ten.
fn size(bytes: u64) -> String {
    let units = [(1_000_000_000, "GB"), (1_000_000, "MB"), (1000, "kB")];
    let unit = units.into_iter().find(|(unit, _)| bytes >= *unit);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(unit, name)| format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(name: &str, disk: Option<&str>, transport: Transport) -> BlockDevice {
        BlockDevice {
            name: name.to_owned(),
            disk: disk.map(str::to_owned),
            size_bytes: 7_800_000_000,
            removable: false,
            transport,
            model: "Model".to_owned(),
        }
    }

    #[test]
    fn usb_partitions_come_first_and_whole_disks_last() {
        let mut devices = [
            device("nvme0n1", None, Transport::Nvme),
            device("nvme0n1p1", Some("nvme0n1"), Transport::Nvme),
            device("sda", None, Transport::Usb),
            device("sda1", Some("sda"), Transport::Usb),
        ];
        devices.sort_by_key(likelihood);
        let names = devices.map(|device| device.name);
        assert_eq!(names, ["sda1", "nvme0n1p1", "sda", "nvme0n1"]);
    }

    #[test]
    fn a_line_of_the_table_says_what_and_why() {
        let device = device("sda1", Some("sda"), Transport::Usb);
        let reason = Rejection::WrongLength {
            found_bytes: 5,
            expected_bytes: 6,
        };
        let line = Rejected { device, reason }.to_string();
        let expected = "sda1       USB        7.8 GB  Model                 \
            `live/filesystem.squashfs` has 5 bytes instead of 6: it was not written to its end";
        assert_eq!(line, expected);
    }

    #[test]
    fn sizes_are_those_on_the_box() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1999), "1.9 kB");
        assert_eq!(size(64_022_904_832), "64.0 GB");
    }
}
