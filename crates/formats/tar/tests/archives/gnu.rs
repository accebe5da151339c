//! Archives that GNU tar makes, in each of its formats.

use crate::support::compare::{Xattrs, assert_same};
use crate::support::fixture;
use crate::support::read::{has_tool, have, read_both, read_file};
use livestick_blockio::NoProgress;
use livestick_tar::{Archive, Options};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes an archive beside the directory, and compares.
fn check(root: &Path, options: &[&str], xattrs: Xattrs) -> Archive {
    let path = root.with_extension("tar");
    let status = Command::new("tar")
        .args(options)
        .arg("-cf")
        .arg(&path)
        .arg("-C")
        .arg(root)
        .arg(".")
        .status()
        .unwrap();
    assert!(status.success(), "{options:?}");
    let archive = read_file(&path).unwrap();
    assert_same(root, &archive, xattrs);
    assert_eq!(archive.report.implied_directories, 0);
    archive
}

fn in_a_directory(test: impl FnOnce(&Path)) {
    if has_tool("tar") {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        std::fs::create_dir(&root).unwrap();
        test(&root);
    }
}

#[test]
fn v7() {
    in_a_directory(|root| {
        fixture::plain(root);
        check(root, &["--format=v7"], Xattrs::Lost);
    });
}

#[test]
fn ustar() {
    in_a_directory(|root| {
        fixture::plain(root);
        fixture::special(root);
        fixture::long_names(root, 50);
        check(root, &["--format=ustar"], Xattrs::Lost);
    });
}

#[test]
fn gnu_and_old_gnu() {
    for format in ["--format=oldgnu", "--format=gnu"] {
        in_a_directory(|root| {
            fixture::plain(root);
            fixture::special(root);
            fixture::long_names(root, 250);
            fixture::long_links(root);
            fixture::wide_numbers(root);
            check(root, &[format], Xattrs::Lost);
            fixture::sparse(root);
            check(root, &[format, "--sparse"], Xattrs::Lost);
        });
    }
}

#[test]
fn posix() {
    in_a_directory(|root| {
        fixture::plain(root);
        fixture::special(root);
        fixture::long_names(root, 250);
        fixture::long_links(root);
        fixture::wide_numbers(root);
        fixture::fractions(root);
        fixture::negative_fractions(root);
        check(root, &["--format=posix"], Xattrs::Lost);
        check(
            root,
            &[
                "--format=posix",
                "--pax-option=globexthdr.name=g,comment=x,gname=nobody",
            ],
            Xattrs::Lost,
        );
    });
}

#[test]
fn posix_with_holes() {
    in_a_directory(|root| {
        fixture::sparse(root);
        fixture::long_names(root, 100);
        for version in ["0.0", "0.1", "1.0"] {
            let version = format!("--sparse-version={version}");
            let archive = check(
                root,
                &["--format=posix", "--sparse", &version],
                Xattrs::Lost,
            );
            let length = std::fs::metadata(root.with_extension("tar")).unwrap().len();
            assert!(length < 2 << 20, "the archive has holes, not zeros");
            assert!(archive.report.bytes > 9 << 30);
        }
    });
}

#[test]
fn posix_with_attributes() {
    in_a_directory(|root| {
        fixture::plain(root);
        if fixture::xattrs(root) {
            fixture::escaped_xattr(root);
            let options = ["--format=posix", "--xattrs", "--xattrs-include=*"];
            check(root, &options, Xattrs::Kept);
        }
    });
}

#[test]
fn acls_are_reported() {
    in_a_directory(|root| {
        std::fs::write(root.join("file"), "x").unwrap();
        // A mask and an entry for user 7, as the kernel keeps them.
        let acl = b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x02\0\x06\0\x07\0\0\0\
            \x04\0\x04\0\xff\xff\xff\xff\x10\0\x06\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";
        let set = rustix::fs::lsetxattr(
            root.join("file"),
            "system.posix_acl_access",
            acl,
            rustix::fs::XattrFlags::empty(),
        );
        if have("a filesystem with ACLs", set.is_ok()) {
            let archive = check(root, &["--format=posix", "--acls"], Xattrs::Lost);
            assert_eq!(archive.report.lost_acls, [b"file"]);
        }
    });
}

#[test]
fn labels_and_dumps_are_read_and_volumes_are_not() {
    in_a_directory(|root| {
        fixture::plain(root);
        let snapshot = root.with_extension("snapshot");
        let incremental = format!("--listed-incremental={}", snapshot.display());
        check(root, &["--format=gnu", "--label=a label"], Xattrs::Lost);
        check(root, &["--format=gnu", &incremental], Xattrs::Lost);

        let volumes = [root.with_extension("1"), root.with_extension("2")];
        let status = Command::new("tar")
            .args(["--format=gnu", "-M", "-L", "200", "-C"])
            .arg(root)
            .arg("-cf")
            .arg(&volumes[0])
            .arg("-f")
            .arg(&volumes[1])
            .arg("dir")
            .status()
            .unwrap();
        assert!(status.success());
        let first = read_file(&volumes[0]).unwrap_err().to_string();
        assert!(first.contains("the archive is cut short"), "{first}");
        let second = read_file(&volumes[1]).unwrap_err().to_string();
        assert!(second.contains("begins in another volume"), "{second}");
    });
}

#[test]
fn both_ways_of_reading_agree() {
    in_a_directory(|root| {
        fixture::plain(root);
        check(root, &["--format=posix"], Xattrs::Lost);
        let bytes = std::fs::read(root.with_extension("tar")).unwrap();
        for archive in read_both(&bytes).unwrap() {
            assert_same(root, &archive, Xattrs::Lost);
        }
    });
}

#[test]
fn a_pipe_is_spooled() {
    in_a_directory(|root| {
        fixture::plain(root);
        let mut tar = Command::new("tar")
            .arg("-C")
            .arg(root)
            .args(["-cf", "-", "."])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe: std::os::fd::OwnedFd = tar.stdout.take().unwrap().into();
        let options = Options::default();
        let archive =
            Archive::read_file(File::from(pipe), tempfile::tempfile, &options, &NoProgress);
        assert_same(root, &archive.unwrap(), Xattrs::Lost);
        assert!(tar.wait().unwrap().success(), "tar got rid of everything");
    });
}

#[test]
fn an_archive_may_begin_within_a_file() {
    use std::io::{Seek, SeekFrom};
    in_a_directory(|root| {
        fixture::plain(root);
        check(root, &[], Xattrs::Lost);
        let path = root.with_extension("tar");
        let archive = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&b"something else"[..], &archive].concat()).unwrap();
        let mut file = File::open(&path).unwrap();
        file.seek(SeekFrom::Start(14)).unwrap();
        let options = Options::default();
        let archive = Archive::read_file(file, tempfile::tempfile, &options, &NoProgress);
        assert_same(root, &archive.unwrap(), Xattrs::Lost);
    });
}
