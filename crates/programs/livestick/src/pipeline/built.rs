//! What came of a build: the source of the report and of its JSON form.

use super::warnings;
use crate::progress::StageTime;
use livestick_capture::{Cause, Exclusions, MountDecision, Report};
use livestick_handoff::{CommandLine, RamBudget};
use livestick_squashfs::Summary;
use serde::{Serialize, Serializer};
use std::path::{Path, PathBuf};

/// What a build made, or would make.
#[derive(Debug, Serialize)]
pub struct Built {
    /// The name of the system on the stick.
    pub title: String,
    /// The release of its kernel, where there is one that can boot from a stick.
    pub kernel: Option<String>,
    /// Whether it is the newest one in the root.
    pub kernel_is_newest: bool,
    /// The kernels in the root that were not chosen.
    pub other_kernels: Vec<String>,
    /// Which firmware it boots on, and which not.
    pub firmware: Vec<FirmwareSupport>,
    /// The root.
    pub root: RootSize,
    /// The RAM that the stick needs.
    pub ram: Ram,
    /// The initramfs.
    pub initramfs: Option<InitramfsSize>,
    /// The image; `None` where nothing was to be made.
    #[serde(flatten)]
    pub outcome: Option<Outcome>,
    /// The filesystems at and below the source.
    pub mounts: Vec<Mount>,
    /// How the stick's root differs from the source.
    pub differences: Differences,
    /// What the owner should know.
    pub warnings: Vec<String>,
    /// How long each stage took.
    pub stages: Vec<StageTime>,
}

/// What was written.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The image file.
    pub image: ImageSize,
    /// The root image in it.
    pub squashfs: SquashfsSize,
}

/// The image file.
#[derive(Debug, Serialize)]
pub struct ImageSize {
    /// Where it is.
    #[serde(serialize_with = "text")]
    pub path: PathBuf,
    /// Whether it is a stick, and not a file.
    pub is_device: bool,
    /// Its length; what nothing uses takes no space on the disk.
    pub bytes: u64,
    /// What was written into it.
    pub written_bytes: u64,
    /// The stick's identity.
    pub identity: String,
}

/// Whether it boots on a kind of firmware.
#[derive(Clone, Debug, Serialize)]
pub struct FirmwareSupport {
    /// The firmware.
    pub firmware: String,
    /// What loads the kernel there.
    pub loader: Option<&'static str>,
    /// Why nothing does.
    pub why_not: Option<String>,
}

/// The root, before it was compressed.
#[derive(Debug, Serialize)]
pub struct RootSize {
    /// The lengths of its files together.
    pub bytes: u64,
    /// How many names it has.
    pub files: u64,
    /// How many files on the stick its image may need.
    pub segments: u64,
}

/// How much RAM a computer needs for the stick.
#[derive(Debug, Serialize)]
pub struct Ram {
    /// To run it from the stick.
    pub least_bytes: u64,
    /// To run it from RAM.
    pub to_ram_bytes: u64,
    /// What is left for changes on some computers.
    pub examples: Vec<RamExample>,
}

/// A computer, and what is left for changes on it.
#[derive(Debug, Serialize)]
pub struct RamExample {
    /// Its RAM.
    pub ram_bytes: u64,
    /// What is left when the root image stays on the stick.
    pub changes_bytes: u64,
    /// The same with the root image in RAM; 0 where it does not fit.
    pub to_ram_changes_bytes: u64,
}

impl Ram {
    /// That of a stick with this budget, where nobody asks for another size of the overlay.
    pub fn of(budget: RamBudget) -> Self {
        let overlay = CommandLine::default().overlay_size;
        let image_bytes = budget.to_ram_bytes - budget.least_bytes;
        let examples = [1, 2, 4, 8].map(|gibibytes: u64| {
            let ram_bytes = gibibytes << 30;
            let left = |in_ram| budget.left_for_changes(ram_bytes, in_ram, overlay);
            RamExample {
                ram_bytes,
                changes_bytes: left(0),
                to_ram_changes_bytes: left(image_bytes),
            }
        });
        Self {
            least_bytes: budget.least_bytes,
            to_ram_bytes: budget.to_ram_bytes,
            examples: examples.into(),
        }
    }
}

/// The root image.
#[derive(Debug, Serialize)]
pub struct SquashfsSize {
    /// Its length.
    pub bytes: u64,
    /// How many files on the stick make it.
    pub segments: u64,
    /// How it was compressed.
    pub compression: String,
    /// Files that share their data with an equal one.
    pub duplicate_files: u64,
    /// What that saved, before compression.
    pub duplicate_bytes: u64,
}

/// The initramfs.
#[derive(Clone, Debug, Serialize)]
pub struct InitramfsSize {
    /// Its length.
    pub bytes: u64,
    /// How it was compressed.
    pub codec: String,
    /// How many kernel modules it holds.
    pub modules: u64,
    /// CPU microcode in it.
    pub microcode_bytes: u64,
    /// Whether the rescue screen has a shell, from a static BusyBox of root or machine.
    pub has_shell: bool,
    /// Modules for some computers that this kernel does not have.
    pub missing_modules: Vec<String>,
    /// Firmware that its drivers may ask for and the root does not have.
    pub missing_firmware: Vec<String>,
}

/// A filesystem at or below the source.
#[derive(Debug, Serialize)]
pub struct Mount {
    /// Where it is mounted, relative to the source; empty for the source itself.
    #[serde(serialize_with = "text")]
    pub path: PathBuf,
    /// Its kind.
    pub kind: String,
    /// What is mounted.
    pub device: String,
    /// Whether its files come along.
    pub taken: bool,
    /// Why.
    pub reason: String,
}

impl Mount {
    pub(super) fn of(decision: &MountDecision) -> Self {
        Self {
            path: decision.path.clone(),
            kind: decision.kind.clone(),
            device: decision.device.clone(),
            taken: decision.is_taken,
            reason: decision.reason.to_string(),
        }
    }
}

/// How the stick's root differs from the source. Paths are relative to the root.
#[derive(Debug, Serialize)]
pub struct Differences {
    /// What was left out, by the rule or pattern that did it.
    pub omitted: Vec<Omitted>,
    /// What could not be read.
    #[serde(serialize_with = "texts")]
    pub unreadable: Vec<PathBuf>,
    /// What was gone when it was looked at, or read.
    #[serde(serialize_with = "texts")]
    pub vanished: Vec<PathBuf>,
    /// What was added.
    #[serde(serialize_with = "texts")]
    pub added: Vec<PathBuf>,
    /// What has other contents.
    #[serde(serialize_with = "texts")]
    pub replaced: Vec<PathBuf>,
}

/// What one rule or pattern left out.
#[derive(Debug, Serialize)]
pub struct Omitted {
    /// Which one.
    pub by: String,
    /// The topmost paths. A directory that stays, but empty, ends in a slash.
    #[serde(serialize_with = "texts")]
    pub paths: Vec<PathBuf>,
    /// How many names that makes, with all that is below.
    pub files: u64,
    /// The lengths of the files among them.
    pub bytes: u64,
}

impl Differences {
    pub(super) fn of(report: Report, exclusions: &Exclusions) -> Self {
        let omitted = report.omitted.into_iter().map(|omission| Omitted {
            by: cause(omission.cause, exclusions),
            paths: omission.paths,
            files: omission.files,
            bytes: omission.bytes,
        });
        Self {
            omitted: omitted.collect(),
            unreadable: report.unreadable,
            vanished: report.vanished,
            added: report.added,
            replaced: report.replaced,
        }
    }

    /// Adds what was found while the files were read.
    pub(super) fn add(&mut self, summary: &Summary) {
        self.unreadable.extend(warnings::paths(&summary.skipped));
        self.unreadable.sort();
        self.vanished.extend(warnings::paths(&summary.vanished));
        self.vanished.sort();
    }
}

/// What left something out, for people.
pub fn cause(cause: Cause, exclusions: &Exclusions) -> String {
    match cause {
        Cause::Image => "the image itself".to_owned(),
        Cause::Rule(name) => format!("rule {name}"),
        Cause::Pattern(number) => {
            let pattern = exclusions.patterns().get(number);
            pattern.map_or_else(String::new, ToString::to_string)
        }
    }
}

/// JSON is Unicode, and names need not be: what is not becomes U+FFFD, as in messages.
fn text<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

fn texts<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_name_that_is_not_unicode_is_shown_all_the_same() {
        let odd = || PathBuf::from(OsStr::from_bytes(b"a\xff"));
        let image = ImageSize {
            path: odd(),
            is_device: false,
            bytes: 0,
            written_bytes: 0,
            identity: String::new(),
        };
        let differences = Differences {
            omitted: Vec::new(),
            unreadable: vec![odd()],
            vanished: Vec::new(),
            added: Vec::new(),
            replaced: Vec::new(),
        };
        let image = serde_json::to_value(image).unwrap();
        let differences = serde_json::to_value(differences).unwrap();
        assert_eq!(image["path"], "a\u{fffd}");
        assert_eq!(differences["unreadable"][0], "a\u{fffd}");
    }
}
