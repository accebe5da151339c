//! What came of the commands for devices.

use super::{print_document, print_json, say, size, times};
use crate::failure::Failure;
use crate::pipeline::device::{
    Inspected, Listed, RestoredStick, Row, StickResult, Verified, WrittenSticks,
};
use crate::settings::{OutputStyle, Volume};
use anyhow::Context;
use std::io::{self, Write};

/// How many findings are printed for people.
const SHOWN_FINDINGS: usize = 50;

/// Prints the disks: to standard output, for this is what was asked for.
pub fn print_devices(listed: &Listed, json: bool) -> Result<(), Failure> {
    if json {
        return print_document(listed);
    }
    if listed.devices.is_empty() {
        say("there is no disk at all");
    }
    let lines: Vec<_> = listed.devices.iter().map(device).collect();
    print_lines(&lines)
}

fn device(row: &Row) -> String {
    let mut words = vec![
        row.path.display().to_string(),
        size(row.bytes),
        row.bus.clone(),
    ];
    words.extend([row.model.clone(), row.content.clone()]);
    words.retain(|word| !word.is_empty());
    let verdict = match (row.usable, row.fixed) {
        (true, _) => "can be written".to_owned(),
        (false, _) if row.unknown => format!("only root can tell: {}", row.reasons.join("; ")),
        (false, true) => format!("only with --allow-fixed: {}", row.reasons.join("; ")),
        (false, false) => format!("never written: {}", row.reasons.join("; ")),
    };
    format!("{}\n  {verdict}", words.join(", "))
}

/// Prints what became of each stick.
pub fn print_written(written: &WrittenSticks, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        for warning in &written.warnings {
            say(&format!("warning: {warning}"));
        }
        match &written.sticks[..] {
            [stick] => say(&stick_line(stick, written)),
            sticks => sticks_table(sticks, written)
                .iter()
                .for_each(|line| say(line)),
        }
    }
    print_json(written, style)
}

fn stick_line(stick: &StickResult, written: &WrittenSticks) -> String {
    let device = stick.device.display();
    let name = match stick.model.is_empty() {
        true => device.to_string(),
        false => format!("{device} ({})", stick.model),
    };
    if written.dry_run {
        return format!("{name}: {} would be overwritten", size(stick.bytes));
    }
    match &stick.error {
        Some(error) => format!("{name}: FAILED: {error}"),
        None => {
            let image = size(written.bytes.unwrap_or_default());
            let grown = stick.volume_bytes.map_or_else(String::new, |bytes| {
                format!("; its volume has {}", size(bytes))
            });
            let seconds = written.seconds;
            format!("{name}: good: {image} written and read back in {seconds:.1} s{grown}")
        }
    }
}

/// A row for each of several sticks, and below it what to do where one failed.
fn sticks_table(sticks: &[StickResult], written: &WrittenSticks) -> Vec<String> {
    let cells = |stick: &StickResult| {
        let state = match stick.good {
            None => "would be overwritten",
            Some(true) => "good",
            Some(false) => "FAILED",
        };
        let more = match (&stick.error, stick.volume_bytes) {
            (Some(error), _) => error.clone(),
            (None, Some(bytes)) => format!("its volume has {}", size(bytes)),
            (None, None) => String::new(),
        };
        let device = stick.device.display().to_string();
        [
            device,
            stick.model.clone(),
            size(stick.bytes),
            state.to_owned(),
            more,
        ]
    };
    let rows: Vec<_> = sticks.iter().map(cells).collect();
    let width = |column: usize| {
        let lengths = rows.iter().map(|row| row[column].chars().count());
        lengths.max().unwrap_or_default()
    };
    let widths = [0, 1, 2, 3].map(width);
    let mut lines = Vec::new();
    for ([device, model, size, state, more], stick) in rows.iter().zip(sticks) {
        let [first, second, third, fourth] = widths;
        let line =
            format!("{device:first$}  {model:second$}  {size:>third$}  {state:fourth$}  {more}");
        lines.push(line.trim_end().to_owned());
        lines.extend(stick.hint.map(|hint| format!("  hint: {hint}")));
    }
    if let Some(image) = written.bytes.filter(|_| !written.dry_run) {
        let (image, seconds) = (size(image), written.seconds);
        lines.push(format!("{image}, written and read back in {seconds:.1} s"));
    }
    lines
}

/// Prints what a verification has found: the findings to standard output, a line each.
pub fn print_verified(verified: &Verified, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        if !style.json {
            let shown = verified
                .findings
                .iter()
                .take(SHOWN_FINDINGS)
                .map(|finding| {
                    let mark = if finding.damaged { "damaged" } else { "odd" };
                    format!("{mark}: {}: {}", finding.part, finding.problem)
                });
            let mut lines: Vec<_> = shown.collect();
            let more = verified.findings.len().saturating_sub(SHOWN_FINDINGS);
            if more > 0 {
                lines.push(format!("and {more} more"));
            }
            print_lines(&lines)?;
        }
        say(&verified_text(verified));
    }
    print_json(verified, style)
}

fn verified_text(verified: &Verified) -> String {
    let state = match verified.good {
        true => "is good",
        false => "is not good",
    };
    let title = verified.title.as_deref().unwrap_or("unknown system");
    let mut lines = vec![format!("{} {state}: {title}", verified.image.display())];
    lines.push(format!(
        "  checked    {} in {} files, and {} files in the root",
        size(verified.bytes),
        verified.files,
        verified.root_files
    ));
    if !verified.added.is_empty() {
        let count = verified.added.len();
        lines.push(format!(
            "  added      {count} files of yours, which do not count"
        ));
    }
    if let Some(against) = &verified.against {
        let (source, same) = (against.source.display(), against.same);
        let differences = against.differences;
        lines.push(format!(
            "  {source}: {same} files are the same, {differences} are not"
        ));
    }
    lines.push(times(&verified.stages));
    lines.join("\n")
}

/// Prints what is on a stick.
pub fn print_inspected(inspected: &Inspected, json: bool) -> Result<(), Failure> {
    if json {
        return print_document(inspected);
    }
    let volume = &inspected.volume;
    let mut lines = vec![format!(
        "{}, {}: volume {} ({}), {}, clusters of {} bytes",
        inspected.image.display(),
        size(inspected.bytes),
        volume.label,
        volume.serial,
        size(volume.bytes),
        volume.cluster_bytes
    )];
    match &inspected.system {
        None => lines.push("it has no manifest: livestick did not make it".to_owned()),
        Some(system) => {
            let rows = [
                ("system", system.title.clone()),
                ("kernel", system.kernel.clone()),
                (
                    "root",
                    format!(
                        "{}, SHA-256 {}",
                        size(system.root_bytes),
                        system.root_sha256
                    ),
                ),
                ("identity", system.identity.clone()),
                ("made by", system.tool.clone()),
            ];
            lines.extend(rows.map(|(name, value)| format!("  {name:10} {value}")));
            let chosen = system.options.iter().chain(&system.origins);
            lines.extend(chosen.map(|(name, value)| format!("  {name} = {value}")));
        }
    }
    let files = inspected.files.iter();
    lines.extend(files.map(|file| format!("{:>14}  {}", file.bytes, file.path)));
    print_lines(&lines)
}

/// Prints that a stick is plain storage again.
pub fn print_restored(restored: &RestoredStick, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        let (device, bytes) = (restored.device.display(), size(restored.bytes));
        say(&match restored.dry_run {
            true => format!("{device}: {bytes} would become one empty FAT32 partition"),
            false => format!(
                "{device}: one empty FAT32 partition, {}, {bytes}",
                restored.label
            ),
        });
    }
    print_json(restored, style)
}

pub(super) fn print_lines(lines: &[String]) -> Result<(), Failure> {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")?
        }
        _ => Ok(()),
    }
}
