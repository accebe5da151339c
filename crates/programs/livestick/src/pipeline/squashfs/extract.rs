//! From an image to a directory.

use super::opened;
use crate::failure::{Exit, Failure};
use crate::progress::{Display, StageTime};
use crate::settings::Extract;
use livestick_blockio::Progress;
use livestick_squashfs::{ExtractSummary, ReadError, Unrestored, UnrestoredPart};
use livestick_tree::shown;
use serde::Serialize;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;

/// What was extracted.
#[derive(Debug, Serialize)]
pub struct Extracted {
    /// Where to.
    pub directory: PathBuf,
    /// How many files of all kinds.
    pub files: u64,
    /// The lengths of the regular files together.
    pub content_bytes: u64,
    /// What is damaged and missing: the first 1000.
    pub damaged: Vec<String>,
    /// How much is damaged in all.
    pub damaged_count: u64,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// How long it took.
    pub stages: Vec<StageTime>,
}

/// Extracts.
pub fn extract(settings: &Extract, display: &Display) -> Result<Extracted, Failure> {
    let image = opened::open(&settings.image)?;
    let extracted = image.extract(&settings.directory, &settings.options, display);
    let summary = extracted.map_err(|error| not_extracted(error, settings, display))?;
    let patterns = &settings.options.paths;
    if !patterns.is_empty() && summary.unmatched.len() == patterns.len() {
        let message = format!(
            "nothing in the image matches {}",
            shown(&patterns.join(&b", "[..]))
        );
        return Err(Failure::message(Exit::Failed, message)
            .hint("`livestick squashfs list` says what is in it; paths begin at its root"));
    }
    Ok(Extracted {
        directory: settings.directory.clone(),
        files: summary.counts.total(),
        content_bytes: summary.content_bytes,
        damaged: summary.damaged.iter().map(chain).collect(),
        damaged_count: summary.damaged_count,
        warnings: warnings(&summary),
        stages: display.finish(),
    })
}

impl Extracted {
    /// The failure that the damage is, if there is any.
    pub fn verdict(&self) -> Result<(), Failure> {
        let message = match self.damaged_count {
            0 => return Ok(()),
            1 => "the image is damaged: one thing in it could not be extracted".to_owned(),
            count => format!("the image is damaged: {count} things in it could not be extracted"),
        };
        Err(Failure::message(Exit::Unverified, message))
    }
}

/// An error with its reasons.
fn chain(error: &ReadError) -> String {
    let mut text = error.to_string();
    let mut reason = error.source();
    while let Some(found) = reason {
        text.push_str(&format!(": {found}"));
        reason = found.source();
    }
    text
}

fn not_extracted(error: ReadError, settings: &Extract, display: &Display) -> Failure {
    if display.interrupted() {
        let message = "interrupted; what was extracted until then is there";
        return Failure::message(Exit::Interrupted, message);
    }
    match error {
        ReadError::TargetNotEmpty => Failure::new(Exit::Refused, error).hint(
            "choose another directory with --directory, or replace what is there with --force",
        ),
        ReadError::Target(source) => {
            let message = format!("cannot extract into {}", settings.directory.display());
            Failure::new(Exit::Refused, anyhow::Error::new(source).context(message))
        }
        ReadError::Extract { .. } => Failure::new(Exit::Failed, error)
            .hint("take what is not damaged with --keep-going and --force"),
        error => Failure::new(Exit::Failed, error),
    }
}

/// A line for each kind of thing that could not be restored.
fn warnings(summary: &ExtractSummary) -> Vec<String> {
    let mut parts: BTreeMap<&str, (u64, &Unrestored)> = BTreeMap::new();
    for unrestored in &summary.unrestored {
        let entry = parts
            .entry(name(&unrestored.part))
            .or_insert((0, unrestored));
        entry.0 += 1;
    }
    let line = |(part, (count, first)): (&str, (u64, &Unrestored))| {
        let path = shown(&first.path);
        format!(
            "{part} could not be restored of {count} files, first {path}: {}",
            first.source
        )
    };
    let mut warnings: Vec<_> = parts.into_iter().map(line).collect();
    let kept = summary.unrestored.len() as u64;
    if summary.unrestored_count > kept {
        let more = summary.unrestored_count - kept;
        warnings.push(format!("{more} more things could not be restored"));
    }
    let unmatched = summary.unmatched.iter();
    warnings.extend(unmatched.map(|pattern| format!("`{}` matched nothing", shown(pattern))));
    warnings
}

fn name(part: &UnrestoredPart) -> &'static str {
    match part {
        UnrestoredPart::Device => "the device file",
        UnrestoredPart::Owner => "the owner",
        UnrestoredPart::SetId => "setuid or setgid",
        UnrestoredPart::Permissions => "the permissions",
        UnrestoredPart::Time => "the time",
        UnrestoredPart::Xattr(_) => "an extended attribute",
        _ => "something",
    }
}
