//! Any tree, written in any mixture of dialects, comes back.

use crate::support::read::{contents, read_both, read_stream};
use crate::support::writer::{
    GID, GNU_EXTENDED, GNU_REAL_SIZE, GNU_SEGMENTS, Header, LINK, MODE, MTIME, UID, archive,
    padded, pax,
};
use livestick_tar::Archive;
use livestick_tree::{ContentSource, Kind, Metadata, Tree, Xattr};
use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use std::collections::BTreeMap;

/// How an entry is written.
#[derive(Clone, Copy, Debug)]
enum Dialect {
    Gnu,
    /// With this way to write down holes.
    Pax(Map),
}

#[derive(Clone, Copy, Debug)]
enum Map {
    Records,
    Line,
    InFront,
}

#[derive(Clone, Debug)]
enum Made {
    Directory,
    /// Pieces: a hole, and data behind it. Then one more hole.
    Sparse(Vec<(u16, Vec<u8>)>, u16),
    File(Vec<u8>),
    Symlink(Vec<u8>),
    /// To whichever file came before.
    HardLink,
    Fifo,
}

#[derive(Clone, Debug)]
struct MadeEntry {
    dialect: Dialect,
    made: Made,
    metadata: Metadata,
    xattrs: Vec<Xattr>,
}

fn dialects() -> impl Strategy<Value = Dialect> {
    prop_oneof![
        Just(Dialect::Gnu),
        Just(Dialect::Pax(Map::Records)),
        Just(Dialect::Pax(Map::Line)),
        Just(Dialect::Pax(Map::InFront)),
    ]
}

fn bytes(limit: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..limit)
}

fn kinds() -> impl Strategy<Value = Made> {
    let pieces = prop::collection::vec((any::<u16>(), bytes(700)), 0..40);
    prop_oneof![
        Just(Made::Directory),
        (pieces, any::<u16>()).prop_map(|(pieces, end)| Made::Sparse(pieces, end)),
        bytes(2000).prop_map(Made::File),
        prop::collection::vec(1u8.., 1..300).prop_map(Made::Symlink),
        Just(Made::HardLink),
        Just(Made::Fifo),
    ]
}

fn entries() -> impl Strategy<Value = MadeEntry> {
    let numbers = (0u16..0o10000, any::<u32>(), any::<u32>(), any::<i64>());
    let metadata = numbers.prop_map(|(permissions, uid, gid, modified_seconds)| Metadata {
        permissions,
        uid,
        gid,
        modified_seconds,
    });
    let xattrs = prop::collection::btree_map("[a-z%=\n]{1,20}", bytes(100), 0..4);
    (dialects(), kinds(), metadata, xattrs).prop_map(|(dialect, made, metadata, xattrs)| {
        let xattrs = xattrs.into_iter().map(|(name, value)| Xattr {
            name: format!("user.{name}").into_bytes().into(),
            value: value.into(),
        });
        // Only pax has them.
        let xattrs = match dialect {
            Dialect::Pax(_) => xattrs.collect(),
            Dialect::Gnu => Vec::new(),
        };
        MadeEntry {
            dialect,
            made,
            metadata,
            xattrs,
        }
    })
}

/// Names of a few or of very many bytes. Some are equal, so that there are trees and not only lists.
fn names() -> impl Strategy<Value = Vec<u8>> {
    let odd = prop::collection::vec(1u8.., 1..255).prop_map(|name| {
        let name = name
            .into_iter()
            .map(|byte| if byte == b'/' { b'_' } else { byte });
        name.chain([b'x']).collect()
    });
    prop_oneof!["[ab]".prop_map(String::into_bytes), odd]
}

/// Paths, parents before what is in them, and what is there. What lies below something that is no
/// directory is left out.
fn trees() -> impl Strategy<Value = BTreeMap<Vec<u8>, MadeEntry>> {
    let path = prop::collection::vec(names(), 1..4).prop_map(|names| names.join(&b'/'));
    prop::collection::btree_map(path, entries(), 0..20).prop_map(|all| {
        let mut kept: BTreeMap<Vec<u8>, MadeEntry> = BTreeMap::new();
        for (path, entry) in all {
            let is_below_a_file = (0..path.len())
                .filter(|at| path[*at] == b'/')
                .filter_map(|at| kept.get(&path[..at]))
                .any(|above| !matches!(above.made, Made::Directory));
            if !is_below_a_file {
                kept.insert(path, entry);
            }
        }
        kept
    })
}

/// Offset and bytes of each piece of data, and the length of the whole.
fn layout(pieces: &[(u16, Vec<u8>)], end: u16) -> (Vec<(u64, &[u8])>, u64) {
    let mut at = 0;
    let mut data = Vec::new();
    for (hole, bytes) in pieces {
        at += u64::from(*hole);
        data.push((at, &bytes[..]));
        at += bytes.len() as u64;
    }
    (data, at + u64::from(end))
}

/// Which records a pax header needs, and what the entry's data is.
fn pax_map(map: Map, pieces: &[(u64, &[u8])], length: u64) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    let record =
        |keyword: &str, value: String| (format!("GNU.sparse.{keyword}"), value.into_bytes());
    let data: Vec<u8> = pieces
        .iter()
        .flat_map(|(_, bytes)| *bytes)
        .copied()
        .collect();
    let numbers: Vec<String> = pieces
        .iter()
        .flat_map(|(offset, bytes)| [offset.to_string(), bytes.len().to_string()])
        .collect();
    let mut records = vec![record("size", length.to_string())];
    match map {
        Map::Records => {
            for pair in numbers.chunks(2) {
                records.push(record("offset", pair[0].clone()));
                records.push(record("numbytes", pair[1].clone()));
            }
            (records, data)
        }
        Map::Line => {
            records.push(record("map", numbers.join(",")));
            (records, data)
        }
        Map::InFront => {
            records.push(record("major", "1".to_owned()));
            records.push(record("minor", "0".to_owned()));
            let text: String = numbers.iter().map(|number| format!("{number}\n")).collect();
            let text = format!("{}\n{text}", pieces.len());
            (records, [padded(text.as_bytes()), data].concat())
        }
    }
}

fn gnu_sparse(header: Header, pieces: &[(u64, &[u8])], length: u64) -> Vec<u8> {
    let mut header = header.octal(GNU_REAL_SIZE, length);
    let write = |block: Header, at: usize, piece: &(u64, &[u8])| {
        let block = block.octal(at..at + 12, piece.0);
        block.octal(at + 12..at + 24, piece.1.len() as u64)
    };
    let (first, rest) = pieces.split_at(pieces.len().min(4));
    for (index, piece) in first.iter().enumerate() {
        header = write(header, GNU_SEGMENTS + index * 24, piece);
    }
    let mut extensions = Vec::new();
    for chunk in rest.chunks(21) {
        let mut block = Header([0; 512]);
        for (index, piece) in chunk.iter().enumerate() {
            block = write(block, index * 24, piece);
        }
        extensions.push(block.0);
    }
    header.0[GNU_EXTENDED] = u8::from(!extensions.is_empty());
    let count = extensions.len();
    for block in extensions.iter_mut().take(count.saturating_sub(1)) {
        block[504] = 1;
    }
    let data: Vec<u8> = pieces
        .iter()
        .flat_map(|(_, bytes)| *bytes)
        .copied()
        .collect();
    // The size is that of the data alone.
    let whole = header.with(&data);
    let (header, data) = whole.split_at(512);
    [header, extensions.as_flattened(), data].concat()
}

fn write(path: &[u8], entry: &MadeEntry, target: &[u8]) -> Vec<u8> {
    let (typeflag, link) = match &entry.made {
        Made::Directory => (b'5', &[][..]),
        Made::Sparse(..) if matches!(entry.dialect, Dialect::Gnu) => (b'S', &[][..]),
        Made::Sparse(..) | Made::File(_) => (b'0', &[][..]),
        Made::Symlink(target) => (b'2', &target[..]),
        Made::HardLink => (b'1', target),
        Made::Fifo => (b'6', &[][..]),
    };
    let metadata = entry.metadata;
    let header = Header::new("short", typeflag).octal(MODE, metadata.permissions.into());
    match entry.dialect {
        Dialect::Gnu => {
            let header = header
                .text(257..265, b"ustar  \0")
                .base256(UID, metadata.uid.into())
                .base256(GID, metadata.gid.into())
                .base256(MTIME, metadata.modified_seconds)
                .text(LINK, b"too short");
            let long = |typeflag, name: &[u8]| {
                Header::gnu("././@LongLink", typeflag).with(&[name, b"\0"].concat())
            };
            let names = [long(b'K', link), long(b'L', path)].concat();
            let entry = match &entry.made {
                Made::Sparse(pieces, end) => {
                    let (pieces, length) = layout(pieces, *end);
                    gnu_sparse(header, &pieces, length)
                }
                Made::File(bytes) => header.with(bytes),
                _ => header.bytes(),
            };
            [names, entry].concat()
        }
        Dialect::Pax(map) => {
            let number = |keyword: &str, value: String| (keyword.to_owned(), value.into_bytes());
            let mut records = vec![
                number("uid", metadata.uid.to_string()),
                number("gid", metadata.gid.to_string()),
                number("mtime", time(metadata.modified_seconds)),
                ("path".to_owned(), path.to_vec()),
                ("linkpath".to_owned(), link.to_vec()),
            ];
            records.extend(entry.xattrs.iter().map(|xattr| {
                let name = String::from_utf8(xattr.name.to_vec()).unwrap();
                let name = name.replace('%', "%25").replace('=', "%3D");
                (format!("SCHILY.xattr.{name}"), xattr.value.to_vec())
            }));
            let data = match &entry.made {
                Made::Sparse(pieces, end) => {
                    let (pieces, length) = layout(pieces, *end);
                    let (more, data) = pax_map(map, &pieces, length);
                    records.extend(more);
                    data
                }
                Made::File(bytes) => bytes.clone(),
                _ => Vec::new(),
            };
            let records: Vec<(&str, &[u8])> = records
                .iter()
                .map(|(keyword, value)| (&keyword[..], &value[..]))
                .collect();
            [pax(&records), header.with(&data)].concat()
        }
    }
}

/// With a fraction, which is to be rounded down.
fn time(seconds: i64) -> String {
    match seconds {
        0.. => format!("{seconds}.75"),
        _ => format!("-{}.75", -(seconds + 1)),
    }
}

fn check(
    archive: &Archive,
    entries: &BTreeMap<Vec<u8>, MadeEntry>,
) -> Result<(), proptest::test_runner::TestCaseError> {
    let mut first_file = None;
    for (path, entry) in entries {
        let id = archive.tree.lookup(path);
        if let (Made::HardLink, target) = (&entry.made, first_file) {
            prop_assert_eq!(id, target);
            continue;
        }
        let id = id.unwrap();
        let node = archive.tree.node(id);
        prop_assert_eq!(node.metadata, entry.metadata);
        prop_assert_eq!(&node.xattrs[..], &entry.xattrs[..]);
        match (&entry.made, &node.kind) {
            (Made::Directory, Kind::Directory(_)) | (Made::Fifo, Kind::Fifo) => {}
            (Made::File(bytes), Kind::File { .. }) => {
                prop_assert!(contents(archive, id) == *bytes);
                first_file.get_or_insert(id);
            }
            (Made::Sparse(pieces, end), Kind::File { length_bytes, .. }) => {
                let (pieces, length) = layout(pieces, *end);
                prop_assert_eq!(*length_bytes, length);
                let mut expected = vec![0; usize::try_from(length).unwrap()];
                for (offset, bytes) in pieces {
                    let start = usize::try_from(offset).unwrap();
                    expected[start..start + bytes.len()].copy_from_slice(bytes);
                }
                prop_assert!(contents(archive, id) == expected);
                first_file.get_or_insert(id);
            }
            (Made::Symlink(target), Kind::Symlink(found)) => {
                prop_assert_eq!(&target[..], &found[..])
            }
            (made, found) => prop_assert!(false, "{made:?} became {found:?}"),
        }
    }
    Ok(())
}

/// The whole archive. A hard link before any file is left out.
fn write_all(entries: &mut BTreeMap<Vec<u8>, MadeEntry>) -> Vec<u8> {
    let is_file = |entry: &MadeEntry| matches!(entry.made, Made::File(_) | Made::Sparse(..));
    let target = entries.iter().find(|(_, entry)| is_file(entry));
    let target = target.map(|(path, _)| path.clone());
    entries.retain(|path, entry| {
        !matches!(entry.made, Made::HardLink) || target.as_ref().is_some_and(|first| first < path)
    });
    let target = target.unwrap_or_default();
    let parts: Vec<_> = entries
        .iter()
        .map(|(path, entry)| write(path, entry, &target))
        .collect();
    archive(&parts)
}

proptest! {
    #[test]
    fn any_tree_in_any_dialect_comes_back(mut entries in trees()) {
        let bytes = write_all(&mut entries);
        for archive in read_both(&bytes).unwrap() {
            check(&archive, &entries)?;
        }
    }

    #[test]
    fn no_change_makes_it_panic(
        mut entries in trees(),
        changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cut in any::<usize>(),
    ) {
        let mut bytes = write_all(&mut entries);
        let length = bytes.len();
        for (at, byte) in changes {
            bytes[at % length] = byte;
        }
        bytes.truncate(length - cut % 600);
        if let Ok(archive) = read_stream(&bytes) {
            read_a_little(&archive);
        }
    }
}

/// Every file from any place; holes may be as long as somebody says.
fn read_a_little(archive: &Archive) {
    let mut waiting = vec![Tree::ROOT];
    while let Some(id) = waiting.pop() {
        waiting.extend(archive.tree.entries(id).map(|(_, id)| id));
        let Kind::File { length_bytes, .. } = archive.tree.node(id).kind else {
            continue;
        };
        let file = archive.contents.open(&archive.tree, id).unwrap();
        for offset in [0, length_bytes / 2, length_bytes.saturating_sub(1)] {
            let read = file.read_at(&mut [0; 100], offset).unwrap();
            assert_eq!(
                read > 0,
                length_bytes > 0,
                "the spool has all that there is"
            );
            if let Some(data) = file.data_from(offset).unwrap() {
                assert!(data.start >= offset && data.end <= length_bytes);
            }
        }
    }
}
