//! `syslinux.cfg`.

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
    let mut text = format!("DEFAULT {default}\nPROMPT 0\n");
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

    #[test]
    fn the_menu_waits_and_then_boots_the_first_entry() {
        let text = render(&Menu::new("Débian ^x", "a=b", 2).unwrap());
        let start = "DEFAULT normal\nPROMPT 0\nUI menu.c32\nTIMEOUT 20\nMENU TITLE D?bian x\n\n\
                     LABEL normal\n  MENU LABEL D?bian x\n  LINUX /live/vmlinuz\n  \
                     INITRD /live/initrd.img\n  APPEND quiet a=b\n\nLABEL safe\n";
        assert!(text.starts_with(start), "{text}");
    }

    #[test]
    fn a_timeout_of_0_is_never_written() {
        let text = render(&Menu::new("x", "", 0).unwrap());
        assert!(!text.contains("TIMEOUT") && !text.contains("UI"), "{text}");
        assert!(text.contains("LABEL safe\n"));
        let text = render(&Menu::new("x", "", u32::MAX).unwrap());
        assert!(text.contains("TIMEOUT 35996\n"));
    }
}
