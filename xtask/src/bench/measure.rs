//! What a program costs.

use crate::process::shown;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a program and all that it started cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// From its start to its end.
    pub seconds: f64,
    /// The largest resident set of any one of the processes.
    pub peak_bytes: u64,
    /// What they made the kernel write to disk, counted when a page became dirty; what is written
    /// twice counts twice (`write_bytes` in `Documentation/filesystems/proc.rst`).
    pub written_bytes: u64,
}

/// Runs it and measures it. The scratch file is overwritten.
///
/// It runs under GNU time, which asks the kernel for the peak; when time itself has ended, but is not
/// reaped yet, its counters hold those of all the processes below it.
pub fn measure(command: &Command, scratch: &Path) -> Result<Cost> {
    eprintln!("$ {}", shown(command));
    let mut time = Command::new("/usr/bin/time");
    time.arg("--quiet")
        .args(["--format", "%M", "--output"])
        .arg(scratch)
        .arg(command.get_program())
        .args(command.get_args())
        .stdout(Stdio::null());
    let start = Instant::now();
    let mut child = time.spawn().context("cannot start `time`")?;
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(Pid::from_raw)
        .context("a process without id")?;
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )
    .context("cannot wait for it")?;
    let seconds = start.elapsed().as_secs_f64();
    let counters = fs::read_to_string(format!("/proc/{pid}/io"));
    let status = child.wait().context("cannot wait for it")?;
    if !status.success() {
        bail!("`{}` failed: {status}", shown(command));
    }
    let counters = counters.context("cannot read what was written")?;
    let peak = fs::read_to_string(scratch).context("cannot read what `time` measured")?;
    let kibibytes: u64 = peak.trim().parse().context("`time` measured no number")?;
    Ok(Cost {
        seconds,
        peak_bytes: kibibytes * 1024,
        written_bytes: counter(&counters, "write_bytes")
            .context("nothing counts what is written")?,
    })
}

/// A counter of `/proc/PID/io`.
fn counter(counters: &str, name: &str) -> Option<u64> {
    let values = counters.lines().filter_map(|line| line.split_once(": "));
    values
        .into_iter()
        .find(|(key, _)| *key == name)?
        .1
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let counters = "wchar: 7\nwrite_bytes: 8192\ncancelled_write_bytes: 3\n";
        assert_eq!(counter(counters, "write_bytes"), Some(8192));
        assert_eq!(counter(counters, "bytes"), None);
    }
}
