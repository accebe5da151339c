//! What a check has found.

use crate::{Counts, ReadError, Superblock};
use livestick_tree::shown;
use std::error::Error;
use std::fmt;

/// Said of a file whose end is looked for behind the end of its fragment: `squashfs_copy_data()`
/// subtracts the one from the other, and copies from anywhere in memory.
pub(super) const CRASH_WARNING: &str =
    "do not mount it: some kernels crash when they read that (Linux up to 6.18 at least)";

/// How many findings are kept.
const FINDINGS_LIMIT: usize = 1000;

/// What a check has found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CheckReport {
    /// What the superblock says, where it can be understood.
    pub superblock: Option<Superblock>,
    /// What is wrong: the first 1000.
    pub findings: Vec<Finding>,
    /// How much is wrong in all.
    pub findings_count: u64,
    /// The worst that was found, `None` where nothing was.
    pub worst: Option<Severity>,
    /// How many files of each kind were reached from the root.
    pub counts: Counts,
    /// The lengths of all regular files together, holes and duplicates included.
    pub content_bytes: u64,
    /// How many data blocks and fragments were decompressed.
    pub blocks: u64,
    /// How many bytes those take in the image.
    pub stored_bytes: u64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What that means.
    pub severity: Severity,
    /// The file that it concerns, as a path in the image: the first of its names.
    pub path: Option<Vec<u8>>,
    /// The part of the image that it concerns, and where that, or a block of it, begins in bytes.
    pub place: Option<(&'static str, u64)>,
    /// What is wrong.
    pub problem: String,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Severity {
    /// Against the rules or the habits of the format, but the kernel does not mind. Other tools may.
    Odd,
    /// The kernel mounts the image, but some file cannot be read, or is not what it should be.
    Access,
    /// The kernel refuses to mount the image.
    Mount,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Odd => "odd",
            Self::Access => "unreadable",
            Self::Mount => "unmountable",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.severity)?;
        if let Some(path) = &self.path {
            write!(formatter, "`/{}`: ", shown(path))?;
        }
        if let Some((table, offset)) = self.place {
            write!(formatter, "{table} at byte {offset}: ")?;
        }
        formatter.write_str(&self.problem)
    }
}

impl CheckReport {
    pub(super) fn add(&mut self, finding: Finding) {
        self.findings_count += 1;
        self.worst = self.worst.max(Some(finding.severity));
        if self.findings.len() < FINDINGS_LIMIT {
            self.findings.push(finding);
        }
    }

    /// Notes something that concerns no file.
    pub(super) fn note(
        &mut self,
        severity: Severity,
        place: (&'static str, u64),
        problem: impl Into<String>,
    ) {
        self.add(Finding {
            place: Some(place),
            ..Finding::new(severity, problem)
        });
    }

    /// Notes an error.
    pub(super) fn error(&mut self, severity: Severity, path: Option<Vec<u8>>, error: &ReadError) {
        self.add(Finding::from_error(severity, path, error));
    }
}

impl Finding {
    pub(super) fn new(severity: Severity, problem: impl Into<String>) -> Self {
        Self {
            severity,
            path: None,
            place: None,
            problem: problem.into(),
        }
    }

    pub(super) fn from_error(severity: Severity, path: Option<Vec<u8>>, error: &ReadError) -> Self {
        if let ReadError::Damaged {
            table,
            offset,
            problem,
        } = error
        {
            return Self {
                severity,
                path,
                place: Some((table, *offset)),
                problem: (*problem).to_owned(),
            };
        }
        let problem = match error.source() {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        };
        Self {
            severity,
            path,
            place: None,
            problem,
        }
    }
}
