//! The most that is taken from an archive, and why it is enough.

/// The longest path: the kernel's `PATH_MAX`. No program can name a file with a longer one.
pub(crate) const PATH_LIMIT_BYTES: usize = 4096;
/// The longest target of a symbolic link. Linux makes none beyond `PATH_MAX`, but others do: who
/// makes something of the archive can say by name what is too long for it.
pub(crate) const TARGET_LIMIT_BYTES: usize = 64 << 10;

/// The longest pax header. The kernel takes 64 KiB for an attribute, and no filesystem keeps more
/// than a few of that size; a map of 2^20 segments takes 12 MiB in a header where numbers have five
/// digits.
pub(crate) const PAX_LIMIT_BYTES: u64 = 16 << 20;

/// The longest name of an attribute, the kernel's `XATTR_NAME_MAX`.
pub(crate) const XATTR_NAME_LIMIT_BYTES: usize = 255;
/// The longest value of an attribute, the kernel's `XATTR_SIZE_MAX`.
pub(crate) const XATTR_VALUE_LIMIT_BYTES: usize = 64 << 10;

/// The most pieces that a file with holes has: 4 GiB where every other 4 KiB is a hole.
pub(crate) const SEGMENTS_LIMIT: usize = 1 << 20;

/// The longest file, the kernel's `off_t`.
pub(crate) const FILE_LIMIT_BYTES: u64 = i64::MAX.unsigned_abs();

/// What a decompressor may allocate. `zstd --ultra -22` and `zstd --long` need 128 MiB and a bit,
/// `xz -9` needs 65 MiB.
pub(crate) const DECODER_LIMIT_BYTES: u64 = 256 << 20;
/// The window of the first two.
pub(crate) const ZSTD_WINDOW_LIMIT_LOG: u32 = 27;

/// What an entry is taken to need beside its name, attributes and segments: a node, a row in the
/// table of contents, and its share of a directory's map, which is most of it where a directory has
/// one entry only.
pub(crate) const NODE_BYTES: u64 = 512;
