//! A source, open and ready to be captured.

use crate::mounts::mounts_below;
use crate::rules::Rules;
use crate::scan::scan;
use crate::{CaptureError, Exclusions};
use livestick_blockio::Progress;
use livestick_tree::{RootDirectory, Tree};
use rustix::io::Errno;
use std::path::{Path, PathBuf};

/// A directory that holds a root. While it is open, nothing can be written through it.
#[derive(Debug)]
pub struct Source {
    files: RootDirectory,
    path: PathBuf,
    mounts: Vec<PathBuf>,
}

/// What a capture should mind.
#[derive(Debug, Default)]
pub struct Options {
    /// What the user leaves out.
    pub exclusions: Exclusions,
    /// Files, relative to the root, that are not part of it: the image that is being made.
    pub left_out: Vec<PathBuf>,
    /// What to do with what cannot be read.
    pub unreadable: Unreadable,
}

/// What to do with a file that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unreadable {
    /// Stop: an image without it would not be the system that was asked for.
    #[default]
    Fail,
    /// Leave it out and name it in the report.
    Skip,
}

/// A captured root.
#[derive(Debug)]
pub struct Capture {
    /// What goes on the stick.
    pub tree: Tree,
    /// How it differs from the source.
    pub report: Report,
}

/// How a tree differs from its source. All paths are relative to the root.
#[derive(Debug, Default)]
pub struct Report {
    /// Directories whose contents were left out because the running system fills them.
    pub emptied: Vec<PathBuf>,
    /// What the user's patterns left out: the topmost paths only.
    pub excluded: Vec<PathBuf>,
    /// Swap files, and the image itself.
    pub left_out: Vec<PathBuf>,
    /// Mount points of other filesystems; what is in those is not taken.
    pub mounts: Vec<PathBuf>,
    /// What could not be read.
    pub unreadable: Vec<PathBuf>,
    /// What the source lacks and the stick has.
    pub added: Vec<PathBuf>,
    /// What has other contents than in the source.
    pub replaced: Vec<PathBuf>,
    /// Names in the tree, the root not counted.
    pub files: u64,
    /// The lengths of all regular files together, hard links counted once.
    pub bytes: u64,
}

impl Source {
    /// Opens a directory, through a detached read-only clone of its mount where we may make one.
    /// Without the right to (it takes `CAP_SYS_ADMIN`) the directory itself is read: then what is
    /// hidden below a mount point stays hidden.
    ///
    /// # Errors
    /// Where it is not there, not a directory or not to be read.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Open {
            path: path.to_owned(),
            source,
        };
        let canonical = path.canonicalize().map_err(failed)?;
        let plain = RootDirectory::open(&canonical).map_err(failed)?;
        let files = match livestick_sys::clone_mount_read_only(&canonical) {
            Ok(clone) => RootDirectory::from(clone),
            Err(error) if cannot_clone(&error) => plain,
            Err(error) => return Err(failed(error)),
        };
        let mountinfo = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        Ok(Self {
            files,
            mounts: mounts_below(&canonical, &mountinfo),
            path: canonical,
        })
    }

    /// The files of the root, to look some up and to read those of a captured tree.
    #[must_use]
    pub fn files(&self) -> &RootDirectory {
        &self.files
    }

    /// The source's path, without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Scans the source into a tree, and rewrites it for a stick.
    ///
    /// # Errors
    /// Where something cannot be read (unless [`Unreadable::Skip`]), or the caller interrupts.
    pub fn capture(
        &self,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Capture, CaptureError> {
        progress.start("scan", None);
        let rules = Rules::new(&self.files);
        let mut capture = self.run(Some(&rules), options, progress)?;
        rules.finish(&mut capture.tree, &mut capture.report)?;
        Ok(capture)
    }

    /// Scans the source into a tree as it is.
    ///
    /// # Errors
    /// As [`Self::capture`].
    pub fn scan(
        &self,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Capture, CaptureError> {
        progress.start("scan", None);
        self.run(None, options, progress)
    }

    fn run(
        &self,
        rules: Option<&Rules<'_>>,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Capture, CaptureError> {
        let mut capture = scan(&self.files, rules, options, progress)?;
        let emptied = capture.report.emptied.clone();
        let inside = |mount: &PathBuf| emptied.iter().any(|path| mount.starts_with(path));
        let other = self.mounts.iter().filter(|mount| !inside(mount));
        capture.report.mounts = other.cloned().collect();
        Ok(capture)
    }
}

/// Not root; or an unbindable or foreign mount (EINVAL); or a kernel before 5.12 or a sandbox
/// without these calls.
fn cannot_clone(error: &std::io::Error) -> bool {
    let errors = [Errno::PERM, Errno::ACCESS, Errno::INVAL, Errno::NOSYS];
    errors
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
