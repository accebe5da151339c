//! Reads tar archives of every dialect, compressed or not.
//!
//! An [`Archive`] is a [`Tree`](livestick_tree::Tree) and the [`Contents`] of its files, a
//! [`ContentSource`](livestick_tree::ContentSource): nothing is unpacked, nothing is owned by whoever
//! reads it, so an image can be made of an archive without being root.
//!
//! - **Every dialect**: v7, old GNU, GNU, ustar, pax with global headers; long names of GNU and pax;
//!   files with holes in all four forms (old GNU, pax 0.0, 0.1, 1.0); attributes as GNU tar, star and
//!   libarchive write them; hard links, devices, pipes; sizes up to 2^63 − 1, times before 1970.
//! - **Compressed or not**: gzip, xz and zstd are told by their first bytes, with any number of
//!   members, streams and frames.
//! - **One pass**: an uncompressed file is read in place, header by header. Everything else passes by
//!   once and leaves the contents of its files in a spool that the caller provides.
//! - **Hostile archives** give a clear error: checksums are verified, a path never leads out of the
//!   tree and never through a link, every length has a limit, and so has the memory that the tree
//!   takes ([`Options::memory_bytes`]).
//!
//! # As `tar -x` would
//!
//! A later entry replaces an earlier one of the same path; a directory that comes again only has new
//! metadata. `/` and `./` at the start of a path are dropped, `..` anywhere is an error. Directories
//! that the archive lacks are made: owner root, permissions 0755, time 0. A hard link needs a target
//! that comes before it. Two blocks of zeros end the archive, and what follows is ignored; an archive
//! without them is one that was cut short.
//!
//! # Limits
//!
//! | of | is | otherwise |
//! |---|---|---|
//! | a path | 4,096 bytes, a name in it 255 | [`ReadError::TooLong`], [`ReadError::Tree`] |
//! | a link target | 64 KiB | [`ReadError::TooLong`] |
//! | a pax header | 16 MiB | [`ReadError::TooLong`] |
//! | an attribute | 255 bytes of name, 64 KiB of value | [`ReadError::PaxValue`] |
//! | a file with holes | 1,048,576 pieces of data, in order | [`ReadError::Sparse`] |
//! | owners and groups | 32 bits | [`ReadError::Number`], [`ReadError::PaxValue`] |
//! | times | 64 bits, whole seconds, rounded down | the same |
//! | POSIX ACLs | none | left out, and listed in the [`Report`] |
//! | what a decompressor allocates | 256 MiB; a window of 128 MiB for zstd | [`ReadError::Input`] |
//!
//! # Example
//!
//! ```
//! use livestick_blockio::NoProgress;
//! use livestick_tar::{Archive, Options};
//! use livestick_tree::ContentSource;
//! use std::fs::File;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("root.tar");
//! # std::fs::write(directory.path().join("hello"), "world")?;
//! # let status = std::process::Command::new("tar")
//! #     .arg("-cf").arg(&path).arg("-C").arg(directory.path()).arg("hello").status()?;
//! # assert!(status.success());
//! let spool = || tempfile::tempfile_in("/tmp");
//! let archive = Archive::read_file(File::open(path)?, spool, &Options::default(), &NoProgress)?;
//!
//! let hello = archive.tree.lookup(b"hello").ok_or("it is not there")?;
//! let file = archive.contents.open(&archive.tree, hello)?;
//! let mut bytes = [0; 5];
//! file.read_exact_at(&mut bytes, 0)?;
//! assert_eq!(&bytes, b"world");
//! # Ok(())
//! # }
//! ```
//!
//! # Why not the `tar` crate
//!
//! It knows no pax sparse files, splits pax records at line feeds that binary attributes contain,
//! keeps long names and pax headers of any length in memory, and does not say where the pieces of a
//! file with holes are.

mod archive;
mod assembly;
mod compression;
mod contents;
mod entry;
mod error;
mod format;
mod header;
mod limit;
mod number;
mod path;
mod pax;
mod report;
mod sparse;
mod stream;

pub use archive::{Archive, Options};
pub use compression::Compression;
pub use contents::Contents;
pub use error::ReadError;
pub use report::Report;
