//! Which disks are written, and that somebody wants it.

use super::devices::content;
use crate::failure::{Exit, Failure};
use crate::report::{say, size};
use crate::settings::Consent;
use anyhow::Context;
use livestick_device::{ClaimError, Claimed, Disk, Fixed, Refusal};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// A disk that may be written.
#[derive(Clone, Debug)]
pub struct Target {
    /// The disk, as it was looked at.
    pub disk: Disk,
    fixed: Fixed,
}

impl Target {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.disk.device.name
    }
}

/// For a signal that comes right before the waiting begins.
const POLL_TIME: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// Finds the disks that were named, and refuses those that must not be written.
pub fn choose(devices: &[PathBuf], consent: &Consent) -> Result<Vec<Target>, Failure> {
    let disks = Disk::list().context("cannot list the disks of this machine")?;
    let find = |path: &PathBuf| {
        livestick_device::find(&disks, path).map_err(|error| {
            Failure::new(Exit::Refused, error)
                .hint("`livestick devices` lists the disks of this machine")
        })
    };
    let fixed = consent.allow_fixed.iter().map(find);
    let fixed = fixed.collect::<Result<Vec<_>, _>>()?;
    let mut targets: Vec<Target> = Vec::new();
    for path in devices {
        let mut disk = find(path)?.clone();
        if targets
            .iter()
            .any(|target| target.name() == disk.device.name)
        {
            let message = format!("{} is named twice", disk.device.name);
            return Err(Failure::message(Exit::Usage, message));
        }
        let fixed = match fixed.iter().any(|fixed| fixed.number == disk.number) {
            true => Fixed::Allow,
            false => Fixed::Refuse,
        };
        disk.look();
        if let Some(refusal) = disk.refusals(fixed).into_iter().next() {
            return Err(refused(&disk, &refusal));
        }
        targets.push(Target { disk, fixed });
    }
    Ok(targets)
}

/// The same of one disk.
pub fn choose_one(device: &Path, consent: &Consent) -> Result<Target, Failure> {
    let mut targets = choose(&[device.to_owned()], consent)?;
    targets
        .pop()
        .context("no disk was found")
        .map_err(Failure::from)
}

/// Asks whoever sits at the terminal, unless nobody is to be asked. Ctrl-C is an answer, too.
pub fn confirm(
    targets: &[Target],
    consent: &Consent,
    interrupted: &dyn Fn() -> bool,
) -> Result<(), Failure> {
    if consent.yes {
        return Ok(());
    }
    let terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !terminal {
        let message = "nobody is there to say that it is the right device; nothing was written";
        return Err(Failure::message(Exit::Refused, message)
            .hint("run it at a terminal, or give --yes once you are sure"));
    }
    let names: Vec<_> = targets.iter().map(Target::name).collect();
    for target in targets {
        say(&description(&target.disk));
    }
    let names = names.join(" ");
    say(&format!(
        "All that is on it will be lost. Type its name ({names}) to go on:"
    ));
    let answer = read_line(interrupted).context("cannot read the answer")?;
    let answer = answer.ok_or_else(Failure::nothing_written)?;
    match is_meant(&answer, targets.iter().map(Target::name)) {
        true => Ok(()),
        false => Err(Failure::message(
            Exit::Refused,
            "that is not its name; nothing was written",
        )),
    }
}

/// Whether the answer names these disks, in this order, by name or by node.
fn is_meant<'a>(answer: &str, names: impl Iterator<Item = &'a str>) -> bool {
    let words = answer.split_whitespace();
    words
        .map(|word| word.strip_prefix("/dev/").unwrap_or(word))
        .eq(names)
}

/// What is typed up to the end of a line; `None` where the work is to stop. A read would be restarted
/// behind the back of whoever pressed Ctrl-C (sigaction(2), `SA_RESTART`); poll(2) never is.
fn read_line(interrupted: &dyn Fn() -> bool) -> io::Result<Option<String>> {
    let input = io::stdin();
    let mut line = Vec::new();
    while !line.ends_with(b"\n") {
        if interrupted() {
            return Ok(None);
        }
        let mut waiting = [PollFd::new(&input, PollFlags::IN)];
        match rustix::event::poll(&mut waiting, Some(&POLL_TIME)) {
            Ok(0) | Err(Errno::INTR) => continue,
            ready => drop(ready?),
        }
        let mut piece = [0; 256];
        match rustix::io::read(&input, &mut piece)? {
            0 => break,
            count => line.extend_from_slice(&piece[..count]),
        }
    }
    match interrupted() {
        true => Ok(None),
        false => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
    }
}

/// Takes a disk for this process alone.
pub fn claim(target: &Target) -> Result<Claimed, Failure> {
    livestick_device::claim(&target.disk, target.fixed).map_err(|error| {
        let hint = match &error {
            ClaimError::Refused { refusal } => return refused(&target.disk, refusal),
            ClaimError::Busy => Some("close what has it open, and unmount it"),
            ClaimError::Exchanged => Some("look again: `livestick devices`"),
            ClaimError::Open { .. } => Some("devices are written by root"),
        };
        let error = anyhow::Error::new(error).context(target.name().to_owned());
        let failure = Failure::new(Exit::Refused, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

fn refused(disk: &Disk, refusal: &Refusal) -> Failure {
    let node = disk.device.node();
    let message = format!("{} is not written: {refusal}", node.display());
    let failure = Failure::message(Exit::Refused, message);
    let fixed = format!("if it is the right one: --allow-fixed {}", node.display());
    match refusal {
        Refusal::Fixed { .. } => failure.hint(fixed),
        refusal => match refusal.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        },
    }
}

fn description(disk: &Disk) -> String {
    let mut words = vec![
        disk.device.model.clone(),
        size(disk.device.size_bytes),
        disk.device.transport.to_string(),
    ];
    if !disk.serial.is_empty() {
        words.push(format!("serial number {}", disk.serial));
    }
    words.push(content(disk));
    words.retain(|word| !word.is_empty());
    format!("{}: {}", disk.device.node().display(), words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_meant_by_its_name_or_node_alone() {
        let is = |answer: &str| is_meant(answer, ["sdb", "sdc"].into_iter());
        assert!(is("sdb sdc\n") && is(" /dev/sdb  sdc\n"));
        for answer in [
            "",
            "sdb\n",
            "sdc sdb\n",
            "sdb sdc sdd\n",
            "/dev//dev/sdb sdc",
            "yes\n",
        ] {
            assert!(!is(answer), "{answer}");
        }
    }
}
