//! Looks a source over before anything is made of it.

use crate::failure::{Exit, Failure};
use crate::settings;
use livestick_capture::{Capture, CaptureError, Facts, Options, Source};
use livestick_handoff::CommandLine;
use livestick_initramfs::GatherError;
use livestick_tree::{Kind, RootFiles, Tree};
use std::io;
use std::path::{Path, PathBuf};

/// A source that holds a root.
pub struct Prepared {
    /// The source.
    pub source: Source,
    /// What the root says of itself.
    pub facts: Facts,
}

/// Opens the source and checks that it holds a root.
pub fn prepare(settings: &settings::Stick) -> Result<Prepared, Failure> {
    let source = Source::open_with(&settings.source, &settings.mounts).map_err(not_captured)?;
    let facts = livestick_capture::facts(source.files());
    let path = settings.source.display();
    if !facts.is_root {
        let message = format!("{path} does not hold a Linux root: it has no etc, or no bin");
        return Err(Failure::message(Exit::Refused, message)
            .hint("give the directory that is `/` for the system on the stick"));
    }
    Ok(Prepared { source, facts })
}

/// Checks that there is something to start with.
pub fn require_init(prepared: &Prepared, settings: &settings::Stick) -> Result<(), Failure> {
    if init(prepared, settings).is_some() {
        return Ok(());
    }
    let path = settings.source.display();
    let (message, hint) = match named_init(settings) {
        Some(named) => (
            format!("{path} has no init: {named}, which --cmdline names, is not a program there"),
            "give init= the path of a program in the root, or leave it out",
        ),
        None => (
            format!("{path} has no init: neither sbin/init nor another that is a program"),
            "install one (on Debian: systemd-sysv), or name it with --cmdline init=PATH",
        ),
    };
    Err(Failure::message(Exit::Refused, message).hint(hint))
}

/// The program that the user says is to be started, as `/init` will read it.
pub fn named_init(settings: &settings::Stick) -> Option<String> {
    CommandLine::parse(&settings.cmdline).init
}

/// The program that the stick starts; `None` where the root does not have it.
fn init(prepared: &Prepared, settings: &settings::Stick) -> Option<String> {
    match named_init(settings) {
        Some(named) => Some(named).filter(|named| prepared.source.files().is_program(named)),
        None => prepared.facts.init.map(str::to_owned),
    }
}

/// Scans the source. The image that is being made, should it lie in the source, is left out.
pub fn capture(
    prepared: &Prepared,
    settings: &mut settings::Stick,
    image_names: &[PathBuf],
    progress: &dyn livestick_blockio::Progress,
) -> Result<(Capture, Options), Failure> {
    let options = Options {
        exclusions: std::mem::take(&mut settings.exclusions),
        rules: std::mem::take(&mut settings.rules),
        left_out: inside(image_names, prepared.source.path()),
        unreadable: settings.unreadable,
    };
    let capture = prepared.source.capture(&options, progress);
    let capture = capture.map_err(not_captured)?;
    keep_init(prepared, settings, &capture.tree)?;
    Ok((capture, options))
}

/// Scans the source, where nothing is to be written. What a build finds unreadable only while it
/// writes is looked for now.
pub fn foresee(
    prepared: &Prepared,
    settings: &mut settings::Stick,
    image_names: &[PathBuf],
    progress: &dyn livestick_blockio::Progress,
) -> Result<(Capture, Options), Failure> {
    let (mut capture, options) = capture(prepared, settings, image_names, progress)?;
    let source = &prepared.source;
    let found = source.find_unreadable(&mut capture, options.unreadable);
    found.map_err(not_captured)?;
    Ok((capture, options))
}

/// What the user leaves out may be what everything starts with.
fn keep_init(prepared: &Prepared, settings: &settings::Stick, tree: &Tree) -> Result<(), Failure> {
    let Some(init) = init(prepared, settings) else {
        return Ok(());
    };
    let found = tree.resolve(init.as_bytes());
    if found.is_some_and(|node| matches!(tree.node(node).kind, Kind::File { .. })) {
        return Ok(());
    }
    let message = format!("{init}, the program that the system starts with, is left out");
    Err(Failure::message(Exit::Refused, message)
        .hint("take it back in: look at --exclude and --exclude-mount, and at what cannot be read"))
}

/// What is wrong with a source, and what to do about it.
pub fn not_captured(error: CaptureError) -> Failure {
    match error {
        CaptureError::Interrupted => Failure::interrupted(),
        CaptureError::Open { .. } => Failure::new(Exit::Refused, error),
        CaptureError::Mount { .. } => Failure::new(Exit::Refused, error)
            .hint("mount it again, or leave it out with --exclude-mount"),
        CaptureError::Unreadable { .. } => Failure::new(Exit::Failed, error).hint(UNREADABLE_HINT),
        error => Failure::new(Exit::Failed, error),
    }
}

/// What to do about a file that cannot be read.
pub const UNREADABLE_HINT: &str =
    "run as root, or leave out what cannot be read with --skip-unreadable";

/// The names, relative to a directory, of the files that lie in it.
pub fn inside(files: &[PathBuf], directory: &Path) -> Vec<PathBuf> {
    let relative = |file: &PathBuf| {
        let parent = file
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new(".")).canonicalize().ok()?;
        let file = parent.join(file.file_name()?);
        file.strip_prefix(directory).ok().map(Path::to_owned)
    };
    files.iter().filter_map(relative).collect()
}

/// What is wrong with a kernel, and what to do about it.
pub fn no_kernel(error: GatherError) -> Failure {
    let hint = match &error {
        GatherError::NoKernel => Some("install one in the root (on Debian: linux-image-amd64)"),
        GatherError::NotThere { .. } => Some("leave --kernel out to take the newest"),
        GatherError::NoModules { .. } => {
            Some("install the kernel's modules in the root, or choose another with --kernel")
        }
        GatherError::Read { path, source }
            if source.kind() == io::ErrorKind::NotFound && path.contains("lib/modules/") =>
        {
            Some("the kernel's modules are not all there: install its package again")
        }
        GatherError::NoUsb { .. } => Some(
            "kernels made for clouds have no USB; install a stock one (on Debian: linux-image-amd64)",
        ),
        GatherError::CoreModule { .. } | GatherError::CoreDependency { .. } => {
            Some("choose another kernel with --kernel, or build this one with that option")
        }
        _ => None,
    };
    let failure = Failure::new(Exit::Refused, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
