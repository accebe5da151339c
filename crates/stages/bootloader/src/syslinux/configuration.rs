//! `syslinux.cfg`.

use crate::console::SerialPort;
use crate::{Entry, Menu};
use livestick_handoff::paths;

/// The largest `TIMEOUT`, in tenths of a second (SYSLINUX, `doc/syslinux.txt`).
const TIMEOUT_LIMIT: u32 = 35_996;

/// The menu as SYSLINUX reads it.
///
/// A `TIMEOUT` of 0 would mean to wait forever. So a menu that waits for nobody is not started at
/// all: the default entry boots, unless Shift or Alt is held, which gives the `boot:` prompt. There
/// `menu.c32` shows the menu, and an entry's id boots it.
pub(super) fn render(menu: &Menu) -> String {
    let default = menu.entries().first().map_or("", |entry| entry.id);
    let mut text = serial(menu);
    text += &format!("DEFAULT {default}\nPROMPT 0\n");
    if menu.timeout_seconds() > 0 {
        let tenths = menu.timeout_seconds().saturating_mul(10);
        text += &format!("UI menu.c32\nTIMEOUT {}\n", tenths.min(TIMEOUT_LIMIT));
    }
    text += &format!("MENU TITLE {}\n", shown(menu.title()));
    for entry in menu.entries() {
        text += &label(entry);
    }
    text
}

/// The directive that switches the serial port on. It must be the first of the file.
fn serial(menu: &Menu) -> String {
    match menu.serial_port() {
        Some(SerialPort { unit, speed }) => format!("SERIAL {unit} {speed}\n"),
        None => String::new(),
    }
}

fn label(entry: &Entry) -> String {
    format!(
        "\nLABEL {}\n  MENU LABEL {}\n  LINUX /{}\n  INITRD /{}\n  APPEND {}\n",
        entry.id,
        shown(&entry.title),
        paths::KERNEL,
        paths::INITRD,
        entry.options,
    )
}

/// The text as the menu can show it: its font is the BIOS's, and `^` would mark a key.
fn shown(title: &str) -> String {
    title
        .replace('^', "")
        .replace(|character: char| !character.is_ascii(), "?")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MenuSettings;
    use crate::menu::example;

    #[test]
    fn the_menu_is_what_syslinux_reads() {
        let text = "\
SERIAL 0 115200
DEFAULT normal
PROMPT 0
UI menu.c32
TIMEOUT 20
MENU TITLE D?bian's x

LABEL normal
  MENU LABEL D?bian's x
  LINUX /live/vmlinuz
  INITRD /live/initrd.img
  APPEND quiet console=tty0 console=ttyS0,115200 a=b

LABEL toram
  MENU LABEL D?bian's x (to RAM)
  LINUX /live/vmlinuz
  INITRD /live/initrd.img
  APPEND quiet toram console=tty0 console=ttyS0,115200 a=b

LABEL safe
  MENU LABEL D?bian's x (safe graphics)
  LINUX /live/vmlinuz
  INITRD /live/initrd.img
  APPEND quiet nomodeset console=tty0 console=ttyS0,115200 a=b

LABEL check
  MENU LABEL D?bian's x (check this stick)
  LINUX /live/vmlinuz
  INITRD /live/initrd.img
  APPEND quiet check-stick console=tty0 console=ttyS0,115200 a=b

LABEL verbose
  MENU LABEL D?bian's x (verbose, with a rescue shell)
  LINUX /live/vmlinuz
  INITRD /live/initrd.img
  APPEND debug loglevel=7 break=init console=tty0 console=ttyS0,115200 a=b
";
        assert_eq!(render(&example()), text);
    }

    #[test]
    fn a_timeout_of_0_is_never_written() {
        let menu = |timeout_seconds| {
            Menu::new(&MenuSettings {
                timeout_seconds,
                ..MenuSettings::default()
            })
        };
        let text = render(&menu(0).unwrap());
        assert!(!text.contains("TIMEOUT") && !text.contains("UI"), "{text}");
        assert!(text.contains("LABEL safe\n"));
        let text = render(&menu(u32::MAX).unwrap());
        assert!(text.contains("TIMEOUT 35996\n"));
    }
}
