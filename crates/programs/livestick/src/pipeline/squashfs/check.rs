//! Whether an image is as it should be.

use super::opened;
use crate::failure::{Exit, Failure};
use crate::progress::{Display, StageTime};
use crate::settings::Check;
use anyhow::Context;
use livestick_blockio::Progress;
use livestick_squashfs::{CheckReport, Finding, Severity};
use serde::Serialize;
use std::path::PathBuf;

/// What a check has found.
#[derive(Debug, Serialize)]
pub struct Checked {
    /// The image.
    pub image: PathBuf,
    /// Whether every file can be read.
    pub good: bool,
    /// Whether the kernel would mount it.
    pub mountable: bool,
    /// How the image is compressed, where the superblock says so.
    pub compression: Option<String>,
    /// Bytes of a block.
    pub block_size_bytes: Option<u32>,
    /// The length of the filesystem.
    pub bytes: Option<u64>,
    /// How many files of all kinds are reached from the root.
    pub files: u64,
    /// The lengths of the regular files together.
    pub content_bytes: u64,
    /// How many blocks were decompressed.
    pub blocks: u64,
    /// What is wrong; the first 1000.
    pub findings: Vec<Found>,
    /// How much is wrong in all.
    pub findings_count: u64,
    /// How long each stage took.
    pub stages: Vec<StageTime>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub struct Found {
    /// What that means.
    pub severity: &'static str,
    /// The file.
    pub path: Option<String>,
    /// The part of the image, and where it begins.
    pub place: Option<(&'static str, u64)>,
    /// What is wrong.
    pub problem: String,
    /// All of it, for people.
    #[serde(skip)]
    pub line: String,
}

/// Checks.
pub fn check(settings: &Check, display: &Display) -> Result<Checked, Failure> {
    let medium = opened::medium(&settings.image)?;
    let checked = livestick_squashfs::check(&medium, &settings.options, display);
    if display.interrupted() {
        return Err(Failure::message(Exit::Interrupted, "interrupted"));
    }
    let report =
        checked.with_context(|| format!("cannot check {}", settings.image.path.display()))?;
    Ok(Checked::new(settings, &report, display.finish()))
}

impl Checked {
    fn new(settings: &Check, report: &CheckReport, stages: Vec<StageTime>) -> Self {
        let superblock = report.superblock.as_ref();
        let counts = report.counts;
        Self {
            image: settings.image.path.clone(),
            good: report.worst <= Some(Severity::Odd),
            mountable: report.worst < Some(Severity::Mount),
            compression: superblock.map(|superblock| superblock.compressor.to_string()),
            block_size_bytes: superblock.map(|superblock| superblock.block_size_bytes),
            bytes: superblock.map(|superblock| superblock.bytes_used),
            files: counts.total(),
            content_bytes: report.content_bytes,
            blocks: report.blocks,
            findings: report.findings.iter().map(Found::new).collect(),
            findings_count: report.findings_count,
            stages,
        }
    }

    /// The failure that the damage is, if there is any.
    pub fn verdict(&self) -> Result<(), Failure> {
        let image = self.image.display();
        let message = match (self.good, self.mountable) {
            (true, _) => return Ok(()),
            (false, true) => format!("{image} is damaged: some of it cannot be read"),
            (false, false) => format!("{image} is damaged: the kernel would not mount it"),
        };
        Err(Failure::message(Exit::Unverified, message).hint("make it anew, or copy it again"))
    }
}

impl Found {
    fn new(finding: &Finding) -> Self {
        let text = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
        Self {
            severity: match finding.severity {
                Severity::Odd => "odd",
                Severity::Access => "unreadable",
                _ => "unmountable",
            },
            path: finding.path.as_ref().map(text),
            place: finding.place,
            problem: finding.problem.clone(),
            line: finding.to_string(),
        }
    }
}
