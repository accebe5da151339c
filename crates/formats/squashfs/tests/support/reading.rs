//! Comparing what the reader says with a tree.

use livestick_blockio::ReadAt;
use livestick_squashfs::{Image, Inode, InodeKind, Piece};
use livestick_tree::{Content, Kind, NodeId, Tree};
use std::collections::HashMap;

/// Compares everything in an image with a tree, through the reader. `contents` says what is in the
/// files that the tree does not hold itself.
pub fn assert_reads<R: ReadAt>(
    image: &Image<R>,
    tree: &Tree,
    contents: &dyn Fn(NodeId) -> Vec<u8>,
) {
    let mut numbers = HashMap::new();
    let (mut names, mut walked) = (0, 0);
    let mut waiting = vec![(Tree::ROOT, image.root().unwrap(), Vec::new())];
    while let Some((id, inode, path)) = waiting.pop() {
        names += 1;
        let shown = String::from_utf8_lossy(&path).into_owned();
        // Hard links: what is one file here is one file there.
        assert_eq!(
            *numbers.entry(id).or_insert(inode.number),
            inode.number,
            "{shown}"
        );
        assert_inode(image, tree, id, &inode, &shown, contents);
        let found = image.lookup(&path).unwrap().expect("it was listed");
        assert_eq!(found.number, inode.number, "{shown}");
        if !inode.is_directory() {
            continue;
        }
        let mut expected = tree.entries(id);
        for entry in image.entries(&inode).unwrap() {
            let entry = entry.unwrap();
            let (name, id) = expected.next().expect("there is a name too many");
            assert_eq!(name, entry.name, "{shown}");
            let path = [&*path, name].join(&b'/');
            waiting.push((id, entry.inode, path));
        }
        assert!(expected.next().is_none(), "{shown} has not all its names");
        assert!(
            image
                .lookup(&[&*path, b"\x01no such name"].join(&b'/'))
                .unwrap()
                .is_none()
        );
    }
    let mut walk = image.walk(b"").unwrap().unwrap();
    let mut last = Vec::new();
    while let Some(inode) = walk.next_file().unwrap() {
        // A slash comes before every other byte in the order of paths.
        let names: Vec<_> = walk.path().split(|byte| *byte == b'/').collect();
        let names = names.into_iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
        assert!(walk.path().is_empty() || last < names, "{names:?}");
        last = names;
        let found = image.lookup(walk.path()).unwrap().expect("it was listed");
        assert_eq!(found.number, inode.number);
        walked += 1;
    }
    assert_eq!(walked, names);
    let all: std::collections::HashSet<_> = numbers.values().collect();
    assert_eq!(all.len(), numbers.len(), "two files have one number");
    assert_eq!(image.superblock().inodes as usize, numbers.len());
}

fn assert_inode<R: ReadAt>(
    image: &Image<R>,
    tree: &Tree,
    id: NodeId,
    inode: &Inode,
    shown: &str,
    contents: &dyn Fn(NodeId) -> Vec<u8>,
) {
    let node = tree.node(id);
    let mut metadata = node.metadata;
    metadata.modified_seconds = metadata.modified_seconds.clamp(0, u32::MAX.into());
    assert_eq!(metadata, inode.metadata, "{shown}");
    let held = node.xattrs.iter().filter(|xattr| {
        let prefixes: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
        prefixes.iter().any(|prefix| xattr.name.starts_with(prefix))
    });
    assert!(held.eq(image.xattrs(inode).unwrap().iter()), "{shown}");
    match (&node.kind, &inode.kind) {
        (Kind::Directory(entries), InodeKind::Directory(_)) => {
            let directories = entries
                .values()
                .filter(|id| matches!(tree.node(**id).kind, Kind::Directory(_)));
            assert_eq!(inode.links as usize, 2 + directories.count(), "{shown}");
            return;
        }
        (Kind::File { content, .. }, InodeKind::File(file)) => {
            let expected = match content {
                Content::Inline(bytes) => bytes.to_vec(),
                Content::Source => contents(id),
            };
            assert_eq!(file.length_bytes(), expected.len() as u64, "{shown}");
            assert!(
                streamed(image, inode) == expected,
                "{shown}: the contents differ"
            );
            assert!(
                read(image, inode) == expected,
                "{shown}: the contents differ"
            );
        }
        (Kind::Symlink(left), InodeKind::Symlink(right)) => assert_eq!(left, right, "{shown}"),
        (Kind::BlockDevice(left), InodeKind::BlockDevice(right))
        | (Kind::CharacterDevice(left), InodeKind::CharacterDevice(right)) => {
            assert_eq!(left, right, "{shown}");
        }
        (Kind::Fifo, InodeKind::Fifo) | (Kind::Socket, InodeKind::Socket) => {}
        _ => panic!("{shown} is of another kind"),
    }
    assert_eq!(node.links(), inode.links, "{shown}");
}

pub fn streamed<R: ReadAt>(image: &Image<R>, inode: &Inode) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut content = image.content(inode).unwrap();
    while let Some(piece) = content.next_piece().unwrap() {
        match piece {
            Piece::Data(data) => bytes.extend_from_slice(data),
            Piece::Hole(length) => {
                bytes.resize(bytes.len() + usize::try_from(length).unwrap(), 0);
            }
        }
    }
    bytes
}

/// Reads in odd steps, and then once more from the middle.
fn read<R: ReadAt>(image: &Image<R>, inode: &Inode) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [1; 100_003];
    loop {
        let count = image
            .read_at(inode, &mut buffer, bytes.len() as u64)
            .unwrap();
        if count == 0 {
            break;
        }
        bytes.extend_from_slice(&buffer[..count]);
    }
    let middle = bytes.len() / 2;
    let count = image
        .read_at(inode, &mut buffer[..10], middle as u64)
        .unwrap();
    assert_eq!(bytes[middle..][..count], buffer[..count]);
    assert_eq!(count == 0, bytes.is_empty());
    bytes
}
