//! What `/init` says while it works: to the console, to serial ports that want it, and to the log
//! that stays on the running system.

use crate::instructions::Instructions;
use crate::{consoles, setup};
use livestick_handoff::{oem, paths};
use rustix::time::{ClockId, clock_gettime};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes lines from any thread.
#[derive(Debug)]
pub struct Report {
    debug: bool,
    quiet: bool,
    /// The serial ports that get every line.
    ports: Vec<String>,
    /// Those of them that are not the console.
    apart: Vec<String>,
    outlets: Mutex<Outlets>,
}

#[derive(Debug)]
struct Outlets {
    /// Every line so far, each with its time in seconds since the kernel started.
    log: String,
    console: Option<File>,
    /// These get every line.
    ports: Vec<File>,
}

fn open_all(ports: &[String]) -> Vec<File> {
    let opened = ports.iter().map(|port| consoles::open_to_write(port));
    opened.flatten().collect()
}

impl Report {
    pub fn open(instructions: &Instructions) -> Self {
        // A port that is the console already hears everything there, and once is enough.
        let active = consoles::active();
        let preferred = active.last();
        let is_console = |port: &String| Some(port) == preferred;
        let (doubled, apart): (Vec<_>, Vec<_>) =
            instructions.log_ports.iter().cloned().partition(is_console);
        Self {
            debug: instructions.command_line.debug || !doubled.is_empty(),
            quiet: instructions.command_line.quiet && doubled.is_empty(),
            ports: instructions.log_ports.clone(),
            outlets: Mutex::new(Outlets {
                log: String::new(),
                console: consoles::open_to_write("console"),
                ports: open_all(&apart),
            }),
            apart,
        }
    }

    /// One that nobody hears.
    #[cfg(test)]
    pub fn silent() -> Self {
        Self {
            debug: false,
            quiet: true,
            ports: Vec::new(),
            apart: Vec::new(),
            outlets: Mutex::new(Outlets {
                log: String::new(),
                console: None,
                ports: Vec::new(),
            }),
        }
    }

    /// The serial ports that get every line, by name.
    pub fn ports(&self) -> &[String] {
        &self.ports
    }

    /// Opens the ports anew, after a shell that ran on them: the kernel hangs a terminal up for everybody
    /// when the shell that controls it ends. It spares only the console.
    pub fn reopen(&self) {
        self.outlets().ports = open_all(&self.apart);
    }

    /// A step that was done: on the console only where `debug` asks for it.
    pub fn step(&self, text: &str) {
        self.timed(text, self.debug);
    }

    /// Something that a person should see.
    pub fn notice(&self, text: &str) {
        self.timed(text, true);
    }

    /// Something that nobody should miss, whichever console they sit at.
    pub fn announce(&self, text: &str) {
        let time = now();
        let line = format!("livestick: {text}\n");
        for name in consoles::all(&self.ports) {
            if let Some(mut console) = consoles::open_to_write(&name) {
                // What cannot be written to has no reader.
                let _ = console.write_all(line.as_bytes());
            }
        }
        self.outlets().note(&time, text);
    }

    /// `/init` started, at this time of `/proc/uptime`.
    pub fn started(&self, uptime: &str) {
        self.exact(&format!("{}{uptime}", oem::INIT_STARTED), !self.quiet);
    }

    /// `/init` is about to start the root's own init.
    pub fn hand_over(&self) {
        self.exact(
            &format!("{}{}", oem::HAND_OVER, setup::uptime()),
            !self.quiet,
        );
    }

    /// `/init` gave up. The rescue screen tells the person.
    pub fn rescue(&self, reason: &str) {
        self.exact(&format!("{}{reason}", oem::RESCUE), self.debug);
    }

    /// What came of a check of the stick. The screen tells the person.
    pub fn checked(&self, lines: &[String]) {
        for line in lines {
            self.exact(&format!("{}{line}", oem::CHECK), self.debug);
        }
    }

    /// Everything was taken down, or not all of it.
    pub fn shut_down(&self, verdict: &str) {
        self.exact(&format!("{}{verdict}", oem::SHUTDOWN), self.debug);
    }

    /// Leaves the log on the running system.
    pub fn save(&self) {
        // Without it the system runs just as well.
        let _ = fs::write(paths::LIVE_LOG, &self.outlets().log);
    }

    fn timed(&self, text: &str, to_console: bool) {
        let time = now();
        self.line(&format!("livestick: [{time}] {text}\n"), to_console);
        self.outlets().note(&time, text);
    }

    /// A line that a test harness knows by its beginning.
    fn exact(&self, text: &str, to_console: bool) {
        self.line(&format!("{text}\n"), to_console);
        self.outlets().note(&now(), text);
    }

    fn line(&self, line: &str, to_console: bool) {
        let mut outlets = self.outlets();
        // What cannot be written to has no reader.
        if let Some(console) = outlets.console.as_mut().filter(|_| to_console) {
            let _ = console.write_all(line.as_bytes());
        }
        for port in &mut outlets.ports {
            let _ = port.write_all(line.as_bytes());
        }
    }

    fn outlets(&self) -> MutexGuard<'_, Outlets> {
        self.outlets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlets {
    fn note(&mut self, time: &str, text: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.log, "{time} {text}");
    }
}

/// Seconds since the kernel started, as its own messages have them.
fn now() -> String {
    let now = clock_gettime(ClockId::Boottime);
    format!("{:5}.{:03}", now.tv_sec, now.tv_nsec / 1_000_000)
}
