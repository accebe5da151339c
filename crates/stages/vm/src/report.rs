//! What was seen.

use crate::Accelerator;
use std::fmt;
use std::time::Duration;

/// A moment that the guest announced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Since the machine was switched on, by the harness's clock.
    pub after: Duration,
    /// Since the kernel started, by the guest's clock (`/proc/uptime`); `None` where the line does
    /// not say.
    pub uptime: Option<Duration>,
}

/// What the booted system says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Beacon {
    /// Its state: `running`, `degraded`, …
    pub state: String,
    /// The units that failed.
    pub failed_units: Vec<String>,
    /// The options of the root mount, as `/proc/mounts` has them.
    pub root_options: String,
    /// Whether the last line was seen.
    pub complete: bool,
}

/// What the guest did to a drive, as QEMU counted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockStats {
    /// Bytes read.
    pub bytes_read: u64,
    /// Bytes written. What a stick would keep went to a temporary file, not to the image.
    pub bytes_written: u64,
    /// Read requests.
    pub read_requests: u64,
    /// Write requests.
    pub write_requests: u64,
}

impl std::ops::Add for BlockStats {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes_read: self.bytes_read + other.bytes_read,
            bytes_written: self.bytes_written + other.bytes_written,
            read_requests: self.read_requests + other.read_requests,
            write_requests: self.write_requests + other.write_requests,
        }
    }
}

/// How the boot ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With what was waited for.
    Reached,
    /// With the rescue screen.
    Rescue {
        /// The reason that `/init` gave.
        reason: String,
    },
    /// With a kernel panic.
    Panic {
        /// The kernel's line.
        message: String,
    },
    /// The guest switched the machine off, or restarted it.
    Stopped {
        /// QEMU's word for it: `guest-reset`, `guest-shutdown`, …
        reason: String,
    },
    /// Not at all, in the time that it had.
    TimedOut,
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reached => write!(formatter, "the system is up"),
            Self::Rescue { reason } => write!(formatter, "the stick gave up: {reason}"),
            Self::Panic { message } => write!(formatter, "the kernel gave up: {message}"),
            Self::Stopped { reason } => write!(formatter, "the machine stopped ({reason})"),
            Self::TimedOut => write!(formatter, "the system was not up in time"),
        }
    }
}

/// What was seen of a boot.
#[derive(Clone, Debug)]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// How long it took until then, by the harness's clock.
    pub elapsed: Duration,
    /// When `/init` started.
    pub init_started: Option<Moment>,
    /// When `/init` handed over to the system's own init.
    pub hand_over: Option<Moment>,
    /// When the login prompt came, since the machine was switched on.
    pub login_prompt: Option<Duration>,
    /// What the system said of itself.
    pub beacon: Option<Beacon>,
    /// The reason that the first rescue screen gave, if there was one, whether or not it ended the
    /// boot.
    pub rescue: Option<String>,
    /// The step of the script that was not reached.
    pub waited_for: Option<String>,
    /// What was read from the stick, and whether anything was written.
    pub stick: BlockStats,
    /// The same of each of the other disks.
    pub disks: Vec<BlockStats>,
    /// What had been read from the stick and written to it, each time that the script asked for it.
    pub figures: Vec<BlockStats>,
    /// What the screen showed in text mode, each time that the script asked for it.
    pub screens: Vec<String>,
    /// Everything on the serial console as it came, with escape sequences; of a long log, the end.
    pub serial_log: String,
    /// The screen as a PNG, where the boot did not reach what was waited for and this QEMU can make one.
    pub screenshot: Option<Vec<u8>>,
    /// What executed the guest's instructions.
    pub accelerator: Accelerator,
}

impl Report {
    /// The last lines of the serial console that are not empty, fit to be printed.
    #[must_use]
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let lines = self.serial_log.lines().rev();
        let lines = lines.map(|line| plain(line).trim().to_owned());
        let lines = lines.filter(|line| !line.is_empty());
        let mut lines: Vec<_> = lines.take(count).collect();
        lines.reverse();
        lines
    }
}

/// A line of the console without escape sequences (ECMA-48) and control characters: a guest must
/// not reach the terminal of who reads about it.
pub(crate) fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                if characters.next() == Some('[') {
                    characters.find(|character| ('@'..='~').contains(character));
                }
            }
            '\t' => text.push(' '),
            character if character.is_control() => {}
            character => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_plain_text() {
        let line = "[\u{1b}[0;32m  OK  \u{1b}[0m] Started\ta \u{1b}[1mb\u{1b}[0m\u{7}.\r";
        assert_eq!(plain(line), "[  OK  ] Started a b.");
        assert_eq!(plain("\u{1b}[12;"), "");
        assert_eq!(plain("\u{1b}c\u{9b}x\u{1b}"), "x");
    }
}
