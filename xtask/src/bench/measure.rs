//! What a program costs.

use super::median;
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
    /// What all the processors together spent on it, in the kernel too.
    pub cpu_seconds: f64,
    /// The largest resident set of any one of the processes.
    pub peak_bytes: u64,
    /// What they made the kernel write to disk, counted when a page became dirty; what is written
    /// twice counts twice (`write_bytes` in `Documentation/filesystems/proc.rst`).
    pub written_bytes: u64,
}

/// One run of a program that makes an image.
#[derive(Clone, Copy)]
pub struct Run {
    /// What it cost.
    pub cost: Cost,
    /// The image's length.
    pub image_bytes: u64,
}

impl Run {
    /// Runs it and measures it and what it made. The scratch file is overwritten.
    pub fn measure(command: &Command, image: &Path, scratch: &Path) -> Result<Self> {
        let cost = measure(command, scratch)?;
        let image_bytes = fs::metadata(image)
            .with_context(|| format!("{} was not made", image.display()))?
            .len();
        Ok(Self { cost, image_bytes })
    }

    /// A run with the median of each figure.
    pub fn median(runs: &[Self]) -> Result<Self> {
        Ok(Self {
            cost: Cost {
                seconds: median(runs.iter().map(|run| run.cost.seconds))?,
                cpu_seconds: median(runs.iter().map(|run| run.cost.cpu_seconds))?,
                peak_bytes: median(runs.iter().map(|run| run.cost.peak_bytes))?,
                written_bytes: median(runs.iter().map(|run| run.cost.written_bytes))?,
            },
            image_bytes: median(runs.iter().map(|run| run.image_bytes))?,
        })
    }
}

/// Runs it and measures it. The scratch file is overwritten.
///
/// It runs under GNU time, which asks the kernel for the peak and the processors' time; when time itself has ended, but is not
/// reaped yet, its counters hold those of all the processes below it.
fn measure(command: &Command, scratch: &Path) -> Result<Cost> {
    eprintln!("$ {}", shown(command));
    let mut time = Command::new("/usr/bin/time");
    time.arg("--quiet")
        .args(["--format", "%M %U %S", "--output"])
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
    let timed = fs::read_to_string(scratch).context("cannot read what `time` measured")?;
    let (peak_bytes, cpu_seconds) = timed_figures(&timed).context("`time` measured no numbers")?;
    Ok(Cost {
        seconds,
        cpu_seconds,
        peak_bytes,
        written_bytes: counter(&counters, "write_bytes")
            .context("nothing counts what is written")?,
    })
}

/// The peak in bytes and the processors' seconds, of kibibytes, user and system seconds.
fn timed_figures(line: &str) -> Option<(u64, f64)> {
    let mut words = line.split_whitespace();
    let kibibytes: u64 = words.next()?.parse().ok()?;
    let user: f64 = words.next()?.parse().ok()?;
    let system: f64 = words.next()?.parse().ok()?;
    Some((kibibytes * 1024, user + system))
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
    fn the_peak_and_both_kinds_of_seconds_are_read() {
        assert_eq!(timed_figures("1640 2.50 0.25\n"), Some((1_679_360, 2.75)));
        assert_eq!(timed_figures("1640 2.50"), None);
    }

    #[test]
    fn a_counter_is_found_by_its_whole_name() {
        let counters = "wchar: 7\nwrite_bytes: 8192\ncancelled_write_bytes: 3\n";
        assert_eq!(counter(counters, "write_bytes"), Some(8192));
        assert_eq!(counter(counters, "bytes"), None);
    }
}
