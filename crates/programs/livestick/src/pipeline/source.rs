//! Looks a source over before anything is made of it.

use crate::failure::{Exit, Failure};
use crate::settings;
use livestick_capture::{Capture, CaptureError, Facts, Options, Source};
use livestick_initramfs::{GatherError, Selection};
use std::path::{Path, PathBuf};

/// A source from which a stick can be made.
pub struct Prepared {
    /// The source.
    pub source: Source,
    /// What the root says of itself.
    pub facts: Facts,
    /// The kernel to boot.
    pub selection: Selection,
}

/// Opens the source and checks that it holds a root with an init and a kernel for a stick.
pub fn prepare(settings: &settings::Build) -> Result<Prepared, Failure> {
    let source = Source::open(&settings.source).map_err(not_captured)?;
    let facts = livestick_capture::facts(source.files());
    let path = settings.source.display();
    if !facts.is_root {
        let message = format!("{path} does not hold a Linux root: it has no etc, or no bin");
        return Err(Failure::message(Exit::Refused, message)
            .hint("give the directory that is `/` for the system on the stick"));
    }
    let names_init = settings
        .cmdline
        .split_whitespace()
        .any(|word| word.starts_with("init="));
    if facts.init.is_none() && !names_init {
        let message =
            format!("{path} has no init: neither sbin/init nor another that is a program");
        return Err(Failure::message(Exit::Refused, message)
            .hint("install one (on Debian: systemd-sysv), or name it with --cmdline init=PATH"));
    }
    let selection = livestick_initramfs::select_kernel(source.files(), settings.kernel.as_deref())
        .map_err(no_kernel)?;
    Ok(Prepared {
        source,
        facts,
        selection,
    })
}

/// Scans the source. The image that is being made, should it lie in the source, is left out.
pub fn capture(
    prepared: &Prepared,
    settings: &mut settings::Build,
    image_names: &[PathBuf],
    progress: &dyn livestick_blockio::Progress,
) -> Result<(Capture, Options), Failure> {
    let options = Options {
        exclusions: std::mem::take(&mut settings.exclusions),
        left_out: inside(image_names, prepared.source.path()),
        unreadable: settings.unreadable,
    };
    let capture = prepared.source.capture(&options, progress);
    Ok((capture.map_err(not_captured)?, options))
}

/// What is wrong with a source, and what to do about it.
pub fn not_captured(error: CaptureError) -> Failure {
    match error {
        CaptureError::Interrupted => Failure::interrupted(),
        CaptureError::Open { .. } => Failure::new(Exit::Refused, error),
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
