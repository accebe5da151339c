//! The rules by which a stick differs from its source.

use crate::failure::Failure;
use crate::report::device::print_lines;
use crate::report::print_document;
use livestick_capture::RuleSet;
use serde::Serialize;

/// A rule.
#[derive(Serialize)]
struct Row {
    name: &'static str,
    what: &'static str,
    why: &'static str,
    modes: Vec<&'static str>,
    in_force: bool,
}

/// Lists all rules there are, and which of them are in force.
pub fn print_rules(rules: &RuleSet, json: bool) -> Result<(), Failure> {
    let rows = livestick_capture::rules().iter().map(|rule| Row {
        name: &rule.name,
        what: &rule.what,
        why: &rule.why,
        modes: rule.modes.iter().map(|mode| mode.as_str()).collect(),
        in_force: rules.in_force().iter().any(|other| other.name == rule.name),
    });
    let rows: Vec<_> = rows.collect();
    if json {
        return print_document(&rows);
    }
    let lines: Vec<_> = rows.iter().map(text).collect();
    print_lines(&lines)
}

fn text(row: &Row) -> String {
    let Row {
        name, what, why, ..
    } = row;
    let state = if row.in_force { "in force" } else { "off" };
    let modes = row.modes.join(", ");
    format!("{name} ({modes}): {state}\n  {what}\n  because {why}")
}
