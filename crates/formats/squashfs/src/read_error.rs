//! Why an image cannot be read.

use livestick_tree::shown;
use std::io;

/// Why an image cannot be read or extracted. Offsets are bytes from the start of the image; paths
/// are relative to its root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The medium fails, or ends before the image does.
    #[error("the image cannot be read at byte {offset}")]
    Input {
        /// Where.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not begin with SquashFS's magic number.
    #[error("this is no SquashFS image")]
    Magic,
    /// It is of another version than 4.0.
    #[error("SquashFS {0}.{1} cannot be read, only 4.0")]
    Version(u16, u16),
    /// The number of the compressor is one that the format does not have.
    #[error("the superblock names the compressor {0}, which there is none of")]
    UnknownCompressor(u16),
    /// There is such a compressor, but no decoder here.
    #[error("the image is compressed with {0}, which cannot be read")]
    UnsupportedCompressor(&'static str),
    /// A number in the superblock makes no sense.
    #[error("the superblock's {field} is {value}, {problem}")]
    Superblock {
        /// Which field.
        field: &'static str,
        /// What it holds.
        value: u64,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// Something in the image breaks the rules of the format.
    #[error("the {table} is damaged at byte {offset}: {problem}")]
    Damaged {
        /// Which part of the image.
        table: &'static str,
        /// Where that part, or the block of it, begins.
        offset: u64,
        /// What is wrong there.
        problem: &'static str,
    },
    /// What was asked for is there only for another kind of file.
    #[error("this is not a {0}")]
    Kind(&'static str),
    /// A file cannot be read, listed or extracted.
    #[error("`{}` cannot be extracted", shown(.path))]
    Extract {
        /// The file.
        path: Vec<u8>,
        /// Why.
        #[source]
        source: Box<ReadError>,
    },
    /// A file cannot be made in the target.
    #[error("`{}` cannot be written", shown(.path))]
    Output {
        /// The file.
        path: Vec<u8>,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The target of an extraction cannot be made, opened or changed.
    #[error("the target directory cannot be written")]
    Target(#[source] io::Error),
    /// The target of an extraction is not empty.
    #[error("the target directory is not empty")]
    TargetNotEmpty,
    /// There is something in the place of a file already.
    #[error("`{}` exists", shown(.0))]
    Exists(Vec<u8>),
    /// A name in the image cannot be a file's: it is empty, `.`, `..`, or holds a slash or a NUL.
    #[error("`{}` is no name for a file", shown(.0))]
    Name(Vec<u8>),
    /// A directory is reached a second time: the tree is none.
    #[error("the directory `{}` is in the image twice", shown(.0))]
    Loop(Vec<u8>),
    /// A path is longer than this many bytes.
    #[error("the image has paths of more than {0} bytes")]
    PathLength(usize),
    /// The listings of all directories together are longer than the table that they are in.
    #[error("directories share their listings")]
    SharedListings,
    /// A pattern of the caller's cannot be understood.
    #[error("`{pattern}` is no pattern: {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A thread cannot be started.
    #[error("a thread cannot be started")]
    Thread(#[source] io::Error),
    /// The caller's [`Progress`](livestick_blockio::Progress) said so.
    #[error("interrupted")]
    Interrupted,
}
