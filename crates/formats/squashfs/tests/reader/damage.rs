//! Damaged images: whatever they hold, there is an answer and no panic; and what the checker says of
//! each kind of damage.

use crate::support::image::{
    METADATA, Nothing, add, image, is_root, new_tree, noise, options, text,
};
use crate::support::plain::{Plain, plain};
use livestick_blockio::{NoProgress, ReadAt};
use livestick_squashfs::{
    CheckOptions, CheckReport, Compression, ExtractOptions, Image, Inode, InodeKind, Options,
    Owners, ReadError, Severity, check,
};
use livestick_tree::{Device, Kind, Tree, Xattr};
use std::io;
use std::num::NonZeroUsize;
use std::process::Command;

/// Blocks of 4 KiB make small files long enough for blocks and fragments.
const BLOCK: usize = 4096;

/// An image with a bit of everything, each table one block long.
pub fn sample() -> Plain {
    let mut tree = new_tree();
    let etc = add(&mut tree, Tree::ROOT, "etc", Kind::empty_directory());
    add(
        &mut tree,
        etc,
        "tail",
        Kind::inline_file(text(1, BLOCK + 100)),
    );
    add(
        &mut tree,
        etc,
        "whole",
        Kind::inline_file(text(2, 2 * BLOCK)),
    );
    add(&mut tree, etc, "noise", Kind::inline_file(noise(3, BLOCK)));
    let holes = [vec![0; BLOCK], text(4, BLOCK)].concat();
    add(&mut tree, etc, "zholes", Kind::inline_file(holes));
    add(
        &mut tree,
        Tree::ROOT,
        "link",
        Kind::Symlink(b"etc/tail".as_slice().into()),
    );
    let device = Device { major: 8, minor: 1 };
    add(&mut tree, Tree::ROOT, "disk", Kind::BlockDevice(device));
    let pipe = add(&mut tree, Tree::ROOT, "pipe", Kind::Fifo);
    tree.link(etc, b"pipe2", pipe).unwrap();
    add(&mut tree, Tree::ROOT, "empty", Kind::empty_directory());
    let xattr = |name: &str, value: &[u8]| Xattr {
        name: name.as_bytes().into(),
        value: value.into(),
    };
    for name in ["xattrs1", "xattrs2"] {
        let xattrs = vec![
            xattr("user.long", b"a value that is stored once"),
            xattr("user.name", name.as_bytes()),
        ];
        let kind = Kind::inline_file(name.as_bytes());
        tree.add(Tree::ROOT, name.as_bytes(), METADATA, kind, xattrs.into())
            .unwrap();
    }
    let options = Options {
        compression: Compression::Gzip { level: 6 },
        block_size_bytes: 4096,
        ..options()
    };
    plain(&image(&tree, &Nothing, &options).unwrap().0)
}

fn checked(bytes: &[u8]) -> CheckReport {
    try_check(bytes).unwrap()
}

pub fn try_check(bytes: &[u8]) -> Result<CheckReport, ReadError> {
    let options = CheckOptions {
        jobs: NonZeroUsize::MIN,
        quick: false,
    };
    check(&bytes, &options, &NoProgress)
}

/// Reads all there is, for as long as it is no more than an honest image of that size would hold.
fn read_all(bytes: &[u8]) -> Option<()> {
    let image = Image::open(bytes).ok()?;
    let mut waiting = vec![image.root().ok()?];
    let mut left = 500;
    while let Some(inode) = waiting.pop() {
        let _ = image.xattrs(&inode);
        if let InodeKind::File(_) = inode.kind {
            read_some(&image, &inode);
        }
        let Ok(entries) = image.entries(&inode) else {
            continue;
        };
        for entry in entries {
            let Ok(entry) = entry else { break };
            left -= 1;
            if left == 0 {
                return None;
            }
            waiting.push(entry.inode);
        }
    }
    let _ = image.lookup(b"etc/tail");
    let _ = image.lookup(b"xattrs2/no");
    Some(())
}

fn read_some<R: ReadAt>(image: &Image<R>, inode: &Inode) {
    let mut content = image.content(inode).unwrap();
    for _ in 0..20 {
        if !matches!(content.next_piece(), Ok(Some(_))) {
            break;
        }
    }
    let mut buffer = [0; 5000];
    for offset in [0, 4000, 1 << 20, 1 << 40] {
        let _ = image.read_at(inode, &mut buffer, offset);
    }
}

#[test]
fn the_sample_is_good() {
    let sample = sample();
    assert_eq!(checked(&sample.bytes).findings, []);
    assert_eq!(read_all(&sample.bytes), Some(()));
}

/// Every bit of the metadata, and every byte at its extremes.
#[test]
fn no_change_of_the_metadata_makes_it_panic() {
    let sample = sample();
    let used = sample.bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut found = 0;
    let metadata = (0..106).chain(sample.inodes - 2..used);
    for at in metadata {
        let byte = sample.bytes[at];
        let flipped = (0..8).map(|bit| byte ^ 1 << bit);
        for changed in flipped.chain([0, 0x7F, 0x80, 0xFF]) {
            let mut bytes = sample.bytes.clone();
            bytes[at] = changed;
            // Of lzo nothing is known.
            let report = try_check(&bytes);
            found += usize::from(report.map_or(true, |report| report.worst.is_some()));
            read_all(&bytes);
        }
    }
    assert!(found > 3000, "only {found} changes were found");
}

#[test]
fn fields_of_the_superblock_at_their_extremes() {
    let sample = sample();
    let mut bytes = sample.bytes.clone();
    for at in 0..96 {
        for width in [2, 4, 8] {
            let end = (at + width).min(96);
            for value in [0, 1, 96, 0x7FFF_FFFF, u64::MAX - 1, u64::MAX, 1 << 63] {
                bytes[at..end].copy_from_slice(&value.to_le_bytes()[..end - at]);
                checked(&bytes);
                read_all(&bytes);
                bytes[at..end].copy_from_slice(&sample.bytes[at..end]);
            }
        }
    }
}

#[test]
fn an_image_that_is_cut_off_anywhere() {
    let sample = sample();
    for length in (0..sample.bytes.len()).step_by(7) {
        let report = checked(&sample.bytes[..length]);
        let used = u64::from_le_bytes(sample.bytes[40..48].try_into().unwrap());
        let worst = if length as u64 >= used {
            Severity::Odd
        } else {
            Severity::Mount
        };
        assert_eq!(report.worst, Some(worst), "{length}");
        read_all(&sample.bytes[..length]);
    }
}

/// Changes of one field, and what the checker must say.
struct Damage {
    name: &'static str,
    severity: Severity,
    says: &'static str,
    at: usize,
    bytes: Vec<u8>,
}

/// Where an inode of the sample is: it is found by the name that a directory gives it.
fn inode(sample: &Plain, name: &str) -> usize {
    let (_, entry) = entry(sample, name);
    let offset = u16::from_le_bytes(sample.bytes[entry..entry + 2].try_into().unwrap());
    sample.inodes + usize::from(offset)
}

/// Where the name and the entry of a file are.
fn entry(sample: &Plain, name: &str) -> (usize, usize) {
    let listing = &sample.bytes[sample.directories..];
    let mut places = listing.windows(name.len());
    let place = places.position(|window| window == name.as_bytes()).unwrap();
    (sample.directories + place, sample.directories + place - 8)
}

fn superblock_damages() -> Vec<Damage> {
    let mount = |name, says, at, bytes: &[u8]| Damage {
        name,
        severity: Severity::Mount,
        says,
        at,
        bytes: bytes.to_vec(),
    };
    vec![
        mount("magic", "no SquashFS image", 0, b"hsqt"),
        mount("version", "SquashFS 3.0", 28, &[3]),
        mount("block log", "not what block_log says", 22, &[13]),
        mount("no block log", "no logarithm", 22, &[40]),
        mount("compressor", "the compressor 9", 20, &[9]),
        mount("lzma", "compressed with lzma", 20, &[2]),
        mount("lz4 without its options", "no version 6 of lz4", 20, &[5]),
        mount("root", "which is no place in a table", 33, &[0x20]),
        mount("no ids", "id table at byte", 26, &[0, 0]),
        mount("more ids", "runs into the next table", 26, &[0xFF, 0xFF]),
        mount("bytes used", "ends before the image does", 42, &[1]),
        mount(
            "inode table",
            "between superblock and directory table",
            64,
            &[0xFF, 0xFF],
        ),
    ]
}

fn table_damages(sample: &Plain) -> Vec<Damage> {
    let damage = |name, severity, says, at, bytes: &[u8]| Damage {
        name,
        severity,
        says,
        at,
        bytes: bytes.to_vec(),
    };
    let id_list = u64::from_le_bytes(sample.bytes[48..56].try_into().unwrap());
    let id_list = usize::try_from(id_list).unwrap();
    vec![
        damage(
            "id list",
            Severity::Mount,
            "behind the list",
            id_list,
            &[0xFF; 8],
        ),
        damage(
            "export row",
            Severity::Odd,
            "the place of inode 2 is wrong",
            sample.export + 8,
            &[1],
        ),
        damage(
            "fragment size",
            Severity::Access,
            "bits that have no meaning",
            sample.fragments + 11,
            &[0x40],
        ),
        damage(
            "fragment place",
            Severity::Access,
            "outside of the image",
            sample.fragments + 6,
            &[1],
        ),
        damage(
            "inode block",
            Severity::Mount,
            "runs out of the table",
            sample.inodes - 1,
            &[0xFF],
        ),
        damage(
            "flags",
            Severity::Odd,
            "the flags 0x8000 have no meaning",
            25,
            &[0x84],
        ),
        damage(
            "inode count",
            Severity::Odd,
            "it counts",
            4,
            &[sample.bytes[4] + 1],
        ),
        damage(
            "attribute prefix",
            Severity::Access,
            "prefix of an attribute",
            sample.xattrs,
            &[9],
        ),
        damage(
            "attribute set",
            Severity::Access,
            "behind the end of",
            sample.xattr_sets + 1,
            &[0x10],
        ),
        damage(
            "attribute count",
            Severity::Access,
            "attribute",
            sample.xattr_sets + 8,
            &[200],
        ),
        damage(
            "padding",
            Severity::Odd,
            "the padding is not zeros",
            sample.bytes.len() - 1,
            &[1],
        ),
    ]
}

fn inode_damages(sample: &Plain) -> Vec<Damage> {
    let damage = |name, severity, says, at, bytes: &[u8]| Damage {
        name,
        severity,
        says,
        at,
        bytes: bytes.to_vec(),
    };
    let at = |name: &str, field: usize| inode(sample, name) + field;
    let number = |name: &str| {
        let place = at(name, 12);
        sample.bytes[place..place + 4].to_vec()
    };
    use Severity::{Access, Odd};
    vec![
        damage(
            "inode number 0",
            Access,
            "the number 0",
            at("disk", 12),
            &[0; 4],
        ),
        damage(
            "inode number twice",
            Access,
            "the same inode number",
            at("disk", 12),
            &number("link"),
        ),
        damage(
            "uid",
            Access,
            "an id that there is not",
            at("disk", 4),
            &[7],
        ),
        damage(
            "type",
            Access,
            "a type that there is not",
            at("disk", 0),
            &[15],
        ),
        damage("kind", Odd, "not that of the inode", at("disk", 0), &[5]),
        damage(
            "mode",
            Access,
            "bits that kernels refuse",
            at("disk", 3),
            &[0x10],
        ),
        damage(
            "links",
            Odd,
            "it says that it has 3 names, and has 2",
            at("pipe", 16),
            &[3],
        ),
        damage(
            "directory links",
            Odd,
            "it says that it has 9 links",
            at("empty", 20),
            &[9],
        ),
        damage(
            "shared listing",
            Access,
            "longer than their table",
            at("empty", 24),
            &sample.bytes[at("etc", 24)..at("etc", 28)],
        ),
        damage("parent", Odd, "as its parent", at("empty", 28), &[9]),
        damage(
            "fragment of a whole file",
            Access,
            "multiple of the block size",
            at("whole", 20),
            &[0, 0, 0, 0],
        ),
        damage(
            "no such fragment",
            Access,
            "that there is not",
            at("tail", 20),
            &[99],
        ),
        damage(
            "offset in the fragment",
            Access,
            "outside of its fragment; do not mount it: some kernels crash",
            at("tail", 24),
            &[0xF0, 0x0F],
        ),
        damage(
            "fragment too short",
            Access,
            "do not mount it: some kernels crash",
            at("tail", 24),
            &[0, 0x0F],
        ),
        damage(
            "block size bits",
            Access,
            "bits that have no meaning",
            at("whole", 35),
            &[2],
        ),
        damage(
            "block too long",
            Access,
            "takes more than a block",
            at("whole", 33),
            &[0x20],
        ),
        damage(
            "start",
            Access,
            "outside of the image",
            at("whole", 18),
            &[0xFF],
        ),
        damage(
            "data",
            Access,
            "cannot be decompressed",
            at("whole", 16),
            &[100],
        ),
        damage(
            "negative length",
            Access,
            "negative length",
            at("zholes", 31),
            &[0x80],
        ),
        damage(
            "sparse",
            Odd,
            "more holes than it has",
            at("zholes", 33),
            &[0x18],
        ),
        damage(
            "long target",
            Access,
            "longer than 64 KiB",
            at("link", 22),
            &[1],
        ),
        damage(
            "attribute set",
            Access,
            "a set of attributes",
            at("xattrs1", 52),
            &[77],
        ),
    ]
}

fn directory_damages(sample: &Plain) -> Vec<Damage> {
    let damage = |name, severity, says, at, bytes: &[u8]| Damage {
        name,
        severity,
        says,
        at,
        bytes: bytes.to_vec(),
    };
    let name = |name: &str| entry(sample, name).0;
    let field = |name: &str, field: usize| entry(sample, name).1 + field;
    let offset_of = |name: &str| {
        let place = entry(sample, name).1;
        sample.bytes[place..place + 2].to_vec()
    };
    // The root's inode is the last one.
    let root = u16::from_le_bytes(sample.bytes[32..34].try_into().unwrap());
    use Severity::{Access, Odd};
    vec![
        damage(
            "unsorted",
            Access,
            "the kernel misses some",
            name("noise"),
            b"z",
        ),
        damage(
            "unsorted behind",
            Odd,
            "the names are not sorted",
            name("xattrs2") + 6,
            b"0",
        ),
        damage(
            "twice",
            Access,
            "the name is there twice",
            name("xattrs2") + 6,
            b"1",
        ),
        damage(
            "slash",
            Access,
            "no name for a file",
            name("tail") + 1,
            b"/",
        ),
        damage(
            "kind that there is not",
            Access,
            "ends the list here",
            field("disk", 5),
            &[1],
        ),
        damage(
            "number",
            Access,
            "not that of the inode",
            field("disk", 2),
            &[0x77],
        ),
        damage("kind", Odd, "not that of the inode", field("disk", 4), &[6]),
        damage(
            "long name",
            Access,
            "longer than 256",
            field("disk", 7),
            &[9],
        ),
        damage(
            "name past the end",
            Access,
            "a listing ends inside",
            field("xattrs2", 6),
            &[99],
        ),
        damage("inode", Access, "behind the end", field("disk", 1), &[0x1F]),
        damage(
            "second name",
            Access,
            "has a second name",
            field("empty", 0),
            &offset_of("etc"),
        ),
        damage(
            "loop",
            Access,
            "may be in itself",
            field("empty", 0),
            &root.to_le_bytes(),
        ),
        damage(
            "header count",
            Access,
            "more than 256",
            sample.directories + 1,
            &[9],
        ),
    ]
}

fn all_damages(sample: &Plain) -> Vec<Damage> {
    let mut all = superblock_damages();
    all.extend(table_damages(sample));
    all.extend(inode_damages(sample));
    all.extend(directory_damages(sample));
    all
}

impl Damage {
    fn apply(&self, sample: &Plain) -> Vec<u8> {
        let mut bytes = sample.bytes.clone();
        bytes[self.at..self.at + self.bytes.len()].copy_from_slice(&self.bytes);
        bytes
    }
}

#[test]
fn the_checker_says_what_is_wrong() {
    let sample = sample();
    let mut missed = Vec::new();
    for damage in all_damages(&sample) {
        let bytes = damage.apply(&sample);
        let report = checked(&bytes);
        let named = report.findings.iter().any(|finding| {
            finding.severity == damage.severity && finding.to_string().contains(damage.says)
        });
        if !named {
            let texts: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
            missed.push(format!("{}: {texts:#?}", damage.name));
        }
        read_all(&bytes);
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

/// What the checker calls unmountable, the kernel does not mount; everything else it does.
#[test]
fn the_kernel_agrees_on_what_is_unmountable() {
    if !is_root() {
        return;
    }
    let sample = sample();
    assert!(mounts(&sample.bytes));
    let mut differ = Vec::new();
    for damage in all_damages(&sample) {
        let bytes = damage.apply(&sample);
        let refused = checked(&bytes).worst == Some(Severity::Mount);
        if mounts(&bytes) == refused {
            differ.push(damage.name);
        }
    }
    assert_eq!(differ, [""; 0]);
}

fn mounts(image: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let (file, root) = (
        directory.path().join("image"),
        directory.path().join("root"),
    );
    std::fs::write(&file, image).unwrap();
    std::fs::create_dir(&root).unwrap();
    let mut mount = Command::new("mount");
    let mount = mount.args(["-t", "squashfs", "-o", "loop,ro"]);
    let output = mount.args([&file, &root]).output().unwrap();
    if output.status.success() {
        let status = Command::new("umount").arg("-l").arg(&root).status();
        assert!(status.unwrap().success());
    }
    output.status.success()
}

#[test]
fn of_lzo_nothing_is_known() {
    let mut bytes = sample().bytes;
    bytes[20] = 3;
    let unknown = check(&&bytes[..], &CheckOptions::default(), &NoProgress);
    let says = "the image is compressed with lzo, which cannot be read";
    assert_eq!(unknown.unwrap_err().to_string(), says);
    assert!(Image::open(&bytes[..]).is_err());
}

#[test]
fn a_target_that_kernels_refuse() {
    let mut tree = new_tree();
    add(
        &mut tree,
        Tree::ROOT,
        "link",
        Kind::Symlink(b"to".as_slice().into()),
    );
    for n in 0..300 {
        add(&mut tree, Tree::ROOT, &format!("pipe{n}"), Kind::Fifo);
    }
    let options = Options {
        compression: Compression::Gzip { level: 6 },
        ..options()
    };
    let mut sample = plain(&image(&tree, &Nothing, &options).unwrap().0);
    let length = inode(&sample, "link") + 20;
    sample.bytes[length..length + 2].copy_from_slice(&5000_u16.to_le_bytes());
    let report = checked(&sample.bytes);
    let says = |text: &str| {
        let texts = report.findings.iter().map(ToString::to_string);
        texts.into_iter().any(|found| found.contains(text))
    };
    assert!(says("longer than a page"), "{:?}", report.findings);
}

#[test]
fn a_loop_is_not_extracted() {
    let sample = sample();
    let mut bytes = sample.bytes.clone();
    let root = bytes[32..34].to_vec();
    let place = entry(&sample, "empty").1;
    bytes[place..place + 2].copy_from_slice(&root);
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let refused =
        Image::open(&bytes[..])
            .unwrap()
            .extract(&target, &ExtractOptions::default(), &NoProgress);
    let Err(ReadError::Loop(path)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(path, b"empty");
}

/// With a damaged listing, a damaged file and a loop, the rest is extracted, and they are named.
#[test]
fn what_is_damaged_is_passed_over_where_that_is_asked_for() {
    let sample = sample();
    let mut bytes = sample.bytes.clone();
    let root = bytes[32..34].to_vec();
    let place = entry(&sample, "empty").1;
    bytes[place..place + 2].copy_from_slice(&root);
    // No such fragment.
    let tail = inode(&sample, "tail");
    bytes[tail + 20] = 99;
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    let options = ExtractOptions {
        damage: livestick_squashfs::Damage::PassOver,
        owners: Owners::Caller,
        ..ExtractOptions::default()
    };
    let image = Image::open(&bytes[..]).unwrap();
    let summary = image.extract(&target, &options, &NoProgress).unwrap();
    let said: Vec<_> = summary.damaged.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "the directory `empty` is in the image twice",
            "`etc/tail` cannot be extracted"
        ]
    );
    assert_eq!(summary.damaged_count, 2);
    assert!(!target.join("etc/tail").exists());
    for (name, content) in [
        ("etc/whole", text(2, 2 * BLOCK)),
        ("xattrs2", b"xattrs2".to_vec()),
    ] {
        assert_eq!(std::fs::read(target.join(name)).unwrap(), content);
    }
}

/// All that a walk of an image comes to: paths, and errors in words.
fn walked(bytes: &[u8], path: &str) -> Vec<String> {
    let image = Image::open(bytes).unwrap();
    let mut walk = image.walk(path.as_bytes()).unwrap().unwrap();
    let mut steps = Vec::new();
    loop {
        let step = match walk.next_file() {
            Ok(None) => break,
            Ok(Some(_)) => String::from_utf8_lossy(walk.path()).into_owned(),
            Err(error) => format!("error: {error}"),
        };
        steps.push(step);
        assert!(steps.len() < 1 << 20, "there is no end to it");
    }
    steps
}

#[test]
fn a_walk_goes_on_behind_a_loop() {
    let sample = sample();
    assert_eq!(
        walked(&sample.bytes, "/etc//"),
        [
            "etc",
            "etc/noise",
            "etc/pipe2",
            "etc/tail",
            "etc/whole",
            "etc/zholes"
        ]
    );
    let whole = walked(&sample.bytes, "");
    let mut bytes = sample.bytes.clone();
    let root = bytes[32..34].to_vec();
    let place = entry(&sample, "empty").1;
    bytes[place..place + 2].copy_from_slice(&root);
    let mut steps = walked(&bytes, "");
    let at = steps.iter().position(|step| step == "empty").unwrap();
    let error = steps.remove(at + 1);
    assert_eq!(error, "error: the directory `empty` is in the image twice");
    assert_eq!(steps, whole);
}

#[test]
fn a_walk_ends_where_directories_share_their_listings() {
    let mut tree = new_tree();
    for number in 0..200 {
        let name = format!("{number:03}");
        add(&mut tree, Tree::ROOT, &name, Kind::empty_directory());
    }
    let options = Options {
        compression: Compression::Gzip { level: 6 },
        ..options()
    };
    let mut sample = plain(&image(&tree, &Nothing, &options).unwrap().0);
    assert_eq!(walked(&sample.bytes, "").len(), 201);
    // Each directory says that its listing is as long as can be.
    for number in 0..200 {
        let inode = &mut sample.bytes[sample.inodes + 32 * number..][..32];
        assert_eq!(inode[..2], [1, 0]);
        inode[24..26].fill(0xFF);
    }
    let steps = walked(&sample.bytes, "");
    assert_eq!(
        steps.last().unwrap(),
        "error: directories share their listings"
    );
}

/// A medium with a bad sector.
struct Bad<'a> {
    bytes: &'a [u8],
    at: u64,
}

impl ReadAt for Bad<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if (offset..offset + buffer.len() as u64).contains(&self.at) {
            return Err(io::Error::other("bad sector"));
        }
        self.bytes.read_at(buffer, offset)
    }
}

#[test]
fn a_bad_sector_is_a_finding() {
    let sample = sample();
    let medium = Bad {
        bytes: &sample.bytes,
        at: 110,
    };
    let report = check(&medium, &CheckOptions::default(), &NoProgress).unwrap();
    assert_eq!(report.worst, Some(Severity::Access));
    let text = report.findings[0].to_string();
    assert!(
        text.contains("bad sector") && text.contains("`/etc/"),
        "{text}"
    );
}
