//! Whole images, held against the root that they were made of and the field's own tools.

#![allow(clippy::unwrap_used, reason = "the whole file is tests")]

use livestick_boot_tests::compare::{differences, exact_differences};
use livestick_boot_tests::{Mounted, Stick, test_root, tool};
use livestick_handoff::{Manifest, Seal, paths};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn the_kernel_sees_the_source() {
    let Some((root, stick)) = whole() else {
        return;
    };
    let mounted = Mounted::squashfs(&stick.extract(paths::ROOT_IMAGE));
    let differences = differences(&root, mounted.path()).unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));

    let table = fs::read_to_string(mounted.path().join("etc/fstab")).unwrap();
    let lines: Vec<_> = table
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert!(
        lines.iter().all(|line| line.trim().is_empty()),
        "the old disks are still in {lines:?}"
    );
}

#[test]
fn unsquashfs_and_rdsquashfs_read_the_root() {
    let Some((_, stick)) = whole() else { return };
    let image = stick.extract(paths::ROOT_IMAGE);
    let folder = tempfile::tempdir().unwrap();
    let unpacked = folder.path().join("unpacked");
    tool(
        "unsquashfs",
        [
            "-no-progress".as_ref(),
            "-quiet".as_ref(),
            "-dest".as_ref(),
            unpacked.as_os_str(),
            image.as_os_str(),
        ],
    );
    let mounted = Mounted::squashfs(&image);
    let differences = exact_differences(mounted.path(), &unpacked).unwrap();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    let described = tool("rdsquashfs", [OsStr::new("--describe"), image.as_os_str()]);
    assert!(
        described.stdout.len() > 100_000,
        "rdsquashfs saw next to nothing"
    );
}

#[test]
fn the_field_accepts_volume_and_partition_table() {
    let Some((_, stick)) = whole() else { return };
    tool("fsck.fat", ["-n".as_ref(), stick.partition().as_os_str()]);
    tool("sfdisk", ["--verify".as_ref(), stick.image().as_os_str()]);
    let dump = tool("sfdisk", ["--dump".as_ref(), stick.image().as_os_str()]);
    let dump = String::from_utf8(dump.stdout).unwrap();
    let partitions: Vec<_> = dump
        .lines()
        .filter(|line| line.contains("start="))
        .collect();
    let [partition] = partitions[..] else {
        panic!("{dump}")
    };
    for part in ["start=        2048,", "type=c", "bootable"] {
        assert!(partition.contains(part), "{part} is not in {partition}");
    }
}

#[test]
fn every_file_has_its_digest() {
    let Some((_, stick)) = whole() else { return };
    let files = stick.extract("");
    let checked = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", paths::CHECKSUMS])
        .current_dir(&files)
        .output()
        .unwrap();
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );

    let sums = fs::read_to_string(files.join(paths::CHECKSUMS)).unwrap();
    let listed: BTreeSet<_> = sums
        .lines()
        .filter_map(|line| line.split_once("  "))
        .map(|(_, name)| name.trim_start_matches("./").to_owned())
        .collect();
    let mut there = BTreeSet::new();
    list(&files, &files, &mut there);
    there.remove(paths::CHECKSUMS);
    assert_eq!(listed, there);
}

#[test]
fn manifest_and_seal_agree_with_the_image() {
    let Some((_, stick)) = whole() else { return };
    let manifest = Manifest::parse(&fs::read(stick.extract(paths::MANIFEST)).unwrap()).unwrap();
    let image_bytes = fs::metadata(stick.extract(paths::ROOT_IMAGE))
        .unwrap()
        .len();
    assert_eq!(manifest.segments.image_bytes(), image_bytes);

    let initrd = fs::read(stick.extract(paths::INITRD)).unwrap();
    let heading = b"livestick-seal ";
    let start = initrd
        .windows(heading.len())
        .position(|window| window == heading)
        .unwrap();
    let seal = Seal::parse(&initrd[start..start + Seal::LENGTH_BYTES]).unwrap();
    assert_eq!(seal.identity, manifest.identity);
    assert_eq!(seal.segments, manifest.segments);
    assert_eq!(seal.kernel_release, manifest.kernel_release);
}

#[test]
fn segments_make_the_same_image() {
    let Some(root) = test_root() else { return };
    // Later than all times in the root, which are clamped to it.
    let build = |arguments: &[&str]| {
        let stick = Stick::build(&root, arguments, &[("SOURCE_DATE_EPOCH", "4000000000")]);
        let manifest = Manifest::parse(&fs::read(stick.extract(paths::MANIFEST)).unwrap());
        (stick, manifest.unwrap())
    };
    let (whole_stick, whole) = build(&[]);
    let (stick, manifest) = build(&["--segment-size", "32MiB"]);
    assert!(manifest.segments.count() > 2, "{manifest:?}");
    assert_eq!(manifest.image_sha256, whole.image_sha256);
    let joined = stick.extract(paths::ROOT_IMAGE);
    let mut file = fs::File::options().append(true).open(&joined).unwrap();
    for segment in manifest.segments.iter().skip(1) {
        let mut segment = fs::File::open(stick.extract(&segment.path)).unwrap();
        std::io::copy(&mut segment, &mut file).unwrap();
    }
    drop(file);
    let whole = whole_stick.extract(paths::ROOT_IMAGE);
    assert!(fs::read(joined).unwrap() == fs::read(whole).unwrap());
}

#[test]
fn the_same_source_gives_the_same_bytes() {
    let Some(root) = test_root() else { return };
    let build = |jobs| {
        Stick::build(
            &root,
            &["--jobs", jobs],
            &[("SOURCE_DATE_EPOCH", "1700000000")],
        )
    };
    let (one, two) = (build("1"), build("2"));
    tool("cmp", [one.image(), two.image()]);
}

/// The test root, and a stick of it.
fn whole() -> Option<(PathBuf, Stick)> {
    let root = test_root()?;
    let stick = Stick::build(&root, &[], &[]);
    Some((root, stick))
}

/// Every file's path below the top folder.
fn list(top: &Path, folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list(top, &path, names);
        } else {
            names.insert(path.strip_prefix(top).unwrap().to_str().unwrap().to_owned());
        }
    }
}
