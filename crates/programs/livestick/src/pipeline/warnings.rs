//! What the owner should know, though it stops nothing.

use crate::pipeline::source::{Prepared, named_init};
use crate::pipeline::stick::Boot;
use crate::report::size;
use crate::settings;
use livestick_capture::{Exclusions, Options, Report, can_log_in};
use livestick_initramfs::Selection;
use livestick_kernel::module_name;
use livestick_squashfs::{LostXattr, Summary};
use livestick_tree::{Tree, TreeFiles};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many paths a warning names before it only counts.
const NAMED_PATHS: usize = 5;

/// What the kernel starts where there is no init. Nearly every root has it.
const BARE_SHELL: &str = "/bin/sh";

/// Drivers without which no stick in a USB 3 port is found.
const USB_3: [&str; 2] = ["xhci_pci", "xhci_hcd"];

/// Of the root, what is left of it, and the exclusions.
pub fn of_plan(
    prepared: &Prepared,
    settings: &settings::Stick,
    options: &Options,
    tree: &Tree,
    boot: Option<&Boot>,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if prepared.facts.init == Some(BARE_SHELL) && named_init(settings).is_none() {
        warnings.push(format!(
            "the root has no init: the stick starts {BARE_SHELL} and nothing else; install one \
             (on Debian: systemd-sysv), or name it with --cmdline init=PATH"
        ));
    }
    if can_log_in(&TreeFiles::new(tree, prepared.source.files())) == Some(false) {
        let text = match tree.resolve(b"etc/passwd") {
            Some(_) => "each is locked or has no shell; set a password in the root",
            None => "there is no /etc/passwd on the stick",
        };
        warnings.push(format!("no account can log in: {text}"));
    }
    warnings.extend(boot.into_iter().flat_map(|boot| of_kernel(boot, tree)));
    let missing = prepared.source.not_mounted();
    if !missing.is_empty() {
        let missing = names(missing);
        warnings.push(format!("not mounted, so not in the image: {missing}"));
    }
    warnings.extend(of_exclusions(&options.exclusions));
    warnings
}

/// Of a disk on which the image will hardly have room.
pub fn of_space(free_bytes: u64, needed_bytes: u64) -> Option<String> {
    (free_bytes < needed_bytes).then(|| {
        format!(
            "the image needs about {}, and {} are free where it should go",
            size(needed_bytes),
            size(free_bytes)
        )
    })
}

/// Of kernels that are newer than the one that was taken.
pub fn of_kernels(selection: &Selection) -> impl Iterator<Item = String> {
    let refusals = selection.passed_over.iter();
    refusals.map(|refusal| format!("a newer kernel was passed over: {refusal}"))
}

/// Of the kernel, and what is left of its modules.
fn of_kernel(boot: &Boot, tree: &Tree) -> Vec<String> {
    let mut warnings = Vec::new();
    let kernel = &boot.selection.kernel;
    let mut missing = boot.initramfs.missing_modules.iter();
    if missing.any(|name| USB_3.contains(&&**name)) {
        warnings.push(format!(
            "the kernel {} has no driver for USB 3 (xhci_pci): where the stick is in such a port, \
             and newer computers have no others, it is not found",
            kernel.release
        ));
    }
    // Where it needs none to boot, it may well have none.
    let folder = kernel.modules.as_deref();
    let folder = folder.filter(|_| boot.initramfs.modules > 0);
    if let Some(folder) = folder.filter(|folder| !has_modules(tree, folder)) {
        warnings.push(format!(
            "the modules of the kernel are left out, {folder}: the stick boots, and has no drivers \
             for anything else; look at --exclude"
        ));
    }
    warnings
}

/// Whether there is a module below a folder.
fn has_modules(tree: &Tree, folder: &str) -> bool {
    let mut waiting: Vec<_> = tree.resolve(folder.as_bytes()).into_iter().collect();
    while let Some(directory) = waiting.pop() {
        for (name, node) in tree.entries(directory) {
            if std::str::from_utf8(name).is_ok_and(|name| module_name(name).is_some()) {
                return true;
            }
            waiting.push(node);
        }
    }
    false
}

/// Of exclusions that may have been meant otherwise.
pub fn of_exclusions(exclusions: &Exclusions) -> Vec<String> {
    let unmatched = exclusions.unmatched();
    unmatched
        .map(|pattern| format!("{pattern} matched nothing"))
        .collect()
}

/// Of what the scan met.
pub fn of_capture(report: &Report) -> Vec<String> {
    let mut warnings = Vec::new();
    let mounts = report.mounts.iter();
    let offered: Vec<_> = mounts
        .filter(|mount| !mount.is_taken && mount.reason.is_offered())
        .map(|mount| mount.path.clone())
        .collect();
    if !offered.is_empty() {
        let offered = names(&offered);
        warnings.push(format!(
            "other filesystems are left out: {offered}; --include-mount takes one along"
        ));
    }
    warnings.extend(report.notes.iter().cloned());
    if !report.unreadable.is_empty() {
        let skipped = names(&report.unreadable);
        warnings.push(format!(
            "could not be read, and is left out: {skipped}; of a directory that is what is in it"
        ));
    }
    warnings.extend(of_vanished(&report.vanished));
    warnings
}

/// Of what a system that runs has deleted in the meantime.
fn of_vanished(paths: &[PathBuf]) -> Option<String> {
    let vanished = (!paths.is_empty()).then(|| names(paths))?;
    Some(format!(
        "was gone when it was to be read, and is left out: {vanished}"
    ))
}

/// Of what the image could not take as it was.
pub fn of_root(summary: &Summary) -> Vec<String> {
    let mut warnings = Vec::new();
    if !summary.skipped.is_empty() {
        let skipped = names(&paths(&summary.skipped));
        warnings.push(format!("could not be read, and is left out: {skipped}"));
    }
    warnings.extend(of_vanished(&paths(&summary.vanished)));
    if !summary.changed.is_empty() {
        let changed = names(&paths(&summary.changed));
        warnings.push(format!(
            "changed while it was read, and was read again: {changed}"
        ));
    }
    if !summary.torn.is_empty() {
        let torn = names(&paths(&summary.torn));
        warnings.push(format!(
            "changed each time it was read, and may be a mix of several states: {torn}"
        ));
    }
    warnings.extend(of_format(&summary.lost_xattrs, &summary.clamped_times));
    warnings
}

/// Of what the format has no place for.
pub fn of_format(lost_xattrs: &[LostXattr], clamped_times: &[Vec<u8>]) -> Vec<String> {
    let mut warnings = Vec::new();
    if !lost_xattrs.is_empty() {
        let mut lost: Vec<_> = lost_xattrs.iter().map(|lost| lost.path.clone()).collect();
        // A directory has two ACLs: one warning.
        lost.dedup();
        let lost = names(&paths(&lost));
        warnings.push(format!(
            "SquashFS cannot hold the ACLs or attributes of: {lost}"
        ));
    }
    if !clamped_times.is_empty() {
        let clamped = names(&paths(clamped_times));
        warnings.push(format!(
            "SquashFS holds times from 1970 to 2106; moved to those: {clamped}"
        ));
    }
    warnings
}

/// Bytes as paths.
pub fn paths(bytes: &[Vec<u8>]) -> Vec<PathBuf> {
    let paths = bytes.iter().map(|path| std::ffi::OsStr::from_bytes(path));
    paths.map(|path| Path::new(path).to_owned()).collect()
}

/// The first of many paths, for a warning.
pub fn names(paths: &[PathBuf]) -> String {
    let named = paths.iter().take(NAMED_PATHS);
    let mut text = named
        .map(|path| livestick_tree::shown(path.as_os_str().as_bytes()).to_string())
        .collect::<Vec<_>>()
        .join(", ");
    if paths.len() > NAMED_PATHS {
        text.push_str(&format!(" and {} more", paths.len() - NAMED_PATHS));
    }
    text
}
