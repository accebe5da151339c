//! Making SquashFS images: livestick and its peers, each of the same trees.

mod check;
mod contests;
mod data;
mod generate;
mod programs;

use super::measure::Run;
use super::warm::{Files, warm};
use super::{Options, clear, machine, publish, ratio, require_root};
use crate::setup::{Job, setup};
use crate::stick::{self, Profile};
use crate::table::{Table, bytes, seconds};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use contests::{CONTESTS, Contest, peak_limit_bytes};
use programs::{Competitor, Programs};
use std::fs;
use std::path::{Path, PathBuf};

pub use data::Data;

/// A peer that takes longer, and may run once, does.
const LONG_SECONDS: f64 = 120.0;

/// Makes images of these data sets with these codecs, of all and with all where none is named, with
/// every program in turns, and compares what it costs.
pub fn squashfs(options: &Options, only: &[Data], codecs: &[String]) -> Result<()> {
    let chosen = chosen(only, codecs)?;
    require_root()?;
    setup(&[Job::Compile, Job::Roots, Job::SquashfsPeers])?;
    let workspace = Workspace::find()?;
    let programs = Programs::find(stick::compile(&workspace, Profile::Release)?)?;
    // All of them before the first is measured: a download that fails must not fail after an hour.
    let sources = chosen
        .into_iter()
        .map(|contests| Ok((data::make(&workspace, contests[0].data)?, contests)));
    let sources: Vec<_> = sources.collect::<Result<_>>()?;

    let folder = workspace.target("bench");
    fs::create_dir_all(&folder).context("cannot make a folder for the images")?;
    let scratch = Scratch {
        image: folder.join("image.squashfs"),
        other_image: folder.join("one-worker.squashfs"),
        time: folder.join("time"),
    };
    for (source, contests) in sources {
        measure(options, &workspace, &programs, &contests, &source, &scratch)?;
    }
    Ok(())
}

/// The contests that are asked for, each data set's together.
fn chosen(only: &[Data], codecs: &[String]) -> Result<Vec<Vec<&'static Contest>>> {
    let is_chosen = |contest: &&Contest| {
        (only.is_empty() || only.contains(&contest.data))
            && (codecs.is_empty() || codecs.iter().any(|codec| contest.has(codec)))
    };
    let contests: Vec<_> = CONTESTS.iter().filter(is_chosen).collect();
    if contests.is_empty() {
        bail!("none of these data sets is compared with any of these codecs");
    }
    let of_one_data = contests.chunk_by(|one, next| one.data == next.data);
    Ok(of_one_data.map(<[_]>::to_vec).collect())
}

/// Files that are overwritten.
struct Scratch {
    image: PathBuf,
    other_image: PathBuf,
    time: PathBuf,
}

impl Scratch {
    fn clear(&self) -> Result<()> {
        clear(&[self.image.clone(), self.other_image.clone()])
    }
}

/// Contests of one data set, one after the other.
fn measure(
    options: &Options,
    workspace: &Workspace,
    programs: &Programs,
    contests: &[&'static Contest],
    source: &Path,
    scratch: &Scratch,
) -> Result<()> {
    let data = contests[0].data;
    let files = warm(source)?;
    let checked = check::codecs(contests);
    let images = [scratch.image.as_path(), scratch.other_image.as_path()];
    check::before_timing(programs, data, &checked, source, images)?;
    for contest in contests {
        let outcomes = run(options, programs, contest, source, scratch)?;
        // The root itself is an inode too.
        let limit_bytes = peak_limit_bytes(data, files.count + 1);
        let result = format!(
            "{}\n\n{}\n{}",
            introduction(contest, files, options.runs, programs.jobs),
            rows(&outcomes, limit_bytes)?.markdown(),
            machine::describe(&programs.tools())?
        );
        let title = format!("SquashFS: {}", contest.title());
        publish(workspace, options, &title, &result)?;
    }
    scratch.clear()
}

/// A program and what its runs cost.
struct Outcome {
    competitor: Competitor,
    runs: Vec<Run>,
}

/// Has everybody make the image, in turns.
fn run(
    options: &Options,
    programs: &Programs,
    contest: &'static Contest,
    source: &Path,
    scratch: &Scratch,
) -> Result<Vec<Outcome>> {
    let competitors = programs.competitors(contest, source, &scratch.image)?;
    let mut outcomes: Vec<_> = competitors
        .into_iter()
        .map(|competitor| Outcome {
            competitor,
            runs: Vec::new(),
        })
        .collect();
    for _ in 0..options.runs {
        for Outcome { competitor, runs } in &mut outcomes {
            let is_long = runs.iter().any(|run| run.cost.seconds > LONG_SECONDS);
            if is_long && competitor.may_run_once {
                continue;
            }
            scratch.clear()?;
            runs.push(Run::measure(
                &competitor.command,
                &scratch.image,
                &scratch.time,
            )?);
        }
    }
    Ok(outcomes)
}

/// A row for each, beside the first's figures.
fn rows(outcomes: &[Outcome], peak_limit_bytes: u64) -> Result<Table> {
    let mut table = Table::new(&[
        "", "wall", "÷", "CPU", "÷", "peak", "÷", "bytes", "÷", "goals",
    ]);
    let first = outcomes.first().context("a contest without competitors")?;
    let peer = Run::median(&first.runs)?;
    for Outcome { competitor, runs } in outcomes {
        let run = Run::median(runs)?;
        let goals = competitor
            .ours
            .map(|ours| ours.goals(&peer, &run, peak_limit_bytes));
        let once = runs.len() < first.runs.len();
        let shown = |ratio: f64| format!("{ratio:.3}");
        table.row([
            competitor.name.clone() + if once { " (one run)" } else { "" },
            seconds(run.cost.seconds),
            shown(run.cost.seconds / peer.cost.seconds),
            seconds(run.cost.cpu_seconds),
            shown(run.cost.cpu_seconds / peer.cost.cpu_seconds),
            bytes(run.cost.peak_bytes),
            shown(ratio(run.cost.peak_bytes, peer.cost.peak_bytes)),
            bytes(run.image_bytes),
            shown(ratio(run.image_bytes, peer.image_bytes)),
            goals.unwrap_or_default(),
        ]);
    }
    Ok(table)
}

fn introduction(contest: &'static Contest, files: Files, runs: usize, jobs: usize) -> String {
    let checked = check::codecs(&[contest]);
    format!(
        "{}: {} in {} files. Blocks of 128 KiB, {jobs} workers each, warm cache, medians of {runs} \
         interleaved runs; ÷ is the ratio to Debian's `mksquashfs` above it. With {checked}, \
         before that, the kernel mounted an image of ours, which held what it was made of, and one \
         worker made the same bytes as several.",
        contest.data.description(),
        bytes(files.bytes),
        files.count,
        checked = checked.join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::super::measure::Cost;
    use super::*;
    use clap::ValueEnum;
    use std::process::Command;

    fn outcome(name: &str, seconds: &[f64], image_bytes: u64) -> Outcome {
        let run = |seconds: &f64| Run {
            cost: Cost {
                seconds: *seconds,
                cpu_seconds: seconds * 2.0,
                peak_bytes: 200_000_000,
                written_bytes: image_bytes,
            },
            image_bytes,
        };
        let competitor = Competitor {
            name: name.to_owned(),
            command: Command::new(name),
            ours: CONTESTS[0].ours.iter().find(|ours| ours.codec == name),
            may_run_once: false,
        };
        Outcome {
            competitor,
            runs: seconds.iter().map(run).collect(),
        }
    }

    #[test]
    fn contests_are_chosen_by_data_set_and_codec() {
        let count = |only: &[Data], codecs: &[&str]| {
            let codecs: Vec<_> = codecs.iter().map(|codec| (*codec).to_owned()).collect();
            let chosen = chosen(only, &codecs)?;
            Ok::<_, anyhow::Error>(chosen.iter().map(Vec::len).collect::<Vec<_>>())
        };
        assert_eq!(count(&[Data::Root], &["zstd:3"]).unwrap(), [1]);
        assert_eq!(
            count(&[Data::Root, Data::Small], &["gzip"]).unwrap(),
            [1, 1]
        );
        assert_eq!(count(&[], &[]).unwrap().len(), Data::value_variants().len());
        assert!(count(&[Data::Small], &["xz"]).is_err());
    }

    #[test]
    fn everybody_stands_beside_the_first_and_ours_beside_its_goals() {
        let outcomes = [
            outcome("mksquashfs", &[90.0, 100.0, 400.0], 1_000_000),
            outcome("gensquashfs", &[125.0], 1_000_000),
            outcome("gzip", &[13.0, 13.0, 90.0], 1_002_000),
        ];
        let text = rows(&outcomes, 400_000_000).unwrap().markdown();
        for cell in [
            "| gensquashfs (one run) | 125.0 s | 1.250 |",
            "| 0.130 | 26.0 s | 0.130 | 200.0 MB | 1.000 | 1.0 MB | 1.002 |",
            "wall ≤ 0.14: met; bytes ≤ 1: missed; peak ≤ 400.0 MB: met |",
        ] {
            let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(squeezed.contains(cell), "{cell}\n{text}");
        }
    }
}
