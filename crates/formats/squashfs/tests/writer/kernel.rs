//! Everything that a root can hold, written and then read by the kernel. `unsquashfs` alone would
//! be no oracle: it accepts what kernels reject.

use crate::support::everything::{edges, make_everything};
use crate::support::image::{
    METADATA, Mounted, Nothing, add, assert_holds, assert_same, has_tool, image, is_root, new_tree,
    noise, options, text,
};
use crate::support::random::{grow, specs};
use livestick_blockio::{ReadAt, WriteAt};
use livestick_squashfs::{Compression, Options, XzFilter};
use livestick_tree::{
    Content, ContentSource, Kind, Metadata, NodeId, RootDirectory, SourceFile, Stamp, Tree, Xattr,
};
use proptest::prelude::ProptestConfig;
use proptest::proptest;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

fn no_contents(_: NodeId) -> Vec<u8> {
    unreachable!("everything is in the tree")
}

fn all_options() -> Vec<Options> {
    let mut all = Vec::new();
    for compression in [
        Compression::Zstd { level: 1 },
        Compression::Zstd { level: 5 },
        Compression::Gzip { level: 6 },
        Compression::Gzip { level: 12 },
        Compression::Lz4 { level: 1 },
        Compression::Lz4 { level: 12 },
        Compression::Xz {
            level: 6,
            filter: XzFilter::Auto,
        },
    ] {
        for block_size_bytes in [4 << 10, 128 << 10, 1 << 20] {
            all.push(Options {
                compression,
                block_size_bytes,
                ..options()
            });
        }
    }
    all
}

#[test]
fn sizes_around_block_edges_in_every_compression() {
    for options in all_options() {
        let mut tree = new_tree();
        let block = usize::try_from(options.block_size_bytes).unwrap();
        for (seed, size) in edges(block).into_iter().enumerate() {
            let seed = seed as u64;
            for (name, bytes) in [
                ("text", text(seed, size)),
                ("noise", noise(seed, size)),
                ("zeros", vec![0; size]),
                ("end", [vec![0; size], text(seed, 10)].concat()),
                ("start", [text(seed, 10), vec![0; size]].concat()),
            ] {
                add(
                    &mut tree,
                    Tree::ROOT,
                    &format!("{seed}-{name}"),
                    Kind::inline_file(bytes),
                );
            }
        }
        let (image, summary) = image(&tree, &Nothing, &options).unwrap();
        assert!(summary.sparse_bytes > 0 && summary.fragments > 0);
        assert_holds(&image, &tree, &no_contents);
    }
}

/// Libraries for machines whose code xz has filters for, as an ELF header and calls.
fn library(machine: [u8; 2], order: u8, call: &[u8], seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0x7F, b'E', b'L', b'F', 2, order, 1];
    // A library.
    bytes.resize(16, 0);
    bytes.extend(if order == 1 { [3, 0] } else { [0, 3] });
    bytes.extend(machine);
    bytes.resize(64, 0);
    for operand in noise(seed, length / 8).chunks(2) {
        bytes.extend(call);
        bytes.extend([operand[0], 0, 0, 0, 0xEB]);
    }
    bytes.resize(length, 0x90);
    bytes
}

#[test]
fn code_of_every_machine_comes_back_through_the_filters() {
    let block = 128 << 10;
    let mut tree = new_tree();
    for (name, machine, order, call) in [
        ("x86", [62, 0], 1, &[0xE8][..]),
        ("arm", [40, 0], 1, &[1, 2, 3, 0xEB]),
        ("thumb", [40, 0], 1, &[1, 0xF0, 2, 0xF8]),
        ("powerpc", [0, 20], 2, &[0x48, 1, 2, 1]),
        ("sparc", [0, 43], 2, &[0x40, 0, 1, 2]),
        ("arm64", [183, 0], 1, &[1, 2, 3, 0x94]),
    ] {
        for (seed, size) in [100, 5000, 5001, block, 3 * block + 70_003]
            .into_iter()
            .enumerate()
        {
            let bytes = library(machine, order, call, seed as u64, size);
            add(
                &mut tree,
                Tree::ROOT,
                &format!("{name}{size}.so"),
                Kind::inline_file(bytes),
            );
        }
    }
    let length = |filter| {
        let options = Options {
            compression: Compression::Xz { level: 6, filter },
            ..options()
        };
        let (image, summary) = image(&tree, &Nothing, &options).unwrap();
        assert_holds(&image, &tree, &no_contents);
        summary.bytes_used
    };
    assert_ne!(length(XzFilter::Auto), length(XzFilter::None));
}

#[test]
fn an_empty_root() {
    let tree = new_tree();
    let (image, summary) = image(&tree, &Nothing, &options()).unwrap();
    assert_eq!((summary.length_bytes, summary.fragments), (4096, 0));
    assert_holds(&image, &tree, &no_contents);
}

#[test]
fn a_directory_with_everything_comes_back_through_kernel_and_tools() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    make_everything(&root);
    let tree = crate::support::scan::scan(&root).unwrap();
    // Both sides are read by the same scan, which must not be blind.
    let with_two = tree.lookup(b"etc/1.conf").unwrap();
    assert_eq!(tree.node(with_two).xattrs.len(), 2);
    let source = RootDirectory::open(&root).unwrap();
    for options in all_options() {
        let (image, summary) = image(&tree, &source, &options).unwrap();
        assert_eq!(summary.counts.hard_links, 2);
        let read = |id| fs::read(path_of(&root, &tree, id)).unwrap();
        assert_holds(&image, &tree, &read);

        let file = directory.path().join("image");
        fs::write(&file, &image).unwrap();
        if has_tool("rdsquashfs") {
            let output = Command::new("rdsquashfs").arg("-d").arg(&file).output();
            let output = output.unwrap();
            assert!(output.status.success());
            let inodes = u32::from_le_bytes(image[4..8].try_into().unwrap());
            let lines = output.stdout.split(|byte| *byte == b'\n').count();
            // One line for each name but the root's, and what follows the last one.
            assert!(lines as u64 >= u64::from(inodes), "{lines} of {inodes}");
        }
        let unpacked = directory.path().join("unpacked");
        if Command::new("unsquashfs").arg("-v").output().is_ok() || has_tool("unsquashfs") {
            let mut unsquashfs = Command::new("unsquashfs");
            let status = unsquashfs
                .args(["-quiet", "-no-progress", "-d"])
                .args([&unpacked, &file])
                .status();
            assert!(status.unwrap().success());
            assert_same(&tree, &unpacked, &read);
            fs::remove_dir_all(&unpacked).unwrap();
        }
    }
}

fn path_of(root: &Path, tree: &Tree, id: NodeId) -> std::path::PathBuf {
    use std::os::unix::ffi::OsStringExt;
    root.join(std::ffi::OsString::from_vec(tree.source_path(id)))
}

#[test]
fn seventy_thousand_entries_are_found_through_the_index() {
    let mut tree = new_tree();
    let name = |n: u32| format!("{n:05}-{}", "x".repeat((n % 40) as usize));
    for n in 0..70_000 {
        add(
            &mut tree,
            Tree::ROOT,
            &name(n),
            Kind::inline_file(n.to_le_bytes()),
        );
    }
    let (image, summary) = image(&tree, &Nothing, &options()).unwrap();
    assert_eq!(summary.counts.files, 70_000);
    let Some(mounted) = Mounted::new(&image) else {
        return;
    };
    assert_eq!(fs::read_dir(mounted.path()).unwrap().count(), 70_000);
    for n in (0..70_000).step_by(97) {
        let bytes = fs::read(mounted.path().join(name(n))).unwrap();
        assert_eq!(bytes, n.to_le_bytes());
        assert!(!mounted.path().join(name(n) + "y").exists());
    }
}

/// Listings that end just before, at and after the edge of a metadata block, which is where a
/// directory becomes an extended one; and the same for the number of entries.
#[test]
fn listings_around_the_edge_of_a_block() {
    let mut tree = new_tree();
    let directory = |tree: &mut Tree, name: String, names: Vec<String>| {
        let id = add(tree, Tree::ROOT, &name, Kind::empty_directory());
        for name in names {
            add(tree, id, &name, Kind::Fifo);
        }
    };
    for entries in [255_usize, 256, 257, 258, 300, 512, 513] {
        let names = (0..entries).map(|n| format!("{n:03}")).collect();
        directory(&mut tree, format!("count{entries}"), names);
    }
    for listing in 8170..8220_usize {
        // A header, and entries of 8 bytes and a name.
        let entries = 200;
        let rest = listing - 12 - entries * 8;
        let (length, longer) = (rest / entries, rest % entries);
        let names = (0..entries).map(|n| {
            let length = length + usize::from(n < longer);
            format!("{n:03}{}", "y".repeat(length - 3))
        });
        directory(&mut tree, format!("bytes{listing}"), names.collect());
    }
    let (image, _) = image(&tree, &Nothing, &options()).unwrap();
    assert_holds(&image, &tree, &no_contents);
}

#[test]
fn equal_files_share_and_similar_ones_do_not() {
    let block = 128 << 10;
    let large = noise(1, 3 * block + 1000);
    let mut other_end = large.clone();
    other_end[3 * block] ^= 1;
    let mut tree = new_tree();
    for (name, bytes) in [
        ("large1", &large),
        ("large2", &large),
        ("large3", &large),
        ("other end", &other_end),
        ("pair1", &noise(2, 2 * block)),
        ("pair2", &noise(2, 2 * block)),
        ("no pair1", &[noise(3, block), noise(4, block + 1)].concat()),
        ("no pair2", &[noise(3, block), noise(5, block + 1)].concat()),
        ("small1", &noise(6, 5000)),
        ("small2", &noise(6, 5000)),
        ("small3", &noise(7, 5000)),
        ("zeros1", &vec![0; 5000]),
        ("zeros2", &vec![0; 5000]),
    ] {
        add(
            &mut tree,
            Tree::ROOT,
            name,
            Kind::inline_file(bytes.clone()),
        );
    }
    let (image, summary) = image(&tree, &Nothing, &options()).unwrap();
    assert_eq!(summary.duplicate_files, 5);
    let bytes = 2 * large.len() + 2 * block + 5000 + 5000;
    assert_eq!(summary.duplicate_bytes, bytes as u64);
    assert_holds(&image, &tree, &no_contents);
}

#[test]
fn times_before_1970_and_after_2106_are_moved_and_listed() {
    let mut tree = new_tree();
    for (name, modified_seconds) in [("old", -1), ("new", 1 << 32), ("edge", (1 << 32) - 1)] {
        let metadata = Metadata {
            modified_seconds,
            ..METADATA
        };
        tree.add(
            Tree::ROOT,
            name.as_bytes(),
            metadata,
            Kind::Fifo,
            Box::default(),
        )
        .unwrap();
    }
    let (bytes, summary) = image(&tree, &Nothing, &options()).unwrap();
    assert_eq!(summary.clamped_times, [b"new", b"old"]);
    assert_holds(&bytes, &tree, &no_contents);

    let options = Options {
        clamp: Some(5),
        ..options()
    };
    let (bytes, summary) = image(&tree, &Nothing, &options).unwrap();
    assert_eq!(summary.clamped_times, [b"old"]);
    if let Some(mounted) = Mounted::new(&bytes) {
        let found = crate::support::scan::scan(&mounted.path()).unwrap();
        let time = |name: &str| {
            let id = found.lookup(name.as_bytes()).unwrap();
            found.node(id).metadata.modified_seconds
        };
        assert_eq!([time("old"), time("new"), time("edge")], [0, 5, 5]);
    }
}

#[test]
fn five_gigabytes_of_holes_take_no_space_and_no_time() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    let file = File::create(root.join("sparse")).unwrap();
    file.set_len((5 << 30) + 7).unwrap();
    file.write_all_at(b"in the middle", (3 << 30) + 1).unwrap();
    file.write_all_at(b"end", (5 << 30) + 4).unwrap();
    let empty = File::create(root.join("holes")).unwrap();
    empty.set_len((4 << 30) + 1).unwrap();
    let tree = crate::support::scan::scan(&root).unwrap();
    let source = RootDirectory::open(&root).unwrap();
    let (image, summary) = image(&tree, &source, &options()).unwrap();
    assert!(summary.length_bytes < 100_000);
    assert_eq!(summary.content_bytes, (9 << 30) + 8);
    let stored = (128 << 10) + 7;
    assert_eq!(summary.sparse_bytes, (9 << 30) + 8 - stored);
    let Some(mounted) = Mounted::new(&image) else {
        return;
    };
    let found = File::open(mounted.path().join("sparse")).unwrap();
    assert_eq!(found.metadata().unwrap().len(), (5 << 30) + 7);
    for (offset, expected) in [
        (0, &[0; 13][..]),
        ((3 << 30) + 1, b"in the middle"),
        ((5 << 30) + 4, b"end"),
        (4 << 30, &[0; 13]),
    ] {
        let mut bytes = vec![1; expected.len()];
        found.read_exact_at(&mut bytes, offset).unwrap();
        assert_eq!(bytes, expected);
    }
    let holes = fs::metadata(mounted.path().join("holes")).unwrap();
    assert_eq!(holes.len(), (4 << 30) + 1);
}

/// A file of 5 GiB without holes, the same text in each block but for its number.
struct Long;

const LONG_BYTES: u64 = (5 << 30) + 12_345;
const LONG_PART: usize = 64 << 10;

impl Long {
    fn part(number: u64) -> Vec<u8> {
        let mut part = number.to_le_bytes().to_vec();
        part.resize(LONG_PART, b'.');
        part
    }
}

impl ContentSource for Long {
    fn open(&self, _: &Tree, _: NodeId) -> io::Result<Box<dyn SourceFile>> {
        Ok(Box::new(Self))
    }
}

impl ReadAt for Long {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let part = LONG_PART as u64;
        let rest = usize::try_from(LONG_BYTES.saturating_sub(offset)).unwrap();
        let limit = buffer.len().min(rest);
        Self::part(offset / part)[usize::try_from(offset % part).unwrap()..]
            .read_at(&mut buffer[..limit], 0)
    }
}

impl SourceFile for Long {
    fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp {
            length_bytes: LONG_BYTES,
            changed: (0, 0),
        })
    }

    fn data_from(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        Ok((offset < LONG_BYTES).then_some(offset..LONG_BYTES))
    }
}

#[test]
fn five_gigabytes_of_data_are_one_file() {
    let mut tree = new_tree();
    let kind = Kind::File {
        length_bytes: LONG_BYTES,
        content: Content::Source,
    };
    add(&mut tree, Tree::ROOT, "long", kind);
    let (image, summary) = image(&tree, &Long, &options()).unwrap();
    assert_eq!(
        (summary.content_bytes, summary.sparse_bytes),
        (LONG_BYTES, 0)
    );
    let Some(mounted) = Mounted::new(&image) else {
        return;
    };
    let found = File::open(mounted.path().join("long")).unwrap();
    assert_eq!(found.metadata().unwrap().len(), LONG_BYTES);
    for offset in [0, 1 << 31, (4 << 30) - 100, 5 << 30, LONG_BYTES - 100] {
        let (mut actual, mut expected) = ([0; 100], [1; 100]);
        found.read_exact_at(&mut actual, offset).unwrap();
        Long.read_exact_at(&mut expected, offset).unwrap();
        assert_eq!(actual, expected, "{offset}");
    }
}

#[test]
fn a_million_files_in_one_directory() {
    let mut tree = new_tree();
    for number in 0..1_000_000_u32 {
        let kind = Kind::inline_file(number.to_le_bytes());
        add(&mut tree, Tree::ROOT, &format!("{number:07}"), kind);
    }
    let (image, summary) = image(&tree, &Nothing, &options()).unwrap();
    assert_eq!(summary.counts.files, 1_000_000);
    let Some(mounted) = Mounted::new(&image) else {
        return;
    };
    let names = fs::read_dir(mounted.path()).unwrap();
    assert_eq!(names.count(), 1_000_000);
    for number in (0..1_000_000_u32).step_by(9973) {
        let bytes = fs::read(mounted.path().join(format!("{number:07}"))).unwrap();
        assert_eq!(bytes, number.to_le_bytes());
    }
}

#[test]
fn attributes_that_cannot_be_held_are_listed() {
    let mut tree = new_tree();
    let xattr = |name: &str| Xattr {
        name: name.as_bytes().into(),
        value: b"some value".as_slice().into(),
    };
    let xattrs = [xattr("system.posix_acl_access"), xattr("user.kept")];
    tree.add(Tree::ROOT, b"file", METADATA, Kind::Fifo, xattrs.into())
        .unwrap();
    let (image, summary) = image(&tree, &Nothing, &options()).unwrap();
    let [lost] = &summary.lost_xattrs[..] else {
        panic!("{:?}", summary.lost_xattrs);
    };
    assert_eq!(
        (&*lost.path, &*lost.name),
        (&b"file"[..], &b"system.posix_acl_access"[..])
    );
    if let Some(mounted) = Mounted::new(&image) {
        assert_eq!(fs::read_dir(mounted.path()).unwrap().count(), 1);
    }
}

/// Many different attributes, and equal values across blocks of their table.
#[test]
fn thousands_of_attribute_sets() {
    let mut tree = new_tree();
    for number in 0..3000_u32 {
        let xattr = |name: &str, value: Vec<u8>| Xattr {
            name: name.as_bytes().into(),
            value: value.into(),
        };
        let xattrs = [
            xattr("user.number", number.to_le_bytes().to_vec()),
            xattr("user.shared", noise(u64::from(number % 7), 200)),
            xattr("user.text", text(u64::from(number % 100), 40)),
        ];
        let kind = Kind::inline_file(*b"x");
        tree.add(
            Tree::ROOT,
            format!("{number}").as_bytes(),
            METADATA,
            kind,
            xattrs.into(),
        )
        .unwrap();
    }
    let (image, _) = image(&tree, &Nothing, &options()).unwrap();
    assert_holds(&image, &tree, &no_contents);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back(
        specs in proptest::collection::vec(specs(), 0..80),
        codec in 0..4,
        block_log in 12..=17_u32,
        jobs in 1..5_usize,
    ) {
        let tree = grow(specs);
        let options = Options {
            compression: match codec {
                0 => Compression::Gzip { level: 4 },
                1 => Compression::Lz4 { level: 1 },
                2 => Compression::Xz { level: 1, filter: XzFilter::Auto },
                _ => Compression::Zstd { level: 4 },
            },
            block_size_bytes: 1 << block_log,
            jobs: jobs.try_into().unwrap(),
            ..options()
        };
        let (image, _) = image(&tree, &Nothing, &options).unwrap();
        assert_holds(&image, &tree, &no_contents);
    }
}
