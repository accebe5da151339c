//! What is on the disk: SquashFS 4.0 as Linux's `fs/squashfs/squashfs_fs.h` has it. All numbers are
//! little-endian and nothing is aligned.

use zerocopy::byteorder::little_endian::{I16, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, Unaligned};

/// Bytes of the superblock, at position 0.
pub(crate) const SUPERBLOCK_BYTES: usize = 96;
/// `hsqs`.
pub(crate) const MAGIC: u32 = 0x7371_7368;
/// The version, 4.0.
pub(crate) const VERSION: (u16, u16) = (4, 0);
/// Uncompressed bytes of a metadata block.
pub(crate) const METADATA_BLOCK_BYTES: usize = 8192;
/// In the header of a metadata block: its bytes are stored as they are.
pub(crate) const METADATA_STORED: u16 = 1 << 15;
/// In the size of a data block or fragment: its bytes are stored as they are.
pub(crate) const DATA_STORED: u32 = 1 << 24;
/// The start of a table that is not there.
pub(crate) const NO_TABLE: u64 = u64::MAX;
/// The fragment of a file that has none.
pub(crate) const NO_FRAGMENT: u32 = u32::MAX;
/// The attribute set of an inode that has none.
pub(crate) const NO_XATTRS: u32 = u32::MAX;
/// What is added to an inode's type for its extended form.
pub(crate) const EXTENDED: u16 = 7;
/// How many entries one directory header can count.
pub(crate) const HEADER_LIMIT_ENTRIES: usize = 256;
/// The file size of a directory is its listing and this: `.` and `..` do not stand in it.
pub(crate) const LISTING_EXTRA_BYTES: u32 = 3;
/// In the type of an attribute: the value is a reference to another one.
pub(crate) const XATTR_OUT_OF_LINE: u16 = 0x100;
/// In the type of an attribute: the number of its prefix.
pub(crate) const XATTR_PREFIX: u16 = 0xFF;
/// What the names of extended attributes begin with: a prefix's number is its place here.
pub(crate) const XATTR_PREFIXES: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
/// The longest name in a directory that the kernel reads.
pub(crate) const NAME_LIMIT_BYTES: usize = 256;
/// The longest target of a symbolic link that every kernel reads: a page.
pub(crate) const TARGET_LIMIT_BYTES: u32 = 4096;
/// The kernel uses images in pages; the file is padded to a whole number of these.
pub(crate) const PADDING_BYTES: u64 = 4096;

/// Equal files share their data.
pub(crate) const FLAG_DUPLICATES: u16 = 1 << 6;
/// There is an export table, for NFS.
pub(crate) const FLAG_EXPORTABLE: u16 = 1 << 7;
/// Compressor options follow the superblock.
pub(crate) const FLAG_COMPRESSOR_OPTIONS: u16 = 1 << 10;

/// The compressor's number for gzip, which means zlib streams.
pub(crate) const COMPRESSOR_GZIP: u16 = 1;
/// The compressor's number for lzma, which no kernel has.
pub(crate) const COMPRESSOR_LZMA: u16 = 2;
/// The compressor's number for lzo.
pub(crate) const COMPRESSOR_LZO: u16 = 3;
/// The compressor's number for xz.
pub(crate) const COMPRESSOR_XZ: u16 = 4;
/// The compressor's number for lz4.
pub(crate) const COMPRESSOR_LZ4: u16 = 5;
/// The compressor's number for zstd.
pub(crate) const COMPRESSOR_ZSTD: u16 = 6;

/// LZ4's only version: blocks without a frame.
pub(crate) const LZ4_VERSION: u32 = 1;
/// In LZ4's flags: compressed by `lz4hc.c`.
pub(crate) const LZ4_HIGH: u32 = 1;

#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawSuperblock {
    pub(crate) magic: U32,
    pub(crate) inodes: U32,
    pub(crate) created: U32,
    pub(crate) block_size: U32,

    pub(crate) fragments: U32,
    pub(crate) compressor: U16,
    pub(crate) block_log: U16,
    pub(crate) flags: U16,
    pub(crate) ids: U16,
    pub(crate) version_major: U16,
    pub(crate) version_minor: U16,

    pub(crate) root_inode: U64,
    pub(crate) bytes_used: U64,

    pub(crate) id_table: U64,
    pub(crate) xattr_table: U64,

    pub(crate) inode_table: U64,
    pub(crate) directory_table: U64,

    pub(crate) fragment_table: U64,
    pub(crate) export_table: U64,
}
const _: () = assert!(size_of::<RawSuperblock>() == SUPERBLOCK_BYTES);

/// The gzip compressor's options.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawGzipOptions {
    pub(crate) level: U32,
    pub(crate) window_log: U16,
    pub(crate) strategies: U16,
}
const _: () = assert!(size_of::<RawGzipOptions>() == 8);

/// The zstd compressor's options.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawZstdOptions {
    pub(crate) level: U32,
}
const _: () = assert!(size_of::<RawZstdOptions>() == 4);

/// The xz compressor's options.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawXzOptions {
    pub(crate) dictionary_bytes: U32,
    pub(crate) filters: U32,
}
const _: () = assert!(size_of::<RawXzOptions>() == 8);

/// The lz4 compressor's options, without which the kernel refuses an image.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawLz4Options {
    pub(crate) version: U32,
    pub(crate) flags: U32,
}
const _: () = assert!(size_of::<RawLz4Options>() == 8);

/// What every inode begins with.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawInode {
    pub(crate) kind: U16,
    pub(crate) permissions: U16,
    pub(crate) uid_index: U16,
    pub(crate) gid_index: U16,
    pub(crate) modified: U32,
    pub(crate) number: U32,
}
const _: () = assert!(size_of::<RawInode>() == 16);

#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawDirectory {
    pub(crate) listing_block: U32,
    pub(crate) links: U32,
    pub(crate) size: U16,
    pub(crate) listing_offset: U16,
    pub(crate) parent: U32,
}
const _: () = assert!(size_of::<RawDirectory>() == 16);

#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawExtendedDirectory {
    pub(crate) links: U32,
    pub(crate) size: U32,
    pub(crate) listing_block: U32,
    pub(crate) parent: U32,

    pub(crate) indexes: U16,
    pub(crate) listing_offset: U16,
    pub(crate) xattrs: U32,
}
const _: () = assert!(size_of::<RawExtendedDirectory>() == 24);

/// One point of a directory's index; the first name after that point follows it.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawDirectoryIndex {
    pub(crate) listing_position: U32,
    pub(crate) block: U32,
    pub(crate) name_bytes_minus_1: U32,
}
const _: () = assert!(size_of::<RawDirectoryIndex>() == 12);

/// A regular file; its block sizes follow.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawFile {
    pub(crate) start: U32,
    pub(crate) fragment: U32,
    pub(crate) fragment_offset: U32,
    pub(crate) size: U32,
}
const _: () = assert!(size_of::<RawFile>() == 16);

#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawExtendedFile {
    pub(crate) start: U64,
    pub(crate) size: U64,

    pub(crate) sparse: U64,
    pub(crate) links: U32,
    pub(crate) fragment: U32,

    pub(crate) fragment_offset: U32,
    pub(crate) xattrs: U32,
}
const _: () = assert!(size_of::<RawExtendedFile>() == 40);

/// A symbolic link; its target follows, then, in the extended form, the attribute set.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawSymlink {
    pub(crate) links: U32,
    pub(crate) target_bytes: U32,
}
const _: () = assert!(size_of::<RawSymlink>() == 8);

/// A device; the attribute set follows in the extended form.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawDevice {
    pub(crate) links: U32,
    pub(crate) device: U32,
}
const _: () = assert!(size_of::<RawDevice>() == 8);

/// A pipe or socket; the attribute set follows in the extended form.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawIpc {
    pub(crate) links: U32,
}
const _: () = assert!(size_of::<RawIpc>() == 4);

/// What a run of directory entries has in common.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawDirectoryHeader {
    pub(crate) entries_minus_1: U32,
    pub(crate) inode_block: U32,
    pub(crate) inode_number: U32,
}
const _: () = assert!(size_of::<RawDirectoryHeader>() == 12);

/// A directory entry; its name follows.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawDirectoryEntry {
    pub(crate) inode_offset: U16,
    pub(crate) inode_number_delta: I16,
    pub(crate) kind: U16,
    pub(crate) name_bytes_minus_1: U16,
}
const _: () = assert!(size_of::<RawDirectoryEntry>() == 8);

#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawFragment {
    pub(crate) start: U64,
    pub(crate) size: U32,
    pub(crate) unused: U32,
}
const _: () = assert!(size_of::<RawFragment>() == 16);

/// An attribute; its name follows without the prefix, then the value's length (u32) and the value.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawXattr {
    pub(crate) prefix: U16,
    pub(crate) name_bytes: U16,
}
const _: () = assert!(size_of::<RawXattr>() == 4);

/// The attributes of an inode.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawXattrSet {
    pub(crate) reference: U64,
    pub(crate) count: U32,
    pub(crate) bytes: U32,
}
const _: () = assert!(size_of::<RawXattrSet>() == 16);

/// Where the attributes are; the positions of the set table's blocks follow.
#[derive(FromBytes, IntoBytes, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct RawXattrTable {
    pub(crate) xattrs: U64,
    pub(crate) sets: U32,
    pub(crate) unused: U32,
}
const _: () = assert!(size_of::<RawXattrTable>() == 16);
