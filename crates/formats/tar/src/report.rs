//! What is to be said of an archive beside its tree.

use crate::Compression;

/// What was found in an archive, and what could not be kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it is compressed.
    pub compression: Compression,
    /// How many entries it has, those that were replaced by later ones included.
    pub entries: u64,
    /// The lengths of all files, in bytes, holes included.
    pub bytes: u64,
    /// Directories that no entry describes. They belong to root, have the permissions 0755 and the
    /// time 0. The root counts as one.
    pub implied_directories: usize,
    /// Paths of entries with POSIX ACLs. These are kept as text with the names of users, and there
    /// is nobody to ask for their numbers; they are not in the tree.
    pub lost_acls: Vec<Vec<u8>>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            compression: Compression::Stored,
            entries: 0,
            bytes: 0,
            implied_directories: 0,
            lost_acls: Vec::new(),
        }
    }
}
