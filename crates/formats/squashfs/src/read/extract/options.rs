//! What the caller of an extraction decides, and learns.

use crate::{Counts, ReadError};
use std::io;

/// How many things that could not be restored, and how many that are damaged, are kept.
const KEPT_LIMIT: usize = 1000;

/// How an image is extracted.
#[derive(Clone, Debug, Default)]
pub struct ExtractOptions {
    /// What happens to what is in the target already.
    pub existing: Existing,
    /// Whose the files are.
    pub owners: Owners,
    /// What happens where the image is damaged.
    pub damage: Damage,
    /// Which files: paths in the image, whose names may hold `*`, `?` and `[a-z]`. What is below a
    /// directory belongs to it. None: all.
    pub paths: Vec<Vec<u8>>,
}

/// What happens where the image is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Damage {
    /// The first file that is, is an error.
    #[default]
    Fail,
    /// Files that are damaged are left out and stand in the summary; of a directory, what its listing
    /// has up to there is extracted.
    PassOver,
}

/// What happens to what is in the target already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// A target that is not empty is an error.
    #[default]
    Refuse,
    /// Files and links give way to those of the image; directories are kept and filled. A directory
    /// in the place of a file is an error.
    Replace,
}

/// Whose the extracted files are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owners {
    /// As in the image for the superuser, otherwise the caller's.
    #[default]
    Automatic,
    /// As in the image.
    Restore,
    /// The caller's. Then setuid and setgid are left out.
    Caller,
}

/// What was extracted, and what could not be restored.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct ExtractSummary {
    /// How many files of each kind there are now.
    pub counts: Counts,
    /// The lengths of all regular files together, holes included.
    pub content_bytes: u64,
    /// Zeros that take no space, in bytes.
    pub sparse_bytes: u64,
    /// What could not be restored: the first 1000.
    pub unrestored: Vec<Unrestored>,
    /// How much could not be restored in all.
    pub unrestored_count: u64,
    /// What is damaged and was passed over, each with its path: the first 1000.
    pub damaged: Vec<ReadError>,
    /// How much is damaged in all.
    pub damaged_count: u64,
    /// The patterns that nothing matched.
    pub unmatched: Vec<Vec<u8>>,
}

/// A file that is not in every respect what it is in the image.
#[derive(Debug)]
pub struct Unrestored {
    /// Its path in the image.
    pub path: Vec<u8>,
    /// What it lacks.
    pub part: UnrestoredPart,
    /// Why.
    pub source: io::Error,
}

/// What a file may lack.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnrestoredPart {
    /// It is missing: a device, which only the superuser may make.
    Device,
    /// Owner and group.
    Owner,
    /// setuid and setgid, which are dangerous with another owner.
    SetId,
    /// All other permissions.
    Permissions,
    /// The time.
    Time,
    /// The extended attribute of this name.
    Xattr(Box<[u8]>),
}

impl ExtractSummary {
    pub(super) fn lost(&mut self, unrestored: Unrestored) {
        self.unrestored_count += 1;
        if self.unrestored.len() < KEPT_LIMIT {
            self.unrestored.push(unrestored);
        }
    }

    pub(super) fn passed_over(&mut self, error: ReadError) {
        self.damaged_count += 1;
        if self.damaged.len() < KEPT_LIMIT {
            self.damaged.push(error);
        }
    }
}
