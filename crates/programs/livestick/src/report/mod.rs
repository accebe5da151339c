//! What a person, or a script, reads.

mod device;
mod next;
mod page;
mod plan;
mod rules;
mod squashfs;

pub use device::{print_devices, print_inspected, print_restored, print_verified, print_written};
pub use page::write_page;
pub use plan::print_plan;
pub use rules::print_rules;
pub use squashfs::{print_checked, print_created, print_extracted, print_foreseen};

use crate::failure::Failure;
use crate::pipeline::{Built, FirmwareSupport, Omitted};
use crate::progress::StageTime;
use crate::settings::{OutputStyle, Volume};
use anyhow::Context;
use bytesize::ByteSize;
use livestick_handoff::paths;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Why a command failed, for a script.
#[derive(Serialize)]
struct FailureDocument {
    /// What happened, to what.
    error: String,
    /// What to do next, where there is something.
    hint: Option<String>,
    /// The code that the program exits with.
    exit: u8,
}

/// Prints why a command failed, and what to do next; as a document, too, where one was asked for and
/// there is none yet.
pub fn print_failure(failure: &Failure, json: bool) {
    if json && !failure.is_reported() {
        let document = FailureDocument {
            error: format!("{:#}", failure.error),
            hint: failure.hint.clone(),
            exit: failure.exit as u8,
        };
        // Where it cannot be written, the error itself is the news.
        let _ = print_document(&document);
    }
    say(&printable(&format!("error: {:#}", failure.error)));
    if let Some(hint) = &failure.hint {
        say(&printable(&format!("hint: {hint}")));
    }
}

/// Names may hold anything, also what moves a terminal's cursor.
fn printable(text: &str) -> String {
    let replaced = text.chars();
    replaced
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Prints a line to standard error. Where nobody reads it any more, as behind `2>&1 | head`, the
/// work goes on all the same.
pub fn say(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Prints what was made, or would be.
pub fn print_built(built: &Built, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        for warning in &built.warnings {
            say(&format!("warning: {warning}"));
        }
        say(&text(built, style.volume));
    }
    print_json(built, style)
}

fn print_json(document: &impl Serialize, style: OutputStyle) -> Result<(), Failure> {
    match style.json {
        true => print_document(document),
        false => Ok(()),
    }
}

fn print_document(document: &impl Serialize) -> Result<(), Failure> {
    let mut document =
        serde_json::to_vec_pretty(document).context("cannot make the JSON report")?;
    document.push(b'\n');
    let written = std::io::stdout().write_all(&document);
    Ok(written.context("cannot write the JSON report")?)
}

fn times(stages: &[StageTime]) -> String {
    let total: f64 = stages.iter().map(|stage| stage.seconds).sum();
    let stages: Vec<_> = stages
        .iter()
        .map(|stage| format!("{} {:.1}", stage.name, stage.seconds))
        .collect();
    format!("  time       {total:.1} s: {}", stages.join(", "))
}

fn text(built: &Built, volume: Volume) -> String {
    let mut lines = vec![headline(built)];
    lines.push(format!(
        "  root       {} in {} files{}",
        size(built.root.bytes),
        built.root.files,
        built
            .outcome
            .as_ref()
            .map_or_else(String::new, |outcome| format!(
                " -> {} ({})",
                size(outcome.squashfs.bytes),
                outcome.squashfs.compression
            ))
    ));
    lines.extend(boot_lines(built));
    lines.extend(savings(built));
    lines.extend(segments(built));
    lines.push(ram(built));
    lines.push(times(&built.stages));
    if volume == Volume::Verbose {
        lines.extend(differences(built));
    }
    lines.extend(next::commands(built));
    lines.join("\n")
}

/// The firmware, the initramfs, and the kernels.
fn boot_lines(built: &Built) -> Vec<String> {
    let mut lines = firmware(&built.firmware);
    if let Some(initramfs) = &built.initramfs {
        lines.push(format!(
            "  initramfs  {} ({}), {} modules{}{}",
            size(initramfs.bytes),
            initramfs.codec,
            initramfs.modules,
            match initramfs.microcode_bytes {
                0 => String::new(),
                bytes => format!(", {} of it CPU microcode", size(bytes)),
            },
            match initramfs.has_shell {
                true => ", a shell for the rescue screen",
                false => ", no rescue shell: that takes the package busybox-static",
            }
        ));
    }
    if !built.other_kernels.is_empty() {
        let others = built.other_kernels.join(", ");
        let newest = match built.kernel_is_newest {
            true => "the newest of several; ",
            false => "",
        };
        lines.push(format!("  kernel     {newest}also there: {others}"));
    }
    lines
}

/// The system and its kernel.
fn what(built: &Built) -> String {
    let kernel = built.kernel.as_ref();
    let kernel = kernel.map_or_else(String::new, |kernel| format!(" with kernel {kernel}"));
    format!("{}{kernel}", built.title)
}

/// On which firmware it boots with what, and on which it does not, and why.
fn firmware(support: &[FirmwareSupport]) -> Vec<String> {
    let with = support.iter().filter_map(|support| {
        let loader = support.loader?;
        Some(format!("{} ({loader})", support.firmware))
    });
    let with: Vec<_> = with.collect();
    let without = support.iter().filter_map(|support| {
        let why_not = support.why_not.as_ref()?;
        Some(format!("  not on     {}: {why_not}", support.firmware))
    });
    let boots = format!("  boots on   {}", with.join(", "));
    let boots = (!with.is_empty()).then_some(boots);
    boots.into_iter().chain(without).collect()
}

/// Of the computers that there are examples for, the smallest on which the image fits into RAM.
fn ram(built: &Built) -> String {
    let ram = &built.ram;
    let about = if built.outcome.is_some() {
        ""
    } else {
        "about "
    };
    let mut text = format!(
        "  RAM        from {} on, with the root in RAM from {about}{} on",
        size(ram.least_bytes),
        size(ram.to_ram_bytes)
    );
    let mut fitting = ram.examples.iter();
    if let Some(example) = fitting.find(|example| example.ram_bytes >= ram.to_ram_bytes) {
        text.push_str(&format!(
            "; on {} GiB, {} are left for changes, or {} with the root in RAM",
            example.ram_bytes >> 30,
            size(example.changes_bytes),
            size(example.to_ram_changes_bytes)
        ));
    }
    text
}

/// What a root beyond 4 GiB becomes, which FAT cannot hold in one file.
fn segments(built: &Built) -> Option<String> {
    let name = paths::ROOT_IMAGE;
    let last = |count: u64| format!("{name}.{:03}", count - 1);
    match (&built.outcome, built.root.segments) {
        (Some(outcome), _) if outcome.squashfs.segments > 1 => {
            let count = outcome.squashfs.segments;
            Some(format!(
                "  segments   {count}: {name} to {}, joined at boot",
                last(count)
            ))
        }
        (None, count) if count > 1 => Some(format!(
            "  segments   up to {count}: {name} to {}, where it does not get smaller than 4 GiB",
            last(count)
        )),
        _ => None,
    }
}

/// What was left out, and what that saved.
fn savings(built: &Built) -> Vec<String> {
    let omitted = built.differences.omitted.iter();
    let large = omitted.filter(|omitted| omitted.bytes > 0);
    let line = |omitted: &Omitted| {
        let files = match omitted.files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        let bytes = size(omitted.bytes);
        format!("  left out   {bytes} in {files}: {}", omitted.by)
    };
    large.map(line).collect()
}

fn headline(built: &Built) -> String {
    let what = what(built);
    match &built.outcome {
        Some(outcome) => format!(
            "made {}, {}: {what}",
            outcome.image.path.display(),
            size(outcome.image.bytes)
        ),
        None => format!("nothing was made; it would be {what}"),
    }
}

fn differences(built: &Built) -> Vec<String> {
    let differences = &built.differences;
    let omitted = differences.omitted.iter().flat_map(|omitted| {
        let paths = omitted.paths.iter();
        paths.map(|path| format!("  {:10} {} ({})", "left out", path.display(), omitted.by))
    });
    let mounts = built.mounts.iter().map(|mount| {
        let (what, path) = (
            if mount.taken { "taken" } else { "not taken" },
            mount.path.display(),
        );
        format!(
            "  {what:10} /{path}, {} on {}: {}",
            mount.kind, mount.device, mount.reason
        )
    });
    let kinds: [(&str, &[PathBuf]); 4] = [
        ("added", &differences.added),
        ("replaced", &differences.replaced),
        ("unreadable", &differences.unreadable),
        ("gone", &differences.vanished),
    ];
    let lines = kinds.into_iter().flat_map(|(kind, paths)| {
        paths
            .iter()
            .map(move |path| format!("  {kind:10} {}", path.display()))
    });
    let lines = mounts.chain(omitted).chain(lines);
    let initramfs = built.initramfs.iter();
    let missing = initramfs.flat_map(|initramfs| {
        let line = |what: &'static str| move |name: &String| format!("  {what:10} {name}");
        let modules = initramfs.missing_modules.iter().map(line("no module"));
        modules.chain(initramfs.missing_firmware.iter().map(line("no firmware")))
    });
    lines.chain(missing).collect()
}

/// So many bytes, for people.
pub fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}
