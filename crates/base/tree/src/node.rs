//! What is known of one file.

use crate::NodeId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One inode of a tree. Several directory entries may name the same node: hard links.
#[derive(Clone, Debug)]
pub struct Node {
    /// Owner, permissions and time.
    pub metadata: Metadata,
    /// What kind of file it is, with what only that kind has.
    pub kind: Kind,
    /// Extended attributes, sorted by name; POSIX ACLs among them, as `system.posix_acl_*`.
    pub xattrs: Box<[Xattr]>,
    /// How many directory entries name it; 1 for the root.
    pub(crate) links: u32,
    /// Where it was first added: its path in the source, whatever was renamed or removed since.
    pub(crate) parent: NodeId,
    pub(crate) name: Arc<[u8]>,
}

impl Node {
    /// How many directory entries name it. Of a directory: 1.
    #[must_use]
    pub fn links(&self) -> u32 {
        self.links
    }
}

/// What every kind of file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The permission bits with setuid, setgid and sticky: the low 12 bits of `st_mode`.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Modification time in seconds since 1970; may be negative.
    pub modified_seconds: i64,
}

/// The kinds of file.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Names, sorted as bytes, and what they name.
    Directory(BTreeMap<Arc<[u8]>, NodeId>),
    /// A regular file. The length is what the source said when it was scanned.
    File {
        /// Its length in bytes.
        length_bytes: u64,
        /// Where its bytes are.
        content: Content,
    },
    /// A symbolic link and its target, any bytes.
    Symlink(Box<[u8]>),
    /// A block device.
    BlockDevice(Device),
    /// A character device.
    CharacterDevice(Device),
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
}

impl Kind {
    /// An empty directory.
    #[must_use]
    pub fn empty_directory() -> Self {
        Self::Directory(BTreeMap::new())
    }

    /// A file that was made up: its bytes are in the tree.
    #[must_use]
    pub fn inline_file(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self::File {
            length_bytes: bytes.len() as u64,
            content: Content::Inline(bytes),
        }
    }
}

/// A device number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    /// Which driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

/// Where a file's bytes are.
#[derive(Clone, Debug)]
pub enum Content {
    /// Here.
    Inline(Arc<[u8]>),
    /// In the tree's [`ContentSource`](crate::ContentSource), under the node's
    /// [source path](crate::Tree::source_path).
    Source,
}

/// An extended attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    /// The whole name, such as `security.capability`.
    pub name: Box<[u8]>,
    /// The value, any bytes.
    pub value: Box<[u8]>,
}
