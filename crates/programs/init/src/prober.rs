//! Looks at what is on disks, at each on a thread of its own: one that does not answer holds up neither
//! the others nor whoever asked.

use crate::apart;
use crate::loader::Loader;
use crate::medium::{self, Medium, Rejection, Wanted};
use livestick_disks::{BlockDevice, Content, Transport};
use rustix::event::{EventfdFlags, eventfd};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// The name under which this program only looks whether a disk answers.
pub const KNOCK: &str = "livestick-knock";

/// How long a device may take to answer before it counts as one that does not. It is waited for all the
/// same, but by nobody.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(3);

/// Whom to ask what is on a disk.
#[derive(Debug)]
pub struct Prober {
    asked: Arc<Asked>,
    jobs: Vec<Job>,
    patience: Duration,
}

/// What a device turned out to be. A stick is mounted, at a place of its own.
#[derive(Debug)]
pub struct Answer {
    pub device: BlockDevice,
    pub result: Result<Medium, Rejection>,
}

/// What all threads share.
#[derive(Debug)]
struct Asked {
    wanted: Wanted,
    loader: &'static Loader,
    /// Those that nobody has taken yet.
    answers: Mutex<Vec<Answer>>,
    /// Readable while answers wait; `None` where the kernel has no such thing.
    bell: Option<OwnedFd>,
    /// The name of the stick that was chosen: nothing else is mounted from now on.
    chosen: Mutex<Option<String>>,
}

/// A disk that is looked at.
#[derive(Debug)]
struct Job {
    /// Its name.
    disk: String,
    /// The first is looked at now, the others are next.
    devices: VecDeque<BlockDevice>,
    /// When looking at the first began.
    since: Instant,
    /// It was told that it does not answer.
    is_late: bool,
    /// It was pulled out: whatever it answers is no news.
    is_gone: bool,
    /// What changed meanwhile.
    again: Vec<BlockDevice>,
}

impl Prober {
    pub fn new(wanted: Wanted, loader: &'static Loader, patience: Duration) -> Self {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let asked = Asked {
            wanted,
            loader,
            answers: Mutex::new(Vec::new()),
            bell: bell.ok(),
            chosen: Mutex::new(None),
        };
        Self {
            asked: Arc::new(asked),
            jobs: Vec::new(),
            patience,
        }
    }

    pub fn wanted(&self) -> &Wanted {
        &self.asked.wanted
    }

    /// Has devices of one disk looked at in this order, until the stick is among them.
    pub fn ask(&mut self, disk: &str, devices: Vec<BlockDevice>) {
        if let Some(job) = self.jobs.iter_mut().find(|job| job.disk == disk) {
            job.again.extend(devices);
            return;
        }
        let (asked, work) = (Arc::clone(&self.asked), devices.clone());
        self.jobs.push(Job {
            disk: disk.to_owned(),
            devices: devices.into(),
            since: Instant::now(),
            is_late: false,
            is_gone: false,
            again: Vec::new(),
        });
        let work = move || asked.look_at(work);
        if thread::Builder::new().spawn(work).is_err() {
            // Without memory for a thread there is none for a system, either.
            self.jobs.pop();
        }
    }

    /// What was answered since the last time, without waiting; and what is to be asked again, because
    /// it changed meanwhile.
    pub fn collect(&mut self) -> (Vec<Answer>, Vec<BlockDevice>) {
        self.asked.silence();
        let (mut news, mut again) = (Vec::new(), Vec::new());
        let answers = std::mem::take(&mut *self.asked.answers());
        for answer in answers {
            let is_of_disk = |job: &Job| job.disk == disk_of(&answer.device);
            let place = self.jobs.iter().position(is_of_disk);
            let Some(job) = place.and_then(|place| self.jobs.get_mut(place)) else {
                continue;
            };
            job.devices.pop_front();
            job.since = Instant::now();
            job.is_late = false;
            let is_gone = job.is_gone;
            if answer.result.is_ok() || job.devices.is_empty() {
                again.append(&mut job.again);
                self.jobs.retain(|job| !is_of_disk(job));
            }
            match answer.result {
                Ok(medium) if is_gone => drop_medium(medium),
                Err(_) if is_gone => {}
                _ => news.push(answer),
            }
        }
        (news, again)
    }

    /// The devices that have not answered in time, each once.
    pub fn late(&mut self) -> Vec<BlockDevice> {
        let patience = self.patience;
        let jobs = self.jobs.iter_mut();
        let late = jobs.filter(|job| !job.is_late && job.since.elapsed() >= patience);
        let late = late.flat_map(|job| {
            job.is_late = true;
            job.devices.iter().cloned()
        });
        late.collect()
    }

    /// Has [`Self::late`] tell of those again that it has told of already.
    pub fn doubt_again(&mut self) {
        self.jobs.iter_mut().for_each(|job| job.is_late = false);
    }

    /// How long until the next device may turn out not to answer; `None` where none is asked.
    pub fn late_in(&self) -> Option<Duration> {
        let jobs = self.jobs.iter().filter(|job| !job.is_late);
        let rests = jobs.map(|job| self.patience.saturating_sub(job.since.elapsed()));
        rests.min()
    }

    /// Whether a device of this kind is being looked at, and may still answer.
    pub fn is_asking(&self, kind: impl Fn(&BlockDevice) -> bool) -> bool {
        let mut jobs = self.jobs.iter().filter(|job| !job.is_late);
        jobs.any(|job| job.devices.iter().any(&kind))
    }

    /// Whether this device is being looked at, or will be.
    pub fn is_asked(&self, name: &str) -> bool {
        let mut devices = self.jobs.iter().flat_map(|job| &job.devices);
        devices.any(|asked| asked.name == name)
    }

    /// A device is no longer there.
    pub fn forget(&mut self, name: &str) {
        let jobs = self.jobs.iter_mut();
        for job in jobs.filter(|job| job.devices.front().is_some_and(|first| first.name == name)) {
            job.is_gone = true;
        }
    }

    /// What is readable when there is an answer.
    pub fn bell(&self) -> Option<BorrowedFd<'_>> {
        self.asked.bell.as_ref().map(AsFd::as_fd)
    }

    /// Has nothing more mounted, once this stick was chosen; or again, where there is none any more.
    pub fn choose(&self, stick: Option<String>) {
        *self.asked.chosen() = stick;
    }

    /// Unmounts what those that hang may have mounted since.
    pub fn release(&self) {
        for device in self.jobs.iter().filter_map(|job| job.devices.front()) {
            discard(&mount_point(device));
        }
    }
}

/// Unmounts a stick that is not used.
pub fn drop_medium(medium: Medium) {
    let place = mount_point(&medium.device);
    // Before it is unmounted, whatever is open on it must be closed.
    drop(medium);
    discard(&place);
}

/// The disk that a device is a part of, or is.
pub fn disk_of(device: &BlockDevice) -> &str {
    device.disk.as_ref().unwrap_or(&device.name)
}

/// Where a device is mounted while it is looked at.
pub fn mount_point(device: &BlockDevice) -> String {
    format!("/run/initramfs/probe-{}", device.name.replace('/', "!"))
}

/// Unmounts what is there, and deletes the folder.
pub fn discard(mount_point: &str) {
    medium::release(mount_point);
    // An empty folder is in nobody's way.
    let _ = fs::remove_dir(mount_point);
}

/// The knock itself: reads what [`Medium::sniff`] will.
pub fn knock(arguments: &[String]) -> ExitCode {
    let node = arguments.first().map(String::as_str).unwrap_or_default();
    apart::exit_code(File::open(node).and_then(|node| Content::of(&node).map(drop)))
}

/// Whether it is a disk inside the computer. On the way to a stick there is no time for a process.
fn is_inside(device: &BlockDevice) -> bool {
    !device.removable && !matches!(device.transport, Transport::Usb | Transport::Mmc)
}

impl Asked {
    fn look_at(&self, devices: Vec<BlockDevice>) {
        for device in devices {
            let result = self.probe(&device);
            let is_stick = result.is_ok();
            self.answers().push(Answer { device, result });
            self.ring();
            if is_stick {
                return;
            }
        }
    }

    fn probe(&self, device: &BlockDevice) -> Result<Medium, Rejection> {
        if is_inside(device) && device.size_bytes > 0 {
            let node = device.node().to_string_lossy().into_owned();
            apart::run(KNOCK, &node).map_err(Rejection::Unreadable)?;
        }
        let sniffed = Medium::sniff(device, &self.wanted)?;
        if let Some(stick) = self.chosen().clone() {
            return Err(Rejection::NotNeeded(stick));
        }
        let place = mount_point(device);
        let medium = sniffed.mount(device, &self.wanted, self.loader, &place);
        medium.inspect_err(|_| discard(&place))
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chosen(&self) -> MutexGuard<'_, Option<String>> {
        self.chosen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        if let Some(bell) = &self.bell {
            // It cannot be full.
            let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
        }
    }

    fn silence(&self) {
        if let Some(bell) = &self.bell {
            let _ = rustix::io::read(bell, &mut [0; 8]);
        }
    }
}
