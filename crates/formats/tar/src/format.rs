//! Blocks as they lie in an archive: POSIX.1-2001 `pax`, "ustar Interchange Format", and GNU tar's
//! `src/tar.h`. Numbers are text; see [`crate::number`].

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Headers and data begin at a multiple of this.
pub(crate) const BLOCK_BYTES: usize = 512;

/// `magic` and `version` of POSIX; the version is not looked at.
pub(crate) const MAGIC_POSIX: &[u8; 6] = b"ustar\0";
/// `magic` and `version` of GNU tar before it knew POSIX, and of its `gnu` format today.
pub(crate) const MAGIC_GNU: &[u8; 8] = b"ustar  \0";

/// What a header is about.
pub(crate) mod typeflag {
    pub(crate) const OLD_FILE: u8 = 0;
    pub(crate) const FILE: u8 = b'0';
    pub(crate) const HARD_LINK: u8 = b'1';
    pub(crate) const SYMLINK: u8 = b'2';
    pub(crate) const CHARACTER_DEVICE: u8 = b'3';
    pub(crate) const BLOCK_DEVICE: u8 = b'4';
    pub(crate) const DIRECTORY: u8 = b'5';
    pub(crate) const FIFO: u8 = b'6';
    /// A file whose blocks lie side by side on the disk, where a system knows such files.
    pub(crate) const CONTIGUOUS_FILE: u8 = b'7';
    /// Records for the next entry.
    pub(crate) const PAX: u8 = b'x';
    /// The same, from Solaris before POSIX had a letter for it.
    pub(crate) const PAX_SOLARIS: u8 = b'X';
    /// Records for all entries that follow.
    pub(crate) const PAX_GLOBAL: u8 = b'g';
    /// GNU: a directory of an incremental backup; its data lists what was in it.
    pub(crate) const GNU_DUMP_DIRECTORY: u8 = b'D';
    /// GNU: the link target of the next entry.
    pub(crate) const GNU_LONG_LINK: u8 = b'K';
    /// GNU: the path of the next entry.
    pub(crate) const GNU_LONG_PATH: u8 = b'L';
    /// GNU: the rest of a file that begins in another volume.
    pub(crate) const GNU_CONTINUED: u8 = b'M';
    /// GNU: a file with holes.
    pub(crate) const GNU_SPARSE: u8 = b'S';
    /// GNU: the name of the volume.
    pub(crate) const GNU_VOLUME_LABEL: u8 = b'V';
}

/// What every entry begins with.
#[derive(Clone, FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawHeader {
    pub path: [u8; 100],
    pub mode: [u8; 8],
    pub uid: [u8; 8],
    pub gid: [u8; 8],
    pub size: [u8; 12],
    pub modified: [u8; 12],
    pub checksum: [u8; 8],
    pub typeflag: u8,
    pub link: [u8; 100],
    pub magic: [u8; 8],
    pub user: [u8; 32],
    pub group: [u8; 32],
    pub device_major: [u8; 8],
    pub device_minor: [u8; 8],
    /// [`RawPosixRest`] or [`RawGnuRest`].
    pub rest: [u8; 167],
}

const _: () = assert!(size_of::<RawHeader>() == BLOCK_BYTES);

/// Where `checksum` is in a header.
pub(crate) const CHECKSUM_OFFSET: usize = 148;
const _: () = assert!(std::mem::offset_of!(RawHeader, checksum) == CHECKSUM_OFFSET);

/// The end of a POSIX header.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawPosixRest {
    /// What comes before `path` and a slash.
    pub prefix: [u8; 155],
    pub padding: [u8; 12],
}

const _: () = assert!(size_of::<RawPosixRest>() == 167);

/// The end of a GNU header.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawGnuRest {
    pub accessed: [u8; 12],
    pub changed: [u8; 12],
    pub volume_offset: [u8; 12],
    pub unused: [u8; 5],
    pub segments: [RawSegment; 4],
    /// Not 0 where a [`RawSparseExtension`] follows.
    pub is_extended: u8,
    pub real_size: [u8; 12],
    pub padding: [u8; 17],
}

const _: () = assert!(size_of::<RawGnuRest>() == 167);

/// Data between holes. `length` begins with a NUL where there are no more.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawSegment {
    pub offset: [u8; 12],
    pub length: [u8; 12],
}

/// More segments of a file with holes.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawSparseExtension {
    pub segments: [RawSegment; 21],
    /// Not 0 where one more follows.
    pub is_extended: u8,
    pub padding: [u8; 7],
}

const _: () = assert!(size_of::<RawSparseExtension>() == BLOCK_BYTES);
