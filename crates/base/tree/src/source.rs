//! Where the bytes of files come from.

use crate::{Content, Kind, NodeId, Tree};
use livestick_blockio::ReadAt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

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

impl Tree {
    /// Opens a regular file, wherever its bytes are.
    ///
    /// # Errors
    /// Whatever the source reports; `InvalidInput` where it is not a regular file.
    pub fn open(
        &self,
        node: NodeId,
        source: &dyn ContentSource,
    ) -> io::Result<Box<dyn SourceFile>> {
        match &self.node(node).kind {
            Kind::File { content, .. } => match content {
                Content::Inline(bytes) => Ok(Box::new(InlineFile(bytes.clone()))),
                Content::Source => source.open(self, node),
            },
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            )),
        }
    }
}

/// A file whose bytes are in the tree.
struct InlineFile(Arc<[u8]>);

impl ReadAt for InlineFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0[..].read_at(buffer, offset)
    }
}

impl SourceFile for InlineFile {
    fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp {
            length_bytes: self.0.len() as u64,
            changed: (0, 0),
        })
    }

    fn data_from(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let end = self.0.len() as u64;
        Ok((offset < end).then_some(offset..end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metadata;

    struct Nothing;

    impl ContentSource for Nothing {
        fn open(&self, _: &Tree, _: NodeId) -> io::Result<Box<dyn SourceFile>> {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn a_file_is_opened_wherever_its_bytes_are_and_nothing_else_is() {
        let metadata = Metadata {
            permissions: 0o644,
            uid: 0,
            gid: 0,
            modified_seconds: 0,
        };
        let mut tree = Tree::new(metadata, Box::default());
        let mut add = |name: &[u8], kind| {
            let added = tree.add(Tree::ROOT, name, metadata, kind, Box::default());
            added.unwrap()
        };
        let inline = add(b"inline", Kind::inline_file(*b"here"));
        let elsewhere = Kind::File {
            length_bytes: 4,
            content: Content::Source,
        };
        let elsewhere = add(b"elsewhere", elsewhere);

        let open = tree.open(inline, &Nothing).unwrap();
        let mut bytes = [0; 2];
        open.read_exact_at(&mut bytes, 2).unwrap();
        assert_eq!(&bytes, b"re");
        assert_eq!(open.stamp().unwrap().length_bytes, 4);
        assert_eq!(open.data_from(1).unwrap(), Some(1..4));
        assert_eq!(open.data_from(4).unwrap(), None);
        let error = |node| tree.open(node, &Nothing).err().map(|error| error.kind());
        assert_eq!(error(elsewhere), Some(io::ErrorKind::NotFound));
        assert_eq!(error(Tree::ROOT), Some(io::ErrorKind::InvalidInput));
    }
}
