//! The rescue screen: what failed, what was seen, and what can be done. It goes on listening: the
//! right stick, plugged in now, goes on with the boot.

use crate::boot::Boot;
use crate::consoles;
use crate::failure::Failure;
use crate::medium::Medium;
use crate::terminals::Terminals;
use rustix::fs::OFlags;
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::system::{RebootCommand, reboot};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

/// The name under which this program starts the shell.
pub const SHELL: &str = "livestick-shell";

/// How the rescue screen ended.
#[derive(Debug)]
pub enum Next {
    /// A person asked for another try.
    Retry,
    /// The stick was plugged in.
    Found(Medium),
}

/// Shows the screen on every console until there is something to do.
pub fn show(boot: &mut Boot, failure: &Failure) -> Next {
    let reason = failure.sentence();
    boot.report.rescue(&reason);
    boot.report.save();
    let mut terminals = Terminals::open(&boot.instructions.log_ports);
    let reboot_after = boot.instructions.command_line.reboot_after;
    let mut deadline = reboot_after.and_then(|after| Instant::now().checked_add(after));
    terminals.print(&screen(boot, failure, reboot_after));
    loop {
        let key = terminals.wait(boot.news(), deadline);
        match key {
            None if deadline.is_some_and(|deadline| Instant::now() >= deadline) => restart(),
            None => {}
            // Somebody is there.
            Some(_) => deadline = None,
        }
        match key {
            Some((_, b'r')) => return Next::Retry,
            Some((_, b'b')) => restart(),
            Some((terminal, b's')) => {
                terminals.run_shell(terminal);
                terminals.print(&screen(boot, failure, None));
            }
            _ => {}
        }
        let shown = boot.table();
        if let Some(medium) = boot.take_news() {
            return Next::Found(medium);
        }
        if boot.table() != shown {
            terminals.print(&devices(boot));
        }
    }
}

/// For what must never happen: an error in this program itself.
pub fn halt(reason: &str) -> ! {
    let names = consoles::all(&[]);
    for mut terminal in names
        .iter()
        .filter_map(|name| consoles::open_to_write(name))
    {
        let _ = write!(
            terminal,
            "\nlivestick: rescue: {reason}\nSwitch the computer off and on.\n"
        );
    }
    loop {
        thread::park();
    }
}

/// The shell's own process: makes the terminal its controlling one, then becomes the shell.
pub fn run_shell() -> ExitCode {
    // Without one the shell runs, but cannot be interrupted.
    let _ = setsid();
    let _ = ioctl_tiocsctty(io::stdin());
    let error = match shell() {
        Some((program, arguments)) => Command::new(program).args(arguments).exec(),
        None => io::ErrorKind::NotFound.into(),
    };
    eprintln!("no shell: {error}");
    ExitCode::FAILURE
}

/// The first shell there is, with its arguments.
fn shell() -> Option<(&'static str, &'static [&'static str])> {
    let shells: [(&str, &[&str]); 2] = [("/bin/sh", &[]), ("/bin/busybox", &["sh"])];
    shells
        .into_iter()
        .find(|(program, _)| Path::new(program).exists())
}

fn screen(boot: &Boot, failure: &Failure, reboot_after: Option<Duration>) -> String {
    let reason = failure.sentence();
    let mut text = format!("\nThe system on this stick could not be started:\n  {reason}\n");
    text += &devices(boot);
    if matches!(failure, Failure::NoMedium { .. }) && boot.table().is_empty() {
        text += "\nNo disk of any kind was found.\n";
    }
    text += &section(
        "Hardware that there is no driver for on this stick",
        &boot.unsupported(),
    );
    text += &section("Last errors of the kernel", &kernel_errors());
    text += "\nPlug the right stick in to go on, or press  r to try again,";
    if shell().is_some() {
        text += "  s for a shell,";
    }
    text += "  b to reboot.\n";
    if let Some(after) = reboot_after {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Reboots by itself in {} s.", after.as_secs());
    }
    text
}

fn devices(boot: &Boot) -> String {
    section("Devices that were looked at", &boot.table())
}

fn section(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\n{title}:\n{lines}")
}

/// The kernel's last messages that it calls errors or worse.
fn kernel_errors() -> Vec<String> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let Ok(mut log) = File::options()
        .read(true)
        .custom_flags(flags)
        .open("/dev/kmsg")
    else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    let mut record = [0; KMSG_RECORD_LIMIT_BYTES];
    loop {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => {
                let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                errors.extend(parse_error(&text));
            }
            // Overwritten before it was read: the next read gives the oldest that is left.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(_) => break,
        }
    }
    errors.split_off(errors.len().saturating_sub(KERNEL_ERRORS))
}

/// More than the kernel's `PRINTK_MESSAGE_MAX`.
const KMSG_RECORD_LIMIT_BYTES: usize = 8192;
const KERNEL_ERRORS: usize = 8;
/// `KERN_ERR`; what is worse has a lower number. Eight levels share a number with the facility.
const LEVEL_ERROR: u32 = 3;
const LEVELS: u32 = 8;

/// A record of `/dev/kmsg` is `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT`, and further lines that
/// matter less (`Documentation/ABI/testing/dev-kmsg`).
fn parse_error(record: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    let line = text.lines().next()?;
    (priority % LEVELS <= LEVEL_ERROR).then(|| line.to_owned())
}

fn restart() -> ! {
    rustix::fs::sync();
    let refused = reboot(RebootCommand::Restart);
    halt(&format!("the computer does not reboot: {refused:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_the_kernel_are_shown() {
        let error =
            "3,1042,5140900,-;usb 1-1: device descriptor read/64, error -71\n SUBSYSTEM=usb\n";
        let text = "usb 1-1: device descriptor read/64, error -71";
        assert_eq!(parse_error(error).as_deref(), Some(text));
        assert_eq!(
            parse_error("11,1,1,-;from a daemon").as_deref(),
            Some("from a daemon")
        );
        assert_eq!(parse_error("6,1,1,-;information"), None);
        assert_eq!(parse_error("4,1,1,-;warning"), None);
        assert_eq!(parse_error("no record"), None);
    }

    #[test]
    fn an_empty_section_is_left_out() {
        assert_eq!(section("Title", &[]), "");
        assert_eq!(
            section("Title", &["a".to_owned(), "b".to_owned()]),
            "\nTitle:\n  a\n  b\n"
        );
    }
}
