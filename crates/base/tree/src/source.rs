//! Where the bytes of files come from.

use crate::{NodeId, Tree};
use livestick_blockio::ReadAt;
use std::io;
use std::ops::Range;

/// Opens the files of a tree whose bytes are not in it. Used from many threads at once.
pub trait ContentSource: Sync {
    /// Opens a node whose [`Content`](crate::Content) is `Source`.
    ///
    /// # Errors
    /// Whatever the source reports; an error too where a regular file is no longer one.
    fn open(&self, tree: &Tree, node: NodeId) -> io::Result<Box<dyn SourceFile>>;
}

/// An open file of a source.
pub trait SourceFile: ReadAt + Send {
    /// What changes when the file changes: taken before and after reading, it tells whether what
    /// was read is one state of the file.
    ///
    /// # Errors
    /// Whatever the source reports.
    fn stamp(&self) -> io::Result<Stamp>;

    /// The first range with data at or after `offset`, `None` where only a hole is left. A source
    /// that does not know its holes says that everything is data.
    ///
    /// # Errors
    /// Whatever the source reports.
    fn data_from(&self, offset: u64) -> io::Result<Option<Range<u64>>>;
}

/// The state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Its length in bytes.
    pub length_bytes: u64,
    /// When it was last changed (`ctime`): seconds since 1970, and nanoseconds.
    pub changed: (i64, i64),
}
