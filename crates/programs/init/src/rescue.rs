//! The rescue screen: what failed, what was seen, and what can be done. It goes on listening: the
//! right stick, plugged in now, goes on with the boot.

use crate::boot::{Boot, News};
use crate::check::{self, Verdict};
use crate::failure::Failure;
use crate::medium::{self, MOUNT_POINT, Medium};
use crate::terminals::Terminals;
use crate::{consoles, kernel_log};
use livestick_disks::BlockDevice;
use livestick_handoff::BreakPoint;
use rustix::process::{ioctl_tiocsctty, setsid};
use rustix::system::{RebootCommand, reboot};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The name under which this program starts the shell.
pub const SHELL: &str = "livestick-shell";

/// How the rescue screen ended.
#[derive(Debug)]
pub enum Next {
    /// A person asked for another try.
    Retry,
    /// A person wants the stick to be used as it is, and not copied to RAM.
    UseAnyway,
    /// The stick was plugged in.
    Found(Box<Medium>),
}

/// Shows the screen on every console until there is something to do.
pub fn show(boot: &mut Boot, failure: &Failure) -> Next {
    boot.report.rescue(&failure.sentence());
    boot.report.save();
    boot.request_keyboards();
    let mut terminals = Terminals::open(boot.report.ports());
    let reboot_after = boot.instructions.command_line.reboot_after;
    let mut deadline = deadline(reboot_after);
    terminals.print(&screen(boot, failure, reboot_after));
    loop {
        let key = terminals.wait(&boot.news(), deadline);
        // Noise on a serial line is nobody.
        let key = key.filter(|(_, key)| offers(boot, failure).any(|(offered, _)| offered == *key));
        match key {
            None if has_passed(deadline) => restart(),
            None => {}
            Some(_) => deadline = None,
        }
        match key {
            Some((_, RETRY)) => return Next::Retry,
            Some((_, GO_ON)) => return Next::UseAnyway,
            Some((_, REBOOT)) => restart(),
            Some((terminal, OPEN_SHELL)) => {
                terminals.run_shell(terminal);
                boot.report.reopen();
                terminals.print(&screen(boot, failure, None));
            }
            Some((_, CHECK)) => {
                check_again(boot, &mut terminals);
                terminals.print(&keys(boot, failure));
            }
            _ => {}
        }
        let shown = boot.table();
        if let Some(medium) = boot.take_news() {
            return Next::Found(Box::new(medium));
        }
        if boot.table() != shown {
            terminals.print(&devices(boot));
        }
    }
}

/// Stops for `break=` until somebody lets it go on: with a shell on every console, where there is one.
pub fn pause(boot: &Boot, point: BreakPoint) {
    let mut terminals = Terminals::open(boot.report.ports());
    let text = format!("\nThe boot stops here, at `break={point}`.");
    if shell().is_some() {
        terminals.print(&format!("{text} `exit` goes on.\n"));
        terminals.run_shells();
        return boot.report.reopen();
    }
    terminals.print(&format!("{text} There is no shell.\n{}", consent_keys()));
    wait_for_consent(&mut terminals, None);
}

/// A stick that was checked is good: says so, and goes on after a while, or with a key.
pub fn show_good(boot: &Boot, verdict: &Verdict) {
    let mut terminals = Terminals::open(boot.report.ports());
    let seconds = READING_TIME.as_secs();
    let after = format!("The boot goes on by itself in {seconds} s.\n");
    terminals.print(&(shown_verdict(verdict) + &consent_keys() + &after));
    wait_for_consent(&mut terminals, deadline(Some(READING_TIME)));
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
        Some((program, arguments)) => {
            name_applets();
            Command::new(program).args(arguments).exec()
        }
        None => io::ErrorKind::NotFound.into(),
    };
    eprintln!("no shell: {error}");
    ExitCode::FAILURE
}

/// Has BusyBox make a link for each of its programs, so that they are found by their names. Not every
/// BusyBox's shell knows them by itself.
fn name_applets() {
    let mut command = Command::new(BUSYBOX);
    command
        .args(["--install", "-s", "/bin"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Without them there is `busybox PROGRAM`.
    let _ = command.status();
}

const BUSYBOX: &str = "/bin/busybox";

/// The first shell there is, with its arguments.
fn shell() -> Option<(&'static str, &'static [&'static str])> {
    let shells: [(&str, &[&str]); 2] = [("/bin/sh", &[]), (BUSYBOX, &["sh"])];
    shells
        .into_iter()
        .find(|(program, _)| Path::new(program).exists())
}

/// The reason comes first: it is what a person must not miss.
fn screen(boot: &Boot, failure: &Failure, reboot_after: Option<Duration>) -> String {
    let reason = failure.sentence();
    let mut text = format!("\nCannot boot: {reason}\n");
    if let Failure::BadFiles(verdict) = failure {
        text += &shown_verdict(verdict);
    }
    text += &devices(boot);
    if matches!(failure, Failure::NoMedium { .. }) && boot.has_no_disk() {
        text += "\nNo disk of any kind was found.\n";
    }
    text += &section(
        "Hardware that there is no driver for on this stick",
        &boot.unsupported(),
    );
    text += &section("Last errors of the kernel", &kernel_log::last_errors());
    text += &keys(boot, failure);
    if let Some(after) = reboot_after {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "Reboots by itself in {} s.", after.as_secs());
    }
    text
}

fn keys(boot: &Boot, failure: &Failure) -> String {
    let offers = offers(boot, failure).map(|(key, what)| offer(key, what));
    let plug = match boot.is_searching() {
        true => "Plug the right stick in to go on, or press",
        false => "Press",
    };
    format!("\n{plug}\n") + &offers.collect::<String>()
}

/// The keys that do something now, and what.
fn offers(boot: &Boot, failure: &Failure) -> impl Iterator<Item = (u8, &'static str)> {
    let offers = [
        (true, RETRY, "to try again"),
        (
            failure.may_be_ignored(),
            GO_ON,
            "to go on all the same, from the stick",
        ),
        (
            boot.right_stick().is_some(),
            CHECK,
            "to check every file on the stick",
        ),
        (shell().is_some(), OPEN_SHELL, "for a shell"),
        (true, REBOOT, "to reboot"),
    ];
    let offers = offers.into_iter().filter(|(is_offered, ..)| *is_offered);
    offers.map(|(_, key, what)| (key, what))
}

fn offer(key: u8, what: &str) -> String {
    format!("  {}  {what}\n", char::from(key))
}

fn consent_keys() -> String {
    offer(GO_ON, "to go on") + &offer(REBOOT, "to reboot")
}

const RETRY: u8 = b'r';
const GO_ON: u8 = b'g';
const CHECK: u8 = b'c';
const OPEN_SHELL: u8 = b's';
const REBOOT: u8 = b'b';
/// How long a good verdict is shown.
const READING_TIME: Duration = Duration::from_secs(10);

fn wait_for_consent(terminals: &mut Terminals, deadline: Option<Instant>) {
    loop {
        match terminals.wait(&News::default(), deadline) {
            Some((_, GO_ON)) => return,
            Some((_, REBOOT)) => restart(),
            _ if has_passed(deadline) => return,
            _ => {}
        }
    }
}

/// The stick is mounted for as long as it takes.
fn check_again(boot: &Boot, terminals: &mut Terminals) {
    let Some(stick) = boot.right_stick() else {
        return;
    };
    if let Err(error) = medium::mount_again(stick) {
        terminals.print(&format!("\n{} cannot be mounted: {error}\n", stick.name));
        return;
    }
    let verdict = check::check(Path::new(MOUNT_POINT), boot.report);
    medium::release(MOUNT_POINT);
    if !verdict.is_good() && BlockDevice::read(&stick.name).is_none() {
        let name = stick.name.clone();
        return terminals.print(&format!("\n{}\n", Failure::Pulled { name }.sentence()));
    }
    boot.report.checked(&verdict.lines());
    terminals.print(&shown_verdict(&verdict));
}

fn shown_verdict(verdict: &Verdict) -> String {
    section("The stick was checked", &verdict.lines())
}

fn devices(boot: &Boot) -> String {
    section("Devices that were seen", &boot.table())
}

fn section(title: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines.iter().map(|line| format!("  {line}\n")).collect();
    format!("\n{title}:\n{lines}")
}

fn deadline(after: Option<Duration>) -> Option<Instant> {
    after.and_then(|after| Instant::now().checked_add(after))
}

fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() >= deadline)
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
    fn an_empty_section_is_left_out() {
        assert_eq!(section("Title", &[]), "");
        assert_eq!(
            section("Title", &["a".to_owned(), "b".to_owned()]),
            "\nTitle:\n  a\n  b\n"
        );
    }
}
