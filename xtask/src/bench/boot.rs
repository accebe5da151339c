//! Booting the stick of a 1.9 GB root, and the same root with other initramfs.

use super::{COMPRESSION, Options, by_hand, clear, goal, machine, median, publish, require_root};
use crate::demo::hand_over_time;
use crate::process::{read, run};
use crate::roots::{self, Root};
use crate::setup::{Job, setup};
use crate::stick::{self, Profile, build_command};
use crate::table::{Table, bytes, seconds};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use livestick_vm::{Action, Ending, Firmware, Machine, Step, Until, Watch};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const HAND_OVER_RATIO_LIMIT: f64 = 0.45;
/// Power-on to login, against each of the others.
const LOGIN_RATIO_LIMITS: [f64; 3] = [1.0, 0.40, 0.65];

/// Boots the stick made by hand, those with the initramfs of live-boot and of dracut, and
/// livestick's in turns, and compares.
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
    let folder = workspace.target("bench");
    fs::create_dir_all(&folder).context("cannot make a folder for the sticks")?;
    let sides = make_sides(&workspace, &folder)?;

    let mut runs: Vec<Vec<Run>> = sides.iter().map(|_| Vec::new()).collect();
    for _ in 0..options.runs {
        for (side, runs) in sides.iter().zip(&mut runs) {
            runs.push(Run::watch(side)?);
        }
    }
    let folders = sides.into_iter().map(|side| side.folder);
    clear(&folders.collect::<Vec<_>>())?;

    let medians = runs.iter().map(|runs| Run::median(runs));
    let medians = medians.collect::<Result<Vec<_>>>()?;
    let [hand, live_boot, dracut, our] = &medians[..] else {
        bail!("a side is missing");
    };
    let result = format!(
        "A Debian root of 1.9 GB on a USB stick, under QEMU (TCG, xHCI, BIOS, 2 processors), medians of {} \
         interleaved runs. The others have the same SquashFS, made by mksquashfs, the same kernel and \
         SYSLINUX without a menu. All are `quiet`, with the console on a serial port.\n\n{}\n{}",
        options.runs,
        compare([hand, live_boot, dracut], our),
        machine::describe(&machine::STICK_TOOLS)?
    );
    publish(&workspace, options, "Boot", &result)
}

/// One of those that are compared.
struct Side {
    /// Everything of it.
    folder: PathBuf,
    image: PathBuf,
    watch: Watch,
}

fn make_sides(workspace: &Workspace, folder: &Path) -> Result<[Side; 4]> {
    let program = stick::compile(workspace, Profile::Release)?;
    let root = roots::make(workspace, Root::Big)?;
    let places = ["by-hand", "live-boot", "dracut", "livestick"].map(|name| folder.join(name));
    clear(&places)?;
    let [hand, live_boot, dracut, our] = &places;
    run(&mut by_hand(workspace, &root, hand))?;
    for (kind, recipe, place) in [
        ("live-boot", Root::LiveBoot, live_boot),
        ("dracut", Root::Dracut, dracut),
    ] {
        let peer = roots::make(workspace, recipe)?;
        run(Command::new("bash")
            .arg(workspace.root().join("xtask/bench/live-peer.sh"))
            .arg(kind)
            .args([&peer, hand, place]))?;
    }
    fs::create_dir_all(our).context("cannot make a folder for the stick")?;
    read(&mut build_command(
        &program,
        &root,
        &our.join("stick.img"),
        &[
            "--compression",
            COMPRESSION,
            "--menu-timeout",
            "0",
            "--cmdline",
            "console=ttyS0,115200 loglevel=4",
        ],
    ))?;
    let watches = [by_hand_watch(), login_watch(), login_watch(), our_watch()];
    let mut sides = places.into_iter().zip(watches).map(|(folder, watch)| Side {
        image: folder.join("stick.img"),
        folder,
        watch,
    });
    let mut side = || sides.next().context("a side is missing");
    Ok([side()?, side()?, side()?, side()?])
}

fn login_watch() -> Watch {
    Watch {
        until: Until::LoginPrompt,
        ..Watch::default()
    }
}

/// Reads the stick's figures when `/init` starts and when it hands over.
fn with_figures(watch: Watch) -> Watch {
    let marks = [&watch.init_started, &watch.hand_over];
    let script = marks.map(|mark| Step::shown(mark.clone(), Action::ReadFigures));
    Watch {
        script: script.to_vec(),
        ..watch
    }
}

fn our_watch() -> Watch {
    with_figures(login_watch())
}

/// What the script made by hand says on the console.
fn by_hand_watch() -> Watch {
    with_figures(Watch {
        init_started: "INIT uptime=".to_owned(),
        hand_over: "HAND-OVER uptime=".to_owned(),
        ..login_watch()
    })
}

#[derive(Clone, Copy)]
struct Run {
    /// `/init`'s own time, where it says it.
    hand_over_seconds: Option<f64>,
    login_seconds: f64,
    read_requests: u64,
    read_bytes: u64,
    /// What the loader and what `/init` read, where it is known.
    loader_bytes: Option<u64>,
    init_bytes: Option<u64>,
}

impl Run {
    fn watch(side: &Side) -> Result<Self> {
        eprintln!("Booting {}", side.image.display());
        let machine = Machine {
            timeout: Duration::from_mins(10),
            ..Machine::new(&side.image, Firmware::Bios)
        };
        let report =
            livestick_vm::boot(&machine, &side.watch, &|| false).context("cannot boot it")?;
        if report.ending != Ending::Reached {
            bail!(
                "it did not boot: {}\n{}",
                report.ending,
                report.last_lines(20).join("\n")
            );
        }
        let login = report.login_prompt.context("it did not ask for a login")?;
        let loader = report.figures.first().map(|figures| figures.bytes_read);
        let init = report.figures.get(1).map(|figures| figures.bytes_read);
        Ok(Self {
            hand_over_seconds: hand_over_time(&report).map(|time| time.as_secs_f64()),
            login_seconds: login.as_secs_f64(),
            read_requests: report.stick.read_requests,
            read_bytes: report.stick.bytes_read,
            loader_bytes: loader,
            init_bytes: init.zip(loader).map(|(init, loader)| init - loader),
        })
    }

    /// A run with the median of each figure.
    fn median(runs: &[Self]) -> Result<Self> {
        let all = || runs.iter();
        // A side says a figure in every run or in none.
        let of_some = |figure: fn(&Self) -> Option<u64>| median(all().filter_map(figure)).ok();
        Ok(Self {
            hand_over_seconds: median(all().filter_map(|run| run.hand_over_seconds)).ok(),
            login_seconds: median(all().map(|run| run.login_seconds))?,
            read_requests: median(all().map(|run| run.read_requests))?,
            read_bytes: median(all().map(|run| run.read_bytes))?,
            loader_bytes: of_some(|run| run.loader_bytes),
            init_bytes: of_some(|run| run.init_bytes),
        })
    }
}

fn compare(others: [&Run; 3], our: &Run) -> String {
    let mut table = Table::new(&["", "by hand", "live-boot", "dracut", "livestick", "goal"]);
    let mut row = |name: &str, cell: &dyn Fn(&Run) -> String, goal: String| {
        let cells = others.into_iter().chain([our]).map(cell);
        table.row([name.to_owned()].into_iter().chain(cells).chain([goal]));
    };
    let [hand, ..] = others;
    let ratio = match (our.hand_over_seconds, hand.hand_over_seconds) {
        (Some(our), Some(hand)) => our / hand,
        _ => f64::INFINITY,
    };
    row(
        "start of `/init` to hand-over",
        &|run| run.hand_over_seconds.map(seconds).unwrap_or_default(),
        at_most(ratio, HAND_OVER_RATIO_LIMIT, "by hand"),
    );
    let names = ["by hand", "live-boot", "dracut"];
    let logins = others.into_iter().zip(LOGIN_RATIO_LIMITS).zip(names);
    let goals = logins.map(|((other, limit), name)| {
        at_most(our.login_seconds / other.login_seconds, limit, name)
    });
    row(
        "power-on to login prompt",
        &|run| seconds(run.login_seconds),
        goals.collect::<Vec<_>>().join("; "),
    );
    row(
        "requests to the stick",
        &|run| run.read_requests.to_string(),
        at_most(
            super::ratio(our.read_requests, hand.read_requests),
            1.0,
            "by hand",
        ),
    );
    row(
        "read from the stick",
        &|run| bytes(run.read_bytes),
        at_most(
            super::ratio(our.read_bytes, hand.read_bytes),
            1.0,
            "by hand",
        ),
    );
    let shown = |figure: Option<u64>| figure.map(bytes).unwrap_or_default();
    row(
        "… by the loader",
        &|run| shown(run.loader_bytes),
        String::new(),
    );
    row("… by `/init`", &|run| shown(run.init_bytes), String::new());
    table.markdown()
}

/// A ratio beside its goal.
fn at_most(ratio: f64, limit: f64, name: &str) -> String {
    goal(ratio <= limit, format!("{ratio:.2} ≤ {limit:.2} × {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(hand_over_seconds: Option<f64>, login_seconds: f64) -> Run {
        Run {
            hand_over_seconds,
            login_seconds,
            read_requests: 900,
            read_bytes: 93_000_000,
            loader_bytes: hand_over_seconds.map(|_| 11_000_000),
            init_bytes: hand_over_seconds.map(|_| 500_000),
        }
    }

    #[test]
    fn each_figure_stands_beside_its_goals() {
        let others = [run(Some(2.2), 35.0), run(None, 100.0), run(None, 60.0)];
        let [hand, live_boot, dracut] = &others;
        let compare = |our: &Run| compare([hand, live_boot, dracut], our);
        let text = compare(&run(Some(0.88), 33.6));
        for part in [
            " 0.40 ≤ 0.45 × by hand: met |",
            "0.96 ≤ 1.00 × by hand: met; 0.34 ≤ 0.40 × live-boot: met; 0.56 ≤ 0.65 × dracut: met",
            "1.00 ≤ 1.00 × by hand: met |",
            "11.0 MB",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let text = compare(&run(Some(1.2), 45.0));
        assert!(text.contains("0.55 ≤ 0.45 × by hand: missed"), "{text}");
        assert!(text.contains("0.75 ≤ 0.65 × dracut: missed"), "{text}");
    }
}
