//! Trees whose files are in them.

use livestick_tree::{ContentSource, Kind, Metadata, NodeId, SourceFile, Tree};
use std::io;

/// A source that has nothing.
pub struct Nothing;

impl ContentSource for Nothing {
    fn open(&self, _: &Tree, _: NodeId) -> io::Result<Box<dyn SourceFile>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// A tree of files and what is in them; directories are made as they are needed.
pub fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::new(metadata(), Box::default());
    for (path, bytes) in files {
        add(&mut tree, path, Kind::inline_file(bytes.as_bytes()));
    }
    tree
}

/// Adds a file of any kind, and the directories that it needs.
pub fn add(tree: &mut Tree, path: &str, kind: Kind) -> NodeId {
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    let mut at = Tree::ROOT;
    for parent in parents.split('/').filter(|name| !name.is_empty()) {
        at = match tree.child(at, parent.as_bytes()) {
            Some(node) => node,
            None => {
                let directory = Kind::empty_directory();
                tree.add(at, parent.as_bytes(), metadata(), directory, Box::default())
                    .unwrap()
            }
        };
    }
    tree.add(at, name.as_bytes(), metadata(), kind, Box::default())
        .unwrap()
}

fn metadata() -> Metadata {
    Metadata {
        permissions: 0o755,
        uid: 0,
        gid: 0,
        modified_seconds: 0,
    }
}
