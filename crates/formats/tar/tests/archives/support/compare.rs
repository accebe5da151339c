//! A directory and an archive made of it, compared.

use livestick_blockio::ReadAt;
use livestick_tar::Archive;
use livestick_tree::{ContentSource, Device, Kind, NodeId, SourceFile, Tree, Xattr};
use std::collections::HashMap;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Whether the archive has extended attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Xattrs {
    Kept,
    Lost,
}

/// Compares everything: names, kinds, metadata, links, attributes, contents.
pub fn assert_same(root: &Path, archive: &Archive, xattrs: Xattrs) {
    let mut links = HashMap::new();
    let mut waiting = vec![(root.to_owned(), Tree::ROOT)];
    while let Some((path, node)) = waiting.pop() {
        let found = fs::symlink_metadata(&path).unwrap();
        // What is one file here is one file there.
        let key = (found.dev(), found.ino());
        assert_eq!(*links.entry(key).or_insert(node), node, "{path:?}");
        assert_node(&path, &found, archive, node, xattrs);
        if !found.is_dir() {
            continue;
        }
        let mut names: Vec<_> = fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort_unstable();
        let entries: Vec<_> = archive.tree.entries(node).collect();
        let archived: Vec<_> = entries.iter().map(|(name, _)| *name).collect();
        let expected: Vec<_> = names.iter().map(|name| name.as_bytes()).collect();
        assert_eq!(archived, expected, "{path:?}");
        let paths = names.iter().map(|name| path.join(name));
        waiting.extend(paths.zip(entries.iter().map(|(_, id)| *id)));
    }
}

fn assert_node(
    path: &PathBuf,
    found: &fs::Metadata,
    archive: &Archive,
    id: NodeId,
    xattrs: Xattrs,
) {
    let node = archive.tree.node(id);
    let metadata = node.metadata;
    assert_eq!(
        u32::from(metadata.permissions),
        found.mode() & 0o7777,
        "{path:?}"
    );
    assert_eq!(
        (metadata.uid, metadata.gid),
        (found.uid(), found.gid()),
        "{path:?}"
    );
    assert_eq!(metadata.modified_seconds, found.mtime(), "{path:?}");
    if xattrs == Xattrs::Kept {
        assert_eq!(node.xattrs, attributes(path), "{path:?}");
    }
    let kind = found.file_type();
    let device = Device {
        major: rustix::fs::major(found.rdev()),
        minor: rustix::fs::minor(found.rdev()),
    };
    match &node.kind {
        Kind::Directory(_) => return assert!(kind.is_dir(), "{path:?}"),
        Kind::File { length_bytes, .. } => {
            assert!(kind.is_file(), "{path:?}");
            assert_eq!(*length_bytes, found.len(), "{path:?}");
            let file = archive.contents.open(&archive.tree, id).unwrap();
            assert_contents(path, found.len(), &*file);
        }
        Kind::Symlink(target) => {
            let expected = fs::read_link(path).unwrap().into_os_string().into_vec();
            assert_eq!(target[..], expected, "{path:?}");
        }
        Kind::BlockDevice(archived) => {
            assert!(kind.is_block_device() && *archived == device, "{path:?}");
        }
        Kind::CharacterDevice(archived) => {
            assert!(kind.is_char_device() && *archived == device, "{path:?}");
        }
        Kind::Fifo => assert!(kind.is_fifo(), "{path:?}"),
        Kind::Socket => panic!("{path:?}: an archive has no sockets"),
    }
    assert_eq!(u64::from(node.links()), found.nlink(), "{path:?}");
}

/// Compares what is data here or there. The holes of one file are seldom just those of the other.
fn assert_contents(path: &Path, length_bytes: u64, archived: &dyn SourceFile) {
    let file = File::open(path).unwrap();
    let ours = |offset| archived.data_from(offset).unwrap();
    for data in ranges(ours).chain(ranges(|offset| data_from(&file, offset))) {
        assert!(
            data.start < data.end && data.end <= length_bytes,
            "{path:?}"
        );
        let mut at = data.start;
        while at < data.end {
            let length = usize::try_from((data.end - at).min(1 << 20)).unwrap();
            let (mut left, mut right) = (vec![1; length], vec![2; length]);
            archived.read_exact_at(&mut left, at).unwrap();
            ReadAt::read_exact_at(&file, &mut right, at).unwrap();
            assert!(left == right, "{path:?}: the contents differ after {at}");
            at += length as u64;
        }
    }
    let behind = archived.read_at(&mut [0; 8], length_bytes).unwrap();
    assert_eq!(behind, 0, "{path:?}");
}

fn ranges(next: impl Fn(u64) -> Option<Range<u64>>) -> impl Iterator<Item = Range<u64>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let data = next(at)?;
        at = data.end;
        Some(data)
    })
}

fn data_from(file: &File, offset: u64) -> Option<Range<u64>> {
    use rustix::fs::{SeekFrom, seek};
    let start = seek(file, SeekFrom::Data(offset)).ok()?;
    Some(start..seek(file, SeekFrom::Hole(start)).unwrap())
}

/// The attributes of a file, sorted by name.
fn attributes(path: &Path) -> Box<[Xattr]> {
    let mut names = vec![0; 64 << 10];
    let length = match rustix::fs::llistxattr(path, &mut names[..]) {
        Ok(length) => length,
        Err(rustix::io::Errno::NOTSUP) => 0,
        Err(error) => panic!("{path:?}: {error}"),
    };
    let names = names[..length].split(|byte| *byte == 0);
    let mut xattrs: Vec<_> = names
        .filter(|name| !name.is_empty())
        .map(|name| {
            let mut value = vec![0; 64 << 10];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            Xattr {
                name: name.into(),
                value: value[..length].into(),
            }
        })
        .collect();
    xattrs.sort_unstable();
    xattrs.into()
}

/// Compares two archives that should be the same.
pub fn assert_equal(left: &Archive, right: &Archive) {
    let mut waiting = vec![(Tree::ROOT, Tree::ROOT)];
    let mut same = HashMap::new();
    while let Some((one, other)) = waiting.pop() {
        assert_eq!(*same.entry(one).or_insert(other), other);
        let (a, b) = (left.tree.node(one), right.tree.node(other));
        assert_eq!((a.metadata, &a.xattrs), (b.metadata, &b.xattrs));
        if let Kind::File { .. } = a.kind {
            let bytes = |archive, id| super::read::contents(archive, id);
            assert!(bytes(left, one) == bytes(right, other));
        }
        let entries = |archive: &Archive, id| -> Vec<(Vec<u8>, NodeId)> {
            let entries = archive.tree.entries(id);
            entries.map(|(name, id)| (name.to_vec(), id)).collect()
        };
        let (a, b) = (entries(left, one), entries(right, other));
        let names = |entries: &[(Vec<u8>, NodeId)]| -> Vec<Vec<u8>> {
            entries.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(names(&a), names(&b));
        waiting.extend(a.iter().map(|(_, id)| *id).zip(b.iter().map(|(_, id)| *id)));
    }
}
