//! `docs/boot-matrix.md`: a row for each scenario, with what its last run gave.

use crate::table::{Table, bytes, seconds};
use anyhow::{Context, Result};
use livestick_boot_tests::matrix::{Outcome, Scenario, scenarios};
use livestick_vm::Report;
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

const HEAD: &str = "# Boot matrix\n\n\
    In what machines a stick was booted under QEMU, and how it went: each row is what the scenario's\n\
    last run gave. Unless the row says otherwise, it is a small Debian 12 on a USB 3 stick, in a PC with\n\
    BIOS, 1 GiB of memory and two processors that QEMU translates (TCG). In every row that passed nothing\n\
    was written to the stick, which could be written to: its image had the same SHA-256 before and after.\n\
    So had the computer's own disks, except where the row says that the owner asked for them.\n\n\
    `cargo xtask boot-matrix --all` runs them all, `--only NAME ...` some of them, and neither the\n\
    handful that `cargo xtask test` runs, too; the rows are in `tests/boot/src/matrix/rows.rs`. Times\n\
    are from power-on, as the host's clock has them. QEMU does not count what an SD card reads and\n\
    writes. The last column is the commit that was run; with a `+`, there were changes on top of it.\n";
const PASSED: &str = "passed";
/// In the place of a figure that there is none of.
const UNCOUNTED: &str = "–";
/// The longest reason that is shown.
const REASON_LIMIT: usize = 160;

/// The page as it is, with what is put into it.
pub struct Page {
    path: PathBuf,
    machine: String,
    commit: String,
    rows: HashMap<String, Vec<String>>,
}

impl Page {
    /// Where it is in the checkout.
    pub const PATH: &str = "docs/boot-matrix.md";

    /// Reads what earlier runs gave; what is put into it is of this machine and commit.
    pub fn read(checkout: &Path, machine: String, commit: String) -> Result<Self> {
        let path = checkout.join(Self::PATH);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            text => text.with_context(|| format!("cannot read {}", path.display()))?,
        };
        let rows = text.lines().filter_map(parse_row).collect();
        Ok(Self {
            path,
            machine,
            commit,
            rows,
        })
    }

    /// Whether the scenario passed when it was last run.
    pub fn passed(&self, name: &str) -> bool {
        let row = self.rows.get(name);
        row.and_then(|cells| cells.get(2))
            .is_some_and(|result| result == PASSED)
    }

    /// The scenario's row is now this.
    pub fn put(&mut self, scenario: &Scenario, outcome: &Outcome) {
        let mut cells = cells(scenario, outcome);
        cells.push(self.commit.clone());
        self.rows.insert(scenario.name.to_owned(), cells);
    }

    /// Writes it, with the rows in the order of the matrix; those of scenarios that are gone go.
    pub fn save(&self) -> Result<()> {
        let context = || format!("cannot write {}", self.path.display());
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).with_context(context)?;
        }
        fs::write(&self.path, self.text()).with_context(context)
    }

    fn text(&self) -> String {
        let headings = [
            "scenario",
            "what",
            "result",
            "hand-over",
            "login",
            "read",
            "written",
            "commit",
        ];
        let mut table = Table::with_words(&headings, 3);
        let all = scenarios();
        for scenario in &all {
            match self.rows.get(scenario.name) {
                Some(cells) => table.row(cells.clone()),
                None => table.row([
                    name_cell(scenario),
                    escape(scenario.what),
                    "not run".to_owned(),
                ]),
            }
        }
        let passed = all.iter().filter(|scenario| self.passed(scenario.name));
        format!(
            "{HEAD}\n{} of {} passed. {}\n{}",
            passed.count(),
            all.len(),
            self.machine,
            table.markdown()
        )
    }
}

/// The name and all cells of a row of the table; `None` for any other line.
fn parse_row(line: &str) -> Option<(String, Vec<String>)> {
    let inner = line.strip_prefix("| `")?.strip_suffix('|')?;
    let (name, _) = inner.split_once('`')?;
    let cells = line.trim_matches('|').replace("\\|", "\0");
    let cells = cells
        .split('|')
        .map(|cell| cell.trim().replace('\0', "\\|"));
    Some((name.to_owned(), cells.collect()))
}

fn cells(scenario: &Scenario, outcome: &Outcome) -> Vec<String> {
    let result = if outcome.passed() {
        PASSED.to_owned()
    } else {
        let reason = outcome.problems.join("; ");
        let reason: String = reason.chars().take(REASON_LIMIT).collect();
        format!("FAILED: {}", escape(&reason))
    };
    let of =
        |cell: &dyn Fn(&Report) -> String| outcome.report.as_ref().map(cell).unwrap_or_default();
    let figure = |figure| match scenario.is_counted() {
        true => bytes(figure),
        false => UNCOUNTED.to_owned(),
    };
    let time = |time: Option<Duration>| time.map(|time| seconds(time.as_secs_f64()));
    vec![
        name_cell(scenario),
        escape(scenario.what),
        result,
        of(&|report| time(report.hand_over.map(|moment| moment.after)).unwrap_or_default()),
        of(&|report| time(report.login_prompt).unwrap_or_default()),
        of(&|report| figure(report.stick.bytes_read)),
        of(&|report| figure(report.stick.bytes_written)),
    ]
}

fn name_cell(scenario: &Scenario) -> String {
    format!("`{}`", scenario.name)
}

fn escape(text: &str) -> String {
    text.replace(char::is_control, " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestick_vm::{Accelerator, BlockStats, Ending};

    fn outcome(problems: &[&str]) -> Outcome {
        Outcome {
            problems: problems.iter().map(ToString::to_string).collect(),
            report: None,
        }
    }

    fn report() -> Report {
        Report {
            ending: Ending::Reached,
            elapsed: Duration::ZERO,
            init_started: None,
            hand_over: None,
            login_prompt: None,
            beacon: None,
            rescue: None,
            waited_for: None,
            stick: BlockStats::default(),
            disks: Vec::new(),
            figures: Vec::new(),
            screens: Vec::new(),
            serial_log: String::new(),
            screenshot: None,
            accelerator: Accelerator::Tcg,
        }
    }

    #[test]
    fn what_is_not_counted_has_no_figure() {
        let row = |name| {
            let scenario = scenarios()
                .into_iter()
                .find(|scenario| scenario.name == name);
            let outcome = Outcome {
                report: Some(report()),
                ..outcome(&[])
            };
            cells(&scenario.unwrap(), &outcome)[5..].to_vec()
        };
        assert_eq!(row("sdhci"), ["–", "–"]);
        assert_eq!(row("bios"), ["0 B", "0 B"]);
    }

    #[test]
    fn a_later_run_of_one_row_leaves_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let read = || {
            let commit = "abc1234+".to_owned();
            Page::read(folder.path(), "On a machine.\n".to_owned(), commit).unwrap()
        };
        let all = scenarios();
        let mut page = read();
        page.put(&all[0], &outcome(&[]));
        page.put(&all[1], &outcome(&["a | b\nc"]));
        page.save().unwrap();

        let mut page = read();
        assert!(page.passed(all[0].name) && !page.passed(all[1].name));
        assert!(!page.passed(all[2].name));
        assert!(page.text().contains("FAILED: a \\| b c"), "{}", page.text());
        assert!(
            page.text()
                .contains(&format!("\n1 of {} passed. On a machine.", all.len()))
        );
        page.put(&all[1], &outcome(&[]));
        page.save().unwrap();
        let page = read();
        assert!(page.passed(all[0].name) && page.passed(all[1].name));
        let rows = page
            .text()
            .lines()
            .filter(|line| line.starts_with("| `"))
            .count();
        assert_eq!(rows, all.len());
        let of_commit = page.text().matches(" abc1234+ |").count();
        assert_eq!(of_commit, 2);
    }
}
