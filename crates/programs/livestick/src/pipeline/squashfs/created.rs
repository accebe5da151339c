//! What came of `squashfs create`: the source of the report and of its JSON form.

use super::contents::Missing;
use super::escaped::escaped;
use crate::progress::StageTime;
use livestick_squashfs::{Estimate, LostXattr, Summary};
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What was made.
#[derive(Debug, Serialize)]
pub struct Created {
    /// Where the image is; `None` for standard output.
    pub path: Option<PathBuf>,
    /// Its length in bytes, padding included.
    pub bytes: u64,
    /// How it was compressed.
    pub compression: String,
    /// Bytes of a block.
    pub block_size_bytes: u32,
    /// How many files of all kinds; hard links are counted once.
    pub files: u64,
    /// How many files there are of each kind.
    pub counts: Counts,
    /// The lengths of all regular files together.
    pub content_bytes: u64,
    /// What is stored of that.
    pub stored_bytes: u64,
    /// Blocks that small files and the ends of large ones share.
    pub fragments: u32,
    /// Files that share their data with an equal one.
    pub duplicate_files: u64,
    /// What that saved, before compression.
    pub duplicate_bytes: u64,
    /// Zeros that take no space.
    pub sparse_bytes: u64,
    /// What SquashFS could not hold, or was not as expected. Paths are those of the source; bytes
    /// that are not UTF-8 are replaced.
    pub losses: Losses,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// How long each stage took.
    pub stages: Vec<StageTime>,
}

/// What would be made.
#[derive(Debug, Serialize)]
pub struct Foreseen {
    /// About how long the image would be, in bytes, going by a sample of the contents.
    pub estimated_bytes: u64,
    /// How it would be compressed.
    pub compression: String,
    /// Bytes of a block.
    pub block_size_bytes: u32,
    /// How many files of all kinds; hard links are counted once.
    pub files: u64,
    /// How many files there are of each kind.
    pub counts: Counts,
    /// The lengths of all regular files together.
    pub content_bytes: u64,
    /// What SquashFS cannot hold, as far as that is known before the contents are read.
    pub losses: Losses,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// How long each stage took.
    pub stages: Vec<StageTime>,
}

/// How many files there are of each kind; hard links are counted once.
#[derive(Debug, Serialize)]
pub struct Counts {
    directories: u64,
    files: u64,
    symlinks: u64,
    block_devices: u64,
    character_devices: u64,
    fifos: u64,
    sockets: u64,
    /// Names beyond the first of a file.
    hard_links: u64,
}

/// What SquashFS could not hold, or was not as expected.
#[derive(Debug, Serialize)]
pub struct Losses {
    /// Attributes that it has no place for: POSIX ACLs, mostly.
    xattrs: Vec<Lost>,
    /// Files with times before 1970 or after 2106, moved to that limit.
    clamped_times: Vec<String>,
    /// Files that could not be read and are left out.
    unreadable: Vec<String>,
    /// Files that were gone when they were to be read.
    vanished: Vec<String>,
    /// Files that changed while they were read, and were read again.
    changed: Vec<String>,
    /// Files that changed each time they were read: what is in the image may be a mix of several
    /// states.
    torn: Vec<String>,
    /// Of these, the paths that are not UTF-8, with every byte.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    escaped: BTreeMap<&'static str, Vec<String>>,
}

/// An attribute that is missing in the image.
#[derive(Debug, Serialize)]
struct Lost {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_escaped: Option<String>,
    name: String,
}

impl Counts {
    pub(super) fn of(counts: livestick_squashfs::Counts) -> Self {
        Self {
            directories: counts.directories,
            files: counts.files,
            symlinks: counts.symlinks,
            block_devices: counts.block_devices,
            character_devices: counts.character_devices,
            fifos: counts.fifos,
            sockets: counts.sockets,
            hard_links: counts.hard_links,
        }
    }
}

impl Losses {
    pub(super) fn of(summary: &Summary, missing: &Missing) -> Self {
        Self::new(
            &summary.lost_xattrs,
            [
                summary.clamped_times.clone(),
                [bytes(&missing.unreadable), summary.skipped.clone()].concat(),
                [bytes(&missing.vanished), summary.vanished.clone()].concat(),
                summary.changed.clone(),
                summary.torn.clone(),
            ],
        )
    }

    pub(super) fn foreseen(estimate: &Estimate, missing: &Missing) -> Self {
        Self::new(
            &estimate.lost_xattrs,
            [
                estimate.clamped_times.clone(),
                bytes(&missing.unreadable),
                bytes(&missing.vanished),
                Vec::new(),
                Vec::new(),
            ],
        )
    }

    /// The paths in the order of the fields.
    fn new(xattrs: &[LostXattr], paths: [Vec<Vec<u8>>; 5]) -> Self {
        let names = ["clamped_times", "unreadable", "vanished", "changed", "torn"];
        let escaped = names.into_iter().zip(&paths).filter_map(|(name, paths)| {
            let escaped: Vec<_> = paths.iter().filter_map(|path| escaped(path)).collect();
            (!escaped.is_empty()).then_some((name, escaped))
        });
        let escaped = escaped.collect();
        let [clamped_times, unreadable, vanished, changed, torn] = paths.map(|paths| texts(&paths));
        Self {
            xattrs: xattrs.iter().map(Lost::of).collect(),
            clamped_times,
            unreadable,
            vanished,
            changed,
            torn,
            escaped,
        }
    }
}

impl Lost {
    fn of(lost: &LostXattr) -> Self {
        Self {
            path: text(&lost.path),
            path_escaped: escaped(&lost.path),
            name: text(&lost.name),
        }
    }
}

fn bytes(paths: &[PathBuf]) -> Vec<Vec<u8>> {
    let bytes = paths.iter().map(|path| path.as_os_str().as_bytes());
    bytes.map(<[u8]>::to_vec).collect()
}

fn texts(paths: &[Vec<u8>]) -> Vec<String> {
    paths.iter().map(|path| text(path)).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
