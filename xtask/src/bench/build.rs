//! Building the stick of a 1.9 GB root.

use super::measure::Run;
use super::warm::warm;
use super::{COMPRESSION, Options, by_hand, clear, machine, publish, ratio, require_root};
use crate::roots::{self, Root};
use crate::setup::{Job, setup};
use crate::stick::{self, Profile, build_command};
use crate::table::{Table, bytes, seconds};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs;

const SECONDS_RATIO_LIMIT: f64 = 0.35;
const WRITTEN_LIMIT: f64 = 1.05;
const PEAK_LIMIT_BYTES: u64 = 600_000_000;

/// Builds the stick of the big root by hand and with livestick, in turns, and compares.
pub fn build(options: &Options) -> Result<()> {
    require_root()?;
    setup(&[Job::Compile, Job::Roots, Job::Sticks, Job::ByHand])?;
    let workspace = Workspace::find()?;
    let program = stick::compile(&workspace, Profile::Release)?;
    let root = roots::make(&workspace, Root::Big)?;
    let folder = workspace.target("bench");
    fs::create_dir_all(&folder).context("cannot make a folder for the sticks")?;
    let (hand, image, scratch) = (
        folder.join("by-hand"),
        folder.join("stick.img"),
        folder.join("time"),
    );

    let files = warm(&root)?;
    let [mut by_hands, mut ours] = [Vec::new(), Vec::new()];
    for _ in 0..options.runs {
        clear(&[hand.clone(), image.clone()])?;
        let command = by_hand(&workspace, &root, &hand);
        by_hands.push(Run::measure(&command, &hand.join("stick.img"), &scratch)?);

        clear(std::slice::from_ref(&hand))?;
        let command = build_command(&program, &root, &image, &["--compression", COMPRESSION]);
        ours.push(Run::measure(&command, &image, &scratch)?);
    }
    clear(&[hand, image])?;

    let result = format!(
        "A root of {} in {} files, zstd level 3, warm cache, medians of {} interleaved runs.\n\n{}\n{}",
        bytes(files.bytes),
        files.count,
        options.runs,
        compare(&Run::median(&by_hands)?, &Run::median(&ours)?),
        machine::describe(&machine::STICK_TOOLS)?
    );
    publish(&workspace, options, "Build", &result)
}

/// How often every byte of the image was written.
fn written_ratio(run: &Run) -> f64 {
    ratio(run.cost.written_bytes, run.image_bytes)
}

fn compare(hand: &Run, our: &Run) -> String {
    let mut table = Table::new(&["", "by hand", "livestick", "ratio", "goal"]);
    let mut row = |name: &str, hand: String, our: String, ratio: f64, goal: String| {
        table.row([name.to_owned(), hand, our, format!("{ratio:.2}"), goal]);
    };
    let times = our.cost.seconds / hand.cost.seconds;
    let goal = super::goal(
        times <= SECONDS_RATIO_LIMIT,
        format!("ratio ≤ {SECONDS_RATIO_LIMIT}"),
    );
    row(
        "time",
        seconds(hand.cost.seconds),
        seconds(our.cost.seconds),
        times,
        goal,
    );

    let (hand_written, our_written) = (written_ratio(hand), written_ratio(our));
    let goal = super::goal(
        our_written <= WRITTEN_LIMIT,
        format!("livestick ≤ {WRITTEN_LIMIT}"),
    );
    let shown = |ratio: f64| format!("{ratio:.2}");
    row(
        "written / image",
        shown(hand_written),
        shown(our_written),
        our_written / hand_written,
        goal,
    );

    let goal = super::goal(
        our.cost.peak_bytes <= PEAK_LIMIT_BYTES,
        format!("livestick ≤ {}", bytes(PEAK_LIMIT_BYTES)),
    );
    let mut sizes = |name, of: fn(&Run) -> u64, goal| {
        row(
            name,
            bytes(of(hand)),
            bytes(of(our)),
            ratio(of(our), of(hand)),
            goal,
        );
    };
    sizes("peak memory", |run| run.cost.peak_bytes, goal);
    sizes("written", |run| run.cost.written_bytes, String::new());
    sizes("image", |run| run.image_bytes, String::new());
    table.markdown()
}

#[cfg(test)]
mod tests {
    use super::super::measure::Cost;
    use super::*;

    fn run(seconds: f64, written_bytes: u64, peak_bytes: u64) -> Run {
        let cost = Cost {
            seconds,
            cpu_seconds: seconds,
            peak_bytes,
            written_bytes,
        };
        Run {
            cost,
            image_bytes: 700_000_000,
        }
    }

    #[test]
    fn each_figure_stands_beside_its_goal() {
        let hand = run(33.0, 3_400_000_000, 1_600_000_000);
        let text = compare(&hand, &run(9.9, 700_000_000, 650_000_000));
        for cell in [
            " 0.30 |",
            "ratio ≤ 0.35: met",
            "livestick ≤ 1.05: met",
            "livestick ≤ 600.0 MB: missed",
        ] {
            assert!(text.contains(cell), "{cell}\n{text}");
        }
        assert!(compare(&hand, &run(16.5, 700_000_000, 1)).contains("ratio ≤ 0.35: missed"));
    }
}
