//! What a [`Tree`] holds, before anything is made of it.
//!
//! [`audit()`] finds secrets, [`Packages`] tells which package brought a file, [`estimate`] compresses a
//! sample to say how long the image will be, [`Sizes`] adds all of that up by directory and by
//! package, and [`Memory`] says how much of it the stick will need. Nothing is written.

mod audit;
mod estimate;
mod packages;
mod sizes;

pub use audit::{
    Allowed, Audit, Finding, READ_LIMIT_BYTES, Rule, Rules, RulesError, Severity, audit,
};
pub use estimate::estimate;
pub use packages::{Package, Packages};
pub use sizes::{Entry, EntryKind, PackageSize, Sizes};

use livestick_tree::{ContentSource, Kind, NodeId, Tree};

/// Goes through a tree, each directory before what is in it; the root itself is left out.
fn walk(tree: &Tree, mut visit: impl FnMut(&[u8], NodeId)) {
    let mut path = Vec::new();
    let mut waiting = vec![tree.entries(Tree::ROOT)];
    let mut lengths = vec![0];
    while let Some(entries) = waiting.last_mut() {
        path.truncate(*lengths.last().unwrap_or(&0));
        let Some((name, node)) = entries.next() else {
            waiting.pop();
            lengths.pop();
            continue;
        };
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        visit(&path, node);
        if matches!(tree.node(node).kind, Kind::Directory(_)) {
            waiting.push(tree.entries(node));
            lengths.push(path.len());
        }
    }
}

/// Reads a regular file, found as a program that runs in the root would; `None` where it is not
/// there, cannot be read or is longer than it may be.
fn read_file(
    tree: &Tree,
    source: &dyn ContentSource,
    path: &[u8],
    limit_bytes: usize,
) -> Option<Vec<u8>> {
    let node = tree.resolve(path)?;
    let Kind::File { length_bytes, .. } = tree.node(node).kind else {
        return None;
    };
    let length = usize::try_from(length_bytes).ok()?;
    if length > limit_bytes {
        return None;
    }
    let file = tree.open(node, source).ok()?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod fixture;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::tree;

    #[test]
    fn directories_come_before_what_is_in_them() {
        let tree = tree(&[("b/c/d", ""), ("a", ""), ("b/e", "")]);
        let mut seen = Vec::new();
        walk(&tree, |path, _| {
            seen.push(String::from_utf8(path.to_vec()).unwrap())
        });
        assert_eq!(seen, ["a", "b", "b/c", "b/c/d", "b/e"]);
    }
}
