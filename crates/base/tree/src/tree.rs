//! The tree itself: an arena of nodes.

use crate::{Kind, Metadata, Node, Xattr, shown};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The longest name a directory can hold: the kernel's `NAME_MAX`.
const NAME_LIMIT_BYTES: usize = 255;
/// How many links the kernel follows on the way to a file (`MAXSYMLINKS`).
const LINK_LIMIT: usize = 40;

/// Which node of a tree. Numbers are given in the order of adding, from 0, the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(u32);

impl NodeId {
    /// Its place in the arena, for tables beside the tree.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// Why a node cannot be added.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The parent is not a directory.
    #[error("`{}` is not a directory", shown(.0))]
    NotADirectory(Vec<u8>),
    /// The name is empty, `.`, `..`, longer than 255 bytes, or holds a slash or a NUL.
    #[error("`{}` cannot be a file name", shown(.0))]
    Name(Vec<u8>),
    /// The directory already has that name.
    #[error("`{}` is there twice", shown(.0))]
    Exists(Vec<u8>),
    /// A directory cannot have a second name.
    #[error("`{}` is a directory and cannot be linked", shown(.0))]
    DirectoryLink(Vec<u8>),
    /// More than 2^32 − 1 nodes.
    #[error("there are more than 4,294,967,295 files")]
    TooMany,
}

/// A file tree. Paths are bytes, relative to the root, without a leading slash; the root is the
/// empty path.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    /// The root.
    pub const ROOT: NodeId = NodeId(0);

    /// A tree with nothing but a root directory.
    #[must_use]
    pub fn new(root: Metadata, xattrs: Box<[Xattr]>) -> Self {
        let root = Node {
            metadata: root,
            kind: Kind::empty_directory(),
            xattrs,
            links: 1,
            parent: Self::ROOT,
            name: Arc::from([]),
        };
        Self { nodes: vec![root] }
    }

    /// How many nodes were ever added, removed ones included: the size of a table beside the tree.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.nodes.len()
    }

    /// A node.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// A node, to change its metadata, contents or attributes.
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.index()]
    }

    /// The names in a directory, sorted as bytes; nothing for any other kind of file.
    pub fn entries(&self, directory: NodeId) -> impl ExactSizeIterator<Item = (&[u8], NodeId)> {
        static NOTHING: BTreeMap<Arc<[u8]>, NodeId> = BTreeMap::new();
        let entries = match &self.node(directory).kind {
            Kind::Directory(entries) => entries,
            _ => &NOTHING,
        };
        entries.iter().map(|(name, id)| (&**name, *id))
    }

    /// Adds a file to a directory.
    ///
    /// # Errors
    /// Where the parent is not a directory, or cannot hold that name or one more.
    pub fn add(
        &mut self,
        parent: NodeId,
        name: &[u8],
        metadata: Metadata,
        kind: Kind,
        xattrs: Box<[Xattr]>,
    ) -> Result<NodeId, TreeError> {
        let id = u32::try_from(self.nodes.len())
            .ok()
            .filter(|id| *id < u32::MAX)
            .map(NodeId)
            .ok_or(TreeError::TooMany)?;
        let name = self.enter(parent, name, id)?;
        self.nodes.push(Node {
            metadata,
            kind,
            xattrs,
            links: 1,
            parent,
            name,
        });
        Ok(id)
    }

    /// Gives a node one more name: a hard link.
    ///
    /// # Errors
    /// As [`Self::add`], and where the node is a directory.
    pub fn link(&mut self, parent: NodeId, name: &[u8], node: NodeId) -> Result<(), TreeError> {
        if let Kind::Directory(_) = self.node(node).kind {
            return Err(TreeError::DirectoryLink(self.source_path(node)));
        }
        self.enter(parent, name, node)?;
        self.node_mut(node).links += 1;
        Ok(())
    }

    /// Takes a name out of a directory, with all that is below it. Says what it named.
    pub fn remove(&mut self, parent: NodeId, name: &[u8]) -> Option<NodeId> {
        let Kind::Directory(entries) = &mut self.node_mut(parent).kind else {
            return None;
        };
        let removed = entries.remove(name)?;
        let mut unlinked = vec![removed];
        while let Some(id) = unlinked.pop() {
            let node = self.node_mut(id);
            node.links -= 1;
            if let Kind::Directory(entries) = &mut node.kind {
                unlinked.extend(std::mem::take(entries).into_values());
            }
        }
        Some(removed)
    }

    /// Finds a path, name by name. Symbolic links are not followed.
    #[must_use]
    pub fn lookup(&self, path: &[u8]) -> Option<NodeId> {
        let mut names = path.split(|byte| *byte == b'/').filter(|n| !n.is_empty());
        names.try_fold(Self::ROOT, |directory, name| self.child(directory, name))
    }

    /// Finds a path as a program that runs in the root would: symbolic links are followed, and those
    /// that are absolute or climb too high stay inside. `None` too where links go round in circles.
    #[must_use]
    pub fn resolve(&self, path: &[u8]) -> Option<NodeId> {
        let mut at = vec![Self::ROOT];
        let mut names: Vec<Vec<u8>> = reversed_names(path);
        let mut links = 0;
        while let Some(name) = names.pop() {
            match &*name {
                b"." => {}
                b".." => at.truncate(at.len().saturating_sub(1).max(1)),
                name => {
                    let node = self.child(*at.last()?, name)?;
                    let Kind::Symlink(target) = &self.node(node).kind else {
                        at.push(node);
                        continue;
                    };
                    links += 1;
                    if links > LINK_LIMIT {
                        return None;
                    }
                    if target.starts_with(b"/") {
                        at.truncate(1);
                    }
                    names.extend(reversed_names(target));
                }
            }
        }
        at.last().copied()
    }

    /// What a name in a directory names.
    #[must_use]
    pub fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        match &self.node(directory).kind {
            Kind::Directory(entries) => entries.get(name).copied(),
            _ => None,
        }
    }

    /// The path under which a node was first added: where its source has it.
    #[must_use]
    pub fn source_path(&self, id: NodeId) -> Vec<u8> {
        let mut names = Vec::new();
        let mut at = id;
        while at != Self::ROOT {
            let node = self.node(at);
            names.push(&*node.name);
            at = node.parent;
        }
        names.reverse();
        names.join(&b'/')
    }

    fn enter(&mut self, parent: NodeId, name: &[u8], id: NodeId) -> Result<Arc<[u8]>, TreeError> {
        let path = |tree: &Self| {
            let mut path = tree.source_path(parent);
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            path
        };
        if !is_name(name) {
            return Err(TreeError::Name(path(self)));
        }
        if self.child(parent, name).is_some() {
            return Err(TreeError::Exists(path(self)));
        }
        let Kind::Directory(entries) = &mut self.node_mut(parent).kind else {
            return Err(TreeError::NotADirectory(self.source_path(parent)));
        };
        let name: Arc<[u8]> = name.into();
        entries.insert(name.clone(), id);
        Ok(name)
    }
}

/// The names of a path, the last one first.
fn reversed_names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').rev();
    names
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

fn is_name(name: &[u8]) -> bool {
    let forbidden = |byte: &u8| *byte == b'/' || *byte == 0;
    (1..=NAME_LIMIT_BYTES).contains(&name.len())
        && name != b"."
        && name != b".."
        && !name.iter().any(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: Metadata = Metadata {
        permissions: 0o755,
        uid: 0,
        gid: 0,
        modified_seconds: 0,
    };

    fn add(tree: &mut Tree, parent: NodeId, name: &str, kind: Kind) -> NodeId {
        tree.add(parent, name.as_bytes(), METADATA, kind, Box::default())
            .unwrap()
    }

    fn tree() -> Tree {
        Tree::new(METADATA, Box::default())
    }

    #[test]
    fn entries_are_sorted_as_bytes() {
        let mut tree = tree();
        for name in ["b", "a", "B", "é", "ab"] {
            add(&mut tree, Tree::ROOT, name, Kind::Fifo);
        }
        let names: Vec<_> = tree.entries(Tree::ROOT).map(|(name, _)| name).collect();
        assert_eq!(names, ["B", "a", "ab", "b", "é"].map(str::as_bytes));
    }

    #[test]
    fn a_removed_name_leaves_its_other_links() {
        let mut tree = tree();
        let etc = add(&mut tree, Tree::ROOT, "etc", Kind::empty_directory());
        let file = add(&mut tree, etc, "a", Kind::inline_file(*b"x"));
        tree.link(Tree::ROOT, b"b", file).unwrap();
        assert_eq!(tree.node(file).links(), 2);
        assert_eq!(tree.remove(Tree::ROOT, b"etc"), Some(etc));
        assert_eq!(tree.node(file).links(), 1);
        assert_eq!(tree.lookup(b"etc/a"), None);
        assert_eq!(tree.lookup(b"b"), Some(file));
        assert_eq!(tree.source_path(file), b"etc/a");
    }

    #[test]
    fn links_resolve_inside_the_tree() {
        let mut tree = tree();
        let usr = add(&mut tree, Tree::ROOT, "usr", Kind::empty_directory());
        let sbin = add(&mut tree, usr, "sbin", Kind::empty_directory());
        let program = add(&mut tree, usr, "program", Kind::inline_file(*b"x"));
        let link = |target: &[u8]| Kind::Symlink(target.into());
        add(&mut tree, Tree::ROOT, "sbin", link(b"/usr/sbin"));
        add(&mut tree, sbin, "init", link(b"../../../usr/./program"));
        add(&mut tree, sbin, "round", link(b"round"));
        add(&mut tree, sbin, "broken", link(b"nothing"));
        assert_eq!(tree.resolve(b"/sbin/init"), Some(program));
        assert_eq!(tree.resolve(b"/.."), Some(Tree::ROOT));
        for lost in ["/sbin/round", "/sbin/broken", "/usr/program/below"] {
            assert_eq!(tree.resolve(lost.as_bytes()), None, "{lost}");
        }
    }

    #[test]
    fn names_that_would_leave_the_tree_are_refused() {
        let mut tree = tree();
        let long = "x".repeat(256);
        for name in ["", ".", "..", "a/b", "a\0", &long] {
            let added = tree.add(
                Tree::ROOT,
                name.as_bytes(),
                METADATA,
                Kind::Fifo,
                Box::default(),
            );
            assert_eq!(added, Err(TreeError::Name(name.into())), "{name:?}");
        }
    }

    #[test]
    fn a_file_holds_no_entries_and_a_directory_has_one_name() {
        let mut tree = tree();
        let file = add(&mut tree, Tree::ROOT, "file", Kind::Socket);
        let below = tree.add(file, b"x", METADATA, Kind::Fifo, Box::default());
        assert_eq!(below, Err(TreeError::NotADirectory(b"file".to_vec())));
        let dir = add(&mut tree, Tree::ROOT, "dir", Kind::empty_directory());
        let twice = tree.link(Tree::ROOT, b"dir2", dir);
        assert_eq!(twice, Err(TreeError::DirectoryLink(b"dir".to_vec())));
        let exists = tree.link(Tree::ROOT, b"dir", file);
        assert_eq!(exists, Err(TreeError::Exists(b"dir".to_vec())));
    }
}
