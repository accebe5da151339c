//! The boot, step by step.

use crate::coldplug;
use crate::failure::Failure;
use crate::hand_over::{self, Program};
use crate::instructions::{self, Instructions};
use crate::loader::Loader;
use crate::medium::Medium;
use crate::report::Report;
use crate::rescue::{self, Next};
use crate::search::Search;
use crate::uevents::{Batch, Uevent};
use crate::{beacon, layers, loader, setup};
use livestick_handoff::{Seal, paths};
use livestick_sys::UeventSocket;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::thread;
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
            Next::Found(medium) => found = Some(medium),
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

#[derive(Debug)]
struct Ready {
    seal: Seal,
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
            None => self.find(patience)?,
        };
        self.report
            .step(&format!("the stick is {}", medium.device.name));
        let failed = self.lay_root_and_leave(medium);
        // Events of this stick that still wait are no news: it would be found once more, and fail.
        let _ = self.take_news();
        failed
    }

    /// Takes down what a failed attempt left, except where there is no way back.
    fn undo(&self) {
        if self.program.is_none() {
            layers::unmount_all();
        }
    }

    /// The list of devices that are not the stick, a line each.
    pub fn table(&self) -> Vec<String> {
        self.ready
            .as_ref()
            .map(|ready| ready.search.table())
            .unwrap_or_default()
    }

    /// The list of hardware that there is no driver for, a line each.
    pub fn unsupported(&self) -> Vec<String> {
        let loader = self.ready.as_ref().map(|ready| ready.loader);
        loader.map(coldplug::unsupported).unwrap_or_default()
    }

    /// What to wait on for news of devices, and how long to wait for it at most.
    pub fn news(&self) -> (Option<BorrowedFd<'_>>, Option<Duration>) {
        let listening = self.socket.as_ref().filter(|_| self.program.is_none());
        let interval = (self.socket.is_none() && self.program.is_none()).then_some(RESCAN_INTERVAL);
        (listening.map(AsFd::as_fd), interval)
    }

    /// Deals with what came and went since the last time: asks for modules, and looks at what is on
    /// new block devices. Gives the stick, where it is among them.
    pub fn take_news(&mut self) -> Option<Medium> {
        let ready = self.ready.as_mut().filter(|_| self.program.is_none())?;
        let Some(socket) = &self.socket else {
            return ready.look_again();
        };
        let batch = Batch::take(socket);
        if batch.overrun {
            let text = "events of devices were lost: looking at all of them again";
            self.report.notice(text);
            return ready.look_again();
        }
        let events = batch.events.iter();
        for modalias in events.filter_map(|event| event.modalias.as_deref()) {
            ready.loader.request(modalias);
        }
        let block = batch.events.iter();
        let block = block.filter(|event| event.subsystem == "block");
        let names: Vec<_> = block.map(Uevent::name).collect();
        ready.search.look_at_named(&names, &ready.seal)
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
        if !coldplug::request_stick_hosts(loader) {
            coldplug::request_all(loader);
        }
        loader.preload();
        let search = Search::new(loader, self.report);
        self.ready = Some(Ready {
            seal,
            loader,
            search,
        });
        self.report.step("initramfs read, modules requested");
        Ok(())
    }

    /// Waits for the stick, and says so when it takes long.
    fn find(&mut self, patience: Duration) -> Result<Medium, Failure> {
        let started = Instant::now();
        let ready = self.ready.as_mut();
        if let Some(medium) = ready.and_then(|ready| ready.search.look_at_all(&ready.seal)) {
            return Ok(medium);
        }
        let mut delayed = DELAYED.iter().peekable();
        while started.elapsed() < patience {
            let until = delayed
                .peek()
                .map_or(patience, |(after, _)| patience.min(*after));
            self.wait(until.saturating_sub(started.elapsed()));
            if let Some(medium) = self.take_news() {
                return Ok(medium);
            }
            if let Some((_, act)) = delayed.next_if(|(after, _)| *after <= started.elapsed()) {
                act(self);
            }
        }
        look_inside(self);
        let ready = self.ready.as_ref();
        let damaged = ready.and_then(|ready| ready.search.damaged_stick());
        Err(match damaged {
            Some(reason) => Failure::BadMedium { reason },
            None => Failure::NoMedium { waited: patience },
        })
    }

    fn wait(&self, limit: Duration) {
        match self.news() {
            (Some(socket), _) => {
                let mut sources = [PollFd::from_borrowed_fd(socket, PollFlags::IN)];
                // Too long, or interrupted: the caller looks at the clock anyway.
                let _ = poll(&mut sources, Timespec::try_from(limit).ok().as_ref());
            }
            (None, interval) => thread::sleep(interval.unwrap_or(limit).min(limit)),
        }
    }

    fn lay_root_and_leave(&mut self, medium: Medium) -> Result<Infallible, Failure> {
        let Some(ready) = &self.ready else {
            return Err(Failure::NoMedium {
                waited: Duration::ZERO,
            });
        };
        let size = self.instructions.command_line.overlay_size;
        layers::mount_all(&medium.image, size, ready.loader, self.report)?;
        let program = Program::find(&self.instructions.command_line)?;
        let beacon_port = self.instructions.beacon_port.as_deref();
        if let Some(port) = beacon_port {
            beacon::prepare(port, &program, self.report);
        }
        ready.loader.stop();
        self.report.step("modules at rest");
        self.report.save();
        hand_over::switch_root()?;
        setup::hurry(false);
        if let Some(port) = beacon_port {
            beacon::start_watcher(port, &program, self.report);
        }
        self.report.hand_over();
        self.report.save();
        Err(self.program.insert(program).start())
    }
}

impl Ready {
    fn look_again(&mut self) -> Option<Medium> {
        coldplug::request_all(self.loader);
        self.search.look_at_all(&self.seal)
    }
}

const RESCAN_INTERVAL: Duration = Duration::from_millis(500);

/// What is done when the stick does not show up, and when.
type Delayed = (Duration, fn(&Boot));

const DELAYED: [Delayed; 3] = [
    (Duration::from_secs(2), look_inside),
    (Duration::from_secs(3), say_what_for),
    (Duration::from_secs(10), say_what_is_there),
];

/// A USB stick would have been seen by now.
fn look_inside(boot: &Boot) {
    if let Some(ready) = &boot.ready {
        boot.report.step("looking at the disks inside");
        coldplug::request_all(ready.loader);
    }
}

fn say_what_for(boot: &Boot) {
    if let Some(ready) = &boot.ready {
        let identity = ready.seal.identity;
        boot.report.notice(&format!(
            "waiting for the stick (`{}` with the identity {identity})",
            paths::MANIFEST
        ));
    }
}

fn say_what_is_there(boot: &Boot) {
    let table = boot.table();
    if table.is_empty() {
        boot.report
            .notice("no disk of any kind has shown up so far");
    }
    for line in table {
        boot.report.notice(&format!("not the stick: {line}"));
    }
}
