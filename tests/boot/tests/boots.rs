//! Sticks, booted: the rows of the matrix that run with every change.

#![allow(clippy::unwrap_used, reason = "the whole file is tests")]

use livestick_boot_tests::matrix::{Root, Runner, scenarios};
use livestick_boot_tests::{build_folder, program, test_root};
use std::path::PathBuf;

#[test]
fn the_handful_of_the_matrix() {
    let Some(small) = test_root() else { return };
    let root = |root: Root| -> anyhow::Result<PathBuf> {
        anyhow::ensure!(root == Root::Small, "only the small root is there");
        Ok(small.clone())
    };
    let mut runner = Runner::new(program(), &build_folder(), &root).unwrap();
    let mut failed = Vec::new();
    for scenario in scenarios() {
        if !scenario.is_in_ci() {
            continue;
        }
        let outcome = runner.run(&scenario);
        if !outcome.passed() {
            let log = outcome.report.map(|report| report.serial_log);
            let log = log.unwrap_or_default();
            failed.push(format!("{}: {:#?}\n{log}", scenario.name, outcome.problems));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}
