//! Writes, reads and checks SquashFS 4.0 images, the compressed read-only filesystem of Linux.
//!
//! # Writing
//!
//! [`write()`] takes a [`Tree`](livestick_tree::Tree), reads the files from a
//! [`ContentSource`](livestick_tree::ContentSource), and writes the image from front to end in large
//! pieces; the superblock comes last, so that an unfinished image is none.
//!
//! - **Complete**: directories of any size with their index, sparse files, hard links, devices,
//!   pipes, sockets, extended attributes, an export table for NFS. What the format has no place for
//!   is an error or stands in the [`Summary`]; nothing is dropped silently.
//! - **Parallel**: reading, compressing and writing overlap, and any number of threads compress.
//! - **Deterministic**: the bytes depend on the tree, the contents and the options, never on the
//!   number of threads or on which of them was faster.
//! - **Bounded**: file contents in memory never take more than [`Options::memory_bytes`], and a
//!   block more for each thread. Beside that about 100 bytes are kept for a file.
//! - **Equal files** are stored once. Their bytes are compared; a hash alone decides nothing.
//!
//! The limits of the format:
//!
//! | of | is | otherwise |
//! |---|---|---|
//! | owners and groups | 65,535 different numbers | [`WriteError::Ids`] |
//! | a symbolic link's target | 4,095 bytes | [`WriteError::Symlink`] |
//! | a device number | 4,095 : 1,048,575 | [`WriteError::Device`] |
//! | a file | 2^26 blocks, 8 TiB at 128 KiB | [`WriteError::FileSize`] |
//! | inode table, directory table | 4 GiB each, compressed | [`WriteError::TableSize`] |
//! | times | 1970 to 2106, whole seconds | moved to the limit, and listed |
//! | attributes | `user.`, `trusted.`, `security.` | left out, and listed |
//!
//! ```
//! use livestick_blockio::NoProgress;
//! use livestick_squashfs::{Compression, Options};
//! use livestick_tree::{Kind, Metadata, RootDirectory, Tree};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let metadata = Metadata { permissions: 0o755, uid: 0, gid: 0, modified_seconds: 0 };
//! let mut tree = Tree::new(metadata, Box::default());
//! tree.add(Tree::ROOT, b"hello", metadata, Kind::inline_file(*b"world"), Box::default())?;
//!
//! // Files that are not in the tree itself would be read from here.
//! let source = RootDirectory::open("/".as_ref())?;
//! let image = tempfile::tempfile()?;
//! let options = Options::new(Compression::Zstd { level: 3 });
//! let summary = livestick_squashfs::write(&tree, &source, &image, &options, &NoProgress)?;
//! assert_eq!(summary.length_bytes, 4096);
//! assert_eq!(summary.counts.files, 1);
//! # Ok(())
//! # }
//! ```
//!
//! # Reading and checking
//!
//! [`Image::open`] opens what any writer made with gzip, xz, lz4 or zstd. Files are found by path or
//! listed, and their bytes read from anywhere or streamed; [`Image::walk`] goes through a whole tree; [`Image::extract`] writes them into a
//! directory and never outside of it. [`check()`] goes by the kernel's rules, decompresses
//! everything, and says of each [`Finding`] whether Linux would refuse the image.
//!
//! Images may be damaged or hostile. Reading one gives bytes or a [`ReadError`], in bounded time and
//! memory for its length, and never panics:
//!
//! | of | is | otherwise |
//! |---|---|---|
//! | a file in an image | 2^63 − 1 bytes | [`ReadError::Damaged`] |
//! | a name, a link's target that is read | 256 bytes, 64 KiB | [`ReadError::Damaged`] |
//! | a file's attributes, one value | 4 MiB, 64 KiB | [`ReadError::Damaged`] |
//! | the memory of an xz stream | 32 MiB | [`ReadError::Damaged`] |
//! | a path that is walked or extracted | 64 KiB | [`ReadError::PathLength`] |
//! | findings that are kept | 1000 | counted |
//!
//! ```
//! use livestick_blockio::NoProgress;
//! use livestick_squashfs::{CheckOptions, Compression, Image, Options};
//! # use livestick_tree::{Kind, Metadata, RootDirectory, Tree};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let metadata = Metadata { permissions: 0o755, uid: 0, gid: 0, modified_seconds: 0 };
//! # let mut tree = Tree::new(metadata, Box::default());
//! # tree.add(Tree::ROOT, b"hello", metadata, Kind::inline_file(*b"world"), Box::default())?;
//! # let source = RootDirectory::open("/".as_ref())?;
//! # let file = tempfile::tempfile()?;
//! # let options = Options::new(Compression::Gzip { level: 6 });
//! # livestick_squashfs::write(&tree, &source, &file, &options, &NoProgress)?;
//! // `file` is an image of one file.
//! let report = livestick_squashfs::check(&file, &CheckOptions::default(), &NoProgress)?;
//! assert!(report.findings.is_empty());
//!
//! let image = Image::open(file)?;
//! for entry in image.entries(&image.root()?)? {
//!     assert_eq!(entry?.name, b"hello");
//! }
//! let inode = image.lookup(b"/hello")?.ok_or("it is not there")?;
//! let mut bytes = [0; 16];
//! let count = image.read_at(&inode, &mut bytes, 1)?;
//! assert_eq!(&bytes[..count], b"orld");
//! # Ok(())
//! # }
//! ```

mod check;
mod codec;
mod error;
mod estimate;
mod format;
mod limit;
mod options;
mod output;
mod pipeline;
mod plan;
mod read;
mod read_error;
mod summary;
mod tables;
mod write;

pub use check::{CheckOptions, CheckReport, Finding, Severity, check};
pub use error::WriteError;
pub use estimate::{Estimate, estimate};
pub use limit::limit_bytes;
pub use options::{Changing, Compression, Options, Unreadable, XzFilter};
pub use read::{
    Compressor, CompressorOptions, Content, Damage, DirectoryPlace, Entries, Entry, Existing,
    ExtractOptions, ExtractSummary, FilePlace, Flags, Image, Inode, InodeKind, Owners, Piece,
    Superblock, Unrestored, UnrestoredPart, Walk,
};
pub use read_error::ReadError;
pub use summary::{Counts, LostXattr, Summary};
pub use write::write;
