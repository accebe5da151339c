//! The superblock, and the compressor's options after it.

use super::layout::Reference;
use super::source::read_exact;
use crate::ReadError;
use crate::format::{
    COMPRESSOR_GZIP, COMPRESSOR_LZ4, COMPRESSOR_LZMA, COMPRESSOR_LZO, COMPRESSOR_XZ,
    COMPRESSOR_ZSTD, FLAG_COMPRESSOR_OPTIONS, MAGIC, METADATA_BLOCK_BYTES, METADATA_STORED,
    NO_TABLE, RawGzipOptions, RawLz4Options, RawSuperblock, RawXzOptions, RawZstdOptions,
    SUPERBLOCK_BYTES, VERSION,
};
use livestick_blockio::ReadAt;
use std::fmt;
use zerocopy::FromBytes;

/// The logarithms of the block sizes that the kernel reads.
const BLOCK_LOGS: std::ops::RangeInclusive<u16> = 12..=20;
/// A compressor that kernels have and we do not.
pub(crate) const LZO: &str = "lzo";
/// What a reference has: a block in 32 bits and an offset in 16.
const REFERENCE_BITS: u64 = (1 << 48) - 1;
/// No compressor has more options than this.
const OPTIONS_LIMIT_BYTES: u16 = 8;

/// What the superblock says of the image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Superblock {
    /// What the image is compressed with.
    pub compressor: Compressor,
    /// Bytes of a data block: a power of two from 4 KiB to 1 MiB.
    pub block_size_bytes: u32,
    /// When the image was made: seconds since 1970.
    pub created: u32,
    /// How many inodes there are.
    pub inodes: u32,
    /// How many fragments, which hold small files and the ends of large ones.
    pub fragments: u32,
    /// How many different owners and groups.
    pub ids: u16,
    /// How the image was made.
    pub flags: Flags,
    /// The length of the filesystem in bytes, without the padding after it.
    pub bytes_used: u64,
    pub(crate) root: Reference,
    /// The bits of the root's reference that have no meaning.
    pub(crate) root_excess: u64,
    pub(crate) id_table: u64,
    pub(crate) xattr_table: Option<u64>,
    pub(crate) inode_table: u64,
    pub(crate) directory_table: u64,
    pub(crate) fragment_table: Option<u64>,
    pub(crate) export_table: Option<u64>,
}

/// The compressors that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compressor {
    /// zlib streams.
    Gzip,
    /// xz.
    Xz,
    /// lz4.
    Lz4,
    /// Zstandard.
    Zstd,
}

impl fmt::Display for Compressor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        })
    }
}

/// The flags of the superblock. Readers need hardly any of them: each block says itself whether it
/// is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// The names of the bits, from bit 0 on; an empty one has no meaning.
    const NAMES: [&'static str; 12] = [
        "uncompressed inodes",
        "uncompressed data",
        "",
        "uncompressed fragments",
        "no fragments",
        "always fragments",
        "duplicates",
        "exportable",
        "uncompressed attributes",
        "no attributes",
        "compressor options",
        "uncompressed ids",
    ];

    /// All of them, as they are stored.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// The names of those that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let set = move |place: &usize| self.0 >> place & 1 == 1 && !Self::NAMES[*place].is_empty();
        (0..Self::NAMES.len())
            .filter(set)
            .map(|place| Self::NAMES[place])
    }

    pub(crate) fn has_compressor_options(self) -> bool {
        self.0 & FLAG_COMPRESSOR_OPTIONS != 0
    }

    /// Bits that have no meaning.
    pub(crate) fn unknown(self) -> u16 {
        let known = |place: &usize| !Self::NAMES[*place].is_empty();
        let mask: u16 = (0..Self::NAMES.len())
            .filter(known)
            .map(|place| 1 << place)
            .sum();
        self.0 & !mask
    }
}

/// The options of the compressor, as they are stored. They are for people: nothing here is needed
/// for reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompressorOptions {
    /// gzip.
    Gzip {
        /// zlib's level, 1 to 9.
        level: u32,
        /// The logarithm of the window's bytes, 8 to 15.
        window_log: u16,
        /// Bits of the strategies that were tried.
        strategies: u16,
    },
    /// xz.
    Xz {
        /// The dictionary in bytes.
        dictionary_bytes: u32,
        /// Bits of the filters for machine code that were tried.
        filters: u32,
    },
    /// lz4.
    Lz4 {
        /// The version of its format, always 1.
        version: u32,
        /// Bit 0: it was compressed with lz4hc.
        flags: u32,
    },
    /// zstd.
    Zstd {
        /// Its level, 1 to 22.
        level: u32,
    },
}

impl Superblock {
    pub(crate) fn read(source: &impl ReadAt) -> Result<Self, ReadError> {
        let mut bytes = [0; SUPERBLOCK_BYTES];
        match source.read_exact_at(&mut bytes, 0) {
            // Shorter than a superblock, so certainly none.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(ReadError::Magic);
            }
            Err(source) => return Err(ReadError::Input { offset: 0, source }),
            Ok(()) => {}
        }
        Self::parse(&bytes)
    }

    fn parse(bytes: &[u8; SUPERBLOCK_BYTES]) -> Result<Self, ReadError> {
        let raw: RawSuperblock = zerocopy::transmute!(*bytes);
        if raw.magic.get() != MAGIC {
            return Err(ReadError::Magic);
        }
        let version = (raw.version_major.get(), raw.version_minor.get());
        if version != VERSION {
            return Err(ReadError::Version(version.0, version.1));
        }
        check_block_size(&raw)?;
        let field = |field, value, problem| ReadError::Superblock {
            field,
            value,
            problem,
        };
        let bytes_used = raw.bytes_used.get();
        if bytes_used < SUPERBLOCK_BYTES as u64 || i64::try_from(bytes_used).is_err() {
            let problem = "which cannot be the length of an image";
            return Err(field("bytes_used", bytes_used, problem));
        }
        let root_inode = raw.root_inode.get();
        // The kernel does not look at the upper ones: `SQUASHFS_INODE_BLK`.
        let root = Reference::from_number(root_inode & REFERENCE_BITS)
            .filter(|root| usize::from(root.offset) < METADATA_BLOCK_BYTES)
            .ok_or_else(|| field("root_inode", root_inode, "which is no place in a table"))?;
        let table = |start: u64| (start != NO_TABLE).then_some(start);
        Ok(Self {
            compressor: compressor(raw.compressor.get())?,
            block_size_bytes: raw.block_size.get(),
            created: raw.created.get(),
            inodes: raw.inodes.get(),
            fragments: raw.fragments.get(),
            ids: raw.ids.get(),
            flags: Flags(raw.flags.get()),
            bytes_used,
            root,
            root_excess: root_inode & !REFERENCE_BITS,
            id_table: raw.id_table.get(),
            xattr_table: table(raw.xattr_table.get()),
            inode_table: raw.inode_table.get(),
            directory_table: raw.directory_table.get(),
            fragment_table: table(raw.fragment_table.get()),
            export_table: table(raw.export_table.get()),
        })
    }

    /// The block size as a length in memory.
    pub(crate) fn block_bytes(&self) -> usize {
        self.block_size_bytes as usize
    }
}

fn check_block_size(raw: &RawSuperblock) -> Result<(), ReadError> {
    let (size, log) = (raw.block_size.get(), raw.block_log.get());
    let problem = if !BLOCK_LOGS.contains(&log) {
        "which is no logarithm of 4096 to 1048576"
    } else if size != 1 << log {
        let value = u64::from(size);
        return Err(ReadError::Superblock {
            field: "block_size",
            value,
            problem: "which is not what block_log says",
        });
    } else {
        return Ok(());
    };
    Err(ReadError::Superblock {
        field: "block_log",
        value: u64::from(log),
        problem,
    })
}

fn compressor(number: u16) -> Result<Compressor, ReadError> {
    match number {
        COMPRESSOR_GZIP => Ok(Compressor::Gzip),
        COMPRESSOR_XZ => Ok(Compressor::Xz),
        COMPRESSOR_LZ4 => Ok(Compressor::Lz4),
        COMPRESSOR_ZSTD => Ok(Compressor::Zstd),
        COMPRESSOR_LZO => Err(ReadError::UnsupportedCompressor(LZO)),
        COMPRESSOR_LZMA => Err(ReadError::UnsupportedCompressor("lzma")),
        number => Err(ReadError::UnknownCompressor(number)),
    }
}

impl CompressorOptions {
    /// Reads them, where the flags say that there are any. With them comes where the data begins.
    pub(crate) fn read(
        source: &impl ReadAt,
        superblock: &Superblock,
    ) -> Result<(Option<Self>, u64), ReadError> {
        let start = SUPERBLOCK_BYTES as u64;
        if !superblock.flags.has_compressor_options() {
            return Ok((None, start));
        }
        let damaged = |problem| ReadError::Damaged {
            table: "block of compressor options",
            offset: start,
            problem,
        };
        let mut header = [0; 2];
        read_exact(source, &mut header, start)?;
        let header = u16::from_le_bytes(header);
        let length = header & !METADATA_STORED;
        if header & METADATA_STORED == 0 || length > OPTIONS_LIMIT_BYTES {
            return Err(damaged("they are compressed, or too long"));
        }
        let mut bytes = vec![0; usize::from(length)];
        read_exact(source, &mut bytes, start + 2)?;
        let options = Self::parse(superblock.compressor, &bytes)
            .ok_or_else(|| damaged("they are not as long as those of this compressor"))?;
        Ok((Some(options), start + 2 + u64::from(length)))
    }

    fn parse(compressor: Compressor, bytes: &[u8]) -> Option<Self> {
        Some(match compressor {
            Compressor::Gzip => {
                let raw = RawGzipOptions::read_from_bytes(bytes).ok()?;
                Self::Gzip {
                    level: raw.level.get(),
                    window_log: raw.window_log.get(),
                    strategies: raw.strategies.get(),
                }
            }
            Compressor::Xz => {
                let raw = RawXzOptions::read_from_bytes(bytes).ok()?;
                Self::Xz {
                    dictionary_bytes: raw.dictionary_bytes.get(),
                    filters: raw.filters.get(),
                }
            }
            Compressor::Lz4 => {
                let raw = RawLz4Options::read_from_bytes(bytes).ok()?;
                Self::Lz4 {
                    version: raw.version.get(),
                    flags: raw.flags.get(),
                }
            }
            Compressor::Zstd => {
                let raw = RawZstdOptions::read_from_bytes(bytes).ok()?;
                Self::Zstd {
                    level: raw.level.get(),
                }
            }
        })
    }
}
