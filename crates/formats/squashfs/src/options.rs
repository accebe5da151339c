//! What the caller decides.

use crate::WriteError;
use livestick_tree::NodeId;
use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

/// The smallest and the largest block that the format knows.
const BLOCK_SIZES: RangeInclusive<u32> = 4096..=(1 << 20);

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
    /// xz streams, the smallest and by far the slowest, also to read. The kernel reads them since
    /// 2.6.38.
    Xz {
        /// 0 to 9, the presets of xz, of which 6 is the usual one. The dictionary is a block in all
        /// of them, so those above 6 change nothing.
        level: u32,
        /// What is done to code before.
        filter: XzFilter,
    },
    /// LZ4 blocks, the fastest and largest. The kernel reads them since 3.19.
    Lz4 {
        /// 1 to 12: 1 is LZ4's fast compressor, the others are LZ4 HC, of which 12 is the smallest.
        /// They are all read equally fast.
        level: u32,
    },
}

/// What xz does to code before it is compressed: a filter turns the relative targets of calls into
/// absolute ones, which repeat. Programs get about 7 % smaller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XzFilter {
    /// The blocks of programs and libraries, ELF files, get the filter of their machine: x86, ARM,
    /// Thumb, big-endian PowerPC or SPARC. A kernel needs that filter to read them (`CONFIG_XZ_DEC_X86` and so on),
    /// which is there by default. ARM64 and RISC-V get none: kernels before 6.12 could not read
    /// them.
    #[default]
    Auto,
    /// Nothing.
    None,
}

impl Compression {
    /// The levels that there are.
    #[must_use]
    pub fn levels(self) -> RangeInclusive<u32> {
        match self {
            // The negative ones are left out: LZ4 is better there.
            Self::Zstd { .. } => 1..=22,
            Self::Gzip { .. } | Self::Lz4 { .. } => 1..=12,
            Self::Xz { .. } => 0..=9,
        }
    }

    fn name_and_level(self) -> (&'static str, u32) {
        match self {
            Self::Zstd { level } => ("zstd", level),
            Self::Gzip { level } => ("gzip", level),
            Self::Xz { level, .. } => ("xz", level),
            Self::Lz4 { level } => ("lz4", level),
        }
    }
}

/// The name and the level, such as `zstd:15`.
impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, level) = self.name_and_level();
        write!(formatter, "{name}:{level}")
    }
}

/// What happens to files that cannot be read. Those that are gone by then (`NotFound`) are left out and
/// named in the summary in any case: a system that runs deletes files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unreadable {
    /// The first one is an error.
    #[default]
    Fail,
    /// They are left out of the image, under all their names, and named in the summary.
    Skip,
}

/// What happens to files that change each time they are read, as the log of a busy service may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Changing {
    /// The first one is an error.
    #[default]
    Fail,
    /// What was read at last is kept, which may be a mix of several states. One that got shorter
    /// meanwhile is filled with zeros up to the length that it had. They are named in the summary.
    Keep,
}

/// How an image is made. The bytes depend on all of these but `jobs` and `memory_bytes`.
#[derive(Clone, Debug)]
pub struct Options {
    /// The compressor.
    pub compression: Compression,
    /// Bytes of a data block: a power of two from 4 KiB to 1 MiB. 128 KiB by default.
    pub block_size_bytes: u32,
    /// How many threads compress. Reading and writing take a few more, which mostly wait.
    pub jobs: NonZeroUsize,
    /// How much file content may be in memory at once, in bytes. By default 16 MiB for each processor, but
    /// at least 32 and at most 128 MiB; below some blocks the compressors have to wait for each other, but
    /// it always works.
    pub memory_bytes: usize,
    /// When the image was made: seconds since 1970, in the superblock.
    pub created: u32,
    /// Files that are newer get this time, in seconds since 1970: `SOURCE_DATE_EPOCH`.
    pub clamp: Option<i64>,
    /// What happens to files that cannot be read.
    pub unreadable: Unreadable,
    /// What happens to files that never hold still.
    pub changing: Changing,
    /// Whose data comes first: files with a higher number do, those that are not named have 0. Put
    /// what is read while a system boots side by side, and reading ahead finds it. Within a number
    /// files are ordered by what is likely to be in them, and then by path.
    pub priorities: HashMap<NodeId, i16>,
}

impl Options {
    /// Options with this compression, as many jobs as the machine has processors, and the time 0.
    #[must_use]
    pub fn new(compression: Compression) -> Self {
        let jobs = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            compression,
            block_size_bytes: 128 << 10,
            jobs,
            // With four times as much, two processors were no faster.
            memory_bytes: jobs
                .get()
                .saturating_mul(16 << 20)
                .clamp(32 << 20, 128 << 20),
            created: 0,
            clamp: None,
            unreadable: Unreadable::Fail,
            changing: Changing::Fail,
            priorities: HashMap::new(),
        }
    }

    pub(crate) fn check(&self) -> Result<(), WriteError> {
        let size = self.block_size_bytes;
        if !BLOCK_SIZES.contains(&size) || !size.is_power_of_two() {
            return Err(WriteError::BlockSize(size));
        }
        let (compressor, level) = self.compression.name_and_level();
        let levels = self.compression.levels();
        if !levels.contains(&level) {
            return Err(WriteError::Level {
                compressor,
                level,
                lowest: *levels.start(),
                highest: *levels.end(),
            });
        }
        Ok(())
    }

    /// The block size as a length in memory. It is at most 1 MiB once checked.
    pub(crate) fn block_bytes(&self) -> usize {
        usize::try_from(self.block_size_bytes).unwrap_or(1 << 20)
    }
}
