//! Whole trees, written by our writer and by `mksquashfs`, come back through the reader.

use crate::support::everything::{edges, make_everything};
use crate::support::image::{
    METADATA, Nothing, add, assert_same, has_tool, image, is_root, new_tree, noise, options, text,
};
use crate::support::random::{grow, specs};
use crate::support::reading::assert_reads;
use crate::support::scan::scan;
use livestick_blockio::NoProgress;
use livestick_squashfs::{
    CheckOptions, Compression, Compressor, CompressorOptions, ExtractOptions, Image, Options,
    XzFilter, check,
};
use livestick_tree::{Kind, NodeId, RootDirectory, Tree, Xattr};
use proptest::prelude::ProptestConfig;
use proptest::proptest;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::Command;

fn no_contents(_: NodeId) -> Vec<u8> {
    unreachable!("everything is in the tree")
}

/// Reads an image and checks it.
fn assert_good(bytes: &[u8], tree: &Tree, contents: &dyn Fn(NodeId) -> Vec<u8>) {
    assert_reads(&Image::open(bytes).unwrap(), tree, contents);
    let jobs = NonZeroUsize::new(2).unwrap();
    let options = CheckOptions { jobs, quick: false };
    let report = check(&bytes, &options, &NoProgress).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.worst, None);
    assert!(report.superblock.is_some());
    let files = report.counts.directories + report.counts.files;
    assert!(files <= u64::from(report.superblock.unwrap().inodes));
}

/// Fast levels, other than what a reader could take for granted.
const CODECS: [Compression; 5] = [
    Compression::Zstd { level: 1 },
    Compression::Gzip { level: 4 },
    Compression::Xz {
        level: 0,
        filter: XzFilter::Auto,
    },
    Compression::Lz4 { level: 1 },
    Compression::Lz4 { level: 3 },
];

#[test]
fn sizes_around_block_edges() {
    for compression in CODECS {
        for block_size_bytes in [4 << 10, 128 << 10, 1 << 20] {
            let mut tree = new_tree();
            for (seed, size) in edges(block_size_bytes as usize).into_iter().enumerate() {
                let seed = seed as u64;
                for (name, bytes) in [
                    ("text", text(seed, size)),
                    ("noise", noise(seed, size)),
                    ("zeros", vec![0; size]),
                    ("end", [vec![0; size], text(seed, 10)].concat()),
                ] {
                    let name = format!("{seed}-{name}");
                    add(&mut tree, Tree::ROOT, &name, Kind::inline_file(bytes));
                }
            }
            let options = Options {
                compression,
                block_size_bytes,
                created: 77,
                ..options()
            };
            let (bytes, _) = image(&tree, &Nothing, &options).unwrap();
            assert_good(&bytes, &tree, &no_contents);
            let image = Image::open(&bytes[..]).unwrap();
            let superblock = image.superblock();
            assert_eq!((superblock.created, superblock.ids), (77, 1));
            assert_eq!(superblock.block_size_bytes, block_size_bytes);
            assert!(superblock.fragments > 0);
            assert_eq!(superblock.flags.bits(), 0x4C0);
            let options = image.compressor_options().unwrap();
            match (compression, options) {
                (Compression::Zstd { level }, CompressorOptions::Zstd { level: read })
                | (Compression::Gzip { level }, CompressorOptions::Gzip { level: read, .. }) => {
                    assert_eq!(level, read);
                }
                (Compression::Xz { .. }, CompressorOptions::Xz { filters, .. }) => {
                    assert_ne!(filters, 0);
                }
                (Compression::Lz4 { level }, CompressorOptions::Lz4 { version, flags }) => {
                    assert_eq!((version, flags), (1, u32::from(level > 1)));
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn forty_thousand_names_are_found_through_the_index() {
    let mut tree = new_tree();
    let name = |n: u32| format!("{n:05}-{}", "x".repeat((n % 40) as usize));
    for n in 0..40_000_u32 {
        let kind = Kind::inline_file(n.to_le_bytes());
        add(&mut tree, Tree::ROOT, &name(n), kind);
    }
    let (bytes, _) = image(&tree, &Nothing, &options()).unwrap();
    assert_good(&bytes, &tree, &no_contents);
}

#[test]
fn thousands_of_attribute_sets() {
    let mut tree = new_tree();
    for number in 0..3000_u32 {
        let xattr = |name: &str, value: Vec<u8>| Xattr {
            name: name.as_bytes().into(),
            value: value.into(),
        };
        let xattrs = [
            xattr("security.number", number.to_le_bytes().to_vec()),
            xattr("trusted.shared", noise(u64::from(number % 7), 200)),
            xattr("user.text", text(u64::from(number % 100), 40)),
        ];
        let name = format!("{number}");
        tree.add(
            Tree::ROOT,
            name.as_bytes(),
            METADATA,
            Kind::Fifo,
            xattrs.into(),
        )
        .unwrap();
    }
    let (bytes, _) = image(&tree, &Nothing, &options()).unwrap();
    assert_good(&bytes, &tree, &no_contents);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, max_shrink_iters: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_comes_back(
        specs in proptest::collection::vec(specs(), 0..80),
        codec in 0..CODECS.len(),
        block_log in 12..=20_u32,
    ) {
        let tree = grow(specs);
        let options = Options {
            compression: CODECS[codec],
            block_size_bytes: 1 << block_log,
            ..options()
        };
        let (bytes, _) = image(&tree, &Nothing, &options).unwrap();
        assert_good(&bytes, &tree, &no_contents);
    }
}

/// More names than one directory header, one listing block and one index point can hold.
fn make_many(root: &Path) {
    let many = root.join("many");
    fs::create_dir(&many).unwrap();
    for n in 0..3000 {
        File::create(many.join(format!("{n:04}{}", "x".repeat(n % 60)))).unwrap();
    }
}

#[test]
fn what_mksquashfs_makes_is_read_and_extracted() {
    if !is_root() || !has_tool_that_says_its_version("mksquashfs") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    make_everything(&root);
    make_many(&root);
    let tree = scan(&root).unwrap();
    let contents = |id| {
        use std::os::unix::ffi::OsStringExt;
        let path = std::ffi::OsString::from_vec(tree.source_path(id));
        fs::read(root.join(path)).unwrap()
    };
    for (compressor, more) in [
        (Compressor::Gzip, &["-b", "4096"][..]),
        (Compressor::Gzip, &["-b", "128K", "-noI", "-noX", "-noId"]),
        (Compressor::Xz, &["-b", "128K", "-Xbcj", "x86"]),
        (
            Compressor::Xz,
            &["-b", "1M", "-Xdict-size", "100%", "-no-exports"],
        ),
        (Compressor::Lz4, &["-b", "64K", "-Xhc"]),
        (Compressor::Lz4, &["-b", "1M", "-no-fragments"]),
        (Compressor::Zstd, &["-b", "256K", "-always-use-fragments"]),
        (
            Compressor::Zstd,
            &["-b", "1M", "-noD", "-noF", "-no-duplicates"],
        ),
    ] {
        let file = directory.path().join("image");
        let status = Command::new("mksquashfs")
            .args([&root, &file])
            .args(["-noappend", "-quiet", "-no-progress", "-comp"])
            .arg(compressor.to_string())
            .args(more)
            .status();
        assert!(status.unwrap().success());
        let image = Image::open(File::open(&file).unwrap()).unwrap();
        assert_eq!(image.superblock().compressor, compressor);
        assert_reads(&image, &tree, &contents);
        assert_good(&fs::read(&file).unwrap(), &tree, &contents);

        let target = directory.path().join("target");
        let options = ExtractOptions::default();
        let summary = image.extract(&target, &options, &NoProgress).unwrap();
        assert_eq!(summary.unrestored_count, 0, "{:?}", summary.unrestored);
        assert_eq!(summary.counts.hard_links, 2);
        assert_same(&tree, &target, &contents);
        fs::remove_dir_all(&target).unwrap();
    }
}

/// The tools answer to `-version` with a status of their own.
fn has_tool_that_says_its_version(name: &str) -> bool {
    Command::new(name).arg("-version").output().is_ok() || has_tool(name)
}

#[test]
fn what_we_write_is_extracted() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root");
    fs::create_dir(&root).unwrap();
    make_everything(&root);
    let tree = scan(&root).unwrap();
    let source = RootDirectory::open(&root).unwrap();
    let (bytes, summary) = image(&tree, &source, &options()).unwrap();
    let contents = |id| {
        use std::os::unix::ffi::OsStringExt;
        let path = std::ffi::OsString::from_vec(tree.source_path(id));
        fs::read(root.join(path)).unwrap()
    };
    assert_good(&bytes, &tree, &contents);
    let target = directory.path().join("target");
    let image = Image::open(&bytes[..]).unwrap();
    let extracted = image.extract(&target, &ExtractOptions::default(), &NoProgress);
    let extracted = extracted.unwrap();
    assert_eq!(extracted.counts, summary.counts);
    assert_eq!(extracted.content_bytes, summary.content_bytes);
    assert_same(&tree, &target, &contents);
    // Holes are holes again.
    use std::os::unix::fs::MetadataExt;
    let sparse = fs::metadata(target.join("sparse")).unwrap();
    assert!(
        sparse.blocks() * 512 < sparse.len() / 4,
        "{}",
        sparse.blocks()
    );
}
