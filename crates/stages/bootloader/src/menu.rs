//! One menu, whatever the loader.

use crate::console::{self, Console, SerialPort};
use livestick_handoff::paths;

/// The kernel's limit for its command line on x86, in bytes: `COMMAND_LINE_SIZE` less the NUL.
/// SYSLINUX has the same limit (`MAX_CMDLINE_LEN`) for what it loads.
const COMMAND_LINE_LIMIT_BYTES: usize = 2047;

/// Every menu's entries: id, what follows the title, and words for the kernel.
///
/// The check goes on without the kernel's own messages, which would tear its progress display. The
/// shell of the last one opens when all is in place, just before the system's own init.
const ENTRIES: [(&str, &str, &str); 5] = [
    ("normal", "", "quiet"),
    ("toram", " (to RAM)", "quiet toram"),
    ("safe", " (safe graphics)", "quiet nomodeset"),
    ("check", " (check this stick)", "quiet check-stick"),
    (
        "verbose",
        " (verbose, with a rescue shell)",
        "debug loglevel=7 break=init",
    ),
];

/// What is shown where a system has no name.
const NAMELESS: &str = "Linux";

/// Why a menu cannot be made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MenuError {
    /// The words for the kernel hold a line break or another control character, which would end
    /// the line of the loader's configuration.
    #[error("the kernel command line holds the control character {character:?}")]
    ControlCharacter {
        /// The first one.
        character: char,
    },
    /// The kernel would cut the command line off.
    #[error(
        "the kernel command line is {length_bytes} bytes long with what the loader adds, \
         and the kernel takes {COMMAND_LINE_LIMIT_BYTES}"
    )]
    TooLong {
        /// How long the longest entry's line is, in bytes.
        length_bytes: usize,
    },
}

/// One line of the menu.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// A short word: SYSLINUX's label, and the name of systemd-boot's file.
    pub id: &'static str,
    /// What the menu shows.
    pub title: String,
    /// The kernel's command line, without what the loader adds.
    pub options: String,
}

/// What a menu is made of.
#[derive(Clone, Copy, Debug, Default)]
pub struct MenuSettings<'a> {
    /// The name of the system, from its `os-release`.
    pub title: &'a str,
    /// Words added to the kernel command line of every entry.
    pub command_line: &'a str,
    /// How long the loader waits, in seconds; 0 means not at all.
    pub timeout_seconds: u32,
    /// The kernel's consoles, besides those that it has by itself.
    pub consoles: &'a [Console],
}

/// The menu of a stick: what can be booted, and how long the loader waits. It holds nothing that
/// could be read as a directive of a loader's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    title: String,
    timeout_seconds: u32,
    serial_port: Option<SerialPort>,
    entries: Vec<Entry>,
}

impl Menu {
    /// The menu: normal, to RAM, safe graphics, check, verbose. The first is booted after the
    /// timeout; at 0 it is booted at once, and the menu shows only to who holds a key.
    ///
    /// Control characters of the title become spaces: it comes from the system's own `os-release`.
    ///
    /// # Errors
    /// Where the command line cannot reach the kernel as it is.
    pub fn new(settings: &MenuSettings<'_>) -> Result<Self, MenuError> {
        let mut characters = settings.command_line.chars();
        if let Some(character) = characters.find(|character| character.is_control()) {
            return Err(MenuError::ControlCharacter { character });
        }
        let title = clean(settings.title);
        let consoles = console::words(settings.consoles);
        let entries: Vec<_> = ENTRIES
            .iter()
            .map(|(id, suffix, words)| {
                let words = [words, consoles.as_str(), settings.command_line];
                let words = words.map(str::trim).into_iter();
                let words: Vec<_> = words.filter(|words| !words.is_empty()).collect();
                Entry {
                    id,
                    title: format!("{title}{suffix}"),
                    options: words.join(" "),
                }
            })
            .collect();
        let longest = entries.iter().map(passed_length_bytes).max().unwrap_or(0);
        if longest > COMMAND_LINE_LIMIT_BYTES {
            return Err(MenuError::TooLong {
                length_bytes: longest,
            });
        }
        Ok(Self {
            title,
            timeout_seconds: settings.timeout_seconds,
            serial_port: settings.consoles.iter().find_map(Console::serial_port),
            entries,
        })
    }

    /// The name of the system, on one line.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// How long the menu waits, in seconds; 0 means not at all.
    #[must_use]
    pub fn timeout_seconds(&self) -> u32 {
        self.timeout_seconds
    }

    /// The serial port that the loaders, too, show the menu on.
    #[must_use]
    pub fn serial_port(&self) -> Option<SerialPort> {
        self.serial_port
    }

    /// What can be booted, the default first; never empty.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}

/// How long the line is that SYSLINUX, which adds the most, gives to the kernel.
fn passed_length_bytes(entry: &Entry) -> usize {
    let (kernel, initrd) = (paths::KERNEL, paths::INITRD);
    format!("BOOT_IMAGE=/{kernel} {} initrd=/{initrd}", entry.options).len()
}

fn clean(title: &str) -> String {
    let spaced = title.replace(char::is_control, " ");
    match spaced.trim() {
        "" => NAMELESS.to_owned(),
        name => name.to_owned(),
    }
}

/// The menu that each loader's configuration is tested with: with a character that is not ASCII, one
/// that SYSLINUX takes for a key, one that GRUB takes for a quote, and a serial console.
#[cfg(test)]
pub(crate) fn example() -> Menu {
    let consoles = ["ttyS0,115200".parse().unwrap()];
    let settings = MenuSettings {
        title: "Débian's ^x",
        command_line: "a=b",
        timeout_seconds: 2,
        consoles: &consoles,
    };
    Menu::new(&settings).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn menu(title: &str, command_line: &str) -> Result<Menu, MenuError> {
        Menu::new(&MenuSettings {
            title,
            command_line,
            timeout_seconds: 2,
            consoles: &[],
        })
    }

    #[test]
    fn the_typed_words_come_last_in_every_entry() {
        let menu = menu("Debian", "loglevel=3 root=live").unwrap();
        let options: Vec<_> = menu.entries().iter().map(|e| e.options.as_str()).collect();
        assert_eq!(
            options,
            [
                "quiet loglevel=3 root=live",
                "quiet toram loglevel=3 root=live",
                "quiet nomodeset loglevel=3 root=live",
                "quiet check-stick loglevel=3 root=live",
                "debug loglevel=7 break=init loglevel=3 root=live",
            ]
        );
        assert_eq!(menu.entries()[0].title, "Debian");
        assert_eq!(menu.serial_port(), None);
    }

    #[test]
    fn consoles_come_before_the_typed_words() {
        let consoles = ["ttyS1,115200".parse().unwrap(), "hvc0".parse().unwrap()];
        let menu = Menu::new(&MenuSettings {
            command_line: "console=ttyUSB0",
            consoles: &consoles,
            ..MenuSettings::default()
        });
        let menu = menu.unwrap();
        assert_eq!(
            menu.entries()[0].options,
            "quiet console=tty0 console=ttyS1,115200 console=hvc0 console=ttyUSB0"
        );
        assert_eq!(menu.serial_port().unwrap().unit, 1);
    }

    #[test]
    fn a_line_break_in_the_command_line_is_refused() {
        for character in ['\n', '\r', '\0', '\u{85}'] {
            let error = menu("x", &format!("a{character}TIMEOUT 0")).unwrap_err();
            assert_eq!(error, MenuError::ControlCharacter { character });
        }
    }

    #[test]
    fn a_title_stays_on_its_line() {
        assert_eq!(
            menu(" a\nUI evil.c32\r", "").unwrap().title(),
            "a UI evil.c32"
        );
        assert_eq!(menu("\n", "").unwrap().title(), "Linux");
    }

    #[test]
    fn the_longest_command_line_is_what_the_kernel_takes() {
        // BOOT_IMAGE=/live/vmlinuz debug loglevel=7 break=init … initrd=/live/initrd.img
        let room = 2047 - 25 - 28 - 24;
        assert!(menu("x", &"a".repeat(room)).is_ok());
        let error = menu("x", &"a".repeat(room + 1)).unwrap_err();
        assert_eq!(error, MenuError::TooLong { length_bytes: 2048 });
    }
}
