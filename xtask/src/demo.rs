//! From an empty checkout to a stick that has booted.

use crate::roots::{self, Root};
use crate::setup::{Job, setup};
use crate::stick::{self, Built, Profile};
use crate::table::{Table, bytes, seconds};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use livestick_boot_tests::problems;
use livestick_vm::{Firmware, Machine, Moment, Report, Watch, boot};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How much of the serial console is shown of a boot that failed.
const LAST_LINES: usize = 20;

/// What is done, with its seconds.
type Stages = Vec<(String, f64)>;

/// Sets up, compiles livestick, makes a root where none is given, builds its stick, boots it on BIOS
/// and on UEFI, and prints a table. Fails where a boot did not go as it should.
pub fn demo(root: Option<PathBuf>) -> Result<()> {
    setup(&[Job::Compile, Job::Sticks, Job::Boots])?;
    let workspace = Workspace::find()?;
    let mut stages = Stages::new();
    let program = timed("compile livestick", &mut stages, || {
        stick::compile(&workspace, Profile::Release)
    })?;
    let root = match root {
        Some(root) => root,
        None => {
            setup(&[Job::Roots])?;
            timed("make the root", &mut stages, || {
                roots::make(&workspace, Root::Small)
            })?
        }
    };

    let image = workspace.target("demo/stick.img");
    fs::create_dir_all(workspace.target("demo")).context("cannot make a folder for the stick")?;
    eprintln!("Building {}", image.display());
    let built = stick::build(&program, &root, &image)?;
    stages.extend(
        built
            .stages
            .iter()
            .map(|(name, seconds)| (format!("build: {name}"), *seconds)),
    );

    let bios = timed("boot on BIOS", &mut stages, || {
        watch(&image, Firmware::Bios)
    })?;
    let uefi = timed("boot on UEFI", &mut stages, || {
        watch(&image, Firmware::Uefi)
    })?;
    print!(
        "\n{}\n{}\n{}",
        times(&stages),
        sizes(&built),
        boots(&bios, &uefi)
    );
    judge(&[("BIOS", &bios), ("UEFI", &uefi)])?;
    println!("\nThe stick boots: {}", image.display());
    Ok(())
}

fn timed<T>(name: &str, stages: &mut Stages, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = work()?;
    stages.push((name.to_owned(), start.elapsed().as_secs_f64()));
    Ok(result)
}

fn watch(image: &Path, firmware: Firmware) -> Result<Report> {
    let machine = Machine::new(image, firmware);
    eprintln!("Booting it as a USB stick on {firmware}; this takes a minute or two ...");
    boot(&machine, &Watch::default(), &|| false)
        .with_context(|| format!("cannot boot it on {firmware}"))
}

fn times(stages: &Stages) -> String {
    let mut table = Table::new(&["stage", "time"]);
    for (name, duration) in stages {
        table.row([name.clone(), seconds(*duration)]);
    }
    table.markdown()
}

fn sizes(built: &Built) -> String {
    let mut table = Table::new(&["what", "size"]);
    table.row([
        format!("root, {} files", built.root_files),
        bytes(built.root_bytes),
    ]);
    table.row(["root, compressed".to_owned(), bytes(built.squashfs_bytes)]);
    let initramfs = format!("initramfs for {}, {}", built.kernel, built.initramfs_codec);
    table.row([initramfs, bytes(built.initramfs_bytes)]);
    table.row(["stick's image".to_owned(), bytes(built.image_bytes)]);
    table.markdown()
}

fn boots(bios: &Report, uefi: &Report) -> String {
    let mut table = Table::new(&["boot", "BIOS", "UEFI"]);
    let mut row = |name: &str, cell: &dyn Fn(&Report) -> String| {
        table.row([name.to_owned(), cell(bios), cell(uefi)]);
    };
    row("power-on to login prompt", &|report| {
        time(report.login_prompt)
    });
    row("`/init` to hand-over", &|report| {
        time(hand_over_time(report))
    });
    row("`is-system-running`", &|report| {
        report
            .beacon
            .as_ref()
            .map_or("unknown".to_owned(), |beacon| beacon.state.clone())
    });
    row("failed units", &|report| match &report.beacon {
        Some(beacon) if beacon.failed_units.is_empty() => "none".to_owned(),
        Some(beacon) => beacon.failed_units.join(", "),
        None => "unknown".to_owned(),
    });
    row("root mounted", &|report| {
        let options = report
            .beacon
            .as_ref()
            .map(|beacon| beacon.root_options.split(',').next());
        options.flatten().unwrap_or("unknown").to_owned()
    });
    row("read from the stick", &|report| {
        bytes(report.stick.bytes_read)
    });
    row("written to the stick", &|report| {
        bytes(report.stick.bytes_written)
    });
    table.markdown()
}

fn time(time: Option<Duration>) -> String {
    time.map_or("never".to_owned(), |time| seconds(time.as_secs_f64()))
}

/// From the start of `/init` to its end, by the guest's own clock.
pub fn hand_over_time(report: &Report) -> Option<Duration> {
    let uptime = |moment: Option<Moment>| moment?.uptime;
    uptime(report.hand_over)?.checked_sub(uptime(report.init_started)?)
}

/// Fails, saying what went wrong, where a boot did not go as it should.
fn judge(boots: &[(&str, &Report)]) -> Result<()> {
    let mut failed = Vec::new();
    for (name, report) in boots {
        let problems = problems(report);
        if problems.is_empty() {
            continue;
        }
        eprintln!("\nThe last lines of the console on {name}:");
        for line in report.last_lines(LAST_LINES) {
            eprintln!("  {line}");
        }
        failed.push(format!("on {name}: {}", problems.join("; ")));
    }
    if !failed.is_empty() {
        bail!("the stick did not boot as it should: {}", failed.join("; "));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestick_vm::{Accelerator, Beacon, BlockStats, Ending};

    fn report(state: &str) -> Report {
        let moment = |millis| Moment {
            after: Duration::ZERO,
            uptime: Some(Duration::from_millis(millis)),
        };
        Report {
            ending: Ending::Reached,
            elapsed: Duration::from_secs(30),
            init_started: Some(moment(2500)),
            hand_over: Some(moment(3600)),
            login_prompt: Some(Duration::from_millis(28_400)),
            beacon: Some(Beacon {
                state: state.to_owned(),
                failed_units: Vec::new(),
                root_options: "rw,relatime".to_owned(),
                complete: true,
            }),
            rescue: None,
            waited_for: None,
            stick: BlockStats {
                bytes_read: 93_000_000,
                ..BlockStats::default()
            },
            disks: Vec::new(),
            figures: Vec::new(),
            screens: Vec::new(),
            serial_log: "one\ntwo\n".to_owned(),
            screenshot: None,
            accelerator: Accelerator::Tcg,
        }
    }

    #[test]
    fn a_boot_is_told_in_figures() {
        let text = boots(&report("running"), &report("degraded"));
        for row in [
            "| power-on to login prompt |  28.4 s |   28.4 s |",
            "| `/init` to hand-over     |  1.10 s |   1.10 s |",
            "| `is-system-running`      | running | degraded |",
            "| root mounted             |      rw |       rw |",
            "| read from the stick      | 93.0 MB |  93.0 MB |",
            "| written to the stick     |     0 B |      0 B |",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
    }

    #[test]
    fn only_good_boots_pass() {
        assert!(judge(&[("BIOS", &report("running"))]).is_ok());
        let error = judge(&[("BIOS", &report("running")), ("UEFI", &report("degraded"))]);
        assert_eq!(
            error.unwrap_err().to_string(),
            "the stick did not boot as it should: on UEFI: the system is `degraded`, not `running`"
        );
    }
}
