//! A source, open and ready to be captured.

use crate::files::Files;
use crate::filter::Filter;
use crate::mounts::{self, Mount, MountChoice, MountDecision};
use crate::rewrite::Rewrite;
use crate::scan::scan;
use crate::{Capture, CaptureError, Exclusions, RuleSet};
use livestick_blockio::Progress;
use livestick_tree::RootDirectory;
use rustix::fs::{AtFlags, Mode, OFlags, StatxFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

/// A directory that holds a root. While it is open, nothing can be written through it.
#[derive(Debug)]
pub struct Source {
    files: Files,
    path: PathBuf,
    mounts: mounts::Plan,
}

/// What a capture should mind.
#[derive(Debug, Default)]
pub struct Options {
    /// What the user leaves out.
    pub exclusions: Exclusions,
    /// The rules in force.
    pub rules: RuleSet,
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

impl Source {
    /// Opens a directory, through a detached read-only clone of its mount where we may make one.
    /// Without the right to (it takes `CAP_SYS_ADMIN`) the directory itself is read: then what is
    /// hidden below a mount point stays hidden.
    ///
    /// Of `/`, filesystems that belong to the system, such as `/var`, are taken along, each through
    /// a clone of its own.
    ///
    /// # Errors
    /// Where it is not there, not a directory or not to be read.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        Self::open_with(path, &MountChoice::default())
    }

    /// The same, with the user's word on other filesystems.
    ///
    /// # Errors
    /// As [`Self::open`]; where a filesystem that is to be taken along is not to be reached.
    pub fn open_with(path: &Path, choice: &MountChoice) -> Result<Self, CaptureError> {
        let failed = |source| CaptureError::Open {
            path: path.to_owned(),
            source,
        };
        let canonical = path.canonicalize().map_err(failed)?;
        let plain = RootDirectory::open(&canonical).map_err(failed)?;
        let root = match livestick_sys::clone_mount_read_only(&canonical) {
            Ok(clone) => RootDirectory::from(clone),
            Err(error) if cannot_clone(&error) => plain,
            Err(error) => return Err(failed(error)),
        };
        let mountinfo = std::fs::read("/proc/self/mountinfo").unwrap_or_default();
        let mounted = mounts::mounts(&mountinfo);
        let fstab = livestick_tree::RootFiles::read(&root, "etc/fstab").unwrap_or_default();
        let mounts = mounts::plan(&canonical, &mounted, &fstab, choice);
        let taken = mounts.taken.iter().map(|(path, mount)| {
            let opened = open_mount(mount).map_err(|source| CaptureError::Mount {
                path: mount.point.clone(),
                source,
            });
            Ok((path.clone(), opened?))
        });
        Ok(Self {
            files: Files::new(root, taken.collect::<Result<_, CaptureError>>()?),
            path: canonical,
            mounts,
        })
    }

    /// The files of the root, to look some up and to read those of a captured tree.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The source's path, without links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The filesystems at and below the source, and which of them are taken.
    #[must_use]
    pub fn mounts(&self) -> &[MountDecision] {
        &self.mounts.decisions
    }

    /// What should be mounted, by the user's word or the system's own table, and is not. Paths are
    /// relative to the source.
    #[must_use]
    pub fn not_mounted(&self) -> &[PathBuf] {
        &self.mounts.not_mounted
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
        let filter = Filter::new(options, &self.files);
        let mut capture = self.run(&filter, progress)?;
        let mut rewrite = Rewrite {
            tree: &mut capture.tree,
            contents: &self.files,
            rules: &options.rules,
            report: &mut capture.report,
        };
        let rewritten = rewrite.run();
        rewritten.map_err(|source| CaptureError::Tree { source })?;
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
        self.run(&Filter::of_exclusions(options), progress)
    }

    /// Names, before anything is written, the files of a captured tree that cannot be opened: the
    /// scan itself reads no contents. They join what the scan could not read.
    ///
    /// # Errors
    /// `Unreadable` for the first one, unless [`Unreadable::Skip`].
    pub fn find_unreadable(
        &self,
        capture: &mut Capture,
        unreadable: Unreadable,
    ) -> Result<(), CaptureError> {
        for (path, source) in self.files.unreadable(&capture.tree) {
            match unreadable {
                _ if source.kind() == io::ErrorKind::NotFound => {
                    capture.report.vanished.push(path);
                }
                Unreadable::Fail => return Err(CaptureError::Unreadable { path, source }),
                Unreadable::Skip => capture.report.unreadable.push(path),
            }
        }
        capture.report.unreadable.sort();
        capture.report.vanished.sort();
        Ok(())
    }

    fn run(&self, filter: &Filter<'_>, progress: &dyn Progress) -> Result<Capture, CaptureError> {
        progress.start("scan", None);
        let mut capture = scan(&self.files, filter, progress)?;
        capture.report.mounts = self.mounts.decisions.clone();
        capture.report.sort();
        Ok(capture)
    }
}

/// Opens a filesystem by its mount point, as [`Source::open`] does the source's.
fn open_mount(mount: &Mount) -> io::Result<RootDirectory> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let point = rustix::fs::open(&mount.point, flags, Mode::empty())?;
    if !is_mount(&point, mount.id)? {
        return Err(io::Error::other(
            "it is gone, or another filesystem lies over it",
        ));
    }
    match livestick_sys::clone_open_mount_read_only(point.as_fd()) {
        Ok(clone) => Ok(RootDirectory::from(clone)),
        Err(error) if cannot_clone(&error) => RootDirectory::open(&mount.point),
        Err(error) => Err(error),
    }
}

/// Whether a directory is in that mount. Kernels before 5.8 do not tell.
fn is_mount(directory: &OwnedFd, id: u64) -> io::Result<bool> {
    let stat = rustix::fs::statx(directory, c"", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID)?;
    let is_told = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    Ok(!is_told || stat.stx_mnt_id == id)
}

/// Not root; or an unbindable or foreign mount (EINVAL); or a kernel before 5.12 or a sandbox
/// without these calls.
fn cannot_clone(error: &io::Error) -> bool {
    let errors = [Errno::PERM, Errno::ACCESS, Errno::INVAL, Errno::NOSYS];
    errors
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
