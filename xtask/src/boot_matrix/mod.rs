//! The matrix of boot scenarios, on demand, and its results in `docs/boot-matrix.md`.

mod page;

use crate::bench::machine;
use crate::process::run;
use crate::roots::{self, Root};
use crate::setup::{Job, setup};
use crate::stick::{self, Profile};
use crate::workspace::Workspace;
use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use livestick_boot_tests::matrix::{Outcome, Runner, Scenario, scenarios};
use page::Page;
use std::collections::VecDeque;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

/// Which scenarios are run.
#[derive(Args)]
pub struct Options {
    /// All of them, instead of the handful that runs with every change.
    #[arg(long)]
    all: bool,
    /// These alone, by their names.
    #[arg(long, value_name = "NAME", num_args = 1.., conflicts_with = "all")]
    only: Vec<String>,
    /// Of these, only those that have not passed yet.
    #[arg(long)]
    not_passed: bool,
    /// How many at a time: less time for all of them, more for each.
    #[arg(long, value_name = "N", default_value_t = NonZero::<usize>::MIN)]
    jobs: NonZero<usize>,
}

/// Runs scenarios. Each result is in the page as soon as it is known, beside those of earlier runs.
/// Fails where one of them did.
pub fn boot_matrix(options: &Options) -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!("making sticks of whole roots needs root, so run this as root");
    }
    setup(&[
        Job::Compile,
        Job::Roots,
        Job::Sticks,
        Job::Boots,
        Job::CrossChecks,
    ])?;
    let workspace = Workspace::find()?;
    let machine = machine::describe(&machine::BOOT_TOOLS)?;
    let page = Page::read(workspace.root(), machine, commit(workspace.root())?)?;
    let mut chosen = choose(scenarios(), options)?;
    if options.not_passed {
        chosen.retain(|scenario| !page.passed(scenario.name));
    }
    let program = stick::compile(&workspace, Profile::Dev)?;
    let folder = workspace.target("boot-matrix");
    fs::create_dir_all(&folder).context("cannot make a folder for the sticks")?;
    // What an interrupted run left.
    run(Command::new("find")
        .arg(&folder)
        .args(["-maxdepth", "1", "-name", "boots-*"])
        .args(["-exec", "rm", "-rf", "{}", "+"]))?;

    let count = chosen.len();
    let session = Session {
        workspace,
        program,
        folder,
        waiting: Mutex::new(chosen.into()),
        root: Mutex::new(()),
        page: Mutex::new(page),
        failed: Mutex::default(),
    };
    thread::scope(|scope| {
        let workers = (0..options.jobs.get()).map(|_| scope.spawn(|| session.work()));
        let workers: Vec<_> = workers.collect();
        let mut ends = workers.into_iter().map(|worker| worker.join());
        ends.try_for_each(|end| end.map_err(|_| anyhow!("a worker broke off"))?)
    })?;
    let failed = session.failed.into_inner().unwrap_or_default();
    println!("{} of {count} passed", count - failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// What the workers share.
struct Session {
    workspace: Workspace,
    program: PathBuf,
    /// Of the sticks, and of what was seen.
    folder: PathBuf,
    waiting: Mutex<VecDeque<Scenario>>,
    /// Held while a root is made: two would make the same one.
    root: Mutex<()>,
    page: Mutex<Page>,
    failed: Mutex<Vec<&'static str>>,
}

impl Session {
    /// Runs one waiting scenario after another.
    fn work(&self) -> Result<()> {
        let root = |root: livestick_boot_tests::matrix::Root| {
            let recipe = Root::from_str(root.name(), false).map_err(|name| anyhow!(name))?;
            let _alone = lock(&self.root)?;
            roots::make(&self.workspace, recipe)
        };
        let mut runner = Runner::new(self.program.clone(), &self.folder, &root)?;
        while let Some(scenario) = self.next(&mut runner)? {
            let start = Instant::now();
            eprintln!("{}: {} ...", scenario.name, scenario.what);
            let outcome = runner.run(&scenario);
            keep(&self.folder, &scenario, &outcome)?;
            let mut page = lock(&self.page)?;
            page.put(&scenario, &outcome);
            page.save()?;
            let verdict = match &outcome.problems[..] {
                [] => "passed".to_owned(),
                problems => format!("FAILED: {}", problems.join("; ")),
            };
            println!(
                "{}: {verdict} ({} s)",
                scenario.name,
                start.elapsed().as_secs()
            );
            lock(&self.failed)?.extend((!outcome.passed()).then_some(scenario.name));
        }
        Ok(())
    }

    /// The next one; images that none of the others needs go before it comes.
    fn next(&self, runner: &mut Runner) -> Result<Option<Scenario>> {
        let mut waiting = lock(&self.waiting)?;
        runner.keep_only(waiting.iter());
        Ok(waiting.pop_front())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
    mutex
        .lock()
        .map_err(|_| anyhow!("another worker broke off"))
}

/// The commit that is checked out, with a `+` where files differ from it. The page itself changes with
/// every run.
fn commit(checkout: &Path) -> Result<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(checkout)
            .args(arguments)
            .output();
        let output = output.context("cannot start git")?;
        if !output.status.success() {
            bail!(
                "cannot ask git for the commit: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let others = format!(":!{}", Page::PATH);
    let changes = git(&["status", "--porcelain", "--", ".", &others])?;
    let hash = git(&["rev-parse", "--short", "HEAD"])?;
    Ok(hash + if changes.is_empty() { "" } else { "+" })
}

fn choose(all: Vec<Scenario>, options: &Options) -> Result<Vec<Scenario>> {
    let known = |name: &str| all.iter().any(|scenario| scenario.name == name);
    if let Some(name) = options.only.iter().find(|name| !known(name)) {
        let names: Vec<_> = all.iter().map(|scenario| scenario.name).collect();
        bail!(
            "there is no scenario `{name}`; there are {}",
            names.join(", ")
        );
    }
    let is_chosen = |scenario: &Scenario| match &options.only[..] {
        [] => options.all || scenario.is_in_ci(),
        only => only.iter().any(|name| name == scenario.name),
    };
    Ok(all.into_iter().filter(is_chosen).collect())
}

/// What was on the console, and the screen, for who wants to know more.
fn keep(folder: &Path, scenario: &Scenario, outcome: &Outcome) -> Result<()> {
    let Some(report) = &outcome.report else {
        return Ok(());
    };
    let path = |extension| folder.join(format!("{}.{extension}", scenario.name));
    let screens = report.screens.iter();
    let screens: String = screens
        .map(|text| format!("\n--- screen\n{text}"))
        .collect();
    fs::write(path("log"), report.serial_log.clone() + &screens).context("cannot keep the log")?;
    if let Some(png) = &report.screenshot {
        fs::write(path("png"), png).context("cannot keep the screen")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(all: bool, only: &[&str]) -> Result<Vec<&'static str>> {
        let options = Options {
            all,
            only: only.iter().map(ToString::to_string).collect(),
            not_passed: false,
            jobs: NonZero::<usize>::MIN,
        };
        let scenarios = choose(scenarios(), &options)?;
        Ok(scenarios.iter().map(|scenario| scenario.name).collect())
    }

    #[test]
    fn a_handful_all_or_some_are_run() {
        let all = chosen(true, &[]).unwrap();
        let handful = chosen(false, &[]).unwrap();
        assert!(handful.len() > 3 && handful.len() < all.len() / 2);
        assert_eq!(chosen(false, &["uefi", "bios"]).unwrap(), ["bios", "uefi"]);
        let error = chosen(false, &["no-such"]).unwrap_err().to_string();
        assert!(error.contains("`no-such`; there are bios, "), "{error}");
    }

    #[test]
    fn a_commit_with_changes_is_told_from_one_without() {
        let folder = tempfile::tempdir().unwrap();
        let git = |words: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(folder.path()).args([
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@b",
            ]);
            assert!(command.args(words).output().unwrap().status.success());
        };
        git(&["init"]);
        git(&["commit", "--allow-empty", "--message", "one"]);
        let clean = commit(folder.path()).unwrap();
        assert!(clean.len() >= 7 && !clean.ends_with('+'), "{clean}");
        fs::create_dir(folder.path().join("docs")).unwrap();
        fs::write(folder.path().join(Page::PATH), "results").unwrap();
        assert_eq!(commit(folder.path()).unwrap(), clean);
        fs::write(folder.path().join("file"), "new").unwrap();
        assert_eq!(commit(folder.path()).unwrap(), clean.clone() + "+");
    }

    #[test]
    fn every_root_has_a_recipe() {
        for scenario in scenarios() {
            let name = scenario.root().name();
            assert!(Root::from_str(name, false).is_ok(), "{name}");
        }
    }
}
