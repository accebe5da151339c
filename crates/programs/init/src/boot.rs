//! The boot, step by step.

use crate::coldplug;
use crate::failure::Failure;
use crate::hand_over::{self, Program};
use crate::instructions::{self, Instructions};
use crate::loader::Loader;
use crate::medium::{MOUNT_POINT, Medium, Wanted};
use crate::report::Report;
use crate::rescue::{self, Next};
use crate::search::Search;
use crate::uevents::{Batch, Uevent};
use crate::{beacon, check, hands_off, layers, loader, ram, setup, shutdown, to_ram};
use livestick_disks::BlockDevice;
use livestick_handoff::{BreakPoint, paths};
use livestick_sys::UeventSocket;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::process::ExitCode;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Process 1: ends only by becoming another program, or with the machine.
pub fn run() -> ExitCode {
    setup::mount_kernel_filesystems();
    let started = setup::uptime();
    setup::hurry(true);
    loader::begin();
    setup::open_console();
    std::panic::set_hook(Box::new(|panic| rescue::halt(&panic.to_string())));
    let mut boot = Boot::new(&started);
    let mut patience = boot.instructions.command_line.medium_timeout;
    let mut found = None;
    loop {
        let Err(failure) = boot.attempt(found.take(), patience);
        boot.undo();
        match rescue::show(&mut boot, &failure) {
            // Whoever asks for another try wants the answer now.
            Next::Retry => patience = Duration::ZERO,
            Next::UseAnyway => {
                patience = Duration::ZERO;
                boot.instructions.command_line.to_ram = false;
            }
            Next::Found(medium) => found = Some(*medium),
        }
    }
}

/// What is known so far, and what is needed to go on.
#[derive(Debug)]
pub struct Boot {
    pub instructions: Instructions,
    pub report: &'static Report,
    /// `None` where the kernel has no netlink: then the devices are looked at over and over.
    socket: Option<UeventSocket>,
    /// `None` until the initramfs has turned out to be whole.
    ready: Option<Ready>,
    /// The program to start, once the root was changed: there is no way back.
    program: Option<Program>,
}

/// What to wait on.
#[derive(Debug, Default)]
pub struct News<'a> {
    /// Readable where there is some.
    pub sources: Vec<BorrowedFd<'a>>,
    /// How long to wait at most.
    pub interval: Option<Duration>,
}

#[derive(Debug)]
struct Ready {
    loader: &'static Loader,
    search: Search,
}

impl Boot {
    fn new(started: &str) -> Self {
        let instructions = Instructions::read();
        // For the life of this process, so that threads can share it.
        let report: &'static Report = Box::leak(Box::new(Report::open(&instructions)));
        report.started(started);
        for word in &instructions.command_line.rejected {
            report.notice(&format!("`{word}` makes no sense and is ignored"));
        }
        let socket = UeventSocket::open();
        let socket = socket.inspect_err(|error| report.notice(&format!("no uevents: {error}")));
        Self {
            instructions,
            report,
            socket: socket.ok(),
            ready: None,
            program: None,
        }
    }

    /// Boots. Comes back only with the reason why it could not.
    fn attempt(
        &mut self,
        found: Option<Medium>,
        patience: Duration,
    ) -> Result<Infallible, Failure> {
        if let Some(program) = &self.program {
            return Err(program.start());
        }
        self.get_ready()?;
        let medium = match found {
            Some(medium) => medium,
            None => {
                self.pause(BreakPoint::Medium);
                self.find(patience)?
            }
        };
        self.report
            .step(&format!("the stick is {}", medium.device.name));
        let stick = medium.device.clone();
        let is_to_be_checked = self.instructions.command_line.check_stick;
        let checked = self.check(&stick);
        let Err(failure) = checked.and_then(|()| self.lay_root_and_leave(medium));
        if self.program.is_some() {
            return Err(failure);
        }
        let pulled = pulled(&stick);
        if pulled.is_some() {
            // The stick that is plugged in next is not the one that was checked.
            self.instructions.command_line.check_stick = is_to_be_checked;
        }
        // Events of this stick that still wait are no news: it would be found once more, and fail.
        if let Some(ready) = &mut self.ready {
            ready.look_at_news(self.socket.as_ref(), self.report);
        }
        Err(pulled.unwrap_or(failure))
    }

    /// Takes down what a failed attempt left, except where there is no way back.
    fn undo(&mut self) {
        if self.program.is_some() {
            return;
        }
        layers::unmount_all();
        to_ram::release();
        if let Some(ready) = &mut self.ready {
            ready.search.reset();
            ready.loader.resume();
        }
    }

    /// The list of devices that were seen, a line each.
    pub fn table(&self) -> Vec<String> {
        self.ready
            .as_ref()
            .map(|ready| ready.search.table())
            .unwrap_or_default()
    }

    /// Whether there is no disk at all, as far as is known.
    pub fn has_no_disk(&self) -> bool {
        let is_asking = |ready: &Ready| ready.search.answers_in().is_some();
        self.table().is_empty() && !self.ready.as_ref().is_some_and(is_asking)
    }

    /// The list of hardware that there is no driver for, a line each.
    pub fn unsupported(&self) -> Vec<String> {
        let loader = self.ready.as_ref().map(|ready| ready.loader);
        loader.map(coldplug::unsupported).unwrap_or_default()
    }

    /// The first of it, without what only a driver knows it by.
    fn undriven(&self) -> Option<String> {
        let unsupported = self.unsupported();
        let (what, _) = unsupported.first()?.split_once(" (")?;
        Some(what.to_owned())
    }

    /// Whether a stick that is plugged in now would be seen.
    pub fn is_searching(&self) -> bool {
        self.ready.is_some() && self.program.is_none()
    }

    /// The right stick, where it is there, whether it could be used or not.
    pub fn right_stick(&self) -> Option<&BlockDevice> {
        let ready = self.ready.as_ref().filter(|_| self.program.is_none())?;
        ready.search.right_stick()
    }

    /// Asks for the modules that a person needs to press a key.
    pub fn request_keyboards(&self) {
        if let Some(ready) = self.ready.as_ref().filter(|_| self.program.is_none()) {
            coldplug::request_all(ready.loader);
            ready.loader.request_named(&KEYBOARDS);
        }
    }

    /// What to wait on for news of devices, and how long to wait for it at most.
    pub fn news(&self) -> News<'_> {
        if self.program.is_some() {
            return News::default();
        }
        let search = self.ready.as_ref().map(|ready| &ready.search);
        let bell = search.and_then(Search::bell);
        let is_deaf = self.socket.is_none() || search.is_some() && bell.is_none();
        let settling = search.and_then(Search::settles_in);
        let answers = search.and_then(Search::answers_in);
        let intervals = [is_deaf.then_some(RESCAN_INTERVAL), settling, answers];
        News {
            sources: self
                .socket
                .as_ref()
                .map(AsFd::as_fd)
                .into_iter()
                .chain(bell)
                .collect(),
            interval: intervals.into_iter().flatten().min(),
        }
    }

    /// Deals with what came and went since the last time: asks for modules, and looks at what is on
    /// new block devices. Gives the stick, once it is among them.
    pub fn take_news(&mut self) -> Option<Medium> {
        let ready = self.ready.as_mut().filter(|_| self.program.is_none())?;
        ready.look_at_news(self.socket.as_ref(), self.report);
        ready.search.collect();
        ready.search.take()
    }

    /// Reads the initramfs's files, starts loading modules. Once is enough.
    fn get_ready(&mut self) -> Result<(), Failure> {
        if self.ready.is_some() {
            return Ok(());
        }
        let seal = instructions::seal()?;
        let running = rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned();
        if running != seal.kernel_release {
            return Err(Failure::KernelRelease {
                running,
                sealed: seal.kernel_release,
            });
        }
        let plan = instructions::module_plan()?;
        let command_line = &self.instructions.command_line;
        loader::set_builtin_defaults(&plan, command_line);
        let loader = Loader::start(plan, command_line, self.report);
        let wanted = Wanted {
            seal,
            choice: command_line.medium.clone(),
        };
        let search = Search::new(wanted, loader, self.report);
        self.ready = Some(Ready { loader, search });
        self.pause(BreakPoint::Modules);
        if !coldplug::request_stick_hosts(loader) {
            loader.expect_hangs();
            coldplug::request_all(loader);
        }
        loader.preload();
        self.report.step("initramfs read, modules requested");
        Ok(())
    }

    /// Waits for the stick, and says so when it takes long.
    fn find(&mut self, patience: Duration) -> Result<Medium, Failure> {
        let started = Instant::now();
        if let Some(ready) = &mut self.ready {
            ready.search.look_at_all();
        }
        let mut delayed = DELAYED.iter().peekable();
        while let Some(rest) = self.rest_of(started, patience) {
            let ready = self.ready.as_mut();
            if let Some(medium) = ready.and_then(|ready| ready.search.take()) {
                return Ok(medium);
            }
            let next = delayed.peek().map_or(rest, |(after, _)| {
                rest.min(after.saturating_sub(started.elapsed()))
            });
            self.wait(next);
            if let Some(medium) = self.take_news() {
                return Ok(medium);
            }
            if let Some((_, act)) = delayed.next_if(|(after, _)| *after <= started.elapsed()) {
                act(self);
            }
        }
        look_inside(self);
        self.look_at_unknown();
        let damage = self.ready.as_ref().and_then(|ready| ready.search.damage());
        Err(match damage {
            Some(reason) => Failure::BadMedium { reason },
            None => Failure::NoMedium {
                choice: self.instructions.command_line.medium.clone(),
                waited: patience,
                nearest: self.ready.as_ref().and_then(|ready| ready.search.nearest()),
                undriven: self.undriven(),
            },
        })
    }

    /// How much longer to wait; `None` where it was long enough. A stick that was found is waited for.
    fn rest_of(&self, started: Instant, patience: Duration) -> Option<Duration> {
        let search = &self.ready.as_ref()?.search;
        let deadline = started + patience.min(LONGEST_PATIENCE);
        let rest = search
            .deadline(deadline)
            .saturating_duration_since(Instant::now());
        let settling = search.settles_in();
        let answers = search.answers_in();
        let rest = rest
            .max(settling.unwrap_or_default())
            .max(answers.unwrap_or_default());
        (settling.is_some() || !rest.is_zero()).then_some(rest)
    }

    fn wait(&self, limit: Duration) {
        let News { sources, interval } = self.news();
        let limit = interval.map_or(limit, |interval| interval.min(limit));
        let sources = sources.into_iter();
        let mut sources: Vec<_> = sources
            .map(|source| PollFd::from_borrowed_fd(source, PollFlags::IN))
            .collect();
        // Too long, or interrupted: the caller looks at the clock anyway.
        let _ = poll(&mut sources, Timespec::try_from(limit).ok().as_ref());
    }

    /// A disk that does not answer has not been announced.
    fn look_at_unknown(&mut self) {
        if let Some(ready) = &mut self.ready {
            ready.search.look_at_unknown();
        }
    }

    /// Checks the stick that is mounted, where it was asked for. Once is enough, whatever comes of it.
    fn check(&mut self, stick: &BlockDevice) -> Result<(), Failure> {
        if !std::mem::take(&mut self.instructions.command_line.check_stick) {
            return Ok(());
        }
        self.request_keyboards();
        let verdict = check::check(Path::new(MOUNT_POINT), self.report);
        if !verdict.is_good()
            && let Some(failure) = pulled(stick)
        {
            return Err(failure);
        }
        self.report.checked(&verdict.lines());
        if !verdict.is_good() {
            return Err(Failure::BadFiles(verdict));
        }
        rescue::show_good(self, &verdict);
        Ok(())
    }

    fn lay_root_and_leave(&mut self, medium: Medium) -> Result<Infallible, Failure> {
        let Some(loader) = self.ready.as_ref().map(|ready| ready.loader) else {
            return Err(Failure::NoMedium {
                choice: None,
                waited: Duration::ZERO,
                nearest: None,
                undriven: None,
            });
        };
        let shutdown = thread::Builder::new().spawn(shutdown::install);
        self.pause(BreakPoint::Overlay);
        let command_line = &self.instructions.command_line;
        let medium = match command_line.to_ram {
            true => to_ram::copy(medium, self.report)?,
            false => medium,
        };
        let size = command_line.overlay_size;
        let manifest = &medium.manifest;
        ram::check(manifest.ram, size, to_ram::in_ram_bytes(), self.report);
        layers::mount_all(&medium.image, size, loader, self.report)?;
        let program = Program::find(command_line)?;
        self.furnish(&medium, &program, loader);
        self.note_twins();
        let beacon_port = self.instructions.beacon_port.as_deref();
        if let Some(port) = beacon_port {
            beacon::prepare(port, &program, self.report);
        }
        self.pause(BreakPoint::Init);
        loader.stop();
        self.report.step("modules at rest");
        if let Some(reason) = outcome(shutdown) {
            let text = "the system will go off without letting go of the stick";
            self.report.notice(&format!("{text}: {reason}"));
        }
        self.report.save();
        let way = hand_over::switch_root()?;
        self.report.step(&format!("root changed by {way}"));
        setup::hurry(false);
        if let Some(port) = beacon_port {
            beacon::start_watcher(port, &program, self.report);
        }
        self.report.hand_over();
        self.report.save();
        Err(self.program.insert(program).start())
    }

    /// Says so where the same stick is there twice: one may have come up after the other was found.
    fn note_twins(&mut self) {
        let (Some(socket), Some(ready)) = (&self.socket, &mut self.ready) else {
            return;
        };
        let batch = Batch::take(socket);
        let disks = batch.events.iter();
        let disks = disks.filter(|event| event.action == "add" && event.is_disk());
        let names: Vec<_> = disks.map(Uevent::name).collect();
        ready.search.look_for_twins(&names);
    }

    /// Stops here, where `break=` asks for it.
    fn pause(&self, point: BreakPoint) {
        if self.instructions.command_line.break_points.contains(&point) {
            self.request_keyboards();
            rescue::pause(self, point);
        }
    }
}

impl Boot {
    /// What the system finds besides its own files.
    fn furnish(&self, medium: &Medium, program: &Program, loader: &Loader) {
        let command_line = &self.instructions.command_line;
        let stores = &medium.manifest.stores;
        layers::mount_stores(stores, command_line.overlay_size, self.report);
        if !command_line.use_internal_disks {
            let (root, run) = (Path::new(layers::ROOT), Path::new("/run"));
            let laid = hands_off::lay(root, run, program.is_systemd());
            if let Err(error) = laid {
                let text = "the system may use the computer's own disks";
                self.report.notice(&format!("{text}: {error}"));
            }
        }
        if let Some(size) = command_line.zram {
            ram::compress(size, loader, self.report);
        }
    }
}

impl Ready {
    fn look_at_news(&mut self, socket: Option<&UeventSocket>, report: &Report) {
        let batch = socket.map_or_else(Batch::lost, Batch::take);
        if batch.overrun {
            if socket.is_some() {
                report.notice("events of devices were lost: looking at all of them again");
            }
            coldplug::request_all(self.loader);
            self.search.look_at_all();
            return;
        }
        let events = batch.events.iter();
        for modalias in events.filter_map(|event| event.modalias.as_deref()) {
            self.loader.request(modalias);
        }
        let block = batch.events.iter();
        let block = block.filter(|event| event.subsystem == "block");
        let names: Vec<_> = block.map(Uevent::name).collect();
        self.search.look_at_named(&names);
    }
}

/// Why what was read from the stick failed, where the reason is that it was pulled out. The kernel
/// refuses to read from it a moment before it says that it is gone. A stick that is in RAM was not read.
fn pulled(stick: &BlockDevice) -> Option<Failure> {
    if to_ram::in_ram_bytes() > 0 {
        return None;
    }
    let deadline = Instant::now() + GOING_PATIENCE;
    while BlockDevice::read(&stick.name).is_some() {
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(GOING_INTERVAL);
    }
    let name = stick.name.clone();
    Some(Failure::Pulled { name })
}

/// How long the kernel may take to notice that a stick is gone from which it cannot read, and how often
/// to look.
const GOING_PATIENCE: Duration = Duration::from_secs(1);
const GOING_INTERVAL: Duration = Duration::from_millis(20);

/// Why a thread failed, where it did.
fn outcome(thread: io::Result<JoinHandle<io::Result<()>>>) -> Option<String> {
    match thread.map(JoinHandle::join) {
        Ok(Ok(done)) => done.err().map(|error| error.to_string()),
        // A thread cannot end in a panic: the process would have ended with it.
        Ok(Err(_)) => None,
        Err(error) => Some(error.to_string()),
    }
}

const RESCAN_INTERVAL: Duration = Duration::from_millis(500);

/// Those whose devices do not always ask for them, and the way to them.
const KEYBOARDS: [&str; 8] = [
    "xhci_pci",
    "ehci_pci",
    "ohci_pci",
    "uhci_hcd",
    "i8042",
    "atkbd",
    "usbhid",
    "hid_generic",
];

/// A hundred years: what is longer, no clock can add up.
const LONGEST_PATIENCE: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What is done when the stick does not show up, and when.
type Delayed = (Duration, fn(&mut Boot));

const DELAYED: [Delayed; 3] = [
    (Duration::from_secs(2), look_inside),
    (Duration::from_secs(3), say_what_for),
    (Duration::from_secs(10), say_what_is_there),
];

/// A USB stick would have been seen by now.
fn look_inside(boot: &mut Boot) {
    if let Some(ready) = &boot.ready {
        boot.report.step("looking at the disks inside");
        ready.loader.expect_hangs();
        coldplug::request_all(ready.loader);
    }
}

fn say_what_for(boot: &mut Boot) {
    boot.look_at_unknown();
    if let Some(ready) = &boot.ready {
        let identity = ready.search.wanted().seal.identity;
        boot.report.notice(&format!(
            "waiting for the stick (`{}` with the identity {identity})",
            paths::MANIFEST
        ));
    }
}

fn say_what_is_there(boot: &mut Boot) {
    boot.look_at_unknown();
    let table = boot.table();
    if table.is_empty() {
        boot.report
            .notice("no disk of any kind has shown up so far");
    }
    for line in table {
        boot.report.notice(&format!("not the stick: {line}"));
    }
}
