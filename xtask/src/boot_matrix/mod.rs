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
use std::fs;
use std::path::Path;
use std::process::Command;
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
}

/// Runs scenarios one after another. Each result is in the page as soon as it is known, beside those
/// of earlier runs. Fails where one of them did.
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
    let mut page = Page::read(workspace.root(), machine::describe(&machine::BOOT_TOOLS)?)?;
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

    let root = |root: livestick_boot_tests::matrix::Root| {
        let recipe = Root::from_str(root.name(), false).map_err(|name| anyhow!(name))?;
        roots::make(&workspace, recipe)
    };
    let mut runner = Runner::new(program, &folder, &root)?;
    let mut failed = Vec::new();
    for (index, scenario) in chosen.iter().enumerate() {
        let rest = chosen.get(index..).unwrap_or_default();
        runner.keep_only(rest);
        let start = Instant::now();
        eprintln!("{}: {} ...", scenario.name, scenario.what);
        let outcome = runner.run(scenario);
        keep(&folder, scenario, &outcome)?;
        page.put(scenario, &outcome);
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
        failed.extend((!outcome.passed()).then_some(scenario.name));
    }
    println!("{} of {} passed", chosen.len() - failed.len(), chosen.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
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
    fn every_root_has_a_recipe() {
        for scenario in scenarios() {
            let name = scenario.root().name();
            assert!(Root::from_str(name, false).is_ok(), "{name}");
        }
    }
}
