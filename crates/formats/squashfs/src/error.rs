//! Why an image cannot be written.

use livestick_tree::shown;
use std::io;

/// Why an image cannot be written. Paths are those of the source.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The block size is not one that the format has.
    #[error("a block of {0} bytes is not a power of two from 4096 to 1048576")]
    BlockSize(u32),
    /// The compressor has no such level.
    #[error("{compressor} has no level {level}, only {lowest} to {highest}")]
    Level {
        /// The compressor's name.
        compressor: &'static str,
        /// The level that was asked for.
        level: u32,
        /// The lowest that there is.
        lowest: u32,
        /// The highest.
        highest: u32,
    },
    /// The target of a symbolic link is empty or longer than the 4095 bytes that a path can have.
    #[error("the target of the link `{}` has {length_bytes} bytes; a link can have 1 to 4095", shown(.path))]
    Symlink {
        /// The link.
        path: Vec<u8>,
        /// The length of its target.
        length_bytes: usize,
    },
    /// A device number has a major above 4095 or a minor above 1048575.
    #[error("the device number {major}:{minor} of `{}` is more than SquashFS can hold", shown(.path))]
    Device {
        /// The device file.
        path: Vec<u8>,
        /// Which driver.
        major: u32,
        /// Which of its devices.
        minor: u32,
    },
    /// Owners and groups together have more than 65,535 different numbers.
    #[error("the files have more than 65535 different owners and groups")]
    Ids,
    /// A file has more blocks than can be listed in memory: 2^26, 8 TiB at 128 KiB.
    #[error("`{}` is too large, {length_bytes} bytes", shown(.path))]
    FileSize {
        /// The file.
        path: Vec<u8>,
        /// Its length.
        length_bytes: u64,
    },
    /// A table of the image outgrows the numbers that the format has for it.
    #[error("the {0} of the image is larger than SquashFS allows")]
    TableSize(&'static str),
    /// A file cannot be opened or read.
    #[error("`{}` cannot be read", shown(.path))]
    Unreadable {
        /// The file.
        path: Vec<u8>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file was changed each time while it was read: [`Changing::Fail`](crate::Changing).
    #[error("`{}` changes while it is read", shown(.path))]
    Changed {
        /// The file.
        path: Vec<u8>,
    },
    /// The compressor failed, for want of memory as far as is known.
    #[error("the compressor failed: {0}")]
    Compressor(&'static str),
    /// The image cannot be written.
    #[error("the image cannot be written")]
    Output(#[source] io::Error),
    /// A thread cannot be started.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
    /// The caller's [`Progress`](livestick_blockio::Progress) said so.
    #[error("interrupted")]
    Interrupted,
}
