//! Consoles that the owner asks for.

use std::fmt;
use std::str::FromStr;

/// The speed of a serial port that nothing is said of: the kernel's, SYSLINUX's and GRUB's.
const DEFAULT_SPEED: u32 = 9600;
/// What SYSLINUX can set a port to (`doc/syslinux.txt`, `SERIAL`); GRUB takes the same.
const LOADER_SPEEDS: std::ops::RangeInclusive<u32> = 75..=115_200;
/// How many serial ports a BIOS, and so a loader, knows.
const LOADER_PORTS: u8 = 4;

/// A console of the kernel, as its `console=` takes it: `ttyS0`, `ttyS0,115200`, `ttyS1,57600n8`,
/// `hvc0` (`Documentation/admin-guide/serial-console.rst`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    text: String,
    serial_port: Option<SerialPort>,
}

/// A serial port that loaders can use: eight bits, no parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SerialPort {
    /// Which one: 0 is `ttyS0`.
    pub unit: u8,
    /// Its speed, in baud.
    pub speed: u32,
}

impl Console {
    /// The port, where loaders can use it too.
    pub(crate) fn serial_port(&self) -> Option<SerialPort> {
        self.serial_port
    }

    fn is_virtual_terminal(&self) -> bool {
        let number = self.text.strip_prefix("tty");
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

/// The words for the kernel. The last console is `/dev/console`, where the system's own init speaks;
/// so the screen, which would fall silent otherwise, comes first, unless it is among them.
pub(crate) fn words(consoles: &[Console]) -> String {
    let names_screen = consoles.iter().any(Console::is_virtual_terminal);
    let screen = (!consoles.is_empty() && !names_screen).then_some("tty0");
    let names = consoles.iter().map(|console| console.text.as_str());
    let words = screen.into_iter().chain(names);
    let words: Vec<_> = words.map(|name| format!("console={name}")).collect();
    words.join(" ")
}

/// The text names no console.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a console such as `ttyS0,115200` or `hvc0`")]
pub struct NotAConsole;

impl FromStr for Console {
    type Err = NotAConsole;

    fn from_str(text: &str) -> Result<Self, NotAConsole> {
        let (name, options) = match text.split_once(',') {
            Some((name, options)) => (name, Some(options)),
            None => (text, None),
        };
        let starts_well = name.starts_with(|first: char| first.is_ascii_alphabetic());
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !starts_well || !is_plain(name) || !options.is_none_or(is_plain) || options == Some("") {
            return Err(NotAConsole);
        }
        let serial_port = match name.strip_prefix("ttyS") {
            Some(unit) => {
                let unit = unit.parse().map_err(|_| NotAConsole)?;
                loader_port(unit, options)?
            }
            None => None,
        };
        Ok(Self {
            text: text.to_owned(),
            serial_port,
        })
    }
}

impl fmt::Display for Console {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A serial port's options are its speed, then parity, bits and flow control, of which a letter or a
/// digit stands for each.
fn loader_port(unit: u8, options: Option<&str>) -> Result<Option<SerialPort>, NotAConsole> {
    let options = options.unwrap_or_default();
    let digits = options.find(|character: char| !character.is_ascii_digit());
    let (speed, format) = options.split_at(digits.unwrap_or(options.len()));
    let speed = match speed {
        "" if format.is_empty() => DEFAULT_SPEED,
        speed => speed.parse().map_err(|_| NotAConsole)?,
    };
    let mut format = format.bytes();
    let parity = format.next().unwrap_or(b'n');
    let bits = format.next().unwrap_or(b'8');
    let flow = format.next();
    let is_known = b"noe".contains(&parity) && b"5678".contains(&bits);
    if !is_known || !matches!(flow, None | Some(b'r')) || format.next().is_some() {
        return Err(NotAConsole);
    }
    let is_for_loaders =
        unit < LOADER_PORTS && (parity, bits) == (b'n', b'8') && LOADER_SPEEDS.contains(&speed);
    Ok(is_for_loaders.then_some(SerialPort { unit, speed }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn console(text: &str) -> Console {
        text.parse().unwrap()
    }

    #[test]
    fn the_loaders_use_a_serial_port_that_they_can_set() {
        let port = |text| {
            console(text)
                .serial_port
                .map(|port| (port.unit, port.speed))
        };
        assert_eq!(port("ttyS0"), Some((0, 9600)));
        assert_eq!(port("ttyS1,115200"), Some((1, 115_200)));
        assert_eq!(port("ttyS3,57600n8r"), Some((3, 57_600)));
        for text in [
            "ttyS4",
            "ttyS0,921600",
            "ttyS0,9600e7",
            "hvc0",
            "ttyUSB0,9600",
            "tty0",
        ] {
            assert_eq!(port(text), None, "{text}");
        }
    }

    #[test]
    fn what_names_no_console_is_refused() {
        let wrong = [
            "",
            ",9600",
            "0",
            "ttyS",
            "ttySx",
            "ttyS256",
            "ttyS0,",
            "ttyS0,x",
            "ttyS0,9600x8",
            "ttyS0,9600n9",
            "ttyS0,9600n8rx",
            "ttyS0,99999999999",
            "hvc0 init=/x",
            "a=b",
            "/dev/tty",
        ];
        for text in wrong {
            assert_eq!(text.parse::<Console>(), Err(NotAConsole), "{text}");
        }
    }

    #[test]
    fn the_screen_is_a_console_too_and_the_last_one_asked_for_is_the_system_s() {
        assert_eq!(words(&[]), "");
        let serial = console("ttyS0,115200");
        assert_eq!(
            words(std::slice::from_ref(&serial)),
            "console=tty0 console=ttyS0,115200"
        );
        assert_eq!(
            words(&[serial, console("tty0")]),
            "console=ttyS0,115200 console=tty0"
        );
    }
}
