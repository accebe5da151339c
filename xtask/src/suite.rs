//! Every test there is.

use crate::process::shown;
use crate::roots::{self, Root};
use crate::setup::{Job, setup};
use crate::stick::{self, Profile};
use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The package whose tests boot sticks.
const BOOTS: &str = "livestick-boot-tests";

/// Sets up, then runs every test: the fast ones first, those that boot sticks last.
pub fn test() -> Result<()> {
    let start = Instant::now();
    setup(&[
        Job::Compile,
        Job::Roots,
        Job::Sticks,
        Job::Boots,
        Job::CrossChecks,
    ])?;
    let workspace = Workspace::find()?;
    let root = roots::make(&workspace, Root::Small)?;
    let storage_root = roots::make(&workspace, Root::Storage)?;
    let program = stick::compile(&workspace, Profile::Dev)?;

    let mut tally = Tally::default();
    for packages in [
        &["--workspace", "--exclude", BOOTS],
        &["--package", BOOTS] as &[&str],
    ] {
        let mut tests = Command::new("cargo");
        tests
            .args(["test", "--no-fail-fast"])
            .args(packages)
            // Shows what was skipped, which tests say on their own output.
            .args(["--", "--show-output"])
            .current_dir(workspace.root())
            .env("LIVESTICK_TEST_ROOT", &root)
            .env("LIVESTICK_TEST_STORAGE_ROOT", &storage_root)
            .env("LIVESTICK_BIN", &program);
        if packages.contains(&BOOTS) && !rustix::process::geteuid().is_root() {
            run_tests_as_root(&mut tests);
        }
        tally.run(&mut tests)?;
    }
    println!("\n{}", tally.summary(start.elapsed().as_secs()));
    tally.verdict(env::var_os("CI").is_some())
}

/// Whole sticks are made and mounted by root.
fn run_tests_as_root(tests: &mut Command) {
    eprintln!("The tests of whole sticks run as root: they read a whole root and mount its image.");
    let keep =
        "sudo --preserve-env=CI,LIVESTICK_TEST_ROOT,LIVESTICK_TEST_STORAGE_ROOT,LIVESTICK_BIN";
    tests.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", keep);
}

/// What cargo's test runs said.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    /// Reasons that tests gave for doing nothing.
    skipped: Vec<String>,
    /// Runs that failed, for whatever reason.
    failed_runs: Vec<String>,
}

impl Tally {
    /// Runs tests, passing on what they say.
    fn run(&mut self, tests: &mut Command) -> Result<()> {
        eprintln!("$ {}", shown(tests));
        let mut child = tests
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start cargo")?;
        let stdout = child.stdout.take().context("cargo's output is not there")?;
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.context("cannot read cargo's output")?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            self.see(&line);
        }
        if !child.wait().context("cannot wait for cargo")?.success() {
            self.failed_runs.push(shown(tests));
        }
        Ok(())
    }

    fn see(&mut self, line: &str) {
        if let Some(reason) = line.strip_prefix("skipped: ") {
            self.skipped.push(reason.to_owned());
        }
        let Some((_, counts)) = line
            .strip_prefix("test result: ")
            .and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count
                .split_once(' ')
                .map(|(number, what)| (number.parse().unwrap_or(0), what))
            {
                Some((number, "passed")) => self.passed += number,
                Some((number, "failed")) => self.failed += number,
                Some((number, "ignored")) => self.ignored += number,
                _ => {}
            }
        }
    }

    fn summary(&self, elapsed_seconds: u64) -> String {
        let mut summary = format!(
            "All tests, in {} min {} s:\n",
            elapsed_seconds / 60,
            elapsed_seconds % 60
        );
        for reason in &self.skipped {
            summary += &format!("skipped: {reason}\n");
        }
        let skipped = self.skipped.len() as u64 + self.ignored;
        summary
            + &format!(
                "{} passed, {} failed, {skipped} skipped",
                self.passed, self.failed
            )
    }

    /// Fails where a test failed or, where nothing may be skipped, where one was.
    fn verdict(&self, skipping_fails: bool) -> Result<()> {
        if let Some(run) = self.failed_runs.first() {
            bail!("`{run}` failed");
        }
        if self.passed == 0 {
            bail!("no test ran");
        }
        if skipping_fails && !(self.skipped.is_empty() && self.ignored == 0) {
            bail!("tests were skipped, which in CI they may not be");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.see(line));
        tally
    }

    #[test]
    fn results_are_added_up() {
        let tally = tally(
            "test a ... ok\n\
             test result: ok. 23 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.20s\n\
             skipped: not root\n\
             test result: FAILED. 4 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 9.01s\n",
        );
        assert_eq!((tally.passed, tally.failed, tally.ignored), (27, 1, 2));
        assert_eq!(
            tally.summary(61),
            "All tests, in 1 min 1 s:\nskipped: not root\n27 passed, 1 failed, 3 skipped"
        );
    }

    #[test]
    fn skipping_fails_only_where_it_may_not_be() {
        let skipped = tally("skipped: not root\ntest result: ok. 1 passed; 0 failed; 0 ignored;\n");
        assert!(skipped.verdict(false).is_ok());
        assert!(skipped.verdict(true).is_err());
        let fine = tally("test result: ok. 1 passed; 0 failed; 0 ignored;\n");
        assert!(fine.verdict(true).is_ok());
        assert!(tally("").verdict(false).is_err());
    }

    #[test]
    fn a_run_that_fails_is_told() {
        let mut tally = Tally::default();
        let mut run = Command::new("sh");
        run.args(["-c", "echo 'test result: ok. 1 passed; 0 failed;'; exit 3"]);
        tally.run(&mut run).unwrap();
        assert_eq!(tally.passed, 1);
        assert!(tally.verdict(false).is_err());
    }
}
