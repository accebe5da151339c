//! One menu, whatever the loader.

use livestick_handoff::paths;

/// The kernel's limit for its command line on x86, in bytes: `COMMAND_LINE_SIZE` less the NUL.
/// SYSLINUX has the same limit (`MAX_CMDLINE_LEN`) for what it loads.
const COMMAND_LINE_LIMIT_BYTES: usize = 2047;

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

/// The menu of a stick: what can be booted, and how long the loader waits. It holds nothing that
/// could be read as a directive of a loader's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    title: String,
    timeout_seconds: u32,
    entries: Vec<Entry>,
}

impl Menu {
    /// The menu for the system called `title`, with `command_line` added to every entry: normal,
    /// safe graphics, verbose. The first is booted after `timeout_seconds`; at 0 it is booted at
    /// once, and the menu shows only to who holds a key.
    ///
    /// Control characters of the title become spaces: it comes from the system's own `os-release`.
    ///
    /// # Errors
    /// Where the command line cannot reach the kernel as it is.
    pub fn new(title: &str, command_line: &str, timeout_seconds: u32) -> Result<Self, MenuError> {
        if let Some(character) = command_line
            .chars()
            .find(|character| character.is_control())
        {
            return Err(MenuError::ControlCharacter { character });
        }
        let title = clean(title);
        let entry = |id, suffix, words: &str| Entry {
            id,
            title: format!("{title}{suffix}"),
            options: format!("{words} {command_line}").trim().to_owned(),
        };
        let entries = vec![
            entry("normal", "", "quiet"),
            entry("safe", " (safe graphics)", "quiet nomodeset"),
            entry("verbose", " (verbose)", "debug loglevel=7"),
        ];
        let longest = entries.iter().map(passed_length_bytes).max().unwrap_or(0);
        if longest > COMMAND_LINE_LIMIT_BYTES {
            return Err(MenuError::TooLong {
                length_bytes: longest,
            });
        }
        Ok(Self {
            title,
            timeout_seconds,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_typed_words_come_last_in_every_entry() {
        let menu = Menu::new("Debian", "loglevel=3 root=live", 2).unwrap();
        let options: Vec<_> = menu.entries().iter().map(|e| e.options.as_str()).collect();
        assert_eq!(
            options,
            [
                "quiet loglevel=3 root=live",
                "quiet nomodeset loglevel=3 root=live",
                "debug loglevel=7 loglevel=3 root=live",
            ]
        );
        assert_eq!(menu.entries()[0].title, "Debian");
    }

    #[test]
    fn a_line_break_in_the_command_line_is_refused() {
        for character in ['\n', '\r', '\0', '\u{85}'] {
            let line = format!("a{character}TIMEOUT 0");
            let error = Menu::new("x", &line, 2).unwrap_err();
            assert_eq!(error, MenuError::ControlCharacter { character });
        }
    }

    #[test]
    fn a_title_stays_on_its_line() {
        let menu = Menu::new(" a\nUI evil.c32\r", "", 2).unwrap();
        assert_eq!(menu.title(), "a UI evil.c32");
        assert_eq!(Menu::new("\n", "", 2).unwrap().title(), "Linux");
    }

    #[test]
    fn the_longest_command_line_is_what_the_kernel_takes() {
        // BOOT_IMAGE=/live/vmlinuz debug loglevel=7 … initrd=/live/initrd.img
        let room = 2047 - 25 - 17 - 24;
        assert!(Menu::new("x", &"a".repeat(room), 2).is_ok());
        let error = Menu::new("x", &"a".repeat(room + 1), 2).unwrap_err();
        assert_eq!(error, MenuError::TooLong { length_bytes: 2048 });
    }
}
