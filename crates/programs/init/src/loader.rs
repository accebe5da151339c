//! Loads kernel modules, several at a time.

use crate::aliases;
use crate::apart;
use crate::instructions;
use crate::report::Report;
use crate::schedule::Schedule;
use livestick_handoff::{CommandLine, ModulePlan, paths};
use livestick_sys::LoopDevice;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{io, path::Path};

/// Begins with the bus that nearly every stick is on: it takes longest, and there is much to read
/// meanwhile. Whoever asks for these modules later waits for them, as the kernel has it.
pub fn begin() {
    let work = || {
        let command_line = instructions::command_line();
        for name in BUS {
            // What fails, or is built into the kernel, is dealt with in its turn.
            let _ = insert(name, &command_line);
        }
    };
    // Without a thread it begins later.
    let _ = thread::Builder::new().spawn(work);
}

/// In the order to load them.
const BUS: [&str; 2] = ["usb_common", "usbcore"];

/// The pool of threads that load modules, and what is loaded. It lives as long as `/init`.
#[derive(Debug)]
pub struct Loader {
    plan: &'static ModulePlan,
    by_name: BTreeMap<&'static str, usize>,
    command_line: CommandLine,
    report: &'static Report,
    schedule: Mutex<Schedule>,
    changed: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Whether each module is loaded by a process of its own.
    apart: AtomicBool,
}

/// The name under which this program loads one module.
pub const INSERT: &str = "livestick-insert";

/// How long loading a module is waited for where it may hang. A driver comes back once every disk of its
/// kind has answered, or has been given up.
const INSERT_PATIENCE: Duration = Duration::from_secs(20);

impl Loader {
    /// Starts as many threads as there are processors. Plan and loader stay for the life of `/init`,
    /// so that threads can share them without counting.
    pub fn start(
        plan: ModulePlan,
        command_line: &CommandLine,
        report: &'static Report,
    ) -> &'static Self {
        let plan: &'static ModulePlan = Box::leak(Box::new(plan));
        let modules = plan.modules.iter().enumerate();
        let by_name = modules
            .map(|(index, module)| (module.name.as_str(), index))
            .collect();
        let loader: &'static Self = Box::leak(Box::new(Self {
            schedule: Mutex::new(Schedule::new(plan, &by_name)),
            plan,
            by_name,
            command_line: command_line.clone(),
            report,
            changed: Condvar::new(),
            threads: Mutex::new(Vec::new()),
            apart: AtomicBool::new(false),
        }));
        loader.run();
        loader
    }

    fn run(&'static self) {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let spawned = (0..count).map(|_| thread::Builder::new().spawn(|| self.work()));
        self.threads().extend(spawned.filter_map(Result::ok));
    }

    /// Asks for the modules that are wanted in any case, in their order.
    pub fn preload(&self) {
        let modules = self.plan.modules.iter().enumerate();
        let preloaded = modules.filter(|(_, module)| module.preload);
        let indices = preloaded.map(|(index, _)| index);
        self.schedule().put_last(indices);
        self.changed.notify_all();
    }

    /// Asks for the modules of a device that is there, before those that may never be needed.
    pub fn request(&self, modalias: &str) {
        self.put_first(modalias, Schedule::put_first);
    }

    /// Asks for these modules, whatever devices there are.
    pub fn request_named(&self, names: &[&str]) {
        let wanted = names.iter().filter_map(|name| self.by_name.get(name));
        for index in wanted {
            self.schedule().put_first(*index);
        }
        self.changed.notify_all();
    }

    /// Asks for all that the modules of a device need, but not for these yet; nothing else is loaded
    /// before they are.
    pub fn expect(&self, modalias: &str) {
        self.put_first(modalias, Schedule::expect);
    }

    /// Whether there is a module for a device of this modalias.
    pub fn knows(&self, modalias: &str) -> bool {
        aliases::modules(&self.plan.aliases, modalias)
            .next()
            .is_some()
    }

    /// Returns once these modules are loaded; this thread helps. One that is not in the initramfs is
    /// taken to be built into the kernel.
    pub fn load_now(&self, names: &[&str]) {
        let wanted: Vec<_> = names
            .iter()
            .filter_map(|name| self.by_name.get(name))
            .collect();
        for index in wanted.iter().rev() {
            self.schedule().put_first(**index);
        }
        let all_done = |schedule: &Schedule| wanted.iter().all(|index| schedule.is_done(**index));
        while let Some(index) = self.next_unless(all_done) {
            self.load(index);
        }
    }

    /// Lets what is loading finish, except for what may hang, and loads nothing more: the root changes next, and the system
    /// that runs then has all modules.
    pub fn stop(&self) {
        self.schedule().stopped = true;
        self.changed.notify_all();
        for thread in self.threads().drain(..) {
            // A thread cannot end in a panic: the process would have ended with it.
            let _ = thread.join();
        }
    }

    /// From now on there may be drivers of disks among the modules, which come back only when every disk
    /// has answered. It takes longer.
    pub fn expect_hangs(&self) {
        self.apart.store(true, Ordering::Relaxed);
    }

    /// Goes on after [`Self::stop`]: the root did not change after all.
    pub fn resume(&'static self) {
        if std::mem::take(&mut self.schedule().stopped) {
            self.run();
        }
    }

    fn put_first(&self, modalias: &str, put: fn(&mut Schedule, usize)) {
        let names = aliases::modules(&self.plan.aliases, modalias);
        let wanted: Vec<_> = names.filter_map(|name| self.by_name.get(name)).collect();
        if wanted.is_empty() {
            return;
        }
        let mut schedule = self.schedule();
        for index in wanted {
            put(&mut schedule, *index);
        }
        drop(schedule);
        self.changed.notify_all();
    }

    fn work(&self) {
        while let Some(index) = self.next_unless(|_| false) {
            self.load(index);
        }
    }

    /// Waits for a module that can be loaded now; `None` once there is no need for one.
    fn next_unless(&self, enough: impl Fn(&Schedule) -> bool) -> Option<usize> {
        let mut schedule = self.schedule();
        loop {
            if schedule.stopped || enough(&schedule) {
                return None;
            }
            let next = schedule.take();
            if next.is_some() {
                return next;
            }
            let waited = self.changed.wait(schedule);
            schedule = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn load(&self, index: usize) {
        if let Some(module) = self.plan.modules.get(index) {
            let started = Instant::now();
            let loaded = if self.apart.load(Ordering::Relaxed) {
                let is_patient = || started.elapsed() < INSERT_PATIENCE && !self.schedule().stopped;
                apart::run_while(INSERT, &module.name, is_patient)
            } else {
                Some(insert(&module.name, &self.command_line))
            };
            self.say(&module.name, started, loaded);
            if module.name == "loop" {
                // Here it takes nobody's time. Where it fails, attaching says why.
                let _ = LoopDevice::prepare();
            }
        }
        self.schedule().finish(index);
        self.changed.notify_all();
    }

    fn say(&self, name: &str, started: Instant, loaded: Option<io::Result<()>>) {
        let milliseconds = started.elapsed().as_millis();
        let report = self.report;
        let Some(loaded) = loaded else {
            let seconds = started.elapsed().as_secs();
            return report.notice(&format!(
                "module {name} is not loaded after {seconds} s: a disk does not answer"
            ));
        };
        match loaded {
            Ok(()) => report.step(&format!("module {name} in {milliseconds} ms")),
            // Nothing to drive: many a module says so after a look at the machine.
            Err(error) if error.raw_os_error() == Some(Errno::NODEV.raw_os_error()) => {
                report.step(&format!("module {name} has nothing to do here"));
            }
            Err(error) => report.notice(&format!("module {name} cannot be loaded: {error}")),
        }
    }

    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Loads one module, whose dependencies are loaded. It is no error if it is loaded already.
pub fn insert(name: &str, command_line: &CommandLine) -> io::Result<()> {
    let file = File::open(Path::new(paths::MODULES).join(format!("{name}.ko")))?;
    let options = CString::new(options(name, command_line))?;
    match rustix::system::finit_module(&file, &options, 0) {
        Err(Errno::EXIST) => Ok(()),
        done => Ok(done?),
    }
}

/// Loads the one module that the arguments name, in a process of its own.
pub fn run_insert(arguments: &[String]) -> ExitCode {
    let name = arguments.first().map(String::as_str).unwrap_or_default();
    apart::exit_code(insert(name, &instructions::command_line()))
}

/// Sets the default options of what is built into the kernel. Where the command line says otherwise,
/// the kernel has obeyed it already.
pub fn set_builtin_defaults(plan: &ModulePlan, command_line: &CommandLine) {
    for Default {
        module,
        option,
        value,
    } in DEFAULTS
    {
        let is_module = plan.modules.iter().any(|planned| planned.name == *module);
        let options = command_line.options_of(module);
        if !is_module && !options.contains(option) {
            // Without it, it is slower, no more.
            let _ = fs::write(format!("/sys/module/{module}/parameters/{option}"), value);
        }
    }
}

struct Default {
    module: &'static str,
    option: &'static str,
    value: &'static str,
}

/// Options that the command line overrides: of two values for one the kernel takes the last.
const DEFAULTS: &[Default] = &[
    // The kernel waits a second for slow sticks to settle. One that does need it is found a moment
    // later, by the event of its disk.
    Default {
        module: "usb_storage",
        option: "delay_use",
        value: "0",
    },
];

fn options(module: &str, command_line: &CommandLine) -> String {
    let defaults = DEFAULTS.iter().filter(|default| default.module == module);
    let mut text = String::new();
    for Default { option, value, .. } in defaults {
        text += &format!("{option}={value} ");
    }
    text + &command_line.options_of(module)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_has_the_last_word() {
        let command_line = CommandLine::parse("usb-storage.delay_use=5 loop.max_loop=4");
        let both = "delay_use=0 delay_use=5";
        assert_eq!(options("usb_storage", &command_line), both);
        assert_eq!(options("loop", &command_line), "max_loop=4");
        assert_eq!(options("vfat", &command_line), "");
    }
}
