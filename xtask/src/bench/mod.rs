//! livestick against the same job done by hand, and its SquashFS engine against its peers: in the
//! same run, interleaved.

mod boot;
mod build;
pub mod machine;
mod measure;
mod page;
mod squashfs;
mod warm;
mod write;

use crate::process::run;
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use boot::boot;
pub use build::build;
pub use squashfs::{Data, squashfs};
pub use write::write;

/// How a benchmark is run.
pub struct Options {
    /// How often each side is measured; the medians count.
    pub runs: usize,
    /// Whether the result is kept in `docs/benchmarks.md`.
    pub save: bool,
}

/// How the root is compressed on both sides.
const COMPRESSION: &str = "zstd:3";

/// The job done by hand: copies the root into the folder, and makes `stick.img` there.
fn by_hand(workspace: &Workspace, root: &Path, folder: &Path) -> Command {
    let mut command = Command::new("bash");
    command
        .arg(workspace.root().join("xtask/bench/by-hand.sh"))
        .arg(root)
        .arg(folder);
    command
}

/// Prints a result and, where it is asked for, keeps it.
fn publish(workspace: &Workspace, options: &Options, title: &str, result: &str) -> Result<()> {
    println!("\n{result}");
    if options.save {
        let path = page::save(workspace.root(), title, result)?;
        println!("Saved in {}", path.display());
    }
    Ok(())
}

/// All sides need root: to read a whole root, and to mount and copy with owners.
fn require_root() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("reading a whole root and mounting images needs root, so run this as root");
    }
    Ok(())
}

/// What one run made must not be written back, nor take space, during the next.
fn clear(paths: &[PathBuf]) -> Result<()> {
    run(Command::new("rm").arg("-rf").args(paths))?;
    let folders = paths.iter().filter_map(|path| path.parent());
    run(Command::new("sync").arg("--file-system").args(folders))
}

/// The middle value; of an even number of them, the lower of the two in the middle.
fn median<T: PartialOrd>(values: impl IntoIterator<Item = T>) -> Result<T> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(Ordering::Equal));
    let middle = values.len().saturating_sub(1) / 2;
    values
        .into_iter()
        .nth(middle)
        .context("nothing was measured")
}

/// How many times the other figure this one is. What a double cannot hold of them does not matter.
fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

/// What was aimed at, and whether it was reached.
fn goal(met: bool, words: String) -> String {
    format!("{words}: {}", if met { "met" } else { "missed" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3, 1, 2]).unwrap(), 2);
        assert_eq!(median([4, 1, 2, 3]).unwrap(), 2);
        assert_eq!(median([7]).unwrap(), 7);
        assert!(median::<u64>([]).is_err());
    }
}
