//! What a person, or a script, reads.

use crate::failure::Failure;
use crate::pipeline::Built;
use crate::pipeline::squashfs::Created;
use crate::progress::StageTime;
use crate::settings::{OutputStyle, Volume};
use anyhow::Context;
use bytesize::ByteSize;
use serde::Serialize;
use std::io::Write;
use std::path::PathBuf;

/// Prints why a command failed, and what to do next.
pub fn print_failure(failure: &Failure) {
    eprintln!("error: {:#}", failure.error);
    if let Some(hint) = &failure.hint {
        eprintln!("hint: {hint}");
    }
}

/// Prints what was made, or would be.
pub fn print_built(built: &Built, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        for warning in &built.warnings {
            eprintln!("warning: {warning}");
        }
        eprint!("{}", text(built, style.volume));
    }
    print_json(built, style)
}

/// Prints what image was made.
pub fn print_created(created: &Created, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        for warning in &created.warnings {
            eprintln!("warning: {warning}");
        }
        eprint!("{}", created_text(created));
    }
    print_json(created, style)
}

fn print_json(document: &impl Serialize, style: OutputStyle) -> Result<(), Failure> {
    if style.json {
        let mut document =
            serde_json::to_vec_pretty(document).context("cannot make the JSON report")?;
        document.push(b'\n');
        std::io::stdout()
            .write_all(&document)
            .context("cannot write the JSON report")?;
    }
    Ok(())
}

fn created_text(created: &Created) -> String {
    let path = created.path.as_ref();
    let name = path.map_or("standard output".to_owned(), |path| {
        path.display().to_string()
    });
    let part = match created.content_bytes {
        0 => String::new(),
        bytes => format!(", {} % of {}", created.bytes * 100 / bytes, size(bytes)),
    };
    let mut lines = vec![
        format!(
            "made {name}, {} ({}): {} files{part}",
            size(created.bytes),
            created.compression,
            created.counts.total()
        ),
        format!(
            "  duplicates {} in {} files",
            size(created.duplicate_bytes),
            created.duplicate_files
        ),
        format!("  holes      {}", size(created.sparse_bytes)),
        format!("  fragments  {}", created.fragments),
    ];
    lines.push(times(&created.stages));
    lines.join("\n") + "\n"
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
    lines.push(format!(
        "  initramfs  {} ({}), {} modules{}",
        size(built.initramfs.bytes),
        built.initramfs.codec,
        built.initramfs.modules,
        match built.initramfs.microcode_bytes {
            0 => String::new(),
            bytes => format!(", {} of it CPU microcode", size(bytes)),
        }
    ));
    if !built.other_kernels.is_empty() {
        let others = built.other_kernels.join(", ");
        lines.push(format!(
            "  kernel     the newest of several; also there: {others}"
        ));
    }
    lines.push(times(&built.stages));
    if volume == Volume::Verbose {
        lines.extend(differences(built));
    }
    if let Some(outcome) = &built.outcome {
        let path = outcome.image.path.display();
        lines.push(format!(
            "try it: qemu-system-x86_64 -m 1G -usb -device usb-storage,drive=s \
             -drive if=none,id=s,format=raw,snapshot=on,file={path}"
        ));
        lines.push(format!(
            "write it to a stick: dd if={path} of=/dev/sdX bs=4M conv=fsync   (/dev/sdX is overwritten)"
        ));
    }
    lines.join("\n") + "\n"
}

fn headline(built: &Built) -> String {
    let what = format!(
        "{} with kernel {}, for {}",
        built.title, built.kernel, built.firmware
    );
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
    let kinds: [(&str, &[PathBuf]); 7] = [
        ("emptied", &differences.emptied),
        ("added", &differences.added),
        ("replaced", &differences.replaced),
        ("excluded", &differences.excluded),
        ("left out", &differences.left_out),
        ("other fs", &differences.mounts),
        ("unreadable", &differences.unreadable),
    ];
    let lines = kinds.into_iter().flat_map(|(kind, paths)| {
        paths
            .iter()
            .map(move |path| format!("  {kind:10} {}", path.display()))
    });
    let missing = built.initramfs.missing_firmware.iter();
    let missing = missing.map(|name| format!("  {:10} {name}", "no firmware"));
    lines.chain(missing).collect()
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().si().to_string()
}
