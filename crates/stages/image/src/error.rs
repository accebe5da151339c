//! Why there is no image.

use livestick_handoff::{Manifest, ParseError};
use livestick_volume::FinishError;
use std::io;
use std::path::PathBuf;

/// An error of the caller's own.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the contents cannot lie on a stick.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// FAT cannot hold them, or the size does not suffice.
    #[error("the files cannot lie on a FAT32 volume")]
    Volume {
        /// What is wrong.
        #[source]
        source: livestick_volume::PlanError,
    },
    /// The seal has no room for what it must say.
    #[error("the initramfs cannot be sealed")]
    Seal {
        /// What does not fit.
        #[source]
        source: ParseError,
    },
    /// The place of the seal is not in the initramfs.
    #[error("the initramfs has {length_bytes} bytes, and its seal should be at {offset_bytes}")]
    SealOutside {
        /// How long the initramfs is.
        length_bytes: usize,
        /// Where the seal should be.
        offset_bytes: usize,
    },
    /// The manifest is longer than `/init` would read.
    #[error(
        "the manifest has {length_bytes} bytes, and {limit} is the limit",
        limit = Manifest::LIMIT_BYTES
    )]
    ManifestTooLong {
        /// How long it is.
        length_bytes: usize,
    },
}

/// Why there can be no file where the image should be.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Something is there already, and nobody said that it may go.
    #[error("{path} exists")]
    Exists {
        /// Where.
        path: PathBuf,
    },
    /// What is there cannot be replaced by an image: a directory, a device, a broken link.
    #[error("{path} is not a file")]
    NotAFile {
        /// Where.
        path: PathBuf,
    },
    /// The directory is missing, or nothing can be made in it.
    #[error("cannot make a file in {directory}")]
    Create {
        /// The directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The finished image cannot be given its name.
    #[error("cannot name the finished image {path}")]
    Publish {
        /// The name.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why the image was not written. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The filesystem became full.
    #[error("no space left for {path}: the disk was full after {stored_bytes} bytes of it")]
    Full {
        /// The image.
        path: PathBuf,
        /// How much of it there was room for.
        stored_bytes: u64,
    },
    /// The filesystem has too little room from the start.
    #[error(
        "no space for {path}: it needs at least {needed_bytes} bytes, and {free_bytes} are free"
    )]
    NoSpace {
        /// The image.
        path: PathBuf,
        /// How much room there is.
        free_bytes: u64,
        /// What is known of its need; the root image's length is not, before it is written.
        needed_bytes: u64,
    },
    /// A part of the image cannot be written.
    #[error("cannot write {part} to {path}")]
    Write {
        /// The image.
        path: PathBuf,
        /// A path on the stick, or another part of the volume.
        part: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The root image cannot be read back.
    #[error("cannot read the root image back from {path}")]
    ReadBack {
        /// The image.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The root image could not be made.
    #[error("cannot make the root image")]
    Root {
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The root image does not fit its place.
    #[error("the root image needs more than the {limit_bytes} bytes that the stick has for it")]
    RootTooLong {
        /// How long it may be.
        limit_bytes: u64,
    },
    /// The lengths do not fit the plan.
    #[error("the volume cannot be finished")]
    Finish {
        /// What does not fit.
        #[source]
        source: FinishError,
    },
    /// The seal has no room for what it must say.
    #[error("the initramfs cannot be sealed")]
    Seal {
        /// What does not fit.
        #[source]
        source: ParseError,
    },
    /// The system has no random bytes for the stick's identity.
    #[error("no random bytes")]
    Random {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The image cannot be put where it should be.
    #[error("the image is finished, and cannot stay")]
    Output {
        /// Why.
        #[source]
        source: OutputError,
    },
    /// The device that the image was written to is not good.
    #[error("the image is written, and the device is not good")]
    Device {
        /// Why.
        #[source]
        source: BoxError,
    },
    /// The work was told to stop.
    #[error("interrupted")]
    Interrupted,
}
