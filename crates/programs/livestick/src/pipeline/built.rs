//! What came of a build: the source of the report and of its JSON form.

use crate::progress::StageTime;
use serde::Serialize;
use std::path::PathBuf;

/// What a build made, or would make.
#[derive(Debug, Serialize)]
pub struct Built {
    /// The name of the system on the stick.
    pub title: String,
    /// The release of its kernel.
    pub kernel: String,
    /// The kernels in the root that were not chosen.
    pub other_kernels: Vec<String>,
    /// Which firmware it boots on.
    pub firmware: &'static str,
    /// The root.
    pub root: RootSize,
    /// The initramfs.
    pub initramfs: InitramfsSize,
    /// The image; `None` where nothing was to be made.
    #[serde(flatten)]
    pub outcome: Option<Outcome>,
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
    pub path: PathBuf,
    /// Its length; what nothing uses takes no space on the disk.
    pub bytes: u64,
    /// What was written into it.
    pub written_bytes: u64,
    /// The stick's identity.
    pub identity: String,
}

/// The root, before it was compressed.
#[derive(Debug, Serialize)]
pub struct RootSize {
    /// The lengths of its files together.
    pub bytes: u64,
    /// How many names it has.
    pub files: u64,
}

/// The root image.
#[derive(Debug, Serialize)]
pub struct SquashfsSize {
    /// Its length.
    pub bytes: u64,
    /// How it was compressed.
    pub compression: String,
    /// Files that share their data with an equal one.
    pub duplicate_files: u64,
    /// What that saved, before compression.
    pub duplicate_bytes: u64,
}

/// The initramfs.
#[derive(Debug, Serialize)]
pub struct InitramfsSize {
    /// Its length.
    pub bytes: u64,
    /// How it was compressed.
    pub codec: String,
    /// How many kernel modules it holds.
    pub modules: u64,
    /// CPU microcode in it.
    pub microcode_bytes: u64,
    /// Firmware that its drivers may ask for and the root does not have.
    pub missing_firmware: Vec<String>,
}

/// How the stick's root differs from the source. Paths are relative to the root.
#[derive(Debug, Serialize)]
pub struct Differences {
    /// Directories whose contents were left out.
    pub emptied: Vec<PathBuf>,
    /// What the user left out.
    pub excluded: Vec<PathBuf>,
    /// Swap files, and the image itself.
    pub left_out: Vec<PathBuf>,
    /// Mount points of other filesystems, which were not entered.
    pub mounts: Vec<PathBuf>,
    /// What could not be read.
    pub unreadable: Vec<PathBuf>,
    /// What was added.
    pub added: Vec<PathBuf>,
    /// What has other contents.
    pub replaced: Vec<PathBuf>,
}
