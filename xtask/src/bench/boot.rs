//! Booting the stick of a small root.

use super::{COMPRESSION, Options, by_hand, clear, goal, machine, median, publish, require_root};
use crate::demo::hand_over_time;
use crate::process::{read, run};
use crate::roots::{self, Root};
use crate::setup::{Job, setup};
use crate::stick::{self, Profile, build_command};
use crate::table::{Table, bytes, seconds};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use livestick_vm::{Ending, Firmware, Machine, Until, Watch};
use std::fs;
use std::path::Path;

const HAND_OVER_RATIO_LIMIT: f64 = 0.5;

/// Boots the stick made by hand and livestick's in turns, and compares.
pub fn boot(options: &Options) -> Result<()> {
    require_root()?;
    setup(&[
        Job::Compile,
        Job::Roots,
        Job::Sticks,
        Job::Boots,
        Job::ByHand,
    ])?;
    let workspace = Workspace::find()?;
    let program = stick::compile(&workspace, Profile::Release)?;
    let root = roots::make(&workspace, Root::Plain)?;
    let folder = workspace.target("bench");
    fs::create_dir_all(&folder).context("cannot make a folder for the sticks")?;
    let (hand, image) = (folder.join("by-hand"), folder.join("stick.img"));
    clear(&[hand.clone(), image.clone()])?;
    run(&mut by_hand(&workspace, &root, &hand))?;
    read(&mut build_command(
        &program,
        &root,
        &image,
        &["--compression", COMPRESSION, "--menu-timeout", "0"],
    ))?;

    let [mut by_hands, mut ours] = [Vec::new(), Vec::new()];
    for _ in 0..options.runs {
        by_hands.push(Run::watch(&hand.join("stick.img"), &by_hand_watch())?);
        ours.push(Run::watch(
            &image,
            &Watch {
                until: Until::LoginPrompt,
                ..Watch::default()
            },
        )?);
    }
    clear(&[hand, image])?;

    let result = format!(
        "A small Debian root on a USB stick, under QEMU (TCG, xHCI, BIOS, 2 processors), medians of {} \
         interleaved runs. The stick made by hand shows every unit that starts on the serial console; \
         livestick's does not.\n\n{}\n{}",
        options.runs,
        compare(&Run::median(&by_hands)?, &Run::median(&ours)?),
        machine::describe(&machine::STICK_TOOLS)?
    );
    publish(&workspace, options, "Boot", &result)
}

/// What the script made by hand says on the console.
fn by_hand_watch() -> Watch {
    Watch {
        init_started: "INIT uptime=".to_owned(),
        hand_over: "HAND-OVER uptime=".to_owned(),
        until: Until::LoginPrompt,
        script: Vec::new(),
    }
}

#[derive(Clone, Copy)]
struct Run {
    hand_over_seconds: f64,
    login_seconds: f64,
    read_bytes: u64,
}

impl Run {
    fn watch(image: &Path, watch: &Watch) -> Result<Self> {
        eprintln!("Booting {}", image.display());
        let machine = Machine::new(image, Firmware::Bios);
        let report = livestick_vm::boot(&machine, watch, &|| false).context("cannot boot it")?;
        if report.ending != Ending::Reached {
            bail!(
                "it did not boot: {}\n{}",
                report.ending,
                report.last_lines(20).join("\n")
            );
        }
        let hand_over = hand_over_time(&report).context("it did not say when it handed over")?;
        let login = report.login_prompt.context("it did not ask for a login")?;
        Ok(Self {
            hand_over_seconds: hand_over.as_secs_f64(),
            login_seconds: login.as_secs_f64(),
            read_bytes: report.stick.bytes_read,
        })
    }

    /// A run with the median of each figure.
    fn median(runs: &[Self]) -> Result<Self> {
        Ok(Self {
            hand_over_seconds: median(runs.iter().map(|run| run.hand_over_seconds))?,
            login_seconds: median(runs.iter().map(|run| run.login_seconds))?,
            read_bytes: median(runs.iter().map(|run| run.read_bytes))?,
        })
    }
}

fn compare(hand: &Run, our: &Run) -> String {
    let mut table = Table::new(&["", "by hand", "livestick", "ratio", "goal"]);
    let mut row = |name: &str, hand: String, our: String, ratio: f64, goal: String| {
        table.row([name.to_owned(), hand, our, format!("{ratio:.2}"), goal]);
    };
    let ratio = our.hand_over_seconds / hand.hand_over_seconds;
    let goal = goal(
        ratio <= HAND_OVER_RATIO_LIMIT,
        format!("ratio ≤ {HAND_OVER_RATIO_LIMIT}"),
    );
    row(
        "start of `/init` to hand-over",
        seconds(hand.hand_over_seconds),
        seconds(our.hand_over_seconds),
        ratio,
        goal,
    );
    let ratio = our.login_seconds / hand.login_seconds;
    row(
        "power-on to login prompt",
        seconds(hand.login_seconds),
        seconds(our.login_seconds),
        ratio,
        String::new(),
    );
    let ratio = super::ratio(our.read_bytes, hand.read_bytes);
    row(
        "read from the stick",
        bytes(hand.read_bytes),
        bytes(our.read_bytes),
        ratio,
        String::new(),
    );
    table.markdown()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hand_over_stands_beside_its_goal() {
        let run = |hand_over_seconds| Run {
            hand_over_seconds,
            login_seconds: 30.0,
            read_bytes: 93_000_000,
        };
        let text = compare(&run(2.2), &run(0.88));
        assert!(text.contains("|  0.40 | ratio ≤ 0.5: met |"), "{text}");
        assert!(compare(&run(2.2), &run(1.2)).contains("ratio ≤ 0.5: missed"));
    }
}
