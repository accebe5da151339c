//! The search for the stick among the machine's block devices.

use crate::loader::Loader;
use crate::medium::{self, MOUNT_POINT, Medium, Rejection, Wanted};
use crate::prober::{self, ANSWER_PATIENCE, Answer, Prober, disk_of};
use crate::report::Report;
use crate::setup::make_folder;
use crate::usb;
use livestick_disks::{BlockDevice, Transport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::mount::mount_move;
use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::BorrowedFd;
use std::thread;
use std::time::{Duration, Instant};

/// What was looked at, and why it is not the stick. A device is looked at again whenever the kernel
/// says that it changed: there is no list of devices that are done with.
#[derive(Debug)]
pub struct Search {
    prober: Prober,
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

/// How often to look for answers where the kernel cannot tell that there are some.
const BLIND_INTERVAL: Duration = Duration::from_millis(20);

impl Search {
    pub fn new(wanted: Wanted, loader: &'static Loader, report: &'static Report) -> Self {
        Self {
            prober: Prober::new(wanted, loader, ANSWER_PATIENCE),
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
        self.prober.wanted()
    }

    /// Has every device looked at that there is now.
    pub fn look_at_all(&mut self) {
        self.rejected.clear();
        let devices = BlockDevice::list().unwrap_or_default();
        self.look_at(devices);
        self.prober.doubt_again();
        self.note_late();
    }

    /// Has devices looked at of which the kernel has said nothing yet: a disk that does not answer is
    /// there, but is announced only once its partitions are known.
    pub fn look_at_unknown(&mut self) {
        let mut devices = BlockDevice::list().unwrap_or_default();
        devices.retain(|device| !self.is_known(&device.name));
        self.look_at(devices);
    }

    /// Whether this device was looked at, or will be.
    fn is_known(&self, name: &str) -> bool {
        self.rejected.contains_key(name) || self.prober.is_asked(name)
    }

    /// Has the devices of these names looked at; forgets those that are gone.
    pub fn look_at_named(&mut self, names: &[&str]) {
        for name in names {
            self.rejected.remove(*name);
        }
        self.forget_what_was_pulled();
        let mut devices = Vec::new();
        for name in names {
            match BlockDevice::read(name) {
                // A disk is announced before its partitions, which are there already and matter more.
                Some(device) => devices.extend(device.partitions().into_iter().chain([device])),
                None => self.prober.forget(name),
            }
        }
        self.look_at(devices);
    }

    /// Looks at devices that came up while the stick was in use already. From now on nothing else is
    /// mounted.
    pub fn look_for_twins(&mut self, names: &[&str]) {
        let used = self.used.as_ref();
        let disk = used.map(disk_of).unwrap_or_default();
        let others = names.iter().filter(|name| !name.starts_with(disk));
        let devices = others.filter_map(|name| BlockDevice::read(name));
        let devices = devices.collect();
        let name = used.map(|device| device.name.clone());
        self.look_at(devices);
        let deadline = Instant::now() + ANSWER_PATIENCE;
        while self.prober.late_in().is_some() && Instant::now() < deadline {
            self.wait_for_answer();
            self.collect();
        }
        self.prober.choose(name);
        self.collect();
        self.prober.release();
    }

    /// Takes what was found out since the last time.
    pub fn collect(&mut self) {
        let (answers, again) = self.prober.collect();
        for Answer { device, result } in answers {
            self.rejected.retain(|name, rejected| {
                let is_of_disk = disk_of(&rejected.device) == disk_of(&device);
                *name != device.name && !(is_of_disk && rejected.reason.is_silence())
            });
            match result {
                Ok(medium) => self.accept(medium),
                Err(reason) => self.refuse(device, reason),
            }
        }
        let again = again
            .iter()
            .filter_map(|device| BlockDevice::read(&device.name));
        self.look_at(again.collect());
        self.note_late();
    }

    fn note_late(&mut self) {
        for device in self.prober.late() {
            self.reject(device, Rejection::Silent);
        }
    }

    /// What is readable when there is an answer.
    pub fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.prober.bell()
    }

    /// How long until a device that is looked at counts as one that does not answer; `None` where all
    /// have answered that will.
    pub fn answers_in(&self) -> Option<Duration> {
        self.prober.late_in()
    }

    /// The stick, once it is clear that none will be preferred to it.
    pub fn take(&mut self) -> Option<Medium> {
        let is_settled = self.settles_in()?.is_zero();
        let found = self.found.take_if(|_| is_settled)?;
        self.used = Some(found.medium.device.clone());
        Some(found.medium)
    }

    /// How long until it is clear which stick it is; `None` where there is none so far.
    pub fn settles_in(&self) -> Option<Duration> {
        let found = self.found.as_ref()?;
        let is_best = |device: &BlockDevice| preference(device) == BEST;
        let disk = disk_of(&found.medium.device);
        let is_known = |name: &str| name.starts_with(disk) || self.is_known(name);
        let may_come = || self.prober.is_asking(is_best) || usb::is_disk_coming(is_known);
        Some(found.settles_in(may_come))
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
        self.prober.choose(None);
        medium::release(MOUNT_POINT);
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
        devices.retain(|device| self.is_to_be_probed(device));
        while let Some(disk) = devices.first().map(|device| disk_of(device).to_owned()) {
            let (of_disk, others) = devices
                .into_iter()
                .partition(|device| disk_of(device) == disk);
            self.prober.ask(&disk, of_disk);
            devices = others;
        }
    }

    /// Whether it could be the stick, or a better one than that which was found.
    fn is_to_be_probed(&mut self, device: &BlockDevice) -> bool {
        let best = self.best();
        let is_needed = best.is_none_or(|best| preference(best) >= preference(device));
        let is_other = best.is_none_or(|best| disk_of(best) != disk_of(device));
        if let Some(best) = best.filter(|_| is_other && !is_needed) {
            let reason = Rejection::NotNeeded(best.name.clone());
            self.reject(device.clone(), reason);
        }
        is_other && is_needed
    }

    /// The best stick so far.
    fn best(&self) -> Option<&BlockDevice> {
        let found = self.found.as_ref().map(|found| &found.medium.device);
        found.or(self.used.as_ref())
    }

    /// A stick with the right identity, mounted where it was looked at.
    fn accept(&mut self, medium: Medium) {
        let device = medium.device.clone();
        match self.best().cloned() {
            None => self.keep(medium, Instant::now()),
            Some(best) if disk_of(&best) == disk_of(&device) => prober::drop_medium(medium),
            Some(best) if preference(&best) < preference(&device) => {
                prober::drop_medium(medium);
                self.reject(device, Rejection::NotNeeded(best.name));
            }
            Some(best) => self.choose_between(best, medium),
        }
    }

    /// Puts the stick where everybody looks for it.
    fn keep(&mut self, medium: Medium, since: Instant) {
        let from = prober::mount_point(&medium.device);
        let moved =
            make_folder(MOUNT_POINT, 0o755).and_then(|()| mount_move(from.as_str(), MOUNT_POINT));
        match moved {
            Ok(()) => self.found = Some(Found { medium, since }),
            Err(error) => self.cannot_move(error),
        }
        prober::discard(&from);
    }

    fn cannot_move(&self, error: Errno) {
        let text = format!("a mount cannot be moved: {error}");
        self.report.notice(&text);
    }

    /// Keeps the better of two sticks with the same identity; of equal ones that which came first.
    fn choose_between(&mut self, best: BlockDevice, twin: Medium) {
        let is_better = preference(&twin.device) < preference(&best);
        let device = twin.device.clone();
        let (kept, other) = match self.found.take() {
            Some(found) if is_better => {
                let since = found.since;
                // Before it is unmounted, whatever is open on it must be closed.
                drop(found);
                medium::release(MOUNT_POINT);
                self.keep(twin, since);
                (device.name, best)
            }
            found => {
                self.found = found;
                prober::drop_medium(twin);
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

    fn refuse(&mut self, device: BlockDevice, reason: Rejection) {
        if reason.is_right_stick() {
            self.damaged_since.get_or_insert_with(Instant::now);
        }
        self.reject(device, reason);
    }

    fn wait_for_answer(&self) {
        let rest = self.answers_in().unwrap_or_default();
        let Some(bell) = self.bell() else {
            return thread::sleep(rest.min(BLIND_INTERVAL));
        };
        let mut sources = [PollFd::from_borrowed_fd(bell, PollFlags::IN)];
        // Too late, or interrupted: the caller looks at the clock anyway.
        let _ = poll(&mut sources, Timespec::try_from(rest).ok().as_ref());
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
    fn settles_in(&self, may_come: impl Fn() -> bool) -> Duration {
        let rest = TWIN_PATIENCE.saturating_sub(self.since.elapsed());
        if !rest.is_zero() && preference(&self.medium.device) == BEST && !may_come() {
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
    use livestick_handoff::{CommandLine, Identity, ModulePlan, Seal, Segments};
    use std::fs::{self, File};
    use std::path::Path;
    use std::process::Command;

    const PATIENCE: Duration = Duration::from_millis(200);

    fn search() -> Search {
        let report: &'static Report = Box::leak(Box::new(Report::silent()));
        let plan = ModulePlan {
            modules: vec![],
            aliases: vec![],
        };
        let loader = Loader::start(plan, &CommandLine::parse(""), report);
        let wanted = || Wanted {
            seal: Seal {
                identity: Identity([1; 16]),
                segments: Segments::new(4096, 1 << 20).unwrap(),
                superblock_sha256: [0; 32],
                kernel_release: String::new(),
            },
            choice: None,
        };
        let mut search = Search::new(wanted(), loader, report);
        search.prober = Prober::new(wanted(), loader, PATIENCE);
        search
    }

    /// A device whose node is this file.
    fn device_at(path: &Path) -> BlockDevice {
        BlockDevice {
            removable: true,
            ..device(&format!("..{}", path.display()), None, Transport::Other)
        }
    }

    fn wait_until(search: &mut Search, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            search.wait_for_answer();
            search.collect();
            let table = search.table();
            if is_so(&table) || Instant::now() > deadline {
                return table;
            }
        }
    }

    #[test]
    fn a_disk_that_does_not_answer_holds_up_nobody() {
        let folder = tempfile::tempdir().unwrap();
        // To open it for reading hangs until somebody opens it for writing.
        let (hanging, empty) = (folder.path().join("a"), folder.path().join("b"));
        let made = Command::new("mkfifo").arg(&hanging).status().unwrap();
        assert!(made.success());
        fs::write(&empty, [0; 4096]).unwrap();

        let mut search = search();
        search.look_at(vec![device_at(&hanging), device_at(&empty)]);
        let table = wait_until(&mut search, |table| !table.is_empty());
        assert!(
            table.len() == 1 && table[0].ends_with("empty, no livestick"),
            "{table:?}"
        );
        assert!(search.answers_in().is_some());
        let table = wait_until(&mut search, |table| table.len() == 2);
        assert!(table[0].ends_with("does not answer"), "{table:?}");
        assert_eq!(search.answers_in(), None);
        // It is not asked twice, and nobody waits for it.
        search.look_at(vec![device_at(&hanging)]);
        search.look_for_twins(&[]);
        assert!(search.table()[0].ends_with("does not answer"));
        search.rejected.clear();
        search.prober.doubt_again();
        search.note_late();
        assert!(search.table()[0].ends_with("does not answer"));

        drop(File::options().write(true).open(&hanging).unwrap());
        let table = wait_until(&mut search, |table| !table[0].ends_with("does not answer"));
        assert!(table[0].contains("cannot be read"), "{table:?}");
    }

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
        let identity = Identity([1; 16]);
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
