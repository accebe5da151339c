//! What the caller decides.

use crate::WriteError;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

/// The smallest and the largest block that the format knows.
const BLOCK_SIZES: RangeInclusive<u32> = 4096..=(1 << 20);
/// zstd's levels; the negative ones are left out, lz4 is better there.
const ZSTD_LEVELS: RangeInclusive<u32> = 1..=22;
/// libdeflate's levels.
const GZIP_LEVELS: RangeInclusive<u32> = 1..=12;

/// How an image is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Zstandard, which the kernel reads since 4.14.
    Zstd {
        /// 1 to 22. The parameters behind a level depend on the block size alone.
        level: u32,
    },
    /// zlib streams, which every kernel with SquashFS reads.
    Gzip {
        /// 1 to 12, libdeflate's levels: 6 is already smaller than zlib's 9.
        level: u32,
    },
}

/// What happens to files that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unreadable {
    /// The first one is an error.
    #[default]
    Fail,
    /// They are left out of the image, under all their names, and named in the summary.
    Skip,
}

/// How an image is made. The bytes depend on all of these but `jobs` and `memory_bytes`.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The compressor.
    pub compression: Compression,
    /// Bytes of a data block: a power of two from 4 KiB to 1 MiB. 128 KiB by default.
    pub block_size_bytes: u32,
    /// How many threads compress. Reading and writing take a few more, which mostly wait.
    pub jobs: NonZeroUsize,
    /// How much file content may be in memory at once, in bytes. 128 MiB by default; below some
    /// blocks the compressors have to wait for each other, but it always works.
    pub memory_bytes: usize,
    /// When the image was made: seconds since 1970, in the superblock.
    pub created: u32,
    /// Files that are newer get this time, in seconds since 1970: `SOURCE_DATE_EPOCH`.
    pub clamp: Option<i64>,
    /// What happens to files that cannot be read.
    pub unreadable: Unreadable,
}

impl Options {
    /// Options with this compression, as many jobs as the machine has processors, and the time 0.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        Self {
            compression,
            block_size_bytes: 128 << 10,
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            memory_bytes: 128 << 20,
            created: 0,
            clamp: None,
            unreadable: Unreadable::Fail,
        }
    }

    pub(crate) fn check(&self) -> Result<(), WriteError> {
        let size = self.block_size_bytes;
        if !BLOCK_SIZES.contains(&size) || !size.is_power_of_two() {
            return Err(WriteError::BlockSize(size));
        }
        match self.compression {
            Compression::Zstd { level } if !ZSTD_LEVELS.contains(&level) => {
                Err(WriteError::Level("zstd", level, 22))
            }
            Compression::Gzip { level } if !GZIP_LEVELS.contains(&level) => {
                Err(WriteError::Level("gzip", level, 12))
            }
            _ => Ok(()),
        }
    }

    /// The block size as a length in memory. It is at most 1 MiB once checked.
    pub(crate) fn block_bytes(&self) -> usize {
        usize::try_from(self.block_size_bytes).unwrap_or(1 << 20)
    }
}
