//! The programs that make images, and how they are asked to.

use super::super::machine::{self, Tool};
use super::contests::{Contest, Ours};
use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::available_parallelism;

/// Debian's, which everything is held against.
const MKSQUASHFS: &str = "mksquashfs";
const GENSQUASHFS: &str = "gensquashfs";

/// Where they are, and how many processors each of them is to use.
pub struct Programs {
    livestick: PathBuf,
    newer_mksquashfs: Option<String>,
    /// As many as there are.
    pub jobs: usize,
}

/// A program that takes part in a contest.
pub struct Competitor {
    /// The program and its codec, as one would type them.
    pub name: String,
    /// Makes the image.
    pub command: Command,
    /// Where it is ours: its row.
    pub ours: Option<&'static Ours>,
    /// Whether one run is enough where it takes long.
    pub may_run_once: bool,
}

impl Programs {
    /// These, the peers on the path, and what `MKSQUASHFS` names.
    pub fn find(livestick: PathBuf) -> Result<Self> {
        let newer = env::var("MKSQUASHFS").ok().filter(|name| !name.is_empty());
        Ok(Self {
            livestick,
            newer_mksquashfs: newer,
            jobs: available_parallelism()
                .context("cannot count the processors")?
                .get(),
        })
    }

    /// The peers, and how they tell their versions.
    pub fn tools(&self) -> Vec<Tool<'_>> {
        let newer = self.newer_mksquashfs.as_deref();
        let mut tools = vec![(MKSQUASHFS, "-version")];
        tools.extend(newer.map(|newer| (newer, "-version")));
        tools.push((GENSQUASHFS, "--version"));
        tools
    }

    /// Everybody who takes part, Debian's mksquashfs first.
    pub fn competitors(
        &self,
        contest: &'static Contest,
        source: &Path,
        image: &Path,
    ) -> Result<Vec<Competitor>> {
        let peer = |name: String, command: Command, may_run_once| Competitor {
            name,
            command,
            ours: None,
            may_run_once,
        };
        let mut all = vec![peer(
            named(MKSQUASHFS, contest.mksquashfs),
            self.mksquashfs(MKSQUASHFS, contest.mksquashfs, source, image),
            false,
        )];
        if let Some(newer) = &self.newer_mksquashfs {
            let version = machine::version(newer, "-version")?;
            all.push(peer(
                named(&version.replace(" version", ""), contest.mksquashfs),
                self.mksquashfs(newer, contest.mksquashfs, source, image),
                false,
            ));
        }
        if let Some(codec) = contest.gensquashfs {
            all.push(peer(
                named(GENSQUASHFS, codec),
                self.gensquashfs(codec, source, image),
                true,
            ));
        }
        all.extend(contest.ours.iter().map(|ours| Competitor {
            name: named("livestick", &["-z", ours.codec]),
            command: self.livestick(ours.codec, self.jobs, source, image),
            ours: Some(ours),
            may_run_once: false,
        }));
        Ok(all)
    }

    /// Ours, with as many workers.
    pub fn livestick(&self, codec: &str, jobs: usize, source: &Path, image: &Path) -> Command {
        let mut command = Command::new(&self.livestick);
        command
            .args(["squashfs", "create"])
            .args([source, image])
            .args(["-z", codec, "-j", &jobs.to_string(), "--force", "--quiet"]);
        command
    }

    fn mksquashfs(&self, program: &str, codec: &[&str], source: &Path, image: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args([source, image])
            .args(["-no-progress", "-noappend", "-quiet"])
            .args(["-processors", &self.jobs.to_string()])
            .args(codec);
        command
    }

    /// It keeps times only where it is asked to; the others always do. Attributes it cannot be asked to
    /// keep: an access control list, which every Debian root has on its journal, makes it give up.
    fn gensquashfs(&self, codec: &[&str], source: &Path, image: &Path) -> Command {
        let mut command = Command::new(GENSQUASHFS);
        command
            .arg("--pack-dir")
            .arg(source)
            .args(["--keep-time", "--force", "--quiet"])
            .args(["--num-jobs", &self.jobs.to_string()])
            .args(codec)
            .arg(image);
        command
    }
}

fn named(program: &str, codec: &[&str]) -> String {
    format!("`{program} {}`", codec.join(" "))
}

#[cfg(test)]
mod tests {
    use super::super::contests::CONTESTS;
    use super::*;
    use crate::process::shown;

    #[test]
    fn everybody_uses_the_same_processors_and_debians_mksquashfs_comes_first() {
        let programs = Programs {
            livestick: "livestick".into(),
            newer_mksquashfs: None,
            jobs: 5,
        };
        let [source, image] = ["in", "out"].map(Path::new);
        let all = programs.competitors(&CONTESTS[0], source, image).unwrap();
        let commands: Vec<_> = all.iter().map(|one| shown(&one.command)).collect();
        assert_eq!(
            commands,
            [
                "mksquashfs in out -no-progress -noappend -quiet -processors 5 -comp gzip",
                "gensquashfs --pack-dir in --keep-time --force --quiet --num-jobs 5 \
                 --compressor gzip out",
                "livestick squashfs create in out -z gzip -j 5 --force --quiet",
                "livestick squashfs create in out -z gzip:10 -j 5 --force --quiet",
            ]
        );
        assert_eq!(all[3].name, "`livestick -z gzip:10`");
    }
}
