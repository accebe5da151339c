//! Entries that come again, links, and directories that never come.

use crate::support::read::{contents, read_both};
use crate::support::writer::{
    GID, Header, LINK, MAJOR, MINOR, MODE, MTIME, PREFIX, SIZE, UID, archive, directory, file,
    link, pax,
};
use livestick_blockio::NoProgress;
use livestick_tar::{Archive, Options};
use livestick_tree::{Device, Kind, Tree};

fn read(parts: &[Vec<u8>]) -> Archive {
    let [in_place, _] = read_both(&archive(parts)).unwrap();
    in_place
}

/// Every path of a tree, with a letter for its kind.
fn listing(tree: &Tree) -> Vec<String> {
    let mut paths = Vec::new();
    let mut waiting = vec![(String::new(), Tree::ROOT)];
    while let Some((path, id)) = waiting.pop() {
        let letter = match &tree.node(id).kind {
            Kind::Directory(_) => 'd',
            Kind::File { .. } => '-',
            Kind::Symlink(_) => 'l',
            Kind::BlockDevice(_) => 'b',
            Kind::CharacterDevice(_) => 'c',
            Kind::Fifo => 'p',
            Kind::Socket => 's',
        };
        paths.push(format!("{letter} {path}"));
        for (name, id) in tree.entries(id) {
            waiting.push((format!("{path}/{}", name.escape_ascii()), id));
        }
    }
    paths.sort();
    paths
}

#[test]
fn the_later_entry_holds() {
    let read = read(&[
        file("a"),
        link(b'2', "b", "nowhere"),
        directory("c"),
        directory("d"),
        file("d/x"),
        Header::new("a", b'0').with(b"second"),
        file("b"),
        file("c"),
        Header::new("./d/", b'5').octal(MODE, 0o700).bytes(),
        link(b'2', "d/x", "a"),
    ]);
    assert_eq!(
        listing(&read.tree),
        ["- /a", "- /b", "- /c", "d ", "d /d", "l /d/x"]
    );
    let a = read.tree.lookup(b"a").unwrap();
    assert_eq!(contents(&read, a), b"second");
    let d = read.tree.lookup(b"d").unwrap();
    assert_eq!(read.tree.node(d).metadata.permissions, 0o700);
    assert_eq!(read.report.entries, 10);
}

#[test]
fn a_link_outlives_the_name_that_it_was_made_of() {
    let read = read(&[
        file("a"),
        link(b'1', "b", "./a"),
        link(b'1', "/b", "/a"),
        Header::new("a", b'0').with(b"new"),
        link(b'1', "c", "b"),
    ]);
    let [a, b, c] = ["a", "b", "c"].map(|name| read.tree.lookup(name.as_bytes()).unwrap());
    assert_eq!(b, c);
    assert_eq!(contents(&read, a), b"new");
    assert_eq!(contents(&read, b), b"a");
    assert_eq!(
        (read.tree.node(a).links(), read.tree.node(b).links()),
        (1, 2)
    );
}

#[test]
fn missing_directories_are_made_and_counted() {
    let read = read(&[
        file("x/y/z"),
        directory("p/q"),
        Header::new("x", b'5')
            .octal(MODE, 0o711)
            .octal(UID, 9)
            .bytes(),
    ]);
    assert_eq!(
        listing(&read.tree),
        ["- /x/y/z", "d ", "d /p", "d /p/q", "d /x", "d /x/y"]
    );
    // The root, p and y.
    assert_eq!(read.report.implied_directories, 3);
    let metadata = |path: &[u8]| read.tree.node(read.tree.lookup(path).unwrap()).metadata;
    assert_eq!((metadata(b"x").permissions, metadata(b"x").uid), (0o711, 9));
    assert_eq!((metadata(b"p").permissions, metadata(b"p").uid), (0o755, 0));
}

#[test]
fn the_root_has_metadata_of_its_own() {
    for path in ["./", ".", "/"] {
        let root = Header::new(path, b'5').octal(MODE, 0o700).octal(MTIME, 77);
        let read = read(&[root.bytes(), file("a")]);
        let metadata = read.tree.node(Tree::ROOT).metadata;
        assert_eq!(
            (metadata.permissions, metadata.modified_seconds),
            (0o700, 77)
        );
        assert_eq!(read.report.implied_directories, 0);
    }
}

#[test]
fn old_spellings_are_understood() {
    let no_checksum_sign = |header: Header| {
        let mut block = header.0;
        block[148..156].fill(b' ');
        let sum: i64 = block.iter().map(|byte| i64::from(byte.cast_signed())).sum();
        let sum = u64::try_from(sum).unwrap();
        Header(block).octal(148..156, sum).0.to_vec()
    };
    let read = read(&[
        // A directory by its slash, in v7 and in ustar; a mode with the kind of file in it.
        Header::new("old/", 0)
            .octal(MODE, 0o40755)
            .text(257..265, &[])
            .bytes(),
        Header::new("newer/", b'0').bytes(),
        Header::new("contiguous", b'7').with(b"x"),
        no_checksum_sign(Header::new("sign\u{e9}", b'0')),
        // No prefix in GNU headers, where other things are in its place.
        Header::gnu("gnu", b'0')
            .octal(PREFIX.start..PREFIX.start + 12, 1)
            .bytes(),
        Header::new("b", b'0').text(PREFIX, b"old/a").bytes(),
        Header::new("device", b'3')
            .octal(MAJOR, 4)
            .octal(MINOR, 64)
            .bytes(),
        pax(&[("SCHILY.devmajor", b"259"), ("SCHILY.devminor", b"3000000")]),
        Header::new("large device", b'4').bytes(),
        Header::new("solaris", b'X').with(b"15 path=pax, X\n"),
        Header::new("short", b'6').bytes(),
        // Directories and links have no data, whatever their size says.
        Header::new("sized", b'5').octal(SIZE, 4096).bytes(),
        Header::new("link", b'1')
            .text(LINK, b"contiguous")
            .octal(SIZE, 1)
            .bytes(),
        Header::new("blank", b'6')
            .text(UID, b"")
            .text(GID, b"        ")
            .bytes(),
    ]);
    assert_eq!(
        listing(&read.tree),
        [
            "- /contiguous",
            "- /gnu",
            "- /link",
            "- /old/a/b",
            "- /sign\\xc3\\xa9",
            "b /large device",
            "c /device",
            "d ",
            "d /newer",
            "d /old",
            "d /old/a",
            "d /sized",
            "p /blank",
            "p /pax, X",
        ]
    );
    let kind = |path: &[u8]| &read.tree.node(read.tree.lookup(path).unwrap()).kind;
    let device = |major, minor| Device { major, minor };
    assert!(matches!(kind(b"device"), Kind::CharacterDevice(found) if *found == device(4, 64)));
    let large = device(259, 3_000_000);
    assert!(matches!(kind(b"large device"), Kind::BlockDevice(found) if *found == large));
}

#[test]
fn global_records_hold_until_somebody_says_otherwise() {
    let global = |uid: &[u8]| {
        let mut text = crate::support::writer::record("uid", uid);
        text.extend(crate::support::writer::record(
            "comment",
            b"0123456789abcdef",
        ));
        Header::new("pax_global_header", b'g').with(&text)
    };
    let read = read(&[
        global(b"5"),
        file("a"),
        pax(&[("uid", b"6")]),
        file("b"),
        pax(&[("uid", b"")]),
        Header::new("c", b'0').octal(UID, 3).bytes(),
        global(b"7"),
        file("d"),
    ]);
    let uids = ["a", "b", "c", "d"].map(|path| {
        let node = read.tree.lookup(path.as_bytes()).unwrap();
        read.tree.node(node).metadata.uid
    });
    assert_eq!(uids, [5, 6, 3, 7]);
}

#[test]
fn what_follows_the_end_is_ignored() {
    for end in [&[0; 1024][..], &[0; 512], &[0; 700]] {
        let bytes = [file("a"), end.to_vec()].concat();
        assert!(read_both(&bytes).is_ok(), "{}", end.len());
    }
    let bytes = [archive(&[file("a")]), b"garbage".repeat(1000)].concat();
    assert_eq!(listing(&read_both(&bytes).unwrap()[0].tree), ["- /a", "d "]);
}

#[test]
fn a_changed_archive_changes_its_files() {
    use livestick_tree::ContentSource;
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(path.path(), archive(&[file("a")])).unwrap();
    let opened = path.reopen().unwrap();
    let no_spool = || panic!("it needs none");
    let read = Archive::read_file(opened, no_spool, &Options::default(), &NoProgress).unwrap();
    let a = read.tree.lookup(b"a").unwrap();
    let open = read.contents.open(&read.tree, a).unwrap();
    let before = open.stamp().unwrap();
    assert_eq!(open.stamp().unwrap(), before);
    std::thread::sleep(std::time::Duration::from_millis(20));
    path.as_file().set_len(10).unwrap();
    assert_ne!(open.stamp().unwrap(), before);
    assert_eq!(open.read_at(&mut [0; 1], 0).unwrap(), 0);
}
