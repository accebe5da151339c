//! The search for the stick among the machine's block devices.

use crate::loader::Loader;
use crate::medium::{self, MOUNT_POINT, Medium, Rejection, TWIN_MOUNT_POINT, Wanted};
use crate::report::Report;
use crate::usb;
use livestick_disks::{BlockDevice, Transport};
use rustix::mount::mount_move;
use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

/// What was looked at, and why it is not the stick. A device is looked at again whenever the kernel
/// says that it changed: there is no list of devices that are done with.
#[derive(Debug)]
pub struct Search {
    wanted: Wanted,
    loader: &'static Loader,
    report: &'static Report,
    rejected: BTreeMap<String, Rejected>,
    found: Option<Found>,
    /// The stick that the boot goes on with.
    used: Option<BlockDevice>,
    /// The stick with which it could not go on.
    failed: Option<BlockDevice>,
    /// The stick was pulled out while it was used.
    was_pulled: bool,
    /// When the right stick was first seen to be damaged.
    damaged_since: Option<Instant>,
}

/// The best stick so far. No loader passes on what it booted from, so of two with the same identity
/// one is as good as the other; but a copy on a disk inside the machine is hardly the one that was
/// meant.
#[derive(Debug)]
struct Found {
    medium: Medium,
    /// When the first stick was found.
    since: Instant,
}

#[derive(Debug)]
struct Rejected {
    device: BlockDevice,
    reason: Rejection,
}

/// How long a better stick may take to show up behind a good one.
const TWIN_PATIENCE: Duration = Duration::from_millis(300);
/// How long another stick may take to show up behind a damaged one.
const DAMAGE_PATIENCE: Duration = Duration::from_secs(5);

impl Search {
    pub fn new(wanted: Wanted, loader: &'static Loader, report: &'static Report) -> Self {
        Self {
            wanted,
            loader,
            report,
            rejected: BTreeMap::new(),
            found: None,
            used: None,
            failed: None,
            was_pulled: false,
            damaged_since: None,
        }
    }

    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Looks at every device that there is now.
    pub fn look_at_all(&mut self) {
        self.rejected.clear();
        let devices = BlockDevice::list().unwrap_or_default();
        self.look_at(devices);
    }

    /// Looks at the devices of these names; forgets those that are gone.
    pub fn look_at_named(&mut self, names: &[&str]) {
        for name in names {
            self.rejected.remove(*name);
        }
        self.forget_what_was_pulled();
        // A disk is announced before its partitions, which are there already and matter more.
        let named = names.iter().filter_map(|name| BlockDevice::read(name));
        let devices = named.flat_map(|device| {
            let partitions = device.partitions();
            partitions.into_iter().chain([device])
        });
        self.look_at(devices.collect());
    }

    /// Looks at devices that came up while the stick was in use already.
    pub fn look_for_twins(&mut self, names: &[&str]) {
        let disk = self.used.as_ref().map(disk_of).unwrap_or_default();
        let others = names.iter().filter(|name| !name.starts_with(disk));
        let devices = others.filter_map(|name| BlockDevice::read(name));
        self.look_at(devices.collect());
    }

    /// The stick, once it is clear that none will be preferred to it.
    pub fn take(&mut self) -> Option<Medium> {
        let settled = |found: &mut Found| found.settles_in().is_zero();
        let found = self.found.take_if(settled)?;
        self.used = Some(found.medium.device.clone());
        Some(found.medium)
    }

    /// How long until it is clear which stick it is; `None` where there is none so far.
    pub fn settles_in(&self) -> Option<Duration> {
        self.found.as_ref().map(Found::settles_in)
    }

    /// When to stop waiting: not long after the right stick turned out to be damaged.
    pub fn deadline(&self, deadline: Instant) -> Instant {
        let damaged = self.damaged_since.map(|since| since + DAMAGE_PATIENCE);
        damaged.map_or(deadline, |damaged| damaged.min(deadline))
    }

    /// Starts over, with every device in the same position: the stick that was used was none to go
    /// on with.
    pub fn reset(&mut self) {
        self.failed = self.used.take().or(self.failed.take());
        self.found = None;
        self.damaged_since = None;
        for mount_point in [TWIN_MOUNT_POINT, MOUNT_POINT] {
            medium::release(mount_point);
        }
        if std::mem::take(&mut self.was_pulled) {
            // It may have been plugged in again already.
            self.look_at_all();
        }
    }

    /// One line for each device that was seen.
    pub fn table(&self) -> Vec<String> {
        let known = |device: &&BlockDevice| !self.rejected.contains_key(&device.name);
        let stick = self.used.as_ref().or(self.failed.as_ref()).filter(known);
        let stick = stick.map(|device| line(device, "the stick").to_string());
        let rejected = self.rejected.values().map(Rejected::to_string);
        stick.into_iter().chain(rejected).collect()
    }

    /// Why the stick is not used although it is there.
    pub fn damage(&self) -> Option<String> {
        let mut damaged = self.damaged();
        damaged.next().map(|rejected| rejected.reason.sentence())
    }

    /// Of all that is not the stick what is most like it, and why it is not.
    pub fn nearest(&self) -> Option<String> {
        let rejected = self.rejected.values();
        let near = rejected.filter_map(|rejected| Some((rejected.likeness()?, rejected)));
        let (_, Rejected { device, reason }) = near.min_by_key(|(likeness, _)| *likeness)?;
        Some(format!("{}: {}", device.name, reason.sentence()))
    }

    /// The right stick, whether it could be used or not.
    pub fn right_stick(&self) -> Option<&BlockDevice> {
        let damaged = self.damaged().map(|rejected| &rejected.device);
        let used = self.used.iter().chain(&self.failed);
        used.chain(damaged).next()
    }

    fn damaged(&self) -> impl Iterator<Item = &Rejected> {
        let rejected = self.rejected.values();
        rejected.filter(|rejected| rejected.reason.is_right_stick())
    }

    fn look_at(&mut self, mut devices: Vec<BlockDevice>) {
        devices.retain(|device| device.transport != Transport::Virtual);
        devices.sort_by_key(likelihood);
        devices.dedup();
        for device in devices {
            self.consider(device);
        }
    }

    fn consider(&mut self, device: BlockDevice) {
        let best = self.found.as_ref().map(|found| &found.medium.device);
        let Some(best) = best.or(self.used.as_ref()) else {
            if let Some(medium) = self.probe(device, MOUNT_POINT) {
                let since = Instant::now();
                self.found = Some(Found { medium, since });
            }
            return;
        };
        if disk_of(best) == disk_of(&device) {
            return;
        }
        if preference(best) < preference(&device) {
            let reason = Rejection::NotNeeded(best.name.clone());
            self.reject(device, reason);
            return;
        }
        let best = best.clone();
        if let Some(twin) = self.probe(device, TWIN_MOUNT_POINT) {
            self.choose_between(best, twin);
        }
    }

    /// Keeps the better of two sticks with the same identity; of equal ones that which came first.
    fn choose_between(&mut self, best: BlockDevice, twin: Medium) {
        let is_better = preference(&twin.device) < preference(&best);
        let (kept, other) = match self.found.take() {
            Some(found) if is_better => {
                let since = found.since;
                let medium = twin;
                // Before it is unmounted, whatever is open on it must be closed.
                drop(found);
                medium::release(MOUNT_POINT);
                if let Err(error) = mount_move(TWIN_MOUNT_POINT, MOUNT_POINT) {
                    self.report
                        .notice(&format!("a mount cannot be moved: {error}"));
                    medium::release(TWIN_MOUNT_POINT);
                    return;
                }
                let name = medium.device.name.clone();
                self.found = Some(Found { medium, since });
                (name, best)
            }
            found => {
                self.found = found;
                let device = twin.device.clone();
                drop(twin);
                medium::release(TWIN_MOUNT_POINT);
                (best.name, device)
            }
        };
        self.report.notice(&format!(
            "{kept} and {} are the same stick twice: {kept} is used",
            other.name
        ));
        self.reject(other, Rejection::Twin(kept));
    }

    fn forget_what_was_pulled(&mut self) {
        let is_gone = |device: &mut BlockDevice| BlockDevice::read(&device.name).is_none();
        if let Some(found) = self
            .found
            .take_if(|found| is_gone(&mut found.medium.device))
        {
            let name = &found.medium.device.name;
            self.report
                .notice(&format!("{name} was the stick, and is gone"));
            medium::release(MOUNT_POINT);
        }
        self.was_pulled |= self.used.take_if(is_gone).is_some();
        self.failed.take_if(is_gone);
        if self.damaged().next().is_none() {
            self.damaged_since = None;
        }
    }

    fn probe(&mut self, device: BlockDevice, mount_point: &str) -> Option<Medium> {
        match Medium::probe(device.clone(), &self.wanted, self.loader, mount_point) {
            Ok(medium) => Some(medium),
            Err(reason) => {
                if reason.is_right_stick() {
                    self.damaged_since.get_or_insert_with(Instant::now);
                }
                self.reject(device, reason);
                None
            }
        }
    }

    fn reject(&mut self, device: BlockDevice, reason: Rejection) {
        let rejected = Rejected { device, reason };
        self.report.step(&format!("not the stick: {rejected}"));
        self.rejected.insert(rejected.device.name.clone(), rejected);
    }
}

impl Found {
    /// Of the best there is nothing to wait for but its twin, and of that only where it can be seen to
    /// come.
    fn settles_in(&self) -> Duration {
        let rest = TWIN_PATIENCE.saturating_sub(self.since.elapsed());
        if !rest.is_zero() && preference(&self.medium.device) == BEST && !usb::is_disk_coming() {
            return Duration::ZERO;
        }
        rest
    }
}

impl Rejected {
    /// The lower, the more it is like the stick; `None` where it is something else altogether, or part
    /// of the computer.
    fn likeness(&self) -> Option<(u8, (bool, bool))> {
        let is_stick = self.device.removable || self.device.transport == Transport::Usb;
        let likeness = self.reason.likeness().filter(|_| is_stick)?;
        Some((likeness, preference(&self.device)))
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(&self.device, &self.reason.sentence()).fmt(formatter)
    }
}

fn line(device: &BlockDevice, text: &str) -> impl fmt::Display {
    let BlockDevice {
        name,
        transport,
        size_bytes,
        model,
        ..
    } = device;
    let size = size(*size_bytes);
    format!("{name:<10} {transport:<7} {size:>9}  {model:<20}  {text}")
}

/// Which of two sticks to prefer: USB, then removable. The lower one wins.
fn preference(device: &BlockDevice) -> (bool, bool) {
    (device.transport != Transport::Usb, !device.removable)
}

const BEST: (bool, bool) = (false, false);

/// The likeliest first: partitions, USB, removable.
fn likelihood(device: &BlockDevice) -> (bool, (bool, bool), String) {
    let partition = device.disk.is_some();
    (!partition, preference(device), device.name.clone())
}

fn disk_of(device: &BlockDevice) -> &str {
    device.disk.as_ref().unwrap_or(&device.name)
}

/// As sticks are labelled, in powers of ten.
pub fn size(bytes: u64) -> String {
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
    fn a_removable_usb_stick_is_preferred_to_any_other() {
        let usb = device("sda1", Some("sda"), Transport::Usb);
        let stick = BlockDevice {
            removable: true,
            ..usb.clone()
        };
        let card = BlockDevice {
            removable: true,
            ..device("mmcblk0p1", Some("mmcblk0"), Transport::Mmc)
        };
        let inside = device("nvme0n1p1", Some("nvme0n1"), Transport::Nvme);
        assert_eq!(preference(&stick), BEST);
        let order = [&stick, &usb, &card, &inside].map(preference);
        assert!(order.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn a_line_of_the_table_says_what_and_why() {
        let device = device("sda1", Some("sda"), Transport::Usb);
        let reason = Rejection::WrongLength {
            path: "live/filesystem.squashfs".to_owned(),
            found_bytes: 5,
            expected_bytes: 6,
        };
        let line = Rejected { device, reason }.to_string();
        let expected = "sda1       USB        7.8 GB  Model                 \
            `live/filesystem.squashfs` has 5 bytes instead of 6: it was not written to its end";
        assert_eq!(line, expected);
    }

    #[test]
    fn a_livestick_is_nearer_than_a_fat_and_the_computer_is_never_near() {
        let content = || livestick_disks::Content::Vfat { label: None };
        let likeness = |transport, reason| {
            let device = device("sda1", Some("sda"), transport);
            Rejected { device, reason }.likeness()
        };
        let identity = livestick_handoff::Identity([1; 16]);
        let other = || Rejection::OtherIdentity(content(), identity);
        let broken = Rejection::Mount(content(), std::io::ErrorKind::InvalidInput.into());
        let usb = Transport::Usb;
        assert!(likeness(usb, other()).unwrap() < likeness(usb, broken).unwrap());
        assert_eq!(likeness(Transport::Nvme, other()), None);
        assert_eq!(likeness(usb, Rejection::OtherContent(content())), None);
    }

    #[test]
    fn sizes_are_those_on_the_box() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1999), "1.9 kB");
        assert_eq!(size(64_022_904_832), "64.0 GB");
    }
}
