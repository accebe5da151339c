//! Entries become a tree, as `tar -x` would make files of them in an empty directory.

use crate::contents::Place;
use crate::entry::{Entry, EntryKind};
use crate::limit::NODE_BYTES;
use crate::path::names;
use crate::{ReadError, Report};
use livestick_tree::{Content, Kind, Metadata, NodeId, Tree, Xattr};
use std::collections::HashSet;

/// What a directory gets that the archive does not have.
const IMPLIED: Metadata = Metadata {
    permissions: 0o755,
    uid: 0,
    gid: 0,
    modified_seconds: 0,
};

/// A tree that grows entry by entry.
pub(crate) struct Assembly {
    tree: Tree,
    /// Where the contents of each node are.
    places: Vec<Option<Place>>,
    /// Directories that no entry has described yet.
    implied: HashSet<NodeId>,
    report: Report,
    memory: Budget,
}

/// How much memory may still be taken.
struct Budget {
    left_bytes: u64,
    limit_bytes: u64,
}

impl Assembly {
    pub(crate) fn new(memory_bytes: u64) -> Self {
        Self {
            tree: Tree::new(IMPLIED, Box::default()),
            places: vec![None],
            implied: HashSet::from([Tree::ROOT]),
            report: Report::default(),
            memory: Budget {
                left_bytes: memory_bytes,
                limit_bytes: memory_bytes,
            },
        }
    }

    pub(crate) fn finish(self) -> (Tree, Vec<Option<Place>>, Report) {
        let mut report = self.report;
        report.implied_directories = self.implied.len();
        (self.tree, self.places, report)
    }

    /// Adds an entry, which replaces what had its path before.
    pub(crate) fn add(&mut self, entry: Entry) -> Result<(), ReadError> {
        self.report.entries += 1;
        let names = names(&entry.path, entry.offset)?;
        if entry.has_acl {
            self.memory.take(entry.path.len() as u64)?;
            self.report.lost_acls.push(names.join(&b'/'));
        }
        let Some((name, parents)) = names.split_last() else {
            return self.root(&entry);
        };
        let parent = self.directory(parents, &entry.path)?;
        let Entry {
            path,
            kind,
            metadata,
            xattrs,
            ..
        } = &entry;
        let place = Spot { parent, name, path };
        match kind {
            EntryKind::Directory => self.add_directory(&place, *metadata, xattrs),
            EntryKind::HardLink(target) => self.add_link(&place, target, entry.offset),
            _ => self.add_other(&place, entry.metadata, kind, xattrs),
        }
    }

    /// The root has no name that could be something else.
    fn root(&mut self, entry: &Entry) -> Result<(), ReadError> {
        if !matches!(entry.kind, EntryKind::Directory) {
            return Err(ReadError::Path {
                offset: entry.offset,
                path: entry.path.clone(),
                problem: "is the root of the archive, but the entry is no directory",
            });
        }
        self.describe(Tree::ROOT, entry.metadata, &entry.xattrs)
    }

    /// The directory that these names lead to. Those that are missing are made.
    fn directory(&mut self, names: &[&[u8]], path: &[u8]) -> Result<NodeId, ReadError> {
        let mut directory = Tree::ROOT;
        for (depth, name) in names.iter().enumerate() {
            directory = match self.tree.child(directory, name) {
                Some(child) if self.is_directory(child) => child,
                Some(_) => {
                    return Err(ReadError::NotADirectory {
                        path: path.to_vec(),
                        parent: names[..=depth].join(&b'/'),
                    });
                }
                None => {
                    let kind = Kind::empty_directory();
                    let made = self.insert(directory, name, IMPLIED, kind, Box::default())?;
                    self.implied.insert(made);
                    made
                }
            };
        }
        Ok(directory)
    }

    fn add_directory(
        &mut self,
        spot: &Spot<'_>,
        metadata: Metadata,
        xattrs: &[Xattr],
    ) -> Result<(), ReadError> {
        match self.tree.child(spot.parent, spot.name) {
            Some(node) if self.is_directory(node) => self.describe(node, metadata, xattrs),
            _ => {
                self.clear(spot)?;
                let kind = Kind::empty_directory();
                self.insert(spot.parent, spot.name, metadata, kind, xattrs.into())?;
                Ok(())
            }
        }
    }

    fn add_link(&mut self, spot: &Spot<'_>, target: &[u8], offset: u64) -> Result<(), ReadError> {
        let path = spot.path.to_vec();
        let target_path = names(target, offset)?.join(&b'/');
        let Some(node) = self.tree.lookup(&target_path) else {
            return Err(ReadError::MissingTarget {
                path,
                target: target.to_vec(),
            });
        };
        if self.is_directory(node) {
            return Err(ReadError::DirectoryTarget {
                path,
                target: target.to_vec(),
            });
        }
        if self.tree.child(spot.parent, spot.name) == Some(node) {
            return Ok(());
        }
        self.clear(spot)?;
        self.memory.take(NODE_BYTES + spot.name.len() as u64)?;
        self.tree
            .link(spot.parent, spot.name, node)
            .map_err(ReadError::Tree)
    }

    fn add_other(
        &mut self,
        spot: &Spot<'_>,
        metadata: Metadata,
        kind: &EntryKind,
        xattrs: &[Xattr],
    ) -> Result<(), ReadError> {
        self.clear(spot)?;
        let mut place = None;
        let kind = match kind {
            EntryKind::File {
                length_bytes,
                position,
                segments,
            } => {
                let count = segments.as_ref().map_or(0, Vec::len);
                self.memory
                    .take(count as u64 * size_of::<crate::sparse::Segment>() as u64)?;
                place = Some(Place {
                    length_bytes: *length_bytes,
                    position: *position,
                    segments: segments.as_deref().map(Into::into),
                });
                self.report.bytes += length_bytes;
                Kind::File {
                    length_bytes: *length_bytes,
                    content: Content::Source,
                }
            }
            EntryKind::Symlink(target) => {
                self.memory.take(target.len() as u64)?;
                Kind::Symlink(target.as_slice().into())
            }
            EntryKind::CharacterDevice(device) => Kind::CharacterDevice(*device),
            EntryKind::BlockDevice(device) => Kind::BlockDevice(*device),
            EntryKind::Fifo => Kind::Fifo,
            EntryKind::Directory | EntryKind::HardLink(_) => return Ok(()),
        };
        let node = self.insert(spot.parent, spot.name, metadata, kind, xattrs.into())?;
        self.places[node.index()] = place;
        Ok(())
    }

    /// Takes away what has the name by now.
    fn clear(&mut self, spot: &Spot<'_>) -> Result<(), ReadError> {
        let Some(node) = self.tree.child(spot.parent, spot.name) else {
            return Ok(());
        };
        if self.tree.entries(node).len() > 0 {
            return Err(ReadError::NotEmpty {
                path: spot.path.to_vec(),
            });
        }
        self.tree.remove(spot.parent, spot.name);
        self.implied.remove(&node);
        Ok(())
    }

    /// Gives a directory what an entry says of it.
    fn describe(
        &mut self,
        node: NodeId,
        metadata: Metadata,
        xattrs: &[Xattr],
    ) -> Result<(), ReadError> {
        self.memory.take_xattrs(xattrs)?;
        self.implied.remove(&node);
        let node = self.tree.node_mut(node);
        node.metadata = metadata;
        node.xattrs = xattrs.into();
        Ok(())
    }

    fn insert(
        &mut self,
        parent: NodeId,
        name: &[u8],
        metadata: Metadata,
        kind: Kind,
        xattrs: Box<[Xattr]>,
    ) -> Result<NodeId, ReadError> {
        self.memory.take(NODE_BYTES + name.len() as u64)?;
        self.memory.take_xattrs(&xattrs)?;
        let node = self
            .tree
            .add(parent, name, metadata, kind, xattrs)
            .map_err(ReadError::Tree)?;
        self.places.push(None);
        Ok(node)
    }

    fn is_directory(&self, node: NodeId) -> bool {
        matches!(self.tree.node(node).kind, Kind::Directory(_))
    }
}

/// Where an entry goes.
struct Spot<'a> {
    parent: NodeId,
    name: &'a [u8],
    /// As the archive has it.
    path: &'a [u8],
}

impl Budget {
    fn take(&mut self, bytes: u64) -> Result<(), ReadError> {
        let left = self.left_bytes.checked_sub(bytes);
        self.left_bytes = left.ok_or(ReadError::Memory {
            limit_bytes: self.limit_bytes,
        })?;
        Ok(())
    }

    fn take_xattrs(&mut self, xattrs: &[Xattr]) -> Result<(), ReadError> {
        for xattr in xattrs {
            let bytes = xattr.name.len() + xattr.value.len() + size_of::<Xattr>();
            self.take(bytes as u64)?;
        }
        Ok(())
    }
}
