//! A boot from power-on to its end.

use crate::drives;
use crate::observer::Observer;
use crate::qemu::Qemu;
use crate::qmp::{self, Message};
use crate::report::{BlockStats, Ending, Report};
use crate::{Error, Machine, Step, Watch};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

/// How often the deadline and the caller's wish to stop are looked at.
const TICK: Duration = Duration::from_millis(50);
/// How long QEMU may take to answer a command. It is busy with the guest, perhaps on a busy machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);
/// How long QEMU may take to end when it is asked to; then it is ended.
const QUIT_TIMEOUT: Duration = Duration::from_secs(5);

/// Boots the machine and watches it until what `watch` waits for, a failure, or the machine's
/// timeout. `interrupted` is asked many times a second whether to stop.
///
/// # Errors
/// Where there is no QEMU or firmware, QEMU ends or does not answer, or the caller interrupts. A
/// system that does not come up is no error but the report's [`Ending`].
pub fn boot(
    machine: &Machine,
    watch: &Watch,
    interrupted: &dyn Fn() -> bool,
) -> Result<Report, Error> {
    let mut session = Session::start(machine, watch)?;
    session.execute("qmp_capabilities", Value::Null)?;
    let ending = loop {
        if let Some(ending) = session.ending() {
            break ending;
        }
        if interrupted() {
            return Err(Error::Interrupted);
        }
        if session.power_on.elapsed() >= machine.timeout {
            break Ending::TimedOut;
        }
        session.pump(TICK)?;
        session.follow_script(machine)?;
    };
    session.report(machine, ending)
}

/// What arrives from QEMU, with the time.
enum Event {
    Serial(Vec<u8>, Instant),
    Control(Message),
    /// A connection was closed: QEMU has ended.
    Closed,
}

/// A machine that is switched on.
pub(crate) struct Session<'a> {
    pub(crate) qemu: Qemu,
    power_on: Instant,
    events: Receiver<Event>,
    observer: Observer<'a>,
    answer: Option<Result<Value, String>>,
    stopped: Option<String>,
    /// The name of the stick's drive; `None` while it is not plugged in.
    pub(crate) stick: Option<String>,
    pub(crate) plugged_again: usize,
    /// What was read and written before the stick was pulled out.
    pub(crate) pulled_stats: BlockStats,
    /// What the screen showed when the script asked for it.
    pub(crate) screens: Vec<String>,
    /// What was read from the stick when the script asked for it.
    pub(crate) figures: Vec<BlockStats>,
}

impl<'a> Session<'a> {
    fn start(machine: &Machine, watch: &'a Watch) -> Result<Self, Error> {
        let power_on = Instant::now();
        let qemu = Qemu::start(machine)?;
        let (sender, events) = mpsc::channel();
        let copy = |stream: &UnixStream| {
            let what = "connections";
            stream
                .try_clone()
                .map_err(|source| Error::Prepare { what, source })
        };
        let (serial, control) = (copy(&qemu.serial)?, copy(&qemu.control)?);
        let serial_sender = sender.clone();
        // Both threads end when QEMU has, which the session sees to.
        thread::spawn(move || forward_serial(serial, &serial_sender));
        thread::spawn(move || forward_control(control, &sender));
        Ok(Self {
            qemu,
            power_on,
            events,
            observer: Observer::new(watch),
            answer: None,
            stopped: None,
            stick: Some(drives::STICK.to_owned()),
            plugged_again: 0,
            pulled_stats: BlockStats::default(),
            screens: Vec::new(),
            figures: Vec::new(),
        })
    }

    fn ending(&self) -> Option<Ending> {
        let stopped = self
            .stopped
            .clone()
            .map(|reason| Ending::Stopped { reason });
        self.observer.ending().or(stopped)
    }

    /// Does what is due. A machine that has stopped takes no orders.
    fn follow_script(&mut self, machine: &Machine) -> Result<(), Error> {
        for action in self.observer.script.take_due(self.power_on.elapsed()) {
            if self.stopped.is_none() {
                self.perform(machine, action)?;
            }
        }
        Ok(())
    }

    /// Takes what has arrived, or waits a little for it.
    fn pump(&mut self, wait: Duration) -> Result<(), Error> {
        match self.events.recv_timeout(wait) {
            Ok(Event::Serial(bytes, at)) => self.see(&bytes, at),
            Ok(Event::Control(Message::Return(value))) => self.answer = Some(Ok(value)),
            Ok(Event::Control(Message::Error(reason))) => self.answer = Some(Err(reason)),
            Ok(Event::Control(Message::Shutdown(reason))) => self.stopped = Some(reason),
            Ok(Event::Control(Message::Other)) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Event::Closed) | Err(RecvTimeoutError::Disconnected) => {
                return Err(self.qemu.died());
            }
        }
        Ok(())
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn execute(&mut self, name: &'static str, arguments: Value) -> Result<Value, Error> {
        let failed = |message| Error::Protocol {
            command: name,
            message,
        };
        self.answer = None;
        let text = qmp::command(name, arguments);
        if self.qemu.control.write_all(text.as_bytes()).is_err() {
            return Err(self.qemu.died());
        }
        let deadline = Instant::now() + ANSWER_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(answer) = self.answer.take() {
                return answer.map_err(failed);
            }
            self.pump(TICK)?;
        }
        Err(failed("no answer".to_owned()))
    }

    fn report(mut self, machine: &Machine, ending: Ending) -> Result<Report, Error> {
        let elapsed = self.power_on.elapsed();
        let stick = self.stick_stats()?;
        let disks = self.drive_stats((0..machine.disks.len()).map(drives::disk))?;
        let screenshot = match ending {
            Ending::Reached => None,
            _ => self.screenshot(),
        };
        self.quit();
        // What the guest said last may have arrived after the news that it stopped.
        let ending = match ending {
            Ending::Stopped { .. } => self.observer.ending().unwrap_or(ending),
            _ => ending,
        };
        let observer = self.observer;
        Ok(Report {
            ending,
            elapsed,
            init_started: observer.init_started,
            hand_over: observer.hand_over,
            login_prompt: observer.login_prompt,
            serial_log: observer.log(),
            beacon: observer.beacon,
            rescue: observer.rescue,
            waited_for: observer.script.next().map(Step::to_string),
            stick,
            disks,
            screens: self.screens,
            figures: self.figures,
            screenshot,
            accelerator: machine.accelerator,
        })
    }

    /// The stick's figures since power-on, whether or not it is plugged in now.
    pub(crate) fn stick_stats(&mut self) -> Result<BlockStats, Error> {
        let now = match self.stick.clone() {
            Some(name) => self.drive_stats([name])?.pop(),
            None => None,
        };
        Ok(self.pulled_stats + now.unwrap_or_default())
    }

    fn drive_stats(
        &mut self,
        names: impl IntoIterator<Item = String>,
    ) -> Result<Vec<BlockStats>, Error> {
        let command = "query-blockstats";
        let answer = self.execute(command, Value::Null)?;
        let names = names.into_iter();
        let stats = names.map(|name| {
            let missing = || format!("the drive `{name}` is missing");
            qmp::block_stats(&answer, &name).ok_or_else(|| Error::Protocol {
                command,
                message: missing(),
            })
        });
        stats.collect()
    }

    /// The screen, where this QEMU can make a PNG of it (from 7.1 on). It only illustrates a report,
    /// so a failure is no error.
    fn screenshot(&mut self) -> Option<Vec<u8>> {
        let path = self.qemu.folder().join("screen.png");
        let arguments = json!({ "filename": path.to_str()?, "format": "png" });
        self.execute("screendump", arguments).ok()?;
        fs::read(path).ok()
    }

    /// Asks QEMU to end, and takes the rest of what it sent. What does not end by itself is ended
    /// with the session.
    fn quit(&mut self) {
        let text = qmp::command("quit", Value::Null);
        if self.qemu.control.write_all(text.as_bytes()).is_err() {
            return;
        }
        let deadline = Instant::now() + QUIT_TIMEOUT;
        // The channel closes when both connections have.
        while let Ok(event) = self.events.recv_timeout(left(deadline)) {
            if let Event::Serial(bytes, at) = event {
                self.see(&bytes, at);
            }
        }
    }

    fn see(&mut self, bytes: &[u8], at: Instant) {
        let after = at.saturating_duration_since(self.power_on);
        self.observer.see(bytes, after);
    }
}

fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn forward_serial(mut serial: UnixStream, events: &Sender<Event>) {
    let mut buffer = [0; 4096];
    // An error ends it like a closed connection; nobody may be listening any more.
    while let Ok(count @ 1..) = serial.read(&mut buffer) {
        let event = Event::Serial(buffer[..count].to_vec(), Instant::now());
        if events.send(event).is_err() {
            return;
        }
    }
    let _ = events.send(Event::Closed);
}

fn forward_control(control: UnixStream, events: &Sender<Event>) {
    for line in BufReader::new(control).split(b'\n') {
        let Ok(line) = line else { break };
        if events.send(Event::Control(Message::parse(&line))).is_err() {
            return;
        }
    }
    let _ = events.send(Event::Closed);
}

/// Real boots of a stick that is one sector long: its code prints a text on the serial port, as a
/// booting system would, and then does one more thing.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Bus, Disk, Firmware, Step, Until};
    use std::path::Path;
    use std::time::Duration;
    use tempfile::TempDir;

    /// Prints the text that follows the code, up to a NUL, on the serial port at 0x3f8, and goes on
    /// behind itself. The firmware gives the drive's number in dl.
    const PRINT: &[u8] = &[
        0x52, // push dx
        0x31, 0xc0, // xor ax, ax
        0x8e, 0xd8, // mov ds, ax
        0xfc, // cld
        0xbe, 0x80, 0x7c, // mov si, 0x7c80: the text
        0xba, 0xfd, 0x03, // mov dx, 0x3fd: line status
        0xec, // again: in al, dx
        0xa8, 0x20, // test al, 0x20: can it take a byte?
        0x74, 0xfb, // jz again
        0xac, // lodsb
        0x84, 0xc0, // test al, al
        0x74, 0x07, // jz done
        0xb2, 0xf8, // mov dl, 0xf8: data
        0xee, // out dx, al
        0xb2, 0xfd, // mov dl, 0xfd
        0xeb, 0xef, // jmp again
        0x5a, // done: pop dx
    ];

    /// hlt; jmp to it
    const HALT: &[u8] = &[0xf4, 0xeb, 0xfd];
    /// Writes the sector that was loaded to the stick's second sector, then halts.
    const WRITE: &[u8] = &[
        0xb8, 0x01, 0x03, // mov ax, 0x0301: write one sector
        0xbb, 0x00, 0x7c, // mov bx, 0x7c00: from here
        0xb9, 0x02, 0x00, // mov cx, 2: cylinder 0, sector 2
        0xb6, 0x00, // mov dh, 0: head 0
        0xcd, 0x13, // int 0x13
        0xf4, 0xeb, 0xfd, // hlt; jmp to it
    ];
    /// Pulls the reset line through the keyboard controller.
    const RESET: &[u8] = &[
        0xb0, 0xfe, // mov al, 0xfe
        0xe6, 0x64, // out 0x64, al
        0xf4, 0xeb, 0xfd, // hlt; jmp to it
    ];

    /// Sends back what comes in on the serial port.
    const ECHO: &[u8] = &[
        0xba, 0xfd, 0x03, // again: mov dx, 0x3fd: line status
        0xec, // in al, dx
        0xa8, 0x01, // test al, 1: has something come in?
        0x74, 0xf8, // jz again
        0xb2, 0xf8, // mov dl, 0xf8: data
        0xec, // in al, dx
        0xee, // out dx, al
        0xeb, 0xf2, // jmp again
    ];

    const TEXT_OFFSET: usize = 0x80;

    struct Stick {
        folder: TempDir,
        bytes: Vec<u8>,
    }

    impl Stick {
        fn new(text: &str, then: &[u8]) -> Self {
            let mut bytes = vec![0; 1 << 20];
            let code = [PRINT, then].concat();
            bytes[..code.len()].copy_from_slice(&code);
            bytes[TEXT_OFFSET..TEXT_OFFSET + text.len()].copy_from_slice(text.as_bytes());
            assert_eq!(bytes[509], 0, "the text is too long");
            bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
            let folder = tempfile::tempdir().unwrap();
            // A comma has a meaning in QEMU's options.
            fs::write(folder.path().join("a,stick.img"), &bytes).unwrap();
            Self { folder, bytes }
        }

        fn machine(&self) -> Machine {
            let image = self.folder.path().join("a,stick.img");
            Machine {
                memory_mib: 64,
                cpus: 1,
                timeout: Duration::from_secs(60),
                ..Machine::new(image, Firmware::Bios)
            }
        }

        /// Nothing is left: no process that uses the image, no change of it.
        fn assert_untouched(&self) {
            let machine = self.machine();
            assert!(
                fs::read(&machine.image).unwrap() == self.bytes,
                "the image has changed"
            );
            let folder = self.folder.path().file_name().unwrap().to_str().unwrap();
            for process in fs::read_dir("/proc").unwrap().flatten() {
                let line = fs::read(process.path().join("cmdline")).unwrap_or_default();
                let line = String::from_utf8_lossy(&line).into_owned();
                assert!(!line.contains(folder), "still running: {line}");
            }
        }
    }

    fn qemu_is_missing() -> bool {
        let missing = !Path::new("/usr/bin/qemu-system-x86_64").is_file();
        if missing {
            assert!(std::env::var_os("CI").is_none(), "QEMU is missing");
            eprintln!("skipped: QEMU is not installed");
        }
        missing
    }

    #[test]
    fn a_boot_is_reported_and_the_stick_stays_as_it_was() {
        if qemu_is_missing() {
            return;
        }
        let text = "livestick: init uptime=1.25 0.5\r\nlivestick: hand-over uptime=2.50 0.5\r\n\
                    livestick: state=running\r\nlivestick: root=rw,relatime\r\n\
                    livestick: beacon end\r\nstick login: ";
        let stick = Stick::new(text, HALT);
        let report = boot(&stick.machine(), &Watch::default(), &|| false).unwrap();
        assert_eq!(report.ending, Ending::Reached);
        let init = report.init_started.unwrap();
        assert_eq!(init.uptime, Some(Duration::from_millis(1250)));
        assert!(init.after > Duration::ZERO && init.after <= report.login_prompt.unwrap());
        assert_eq!(report.beacon.unwrap().root_options, "rw,relatime");
        assert!(report.stick.bytes_read >= 512 && report.stick.read_requests > 0);
        assert_eq!(report.stick.bytes_written, 0);
        assert!(report.serial_log.ends_with(text));
        assert_eq!(report.screenshot, None);
        stick.assert_untouched();
    }

    #[test]
    fn a_late_boot_comes_with_its_last_lines_its_screen_and_what_it_wrote() {
        if qemu_is_missing() {
            return;
        }
        let stick = Stick::new("livestick: init uptime=1.25\r\nand then nothing\r\n", WRITE);
        let machine = Machine {
            timeout: Duration::from_secs(20),
            ..stick.machine()
        };
        let report = boot(&machine, &Watch::default(), &|| false).unwrap();
        assert_eq!(report.ending, Ending::TimedOut);
        assert_eq!(report.last_lines(1), ["and then nothing"]);
        assert_eq!(
            (report.stick.bytes_written, report.stick.write_requests),
            (512, 1)
        );
        if let Some(png) = report.screenshot {
            assert!(png.starts_with(b"\x89PNG"));
        }
        stick.assert_untouched();
    }

    #[test]
    fn a_rescue_screen_ends_it_at_once() {
        if qemu_is_missing() {
            return;
        }
        let stick = Stick::new("livestick: rescue: no stick found\r\n", HALT);
        let report = boot(&stick.machine(), &Watch::default(), &|| false).unwrap();
        let reason = "no stick found".to_owned();
        assert_eq!(report.ending, Ending::Rescue { reason });
        stick.assert_untouched();
    }

    #[test]
    fn a_reset_ends_it_and_does_not_start_over() {
        if qemu_is_missing() {
            return;
        }
        let stick = Stick::new("once\r\n", RESET);
        let report = boot(&stick.machine(), &Watch::default(), &|| false).unwrap();
        let reason = "guest-reset".to_owned();
        assert_eq!(report.ending, Ending::Stopped { reason });
        assert_eq!(report.serial_log.trim(), "once");
        assert!(report.stick.bytes_read >= 512);
        stick.assert_untouched();
    }

    #[test]
    fn what_is_typed_arrives_and_the_screen_is_read() {
        if qemu_is_missing() {
            return;
        }
        let stick = Stick::new("ready\r\n", ECHO);
        let watch = Watch {
            until: Until::Script,
            script: vec![
                Step::shown("ready", Action::ReadScreen),
                Step::after(0, Action::Type("typed".to_owned())),
                Step::shown("typed", Action::Nothing),
            ],
            ..Watch::default()
        };
        let report = boot(&stick.machine(), &watch, &|| false).unwrap();
        assert_eq!(report.ending, Ending::Reached, "{:?}", report.waited_for);
        assert!(
            report.screens[0].contains("SeaBIOS"),
            "{:?}",
            report.screens
        );
        stick.assert_untouched();
    }

    #[test]
    fn a_stick_is_pulled_and_plugged_in_on_every_usb() {
        if qemu_is_missing() {
            return;
        }
        let stick = Stick::new("ready\r\n", HALT);
        let watch = Watch {
            until: Until::Script,
            script: vec![
                Step::shown("ready", Action::Pull),
                Step::after(0, Action::Plug),
                Step::after(0, Action::Pull),
                Step::after(0, Action::Plug),
            ],
            ..Watch::default()
        };
        for bus in [Bus::Xhci, Bus::Ehci, Bus::Uhci, Bus::Uas, Bus::Hub] {
            let machine = Machine {
                bus,
                disks: vec![Disk::stick(stick.machine().image)],
                ..stick.machine()
            };
            let report = boot(&machine, &watch, &|| false).unwrap();
            assert_eq!(report.ending, Ending::Reached, "{bus:?}");
            assert!(report.stick.bytes_read >= 512, "{bus:?}");
            assert_eq!(report.disks.len(), 1, "{bus:?}");
        }
        stick.assert_untouched();
    }

    #[test]
    fn a_script_that_is_not_over_says_what_it_waits_for() {
        if qemu_is_missing() {
            return;
        }
        let stick = Stick::new("login: ", HALT);
        let machine = Machine {
            timeout: Duration::from_secs(10),
            ..stick.machine()
        };
        let watch = Watch {
            until: Until::LoginPrompt,
            script: vec![Step::shown("# ", Action::PowerButton)],
            ..Watch::default()
        };
        let report = boot(&machine, &watch, &|| false).unwrap();
        assert_eq!(report.ending, Ending::TimedOut);
        let step = "PowerButton, when \"# \" is shown".to_owned();
        assert_eq!(report.waited_for, Some(step));
        stick.assert_untouched();
    }

    #[test]
    fn an_interrupted_boot_leaves_no_qemu() {
        if qemu_is_missing() {
            return;
        }
        let stick = Stick::new("", HALT);
        let error = boot(&stick.machine(), &Watch::default(), &|| true).unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
        stick.assert_untouched();
    }

    #[test]
    fn a_qemu_that_dies_at_once_says_why() {
        if qemu_is_missing() {
            return;
        }
        let stick = Stick::new("", HALT);
        let machine = Machine {
            extra_arguments: vec!["-device".into(), "no-such-device".into()],
            ..stick.machine()
        };
        let error = boot(&machine, &Watch::default(), &|| false).unwrap_err();
        assert!(matches!(error, Error::Died { .. }), "{error}");
        assert!(error.to_string().contains("no-such-device"), "{error}");
        stick.assert_untouched();
    }

    #[test]
    fn what_is_missing_is_named() {
        let stick = Stick::new("", HALT);
        let machine = Machine {
            qemu: Some("/nowhere/qemu".into()),
            ..stick.machine()
        };
        let error = boot(&machine, &Watch::default(), &|| false).unwrap_err();
        assert!(matches!(error, Error::NoQemu), "{error}");
        assert!(error.hint().unwrap().contains("qemu-system-x86"));
        if qemu_is_missing() {
            return;
        }
        let machine = Machine {
            image: "/nowhere/stick.img".into(),
            ..stick.machine()
        };
        let error = boot(&machine, &Watch::default(), &|| false).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/stick.img");
    }
}
