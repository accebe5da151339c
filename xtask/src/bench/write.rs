//! Writing sticks: straight from the root, and many at once. The sticks are loop devices that take
//! 40 MB/s, as a good USB stick does.

use super::{COMPRESSION, Options, clear, goal, machine, median, publish, ratio, require_root};
use crate::process::{read, run, shown};
use crate::roots::{self, Root};
use crate::setup::{Job, setup};
use crate::stick::{self, Profile, build_command};
use crate::table::{Table, bytes, seconds};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

const BYTES_PER_SECOND: u64 = 40_000_000;
/// cgroup-v1 blkio: `Documentation/admin-guide/cgroup-v1/blkio-controller.rst`.
const THROTTLE: &str = "/sys/fs/cgroup/blkio/blkio.throttle.write_bps_device";
const STICKS: usize = 4;
const STICK_BYTES: u64 = 4_000_000_000;

const DIRECT_RATIO_LIMIT: f64 = 1.1;
const WRITTEN_LIMIT: f64 = 1.01;
const MANY_RATIO_LIMIT: f64 = 1.3;
/// What `build --to` does that building a file and copying it does not.
const READ_BACK: &str = "read back";

/// Builds into a file, copies that to a stick, builds straight onto the stick, and writes the image to
/// one stick and to four, in turns.
pub fn write(options: &Options) -> Result<()> {
    require_root()?;
    setup(&[Job::Compile, Job::Roots, Job::Sticks, Job::CrossChecks])?;
    let workspace = Workspace::find()?;
    let program = stick::compile(&workspace, Profile::Release)?;
    let root = roots::make(&workspace, Root::Big)?;
    let folder = workspace.target("bench");
    fs::create_dir_all(&folder).context("cannot make a folder for the sticks")?;
    let image = folder.join("stick.img");
    super::warm::warm(&root)?;
    let sticks: Vec<_> = (0..STICKS)
        .map(|number| Stick::new(folder.join(format!("stick-{number}"))))
        .collect::<Result<_>>()?;

    let mut runs = Vec::new();
    for _ in 0..options.runs {
        clear(std::slice::from_ref(&image))?;
        runs.push(Round::measure(&program, &root, &image, &sticks)?);
    }
    drop(sticks);
    clear(&[image])?;
    let result = format!(
        "The root of the build benchmark, zstd level 3, on loop devices that take {} a second, \
         medians of {} interleaved runs.\n\n{}\n{}",
        bytes(BYTES_PER_SECOND),
        options.runs,
        compare(&Round::median(&runs)?),
        machine::describe(&machine::STICK_TOOLS)?
    );
    publish(&workspace, options, "Write", &result)
}

/// What one turn took.
#[derive(Clone, Copy)]
struct Round {
    to_file_seconds: f64,
    copy_seconds: f64,
    /// Without reading back.
    direct_seconds: f64,
    direct_written_bytes: u64,
    direct_read_bytes: u64,
    image_bytes: u64,
    one_seconds: f64,
    many_seconds: f64,
}

impl Round {
    fn measure(program: &Path, root: &Path, image: &Path, sticks: &[Stick]) -> Result<Self> {
        let [first, ..] = sticks else {
            bail!("there is no stick");
        };
        let compression = ["--compression", COMPRESSION];
        let to_file = timed(&mut build_command(program, root, image, &compression))?;
        let image_bytes = fs::metadata(image).context("no image was made")?.len();
        let copy = timed(
            Command::new("dd")
                .arg(format!("if={}", image.display()))
                .arg(format!("of={}", first.device))
                .args(["bs=4M", "conv=fdatasync", "status=none"]),
        )?;

        let before = first.moved()?;
        let mut direct = Command::new(program);
        direct.arg("build").arg(root).arg("--to").arg(&first.device);
        direct.args(["--allow-fixed", &first.device, "--yes", "--json"]);
        direct.args(compression);
        let (direct_seconds, report) = timed_with_report(&mut direct)?;
        let after = first.moved()?;
        let write = |sticks: &[Stick]| {
            let mut command = Command::new(program);
            command.args(["write", "--yes", "--quiet"]).arg(image);
            for stick in sticks {
                command.args([&stick.device, "--allow-fixed", &stick.device]);
            }
            timed(&mut command)
        };
        Ok(Self {
            to_file_seconds: to_file,
            copy_seconds: copy,
            direct_seconds: direct_seconds - stage_seconds(&report, READ_BACK),
            direct_written_bytes: after.written_bytes - before.written_bytes,
            direct_read_bytes: after.read_bytes - before.read_bytes,
            image_bytes,
            one_seconds: write(&sticks[..1])?,
            many_seconds: write(sticks)?,
        })
    }

    fn median(rounds: &[Self]) -> Result<Self> {
        let figure = |of: fn(&Self) -> f64| median(rounds.iter().map(of));
        Ok(Self {
            to_file_seconds: figure(|round| round.to_file_seconds)?,
            copy_seconds: figure(|round| round.copy_seconds)?,
            direct_seconds: figure(|round| round.direct_seconds)?,
            direct_written_bytes: median(rounds.iter().map(|round| round.direct_written_bytes))?,
            direct_read_bytes: median(rounds.iter().map(|round| round.direct_read_bytes))?,
            image_bytes: median(rounds.iter().map(|round| round.image_bytes))?,
            one_seconds: figure(|round| round.one_seconds)?,
            many_seconds: figure(|round| round.many_seconds)?,
        })
    }
}

/// What went from and to a stick.
struct Moved {
    read_bytes: u64,
    written_bytes: u64,
}

/// A throttled loop device, until it is dropped.
struct Stick {
    file: PathBuf,
    device: String,
}

impl Stick {
    fn new(file: PathBuf) -> Result<Self> {
        File::create(&file)
            .and_then(|made| made.set_len(STICK_BYTES))
            .with_context(|| format!("cannot make {}", file.display()))?;
        let mut attach = Command::new("losetup");
        attach.args(["--find", "--show"]).arg(&file);
        let device = read(&mut attach)?.trim().to_owned();
        let stick = Self { file, device };
        stick
            .throttle(BYTES_PER_SECOND)
            .with_context(|| format!("cannot throttle with {THROTTLE}, of cgroup v1"))?;
        Ok(stick)
    }

    /// Lets it take so many bytes a second; 0 is as many as it can.
    fn throttle(&self, bytes_per_second: u64) -> io::Result<()> {
        let number = fs::read_to_string(self.attribute("dev"))?;
        fs::write(THROTTLE, format!("{} {bytes_per_second}", number.trim()))
    }

    fn attribute(&self, name: &str) -> PathBuf {
        let device = self.device.trim_start_matches("/dev/");
        Path::new("/sys/block").join(device).join(name)
    }

    /// All that was read from it and written to it so far: `Documentation/block/stat.rst`.
    fn moved(&self) -> Result<Moved> {
        let stat = fs::read_to_string(self.attribute("stat")).context("no figures of a stick")?;
        let bytes = |field: usize| -> Result<u64> {
            let sectors = stat.split_whitespace().nth(field).context("no figures")?;
            Ok(sectors.parse::<u64>().context("no number")? * 512)
        };
        Ok(Moved {
            read_bytes: bytes(2)?,
            written_bytes: bytes(6)?,
        })
    }
}

impl Drop for Stick {
    fn drop(&mut self) {
        // It would hold for whatever has the same number next.
        let _ = self.throttle(0);
        // What cannot be taken down is seen with `losetup`.
        let _ = run(Command::new("losetup").args(["--detach", &self.device]));
        let _ = fs::remove_file(&self.file);
    }
}

fn timed(command: &mut Command) -> Result<f64> {
    Ok(timed_with_report(command)?.0)
}

fn timed_with_report(command: &mut Command) -> Result<(f64, String)> {
    eprintln!("$ {}", shown(command));
    let start = Instant::now();
    let report = read(command)?;
    Ok((start.elapsed().as_secs_f64(), report))
}

/// How long a stage took that a command reports; none where it had no such stage.
fn stage_seconds(report: &str, name: &str) -> f64 {
    let report: Value = serde_json::from_str(report).unwrap_or_default();
    let stages = report.pointer("/stages").and_then(Value::as_array);
    let stages = stages.into_iter().flatten();
    let named = stages.filter(|stage| stage.get("name").and_then(Value::as_str) == Some(name));
    named
        .filter_map(|stage| stage.get("seconds")?.as_f64())
        .sum()
}

fn compare(round: &Round) -> String {
    let mut table = Table::new(&["", "seconds", "beside", "ratio", "goal"]);
    let slower = round.to_file_seconds.max(round.copy_seconds);
    let direct = round.direct_seconds / slower;
    let many = round.many_seconds / round.one_seconds;
    let written = ratio(round.direct_written_bytes, round.image_bytes);
    let read = ratio(round.direct_read_bytes, round.image_bytes);
    let aim = |ratio: f64, limit: f64| goal(ratio <= limit, format!("≤ {limit}"));
    let rows = [
        (
            "build into a file",
            seconds(round.to_file_seconds),
            String::new(),
            String::new(),
            String::new(),
        ),
        (
            "`dd` that to a stick",
            seconds(round.copy_seconds),
            String::new(),
            String::new(),
            String::new(),
        ),
        (
            "`build --to`, without reading back",
            seconds(round.direct_seconds),
            format!("the slower of these: {}", seconds(slower)),
            format!("{direct:.2}"),
            aim(direct, DIRECT_RATIO_LIMIT),
        ),
        (
            "what it writes",
            bytes(round.direct_written_bytes),
            format!("the image: {}", bytes(round.image_bytes)),
            format!("{written:.3}"),
            aim(written, WRITTEN_LIMIT),
        ),
        (
            "what it reads from the stick",
            bytes(round.direct_read_bytes),
            String::new(),
            format!("{read:.3}"),
            String::new(),
        ),
        (
            "`write` to four sticks",
            seconds(round.many_seconds),
            format!("to one: {}", seconds(round.one_seconds)),
            format!("{many:.2}"),
            aim(many, MANY_RATIO_LIMIT),
        ),
    ];
    for (name, value, beside, ratio, goal) in rows {
        table.row([name.to_owned(), value, beside, ratio, goal]);
    }
    table.markdown()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_added_up_by_name() {
        let report = r#"{"stages": [{"name": "read back", "seconds": 2.5},
            {"name": "root", "seconds": 9}, {"name": "read back", "seconds": 1}]}"#;
        assert!((stage_seconds(report, READ_BACK) - 3.5).abs() < 1e-9);
        assert!(stage_seconds("", READ_BACK).abs() < 1e-9);
    }

    #[test]
    fn each_figure_stands_beside_its_goal() {
        let text = compare(&Round {
            to_file_seconds: 8.0,
            copy_seconds: 20.0,
            direct_seconds: 21.0,
            direct_written_bytes: 720,
            direct_read_bytes: 707,
            image_bytes: 700,
            one_seconds: 30.0,
            many_seconds: 36.0,
        });
        for cell in [
            " 1.05 |",
            "≤ 1.1: met",
            "1.029",
            "≤ 1.01: missed",
            " 1.010 |",
            "≤ 1.3: met",
        ] {
            assert!(text.contains(cell), "{cell}\n{text}");
        }
    }
}
