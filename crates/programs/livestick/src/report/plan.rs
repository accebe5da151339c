//! A plan, for a person at a terminal.

use crate::failure::Failure;
use crate::pipeline::{Plan, Secret};
use crate::report::{
    boot_lines, differences, print_json, printable, ram, savings, say, segments, size, times, what,
};
use crate::settings::{OutputStyle, Volume};
use livestick_survey::{Entry, EntryKind};

/// How many packages, and how many directories, are listed.
const LISTED: usize = 12;
/// How many without `--verbose` are listed of what SquashFS cannot hold.
const NAMED: usize = 5;
/// A directory is opened to show what is in it where it has this part of everything.
const OPENED_PART: u64 = 5;

/// Prints what would be made.
pub fn print_plan(plan: &Plan, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        for warning in &plan.stick.warnings {
            say(&format!("warning: {warning}"));
        }
        say(&text(plan, style.volume));
    }
    print_json(plan, style)
}

fn text(plan: &Plan, volume: Volume) -> String {
    let mut lines = vec![format!(
        "nothing was made; it would be {}",
        what(&plan.stick)
    )];
    lines.extend(figures(plan));
    lines.extend(boot_lines(&plan.stick));
    lines.extend(savings(&plan.stick));
    lines.push(times(&plan.stick.stages));
    lines.push(String::new());
    lines.extend(directories(plan));
    lines.extend(packages(plan));
    lines.extend(not_held(plan, volume));
    lines.extend(secrets(&plan.audit.findings));
    if volume == Volume::Verbose {
        lines.push(String::new());
        lines.extend(differences(&plan.stick));
    }
    lines.join("\n")
}

fn figures(plan: &Plan) -> Vec<String> {
    let estimate = &plan.estimate;
    let mut lines = vec![format!(
        "  root       {} in {} files -> about {} ({})",
        size(plan.stick.root.bytes),
        plan.stick.root.files,
        size(estimate.root_image_bytes),
        plan.compression
    )];
    if let Some(image_bytes) = estimate.image_bytes {
        let stick = estimate.stick_gigabytes;
        let stick = stick.map_or_else(String::new, |gb| format!(", for a stick of {gb} GB"));
        lines.push(format!("  image      about {}{stick}", size(image_bytes)));
    }
    lines.push(format!(
        "  takes      about {} to build with {} threads{}",
        duration(estimate.build_seconds),
        estimate.threads,
        estimate.write_seconds.map_or_else(String::new, |seconds| {
            format!(", and {} to write at 20 MB/s", duration(seconds))
        })
    ));
    lines.push(ram(&plan.stick));
    lines.extend(segments(&plan.stick));
    lines
}

fn duration(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

fn row(stored_bytes: u64, bytes: u64, what: &str) -> String {
    format!("  {:>10} {:>10}  {what}", size(stored_bytes), size(bytes))
}

/// The largest directories, and what is in the largest of these.
fn directories(plan: &Plan) -> Vec<String> {
    let root = &plan.sizes.directories;
    let mut rows = Vec::new();
    let opened_bytes = root.stored_bytes / 100 * OPENED_PART;
    list(root, "", opened_bytes, &mut rows);
    rows.sort_by_key(|row| std::cmp::Reverse(row.0));
    rows.truncate(LISTED);
    let rows = rows
        .iter()
        .map(|(stored_bytes, bytes, path)| row(*stored_bytes, *bytes, path));
    let title = format!("  {:>10} {:>10}", "on stick", "in root");
    std::iter::once(title).chain(rows).collect()
}

/// Each directory that is large and whose contents are not told one by one.
fn list(entry: &Entry, path: &str, opened_bytes: u64, rows: &mut Vec<(u64, u64, String)>) {
    let is_large = |entry: &&Entry| {
        entry.kind == EntryKind::Directory && entry.stored_bytes >= opened_bytes.max(1)
    };
    let (mut stored_bytes, mut bytes) = (entry.stored_bytes, entry.bytes);
    for large in entry.entries.iter().filter(is_large) {
        list(
            large,
            &format!("{path}/{}", printable(&large.name)),
            opened_bytes,
            rows,
        );
        stored_bytes = stored_bytes.saturating_sub(large.stored_bytes);
        bytes = bytes.saturating_sub(large.bytes);
    }
    let opened = entry.entries.iter().any(|entry| is_large(&entry));
    let rest = if opened { " (the rest)" } else { "" };
    let path = if path.is_empty() { "/" } else { path };
    if bytes > 0 || stored_bytes > 0 {
        rows.push((stored_bytes, bytes, format!("{path}{rest}")));
    }
}

fn packages(plan: &Plan) -> Vec<String> {
    let Some(manager) = plan.package_manager else {
        return Vec::new();
    };
    let sizes = &plan.sizes;
    let mut lines = vec![
        String::new(),
        format!(
            "  {} packages ({manager}), the largest:",
            sizes.packages.len()
        ),
    ];
    lines.extend(sizes.packages.iter().take(LISTED).map(|size| {
        row(
            size.stored_bytes,
            size.bytes,
            &printable(&size.package.name),
        )
    }));
    let unowned = &sizes.unowned;
    lines.push(row(unowned.stored_bytes, unowned.bytes, "(no package)"));
    lines
}

fn not_held(plan: &Plan, volume: Volume) -> Vec<String> {
    let attributes = &plan.not_held.attributes;
    if attributes.is_empty() {
        return Vec::new();
    }
    let listed = match volume {
        Volume::Verbose => attributes.len(),
        _ => attributes.len().min(NAMED),
    };
    let mut lines = vec![String::new(), "  SquashFS cannot hold:".to_owned()];
    let named = attributes.iter().take(listed);
    lines.extend(named.map(|lost| {
        let path = printable(&lost.path);
        format!("    {} of /{path}", printable(&lost.name))
    }));
    if listed < attributes.len() {
        let more = attributes.len() - listed;
        lines.push(format!("    and {more} more: --verbose lists them"));
    }
    lines
}

fn secrets(findings: &[Secret]) -> Vec<String> {
    if findings.is_empty() {
        return vec![String::new(), "  no secrets found".to_owned()];
    }
    let mut lines = vec![
        String::new(),
        "  secrets that would go on the stick (none is shown):".to_owned(),
    ];
    let width = findings.iter().map(|secret| secret.rule.len()).max();
    let width = width.unwrap_or_default();
    lines.extend(findings.iter().map(|secret| {
        let line = secret
            .line
            .map_or_else(String::new, |line| format!(":{line}"));
        let note = match secret.note.as_str() {
            "" => String::new(),
            note => format!(", {}", printable(note)),
        };
        let allowed = if secret.allowed { " (allowed)" } else { "" };
        format!(
            "    {:6}  {:width$}  /{}{line}: {}{note}{allowed}",
            secret.severity.name(),
            secret.rule,
            printable(&secret.path),
            secret.title
        )
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_for_people() {
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(printable("a\u{1b}[2Jb"), "a\u{fffd}[2Jb");
    }

    #[test]
    fn large_directories_are_opened_and_nothing_is_counted_twice() {
        let directory = |name: &str, stored_bytes, entries| Entry {
            name: name.to_owned(),
            stored_bytes,
            bytes: stored_bytes * 2,
            entries,
            ..Entry::default()
        };
        let usr = directory("usr", 80, vec![directory("lib", 70, vec![])]);
        let root = directory("", 100, vec![usr, directory("etc", 3, vec![])]);
        let mut rows = Vec::new();
        list(&root, "", 5, &mut rows);
        let rows: Vec<_> = rows.iter().map(|row| (row.0, row.2.as_str())).collect();
        assert_eq!(
            rows,
            [
                (70, "/usr/lib"),
                (10, "/usr (the rest)"),
                (20, "/ (the rest)")
            ]
        );
    }
}
