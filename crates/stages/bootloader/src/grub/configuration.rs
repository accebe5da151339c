//! `grub.cfg`.

use crate::console::SerialPort;
use crate::{Entry, Error, Menu};
use livestick_handoff::{paths, words};

/// Where Debian's GRUB for removable media reads its configuration.
pub(super) const MENU_PATH: &str = "boot/grub/grub.cfg";
/// Where the GRUB of Fedora and openSUSE reads it: beside itself. Debian's does, too, where the
/// firmware does not say what it was read from.
pub(super) const BESIDE_PATH: &str = "EFI/BOOT/grub.cfg";

/// The longest time that GRUB counts down: it keeps it in an `int`.
const TIMEOUT_LIMIT: u32 = i32::MAX.unsigned_abs();

/// Looks for a livestick on what GRUB itself was read from, which `root` names, and only then on other
/// disks. Which of several sticks it is does not matter here: kernel, initramfs and root come from one
/// and the same.
const FIND: &str = "search --no-floppy --file --set=root --hint \"$root\"";

/// The menu as GRUB reads it. It uses no module that is not in the signed images of Debian, Fedora and
/// openSUSE: under Secure Boot GRUB loads no other. The menu shows in text mode, on the firmware's own
/// consoles, which may include serial ports, and on the menu's serial port.
pub(super) fn menu(menu: &Menu) -> Result<String, Error> {
    let mut text = find();
    if let Some(SerialPort { unit, speed }) = menu.serial_port() {
        text += &format!(
            "if serial --unit={unit} --speed={speed}; then\n  \
             terminal_input console serial\n  \
             terminal_output console serial\n\
             fi\n"
        );
    }
    let timeout = menu.timeout_seconds().min(TIMEOUT_LIMIT);
    text += &format!("set default=0\nset timeout={timeout}\n");
    if timeout == 0 {
        // Esc shows the menu all the same.
        text += "set timeout_style=hidden\n";
    }
    for entry in menu.entries() {
        text += &menu_entry(entry)?;
    }
    Ok(text)
}

/// A configuration that only reads the menu's.
pub(super) fn beside() -> String {
    format!("{}configfile /{MENU_PATH}\n", find())
}

fn find() -> String {
    format!("{FIND} /{}\n", paths::MANIFEST)
}

fn menu_entry(entry: &Entry) -> Result<String, Error> {
    let mut options = String::new();
    for word in words(&entry.options) {
        // GRUB would put a backslash before them (`grub_create_loader_cmdline`).
        if let Some(character) = word.chars().find(|character| "\\'\"".contains(*character)) {
            return Err(Error::GrubCommandLine { character });
        }
        options += &format!(" '{word}'");
    }
    Ok(format!(
        "\nmenuentry {} --id {} {{\n  linux /{}{options}\n  initrd /{}\n}}\n",
        quoted(&entry.title),
        entry.id,
        paths::KERNEL,
        paths::INITRD,
    ))
}

/// The text as one word of GRUB's language, in which nothing has a meaning.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MenuSettings;
    use crate::menu::example;

    #[test]
    fn the_menu_is_what_grub_reads() {
        let text = "\
search --no-floppy --file --set=root --hint \"$root\" /live/manifest
if serial --unit=0 --speed=115200; then
  terminal_input console serial
  terminal_output console serial
fi
set default=0
set timeout=2

menuentry 'Débian'\\''s ^x' --id normal {
  linux /live/vmlinuz 'quiet' 'console=tty0' 'console=ttyS0,115200' 'a=b'
  initrd /live/initrd.img
}

menuentry 'Débian'\\''s ^x (to RAM)' --id toram {
  linux /live/vmlinuz 'quiet' 'toram' 'console=tty0' 'console=ttyS0,115200' 'a=b'
  initrd /live/initrd.img
}

menuentry 'Débian'\\''s ^x (safe graphics)' --id safe {
  linux /live/vmlinuz 'quiet' 'nomodeset' 'console=tty0' 'console=ttyS0,115200' 'a=b'
  initrd /live/initrd.img
}

menuentry 'Débian'\\''s ^x (check this stick)' --id check {
  linux /live/vmlinuz 'quiet' 'check-stick' 'console=tty0' 'console=ttyS0,115200' 'a=b'
  initrd /live/initrd.img
}

menuentry 'Débian'\\''s ^x (verbose, with a rescue shell)' --id verbose {
  linux /live/vmlinuz 'debug' 'loglevel=7' 'break=init' 'console=tty0' 'console=ttyS0,115200' 'a=b'
  initrd /live/initrd.img
}
";
        assert_eq!(menu(&example()).unwrap(), text);
        assert_eq!(
            beside(),
            "search --no-floppy --file --set=root --hint \"$root\" /live/manifest\n\
             configfile /boot/grub/grub.cfg\n"
        );
    }

    fn with(command_line: &str, timeout_seconds: u32) -> Result<String, Error> {
        let settings = MenuSettings {
            command_line,
            timeout_seconds,
            ..MenuSettings::default()
        };
        menu(&Menu::new(&settings).unwrap())
    }

    #[test]
    fn words_reach_the_kernel_as_they_were_typed_or_not_at_all() {
        let text = with("x=$y;z #{} a=\"b  c\"", 0).unwrap();
        assert!(
            text.contains(" 'quiet' 'x=$y;z' '#{}' 'a=b  c'\n"),
            "{text}"
        );
        for line in ["a=b\\c", "it's", "f\"g h\""] {
            let error = with(line, 0).unwrap_err();
            assert!(matches!(error, Error::GrubCommandLine { .. }), "{line}");
        }
    }

    #[test]
    fn a_timeout_of_0_boots_at_once_and_a_long_one_is_not_for_ever() {
        let text = with("", 0).unwrap();
        assert!(text.contains("set timeout=0\nset timeout_style=hidden\n"));
        assert!(!text.contains("serial"), "{text}");
        let text = with("", u32::MAX).unwrap();
        assert!(text.contains("set timeout=2147483647\n"));
    }
}
