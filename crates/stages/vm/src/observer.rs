//! Reads the serial console.

use crate::report::{Beacon, Ending, Moment, plain};
use crate::script::{Progress, Step};
use livestick_handoff::oem;
use std::time::Duration;

/// How much of the serial console is kept. A guest that repeats itself for minutes must not fill
/// the memory.
const LOG_LIMIT_BYTES: usize = 4 << 20;
/// The longest line: what is longer is cut into lines of this length.
const LINE_LIMIT_BYTES: usize = 4096;
/// What a getty's prompt ends with.
const LOGIN_PROMPT: &[u8] = b"login: ";
/// What the kernel says last.
const PANIC: &str = "Kernel panic - not syncing";

/// What a boot is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// `/init` has handed over.
    HandOver,
    /// There is a login prompt.
    LoginPrompt,
    /// There is a login prompt, and the system has reported its state.
    LoginPromptAndBeacon,
    /// The script is over: nothing else is waited for.
    Script,
    /// The machine was switched off or restarted by the guest, which is [`Ending::Stopped`].
    Stop,
}

/// What to look for on the serial console. The default is what a livestick says; another stick's
/// `/init` may have lines of its own.
#[derive(Clone, Debug)]
pub struct Watch {
    /// Stands before `/proc/uptime`'s first figure when `/init` starts.
    pub init_started: String,
    /// Stands before `/proc/uptime`'s first figure when `/init` hands over.
    pub hand_over: String,
    /// What ends the boot, once the script is over.
    pub until: Until,
    /// What is done meanwhile.
    pub script: Vec<Step>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            init_started: oem::INIT_STARTED.to_owned(),
            hand_over: oem::HAND_OVER.to_owned(),
            until: Until::LoginPromptAndBeacon,
            script: Vec::new(),
        }
    }
}

/// What the serial console has shown so far.
#[derive(Debug)]
pub(crate) struct Observer<'a> {
    watch: &'a Watch,
    line: Vec<u8>,
    log: Vec<u8>,
    ended: Option<Ending>,
    pub(crate) init_started: Option<Moment>,
    pub(crate) hand_over: Option<Moment>,
    pub(crate) login_prompt: Option<Duration>,
    pub(crate) beacon: Option<Beacon>,
    pub(crate) rescue: Option<String>,
    pub(crate) script: Progress,
    /// Whether the script waited for something on the last line.
    expected: bool,
}

impl<'a> Observer<'a> {
    pub(crate) fn new(watch: &'a Watch) -> Self {
        Self {
            watch,
            line: Vec::new(),
            log: Vec::new(),
            ended: None,
            init_started: None,
            hand_over: None,
            login_prompt: None,
            beacon: None,
            rescue: None,
            script: Progress::new(&watch.script),
            expected: false,
        }
    }

    /// Takes what the console showed at this time. A prompt has no end of line, so it is recognised as
    /// soon as its last byte is there.
    pub(crate) fn see(&mut self, bytes: &[u8], after: Duration) {
        self.keep(bytes);
        for byte in bytes {
            if *byte == b'\n' || self.line.len() == LINE_LIMIT_BYTES {
                let line = std::mem::take(&mut self.line);
                self.see_line(&plain(&String::from_utf8_lossy(&line)), after);
                self.expected = false;
            }
            if *byte != b'\n' {
                self.line.push(*byte);
                self.expected |= self.script.see(&self.line, after);
            }
            if self.line.ends_with(LOGIN_PROMPT) {
                self.login_prompt.get_or_insert(after);
            }
        }
    }

    /// How the boot ended, as far as the console tells.
    pub(crate) fn ending(&self) -> Option<Ending> {
        let beacon = || self.beacon.as_ref().is_some_and(|beacon| beacon.complete);
        let reached = match self.watch.until {
            Until::HandOver => self.hand_over.is_some(),
            Until::LoginPrompt => self.login_prompt.is_some(),
            Until::LoginPromptAndBeacon => self.login_prompt.is_some() && beacon(),
            Until::Script => true,
            Until::Stop => false,
        };
        let reached = reached && self.script.is_over();
        self.ended.clone().or(reached.then_some(Ending::Reached))
    }

    /// Everything that was shown, as text.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&self.log).into_owned()
    }

    /// Lines of the kernel may stand before a marker on the same line, or a prompt.
    fn see_line(&mut self, line: &str, after: Duration) {
        let after_mark = |mark: &str| line.split_once(mark).map(|(_, rest)| rest.trim());
        if let Some(rest) = after_mark(&self.watch.init_started) {
            self.init_started.get_or_insert(moment(rest, after));
        }
        if let Some(rest) = after_mark(&self.watch.hand_over) {
            self.hand_over.get_or_insert(moment(rest, after));
        }
        if let Some(rest) = after_mark(oem::BEACON_STATE) {
            // It begins anew where a getty interrupted it.
            self.beacon = Some(Beacon {
                state: rest.to_owned(),
                ..Beacon::default()
            });
        }
        if let Some(rest) = after_mark(oem::BEACON_FAILED) {
            self.beacon().failed_units.push(rest.to_owned());
        }
        if let Some(rest) = after_mark(oem::BEACON_ROOT) {
            rest.clone_into(&mut self.beacon().root_options);
        }
        if after_mark(oem::BEACON_END).is_some() {
            self.beacon().complete = true;
        }
        if let Some(rest) = after_mark(oem::RESCUE) {
            let reason = rest.to_owned();
            self.rescue.get_or_insert_with(|| reason.clone());
            if !self.expected {
                self.ended.get_or_insert(Ending::Rescue { reason });
            }
        }
        if let Some(start) = line.find(PANIC) {
            let message = line[start..].trim().to_owned();
            self.ended.get_or_insert(Ending::Panic { message });
        }
    }

    fn beacon(&mut self) -> &mut Beacon {
        self.beacon.get_or_insert_default()
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.log.extend_from_slice(bytes);
        if self.log.len() > LOG_LIMIT_BYTES {
            self.log.drain(..LOG_LIMIT_BYTES / 2);
        }
    }
}

fn moment(rest: &str, after: Duration) -> Moment {
    let figure = rest.split(' ').next().unwrap_or_default();
    let seconds = figure.parse::<f64>().ok();
    let uptime = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Moment { after, uptime }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Action;

    const BOOT: &str = "livestick: init uptime=2.50\r\n\
        [    3.1] usb 1-1: livestick: hand-over uptime=3.75 5.00\r\n\
        \r\nDebian GNU/Linux 12 stick ttyS0\r\n\r\nstick login: \
        livestick: state=degraded\r\nlivestick: failed=a.service\r\nlivestick: failed=b.mount\r\n\
        livestick: root=rw,relatime\r\nlivestick: beacon end\r\n";

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_report_that_begins_anew_counts_once() {
        let watch = Watch::default();
        let mut observer = Observer::new(&watch);
        observer.see(
            b"livestick: state=degraded\nlivestick: failed=a.service\n",
            seconds(1),
        );
        assert!(!observer.beacon.as_ref().unwrap().complete);
        observer.see(BOOT.as_bytes(), seconds(2));
        let beacon = observer.beacon.unwrap();
        assert_eq!(beacon.failed_units, ["a.service", "b.mount"]);
        assert!(beacon.complete);
    }

    #[test]
    fn a_boot_is_read_whatever_the_pieces_it_comes_in() {
        let watch = Watch::default();
        for size in [1, 7, 4096] {
            let mut observer = Observer::new(&watch);
            for piece in BOOT.as_bytes().chunks(size) {
                assert_eq!(observer.ending(), None);
                observer.see(piece, seconds(9));
            }
            assert_eq!(observer.ending(), Some(Ending::Reached));
            let uptime = |moment: Option<Moment>| moment.unwrap().uptime.unwrap();
            assert_eq!(uptime(observer.init_started), Duration::from_millis(2500));
            assert_eq!(uptime(observer.hand_over), Duration::from_millis(3750));
            assert_eq!(observer.login_prompt, Some(seconds(9)));
            assert_eq!(
                observer.beacon,
                Some(Beacon {
                    state: "degraded".to_owned(),
                    failed_units: vec!["a.service".to_owned(), "b.mount".to_owned()],
                    root_options: "rw,relatime".to_owned(),
                    complete: true,
                })
            );
            assert_eq!(observer.log(), BOOT);
        }
    }

    #[test]
    fn the_first_moment_counts() {
        let watch = Watch {
            init_started: "INIT uptime=".to_owned(),
            until: Until::LoginPrompt,
            ..Watch::default()
        };
        let mut observer = Observer::new(&watch);
        observer.see(b"INIT uptime=1\nx login: ", seconds(1));
        observer.see(b"INIT uptime=2\nx login: ", seconds(2));
        assert_eq!(observer.init_started.unwrap().uptime, Some(seconds(1)));
        assert_eq!(observer.login_prompt, Some(seconds(1)));
        assert_eq!(observer.ending(), Some(Ending::Reached));
    }

    #[test]
    fn a_rescue_or_a_panic_ends_it() {
        let watch = Watch::default();
        let mut observer = Observer::new(&watch);
        observer.see(b"livestick: rescue: no stick\r\n", seconds(1));
        let reason = "no stick".to_owned();
        assert_eq!(observer.ending(), Some(Ending::Rescue { reason }));
        let mut observer = Observer::new(&watch);
        observer.see(b"[ 1.0] Kernel panic - not syncing: VFS\n", seconds(1));
        let message = "Kernel panic - not syncing: VFS".to_owned();
        assert_eq!(observer.ending(), Some(Ending::Panic { message }));
    }

    #[test]
    fn a_rescue_that_the_script_waits_for_is_no_end() {
        let watch = Watch {
            script: vec![Step::shown("livestick: rescue: ", Action::Plug)],
            until: Until::LoginPrompt,
            ..Watch::default()
        };
        let mut observer = Observer::new(&watch);
        observer.see(b"livestick: rescue: none found\r\nx login: ", seconds(1));
        assert_eq!(
            observer.ending(),
            None,
            "the stick is still to be plugged in"
        );
        assert_eq!(observer.rescue.as_deref(), Some("none found"));
        assert_eq!(observer.script.take_due(seconds(1)), [Action::Plug]);
        assert_eq!(observer.ending(), Some(Ending::Reached));
        observer.see(b"\nlivestick: rescue: again\n", seconds(2));
        let reason = "again".to_owned();
        assert_eq!(observer.ending(), Some(Ending::Rescue { reason }));
        assert_eq!(observer.rescue.as_deref(), Some("none found"));
    }

    #[test]
    fn a_flood_keeps_its_end() {
        let watch = Watch::default();
        let mut observer = Observer::new(&watch);
        for _ in 0..80 {
            observer.see(&[b'x'; 1 << 16], seconds(1));
        }
        observer.see(b"livestick: rescue: late\n", seconds(2));
        assert!(observer.log().len() <= LOG_LIMIT_BYTES);
        assert!(observer.log().ends_with("late\n"));
        assert!(observer.ending().is_some());
    }
}
