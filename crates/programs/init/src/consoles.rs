//! The terminals at which a person may sit.

use rustix::fs::{Mode, OFlags, open};
use std::fs::{self, File};
use std::path::Path;

/// The kernel's consoles by name; the last one is `/dev/console`.
pub fn active() -> Vec<String> {
    let text = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Every terminal to show the rescue screen on: the kernel's consoles, the screen even if the kernel
/// was told to use a serial port only, and these further ports.
pub fn all(ports: &[String]) -> Vec<String> {
    let mut names = active();
    let has_screen = names.iter().any(|name| is_screen(name));
    if !has_screen && Path::new("/dev/tty0").exists() {
        names.push("tty0".to_owned());
    }
    for port in ports {
        if !names.contains(port) {
            names.push(port.clone());
        }
    }
    names
}

/// Opens a terminal to write to. A port where nobody listens must not hold up the boot.
pub fn open_to_write(name: &str) -> Option<File> {
    let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open_with(name, flags)
}

/// Opens a terminal to read keys from, too.
pub fn open_to_talk(name: &str) -> Option<File> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    open_with(name, flags)
}

fn open_with(name: &str, flags: OFlags) -> Option<File> {
    let opened = open(Path::new("/dev").join(name), flags, Mode::empty());
    opened.ok().map(File::from)
}

/// `tty0` to `tty63` are the screen; `ttyS0` and others are not.
fn is_screen(name: &str) -> bool {
    let number = name.strip_prefix("tty").unwrap_or_default();
    number.parse::<u8>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_port_is_no_screen() {
        assert!(is_screen("tty0") && is_screen("tty1"));
        assert!(!is_screen("ttyS0") && !is_screen("tty") && !is_screen("hvc0"));
    }
}
