//! Changes to a tree before it is written.

use crate::settings::{Added, XattrFilter};
use anyhow::{Context, bail};
use livestick_tree::{NodeId, Tree, Xattr};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Adds what the source lacks. The directory that it goes into must be there.
pub fn add(tree: &mut Tree, added: &[Added]) -> anyhow::Result<()> {
    for file in added {
        let (directory, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let Some(parent) = tree.lookup(directory.as_bytes()) else {
            bail!(
                "cannot add {}: there is no directory {directory}",
                file.path
            );
        };
        let (metadata, kind) = (file.metadata, file.kind.clone());
        tree.add(parent, name.as_bytes(), metadata, kind, Box::default())
            .with_context(|| format!("cannot add {}", file.path))?;
    }
    Ok(())
}

/// Gives all files to a user, a group, or both.
pub fn give(tree: &mut Tree, (uid, gid): (Option<u32>, Option<u32>)) {
    for_each(tree, |tree, id| {
        let metadata = &mut tree.node_mut(id).metadata;
        metadata.uid = uid.unwrap_or(metadata.uid);
        metadata.gid = gid.unwrap_or(metadata.gid);
    });
}

/// Takes extended attributes out.
pub fn filter_xattrs(tree: &mut Tree, filter: &XattrFilter) {
    let keeps = |xattr: &Xattr| {
        let name = Path::new(OsStr::from_bytes(&xattr.name));
        let included = filter.include.as_ref();
        !filter.none
            && included.is_none_or(|patterns| patterns.excludes(name))
            && !filter.exclude.excludes(name)
    };
    for_each(tree, |tree, id| {
        let xattrs = &mut tree.node_mut(id).xattrs;
        if !xattrs.iter().all(keeps) {
            let kept = xattrs.iter().filter(|xattr| keeps(xattr));
            *xattrs = kept.cloned().collect();
        }
    });
}

/// The priorities of files by a list in which a directory stands for all that is below it, and a
/// later line has the last word; and what of the list is not there.
pub fn priorities(tree: &Tree, list: &[(Vec<u8>, i16)]) -> (HashMap<NodeId, i16>, Vec<Vec<u8>>) {
    let mut priorities = HashMap::new();
    let mut missing = Vec::new();
    for (path, priority) in list {
        match tree.lookup(path) {
            Some(node) => for_each_below(tree, node, |id| {
                priorities.insert(id, *priority);
            }),
            None => missing.push(path.clone()),
        }
    }
    (priorities, missing)
}

fn for_each_below(tree: &Tree, top: NodeId, mut visit: impl FnMut(NodeId)) {
    let mut waiting = vec![top];
    while let Some(id) = waiting.pop() {
        visit(id);
        waiting.extend(tree.entries(id).map(|(_, id)| id));
    }
}

/// Visits every file that has a name; one with several of them is visited as often.
fn for_each(tree: &mut Tree, mut visit: impl FnMut(&mut Tree, NodeId)) {
    let mut waiting = vec![Tree::ROOT];
    while let Some(id) = waiting.pop() {
        visit(tree, id);
        waiting.extend(tree.entries(id).map(|(_, id)| id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::XattrFilter;
    use livestick_capture::Exclusions;
    use livestick_tree::{Kind, Metadata};

    const METADATA: Metadata = Metadata {
        permissions: 0o755,
        uid: 7,
        gid: 8,
        modified_seconds: 0,
    };

    fn tree() -> Tree {
        let xattr = |name: &str| Xattr {
            name: name.as_bytes().into(),
            value: Box::default(),
        };
        let xattrs = [xattr("security.capability"), xattr("user.note")];
        let mut tree = Tree::new(METADATA, Box::default());
        let dev = tree.add(
            Tree::ROOT,
            b"dev",
            METADATA,
            Kind::empty_directory(),
            Box::new(xattrs),
        );
        tree.add(dev.unwrap(), b"null", METADATA, Kind::Fifo, Box::default())
            .unwrap();
        tree
    }

    fn names(tree: &Tree) -> Vec<String> {
        let dev = tree.lookup(b"dev").unwrap();
        let xattrs = tree.node(dev).xattrs.iter();
        xattrs
            .map(|xattr| String::from_utf8_lossy(&xattr.name).into_owned())
            .collect()
    }

    #[test]
    fn an_owner_is_forced_on_everything() {
        let mut tree = tree();
        give(&mut tree, (Some(0), None));
        for path in ["", "dev", "dev/null"] {
            let node = tree.lookup(path.as_bytes()).unwrap();
            let metadata = tree.node(node).metadata;
            assert_eq!((metadata.uid, metadata.gid), (0, 8), "{path}");
        }
    }

    #[test]
    fn attributes_are_taken_by_their_names() {
        let patterns = |pattern: &str| Exclusions::new(&[pattern.to_owned()]).unwrap();
        let mut tree = tree();
        let include = XattrFilter {
            include: Some(patterns("security.*")),
            ..XattrFilter::default()
        };
        filter_xattrs(&mut tree, &include);
        assert_eq!(names(&tree), ["security.capability"]);
        let exclude = XattrFilter {
            exclude: patterns("security.*"),
            ..XattrFilter::default()
        };
        filter_xattrs(&mut tree, &exclude);
        assert!(names(&tree).is_empty());
    }

    #[test]
    fn a_directory_has_the_priority_of_all_below_it() {
        let tree = tree();
        let line = |path: &str, priority| (path.as_bytes().to_vec(), priority);
        let list = [line("", -1), line("dev", 5), line("etc", 7)];
        let (priorities, missing) = priorities(&tree, &list);
        let of = |path: &str| priorities[&tree.lookup(path.as_bytes()).unwrap()];
        assert_eq!((of(""), of("dev"), of("dev/null")), (-1, 5, 5));
        assert_eq!(missing, [b"etc"]);
    }

    #[test]
    fn what_is_added_needs_a_directory_and_a_free_name() {
        let file = |path: &str| Added {
            path: path.to_owned(),
            metadata: METADATA,
            kind: Kind::Fifo,
        };
        let mut tree = tree();
        add(&mut tree, &[file("dev/initctl"), file("top")]).unwrap();
        assert!(tree.lookup(b"dev/initctl").is_some() && tree.lookup(b"top").is_some());
        for (path, word) in [
            ("etc/x", "no directory etc"),
            ("dev/null", "cannot add dev/null"),
        ] {
            let error = add(&mut tree, &[file(path)]).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
