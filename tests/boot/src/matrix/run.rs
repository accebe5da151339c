//! Running a row: the stick, the machine, the boot, the verdict.

use super::damage::Damage;
use super::inside::{Inside, digests};
use super::scenario::{End, Root, Scenario};
use super::typed::FIRST_LINE;
use crate::problems;
use anyhow::{Context, Result, bail, ensure};
use livestick_vm::{Ending, Machine, Report, Watch, boot};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// What must never be seen, whatever the scenario.
const NEVER: [&str; 1] = ["panicked at"];

/// Where the root of this name is, which is made where it is not there yet.
pub(super) type FindRoot<'a> = &'a dyn Fn(Root) -> Result<PathBuf>;

/// What runs scenarios, and keeps the images that they share.
pub struct Runner<'a> {
    program: PathBuf,
    folder: TempDir,
    root: FindRoot<'a>,
    images: HashMap<(Root, Vec<&'static str>), PathBuf>,
}

/// What became of a scenario.
#[derive(Debug)]
pub struct Outcome {
    /// Why it failed; nothing where it passed.
    pub problems: Vec<String>,
    /// What was seen of the boot, where there was one.
    pub report: Option<Report>,
}

impl Outcome {
    /// Whether everything was as it must be.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problems.is_empty()
    }
}

impl<'a> Runner<'a> {
    /// Builds sticks with this program, below this folder, which needs space for them.
    ///
    /// # Errors
    /// Where there is no space for the images.
    pub fn new(
        program: PathBuf,
        folder: &Path,
        root: &'a dyn Fn(Root) -> Result<PathBuf>,
    ) -> Result<Self> {
        Ok(Self {
            program,
            folder: TempDir::with_prefix_in("boots-", folder).context("cannot make a folder")?,
            root,
            images: HashMap::new(),
        })
    }

    /// Runs it. What goes wrong on the way is a problem like any other.
    pub fn run(&mut self, scenario: &Scenario) -> Outcome {
        let mut outcome = Outcome {
            problems: Vec::new(),
            report: None,
        };
        if let Err(error) = self.try_run(scenario, &mut outcome) {
            outcome.problems.push(format!("{error:#}"));
        }
        outcome
    }

    fn try_run(&mut self, scenario: &Scenario, outcome: &mut Outcome) -> Result<()> {
        let good = self.image(scenario)?;
        let folder = TempDir::new_in(self.folder.path()).context("cannot make a folder")?;
        let image = match scenario.damage {
            Damage::None => good,
            damage => {
                let copy = folder.path().join("stick.img");
                damage
                    .copy(&good, &copy, self.root)
                    .context("cannot damage a copy")?;
                copy
            }
        };
        let machine = machine(scenario, image, folder.path(), self.root)?;
        let before = state(&machine)?;
        let watch = Watch {
            until: scenario.until,
            script: scenario.script.clone(),
            ..Watch::default()
        };
        let report = boot(&machine, &watch, &|| false).context("cannot boot it")?;
        let after = state(&machine)?;
        outcome.problems.extend(judge(scenario, &report));
        if before.stick != after.stick {
            outcome
                .problems
                .push("the stick is not what it was".to_owned());
            // Nobody else gets it.
            self.images.retain(|_, image| *image != machine.image);
        }
        if scenario.keeps_inside && before.inside != after.inside {
            outcome
                .problems
                .push("a disk inside is not what it was".to_owned());
        }
        outcome.report = Some(report);
        Ok(())
    }

    /// The stick of the scenario's root, built once for all that share it.
    fn image(&mut self, scenario: &Scenario) -> Result<PathBuf> {
        let key = (scenario.root, scenario.arguments.clone());
        if let Some(image) = self.images.get(&key) {
            return Ok(image.clone());
        }
        let root = (self.root)(scenario.root)
            .with_context(|| format!("there is no root `{}`", scenario.root.name()))?;
        // An image that only one scenario has, and a large one, need not outlive the next.
        let image = self
            .folder
            .path()
            .join(format!("{}.img", self.images.len()));
        sh(Command::new(&self.program)
            .args(["build", "--quiet", "--compression", "zstd:3"])
            .args(["--menu-timeout", "0"])
            .args(&scenario.arguments)
            .arg("--output")
            .args([&image, &root]))?;
        self.images.insert(key, image.clone());
        Ok(image)
    }

    /// Gives back the space of images that none of these scenarios needs.
    pub fn keep_only<'s>(&mut self, needed: impl IntoIterator<Item = &'s Scenario>) {
        let needed: Vec<_> = needed
            .into_iter()
            .map(|scenario| (scenario.root, scenario.arguments.clone()))
            .collect();
        self.images.retain(|key, image| {
            let keep = needed.contains(key);
            if !keep {
                // What cannot be deleted now goes with the folder.
                let _ = fs::remove_file(image);
            }
            keep
        });
    }
}

fn machine(
    scenario: &Scenario,
    image: PathBuf,
    folder: &Path,
    root: FindRoot<'_>,
) -> Result<Machine> {
    let disks = scenario.inside.iter().enumerate();
    let make = |(index, inside): (usize, &Inside)| inside.make(index, &image, folder, root);
    let disks = disks.map(make);
    let disks = disks
        .collect::<Result<_>>()
        .context("cannot make the disks inside")?;
    Ok(Machine {
        // What is written to the stick must stay, or its digest would say nothing.
        keeps_stick: true,
        bus: scenario.bus,
        memory_mib: scenario.memory_mib,
        stick_bytes_per_second: scenario.stick_bytes_per_second,
        screen: scenario.screen,
        disks,
        extra_arguments: scenario.hardware.iter().map(Into::into).collect(),
        timeout: Duration::from_secs(scenario.timeout_seconds),
        ..Machine::new(image, scenario.firmware)
    })
}

/// What a boot must not change.
struct State {
    /// The digest of the stick.
    stick: Vec<u8>,
    /// Digests of the disks inside.
    inside: String,
}

fn state(machine: &Machine) -> Result<State> {
    let inside = machine.disks.iter().filter(|disk| disk.kept);
    let inside: Vec<_> = inside.map(|disk| disk.image.clone()).collect();
    Ok(State {
        stick: digest(&machine.image)?,
        inside: digests(&inside)?,
    })
}

/// SHA-256 of a file that may be large.
fn digest(path: &Path) -> Result<Vec<u8>> {
    let context = || format!("cannot read {}", path.display());
    let mut file = File::open(path).with_context(context)?;
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer).with_context(context)? {
            0 => return Ok(digest.finalize().to_vec()),
            count => digest.update(&buffer[..count]),
        }
    }
}

fn judge(scenario: &Scenario, report: &Report) -> Vec<String> {
    let mut problems = end_problems(scenario.end, report);
    if let (Some(step), false) = (&report.waited_for, problems.is_empty()) {
        problems.push(format!("what never came: {step}"));
    }
    let written = report.stick.bytes_written;
    if written > 0 && scenario.end != End::Up {
        problems.push(format!("{written} bytes were written to the stick"));
    }
    let inside = report
        .disks
        .iter()
        .map(|disk| disk.bytes_written)
        .sum::<u64>();
    if inside > 0 && scenario.keeps_inside {
        problems.push(format!("{inside} bytes were written to other disks"));
    }
    let shown = |text: &str| report.serial_log.contains(text);
    let missing = scenario.says.iter().filter(|text| !shown(text));
    problems.extend(missing.map(|text| format!("the console never said `{text}`")));
    let wrong = scenario
        .never
        .iter()
        .chain(&NEVER)
        .filter(|text| shown(text));
    problems.extend(wrong.map(|text| format!("the console said `{text}`")));
    if let Some(text) = scenario.on_screen
        && !report.screens.iter().any(|screen| screen.contains(text))
    {
        problems.push(format!(
            "the screen did not show `{text}`: {:?}",
            report.screens
        ));
    }
    problems
}

/// Whether it ended as it must.
fn end_problems(end: End, report: &Report) -> Vec<String> {
    let is_so = match (end, &report.ending) {
        (End::Up, _) => return problems(report),
        (End::Rescue(expected), Ending::Reached) => is_reason(expected, report),
        (End::Told, Ending::Reached) => true,
        (End::Stopped(expected), Ending::Stopped { reason }) => reason == expected,
        (End::Rescue(_) | End::Told | End::Stopped(_), _) => false,
    };
    if is_so {
        return Vec::new();
    }
    vec![match end {
        End::Rescue(expected) => {
            let reason = report.rescue.as_deref().unwrap_or("it did not give up");
            format!("{}: {reason}, instead of: {expected}", report.ending)
        }
        _ => report.ending.to_string(),
    }]
}

/// Whether `/init` gave up for this reason, and a person was told so.
fn is_reason(expected: &str, report: &Report) -> bool {
    let given = report.rescue.iter().any(|reason| reason.contains(expected));
    let mut lines = report.serial_log.lines();
    given && lines.any(|line| line.contains(FIRST_LINE) && line.contains(expected))
}

/// Runs a tool to its end.
pub(super) fn sh(command: &mut Command) -> Result<()> {
    let name = command.get_program().display().to_string();
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("{name}: {}: {said}", output.status);
    }
    ensure!(output.status.success(), "{name}: {}", output.status);
    Ok(())
}

/// So many bytes that look like nothing, always the same (xorshift).
pub(super) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::super::scenarios;
    use super::*;
    use livestick_vm::{Accelerator, Beacon, BlockStats};

    fn report(ending: Ending) -> Report {
        Report {
            ending,
            elapsed: Duration::from_secs(9),
            init_started: None,
            hand_over: None,
            login_prompt: Some(Duration::from_secs(8)),
            beacon: Some(Beacon {
                state: "running".to_owned(),
                root_options: "rw".to_owned(),
                ..Beacon::default()
            }),
            rescue: None,
            waited_for: None,
            stick: BlockStats::default(),
            disks: vec![BlockStats::default()],
            serial_log: "one\ntwo\n".to_owned(),
            figures: Vec::new(),
            screens: Vec::new(),
            screenshot: None,
            accelerator: Accelerator::Tcg,
        }
    }

    fn rescue(reason: &str) -> Report {
        let reason = reason.to_owned();
        report(Ending::Rescue { reason })
    }

    fn rescue_screen(reason: &str) -> Report {
        Report {
            rescue: Some(reason.to_owned()),
            serial_log: format!("\r\nCannot boot: {reason}\r\n"),
            ..report(Ending::Reached)
        }
    }

    #[test]
    fn every_scenario_has_a_name_of_its_own() {
        let mut names: Vec<_> = scenarios().iter().map(|scenario| scenario.name).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(scenarios().iter().any(Scenario::is_in_ci));
    }

    #[test]
    fn a_boot_is_held_against_its_row() {
        let up = Scenario::new("a", "b");
        assert_eq!(judge(&up, &report(Ending::Reached)), [""; 0]);
        assert_eq!(judge(&up, &rescue("no")).len(), 1);
        let late = Report {
            waited_for: Some("a step".to_owned()),
            ..report(Ending::TimedOut)
        };
        assert_eq!(judge(&up, &late)[1], "what never came: a step");

        let rescued = Scenario::new("a", "b").rescued("not found");
        assert_eq!(judge(&rescued, &rescue_screen("it was not found")), [""; 0]);
        let wrong = judge(&rescued, &rescue_screen("too short"));
        assert!(
            wrong[0].ends_with("too short, instead of: not found"),
            "{wrong:?}"
        );
        let silent = Report {
            serial_log: String::new(),
            ..rescue_screen("it was not found")
        };
        assert_eq!(judge(&rescued, &silent).len(), 1);
        assert_eq!(judge(&rescued, &report(Ending::Reached)).len(), 1);
    }

    #[test]
    fn what_is_written_and_said_counts() {
        let mut written = report(Ending::Reached);
        written.disks[0].bytes_written = 512;
        let up = Scenario::new("a", "b");
        assert_eq!(
            judge(&up, &written),
            ["512 bytes were written to other disks"]
        );
        assert_eq!(judge(&up.clone().may_change_inside(), &written), [""; 0]);
        let said = report(Ending::Reached);
        assert_eq!(
            judge(&up.clone().says(&["two"]).never(&["three"]), &said),
            [""; 0]
        );
        let silent = judge(&up.clone().says(&["three"]), &said);
        assert_eq!(silent, ["the console never said `three`"]);
        assert_eq!(
            judge(&up.never(&["two"]), &said),
            ["the console said `two`"]
        );
    }
}
