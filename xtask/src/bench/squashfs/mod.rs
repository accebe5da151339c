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
use anyhow::{Context, Result};
use contests::{CONTESTS, Contest, peak_limit_bytes};
use programs::{Competitor, Programs};
use std::fs;
use std::path::{Path, PathBuf};

pub use data::Data;

/// A peer that takes longer, and may run once, does.
const LONG_SECONDS: f64 = 120.0;

/// Makes images of these data sets, of all where none is named, with every program in turns, and
/// compares what it costs.
pub fn squashfs(options: &Options, only: &[Data]) -> Result<()> {
    require_root()?;
    setup(&[Job::Compile, Job::Roots, Job::SquashfsPeers])?;
    let workspace = Workspace::find()?;
    let programs = Programs::find(stick::compile(&workspace, Profile::Release)?)?;
    let chosen = if only.is_empty() { &Data::ALL } else { only };
    let sources = chosen
        .iter()
        .map(|data| Ok((*data, data::make(&workspace, *data)?)));
    // All of them before the first is measured: a download that fails must not fail after an hour.
    let sources: Vec<_> = sources.collect::<Result<_>>()?;

    let folder = workspace.target("bench");
    fs::create_dir_all(&folder).context("cannot make a folder for the images")?;
    let scratch = Scratch {
        image: folder.join("image.squashfs"),
        other_image: folder.join("one-worker.squashfs"),
        time: folder.join("time"),
    };
    for (data, source) in sources {
        let result = measure(options, &programs, data, &source, &scratch)?;
        let title = format!("SquashFS: {}", data.title());
        publish(&workspace, options, &title, &result)?;
    }
    Ok(())
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

/// All contests of a data set, as text.
fn measure(
    options: &Options,
    programs: &Programs,
    data: Data,
    source: &Path,
    scratch: &Scratch,
) -> Result<String> {
    let files = warm(source)?;
    check::before_timing(
        programs,
        data,
        source,
        [&scratch.image, &scratch.other_image],
    )?;
    let mut table = Table::new(&[
        "", "wall", "÷", "CPU", "÷", "peak", "÷", "bytes", "÷", "goals",
    ]);
    for contest in CONTESTS.iter().filter(|contest| contest.data == data) {
        let results = run(options, programs, contest, source, scratch)?;
        // The root itself is an inode too.
        add_rows(
            &mut table,
            &results,
            peak_limit_bytes(data, files.count + 1),
        )?;
    }
    scratch.clear()?;
    Ok(format!(
        "{}\n\n{}\n{}",
        introduction(data, files, options.runs, programs.jobs),
        table.markdown(),
        machine::describe(&programs.tools())?
    ))
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
            let is_first = runs.is_empty();
            runs.push(Run::measure(
                &competitor.command,
                &scratch.image,
                &scratch.time,
            )?);
            if is_first
                && competitor
                    .ours
                    .is_some_and(|ours| !check::is_quick(ours.codec))
            {
                check::holds(&scratch.image, source, contest.data)?;
            }
        }
    }
    Ok(outcomes)
}

/// A row for each, beside the first's figures.
fn add_rows(table: &mut Table, outcomes: &[Outcome], peak_limit_bytes: u64) -> Result<()> {
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
    Ok(())
}

fn introduction(data: Data, files: Files, runs: usize, jobs: usize) -> String {
    format!(
        "{}: {} in {} files. Blocks of 128 KiB, {jobs} workers each, warm cache, medians of {runs} \
         interleaved runs; ÷ is the ratio to Debian's `mksquashfs` above it. The kernel mounted an \
         image of each of ours, and it was what it was made of; with {quick} one worker made the same \
         bytes as several.",
        data.description(),
        bytes(files.bytes),
        files.count,
        quick = check::codecs(data).join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::super::measure::Cost;
    use super::*;
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
    fn everybody_stands_beside_the_first_and_ours_beside_its_goals() {
        let outcomes = [
            outcome("mksquashfs", &[90.0, 100.0, 400.0], 1_000_000),
            outcome("gensquashfs", &[125.0], 1_000_000),
            outcome("gzip", &[13.0, 13.0, 90.0], 1_002_000),
        ];
        let mut table = Table::new(&["", "wall"]);
        add_rows(&mut table, &outcomes, 400_000_000).unwrap();
        let text = table.markdown();
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
