//! How a tree differs from its source.

use crate::MountDecision;
use crate::filter::Cause;
use crate::walk::Saved;
use livestick_tree::Tree;
use std::path::PathBuf;

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
    /// What is not taken, by the cause.
    pub omitted: Vec<Omission>,
    /// The filesystems of the source, and which of them were taken.
    pub mounts: Vec<MountDecision>,
    /// What could not be read.
    pub unreadable: Vec<PathBuf>,
    /// What was listed, and gone when it was looked at.
    pub vanished: Vec<PathBuf>,
    /// What the source lacks and the stick has.
    pub added: Vec<PathBuf>,
    /// What has other contents than in the source.
    pub replaced: Vec<PathBuf>,
    /// What does not work on the stick and could not be changed, for people.
    pub notes: Vec<String>,
    /// Names in the tree, the root not counted.
    pub files: u64,
    /// The lengths of all regular files together, hard links counted once.
    pub bytes: u64,
}

/// What is not taken for one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Omission {
    /// The cause.
    pub cause: Cause,
    /// The topmost paths. One that ends in a slash is a directory that is there, but empty.
    pub paths: Vec<PathBuf>,
    /// How many names that makes, with all that is below.
    pub files: u64,
    /// The lengths of the regular files among them, hard links counted once.
    pub bytes: u64,
}

impl Report {
    pub(crate) fn omission(&mut self, cause: Cause) -> &mut Omission {
        let known = self
            .omitted
            .iter()
            .position(|omission| omission.cause == cause);
        let index = known.unwrap_or_else(|| {
            self.omitted.push(Omission {
                cause,
                paths: Vec::new(),
                files: 0,
                bytes: 0,
            });
            self.omitted.len() - 1
        });
        &mut self.omitted[index]
    }

    pub(crate) fn omit(&mut self, cause: Cause, saved: Saved) -> &mut Omission {
        let omission = self.omission(cause);
        omission.files += saved.files;
        omission.bytes += saved.bytes;
        omission
    }

    /// The same order, whichever directory was read first.
    pub(crate) fn sort(&mut self) {
        self.unreadable.sort();
        self.omitted.sort_by_key(|omission| omission.cause);
        for omission in &mut self.omitted {
            omission.paths.sort();
        }
        // Only what was found, though something was looked for.
        self.omitted
            .retain(|omission| !omission.paths.is_empty() || omission.bytes > 0);
    }
}
