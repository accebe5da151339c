//! `livestick squashfs create` at the limits: of the format, of the disk, of what it may read.

use crate::support::{
    NOBODY, as_nobody, assert_empty, assert_fails, is_root, livestick, scratch, write,
};
use rustix::fs::{Timespec, Timestamps, XattrFlags};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn squashfs(words: &[&OsStr]) -> Output {
    let mut command = livestick();
    command.arg("squashfs").args(words).output().unwrap()
}

/// `squashfs create SOURCE OUT`, with more words that have no spaces.
fn create(source: &Path, out: &Path, more: &str) -> Output {
    let mut words = vec![OsStr::new("create"), source.as_os_str(), out.as_os_str()];
    words.extend(more.split_whitespace().map(OsStr::new));
    squashfs(&words)
}

#[track_caller]
fn assert_done(run: &Output) {
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
}

/// Bytes that do not get smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state: u64 = 88_172_645_463_325_252;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes()
    };
    std::iter::repeat_with(next)
        .flatten()
        .take(length)
        .collect()
}

/// A name of all bytes that a name can have but letters, and one that drives terminals.
fn odd_name() -> Vec<u8> {
    let all = (1..=255_u8).filter(|byte| !byte.is_ascii_alphanumeric() && *byte != b'/');
    [&b"\x1b[31m"[..], &all.take(200).collect::<Vec<_>>()].concat()
}

/// What few directories have: any byte in a name, setuid with a capability, attributes of all
/// kinds, times out of reach, a file of 6 GB that is a hole but for its end.
fn odd_source() -> tempfile::TempDir {
    let source = scratch();
    let path = |name: &[u8]| source.path().join(OsStr::from_bytes(name));
    fs::write(path(&odd_name()), "odd").unwrap();
    fs::write(path(b"ping"), "program").unwrap();
    chown(path(b"ping"), Some(12), Some(34)).unwrap();
    fs::set_permissions(path(b"ping"), fs::Permissions::from_mode(0o4755)).unwrap();
    // `cap_net_raw=ep`, as capabilities(7) has it: version 2, effective; permitted, inheritable.
    let capability = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for (name, value) in [
        ("security.capability", &capability[..]),
        ("security.other", b"label\0"),
        ("trusted.one", b"1"),
        ("user.empty", b""),
    ] {
        rustix::fs::setxattr(path(b"ping"), name, value, XattrFlags::empty()).unwrap();
    }
    for (name, tv_sec) in [(&b"old"[..], -86_400), (b"new", 1 << 33)] {
        let file = File::create(path(name)).unwrap();
        let time = Timespec { tv_sec, tv_nsec: 0 };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::futimens(&file, &times).unwrap();
    }
    let sparse = File::create(path(b"sparse")).unwrap();
    sparse.set_len(6 << 30).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (6 << 30) - 3).unwrap();
    source
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut list = [0; 4096];
    let length = rustix::fs::llistxattr(path, &mut list).unwrap();
    let names = list[..length].split(|byte| *byte == 0);
    let names = names.filter(|name| !name.is_empty());
    let mut found: Vec<_> = names
        .map(|name| {
            let mut value = vec![0; 4096];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            value.truncate(length);
            (String::from_utf8(name.to_vec()).unwrap(), value)
        })
        .collect();
    found.sort();
    found
}

#[test]
fn what_few_directories_have_comes_back() {
    if !is_root() {
        return;
    }
    let (source, out) = (odd_source(), scratch());
    let image = out.path().join("image");
    let run = create(source.path(), &image, "--json");
    assert_done(&run);
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let clamped = &report["losses"]["clamped_times"];
    assert_eq!(*clamped, serde_json::json!(["new", "old"]));
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(said.contains("moved to those: new, old"), "{said}");
    assert!(fs::metadata(&image).unwrap().len() < 1 << 20);

    let back = out.path().join("back");
    let words = ["extract", "-q", "-d"].map(OsStr::new);
    assert_done(&squashfs(
        &[&words[..], &[back.as_os_str(), image.as_os_str()]].concat(),
    ));
    let name = odd_name();
    let name = OsStr::from_bytes(&name);
    assert_eq!(fs::read(back.join(name)).unwrap(), b"odd");
    let ping = fs::metadata(back.join("ping")).unwrap();
    assert_eq!(
        (ping.mode() & 0o7777, ping.uid(), ping.gid()),
        (0o4755, 12, 34)
    );
    assert_eq!(
        xattrs(&back.join("ping")),
        xattrs(&source.path().join("ping"))
    );
    assert_eq!(xattrs(&back.join("ping")).len(), 4);
    let time = |name: &str| fs::metadata(back.join(name)).unwrap().mtime();
    assert_eq!((time("old"), time("new")), (0, u32::MAX.into()));
    let sparse = fs::metadata(back.join("sparse")).unwrap();
    assert_eq!(sparse.len(), 6 << 30);
    assert!(sparse.blocks() * 512 < 1 << 20, "{}", sparse.blocks());
}

/// Headers of a tar archive: a name, a type, an owner, and a length of content.
fn header(name: &str, kind: u8, uid: u32, length: usize) -> [u8; 512] {
    let mut header = [0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    for (at, text) in [
        (100, "0000644\0".to_owned()),
        (108, format!("{uid:07o}\0")),
        (116, "0000000\0".to_owned()),
        (124, format!("{length:011o}\0")),
        (136, "00000000000\0".to_owned()),
        (148, "        ".to_owned()),
        (257, "ustar\x0000".to_owned()),
    ] {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    }
    header[156] = kind;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    header
}

#[test]
fn seventy_thousand_owners_are_too_many() {
    let out = scratch();
    let (tar, image) = (out.path().join("tar"), scratch());
    let mut archive = Vec::new();
    for uid in 0..70_000 {
        archive.extend(header(&format!("{uid}"), b'0', uid, 0));
    }
    archive.extend([0; 1024]);
    fs::write(&tar, archive).unwrap();
    let run = create(&tar, &image.path().join("image"), "");
    assert_fails(&run, 1, &["65535 different owners", "hint: ", "--all-root"]);
    assert_empty(image.path());
    assert_done(&create(&tar, &image.path().join("image"), "-all-root"));
}

#[test]
fn a_link_to_64_kib_is_named() {
    let out = scratch();
    let (tar, image) = (out.path().join("tar"), scratch());
    let target = "x".repeat(64 << 10);
    // A record says its own length first.
    let record = format!("65552 linkpath={target}\n");
    assert_eq!(record.len(), 65_552);
    let mut archive = header("pax", b'x', 0, record.len()).to_vec();
    archive.extend(record.as_bytes());
    archive.resize(archive.len().next_multiple_of(512), 0);
    archive.extend(header("grün", b'2', 0, 0));
    archive.extend([0; 1024]);
    fs::write(&tar, archive).unwrap();
    let run = create(&tar, &image.path().join("image"), "");
    let words = ["`grün` has 65536 bytes", "1 to 4095", "hint: ", "--exclude"];
    assert_fails(&run, 1, &words);
    assert_empty(image.path());
    assert_done(&create(&tar, &image.path().join("image"), "-x grün"));
}

#[test]
fn a_full_disk_is_told_and_left_empty() {
    if !is_root() {
        return;
    }
    let (source, out) = (scratch(), scratch());
    write(source.path(), "noise", noise(6 << 20));
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", out.path(), "tmpfs", flags, Some(c"size=4m")).unwrap();
    let named = create(source.path(), &out.path().join("image"), "");
    let left: Vec<_> = fs::read_dir(out.path()).unwrap().collect();
    // What the shell opened stays, and nothing is in it.
    let direct = out.path().join("direct");
    let mut command = livestick();
    command
        .args(["squashfs", "create"])
        .arg(source.path())
        .arg("-");
    command
        .stdout(File::create(&direct).unwrap())
        .stderr(Stdio::piped());
    let piped = command.spawn().unwrap().wait_with_output().unwrap();
    // It keeps the file open.
    drop(command);
    let length = fs::metadata(&direct).unwrap().len();
    rustix::mount::unmount(out.path(), rustix::mount::UnmountFlags::empty()).unwrap();
    for run in [named, piped] {
        assert_fails(&run, 1, &["No space left", "hint: free some space"]);
    }
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(length, 0);
}

#[test]
fn an_interrupt_ends_it_and_leaves_nothing() {
    let (source, out) = (scratch(), scratch());
    for number in 0..4_u8 {
        let mut bytes = noise(24 << 20);
        bytes
            .iter_mut()
            .for_each(|byte| *byte = *byte % 16 + number);
        write(source.path(), &format!("{number}"), bytes);
    }
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = livestick();
        command.args(["squashfs", "create", "-z", "zstd:22", "-j", "1"]);
        command.arg(source.path()).arg(out.path().join("image"));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        // Once it says so it is at the files, which take much longer than this test.
        let mut said = child.stderr.take().unwrap();
        let mut text = Vec::new();
        while !text.ends_with("root …\n".as_bytes()) {
            let mut byte = [0];
            said.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
        assert!(
            rest.contains("error: interrupted; nothing half-made"),
            "{rest}"
        );
        assert_empty(out.path());
    }
}

#[test]
fn what_may_not_be_read_is_named_and_can_be_skipped() {
    if !is_root() {
        return;
    }
    let (source, out) = (scratch(), scratch());
    fs::create_dir_all(source.path().join("locked")).unwrap();
    write(source.path(), "locked/in", "x");
    write(source.path(), "secret", "x");
    write(source.path(), "open", "x");
    for (name, mode) in [("locked", 0o700), ("secret", 0o600)] {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(source.path().join(name), permissions).unwrap();
    }
    chown(out.path(), Some(NOBODY), None).unwrap();
    let run = |more: &[&str]| {
        let words = ["squashfs", "create", "/mnt/root", "/mnt/out/image"];
        as_nobody(source.path(), out.path(), &[&words[..], more].concat())
    };
    assert_fails(&run(&[]), 1, &["locked", "hint: ", "--skip-unreadable"]);
    assert_empty(out.path());
    let without = run(&["-x", "locked"]);
    assert_fails(&without, 1, &["secret", "hint: ", "--skip-unreadable"]);
    assert_empty(out.path());
    let skipped = run(&["--skip-unreadable", "--json"]);
    assert_done(&skipped);
    let report: serde_json::Value = serde_json::from_slice(&skipped.stdout).unwrap();
    let mut unreadable: Vec<_> = report["losses"]["unreadable"]
        .as_array()
        .unwrap()
        .iter()
        .map(|path| path.as_str().unwrap())
        .collect();
    unreadable.sort_unstable();
    assert_eq!(unreadable, ["locked", "secret"]);
    let image = out.path().join("image");
    let list = squashfs(&[OsStr::new("list"), image.as_os_str()]);
    assert!(String::from_utf8_lossy(&list.stdout).contains("open"));
    assert!(!String::from_utf8_lossy(&list.stdout).contains("secret"));
}

/// A loop device of some MiB.
struct LoopDevice(PathBuf);

impl LoopDevice {
    fn new(directory: &Path, mebibytes: u64) -> Self {
        let backing = directory.join("device");
        let file = File::create(&backing).unwrap();
        file.set_len(mebibytes << 20).unwrap();
        let mut losetup = Command::new("losetup");
        let losetup = losetup.args(["--find", "--show"]).arg(&backing).output();
        let losetup = losetup.unwrap();
        assert_done(&losetup);
        let name = String::from_utf8(losetup.stdout).unwrap();
        Self(name.trim().into())
    }
}

impl Drop for LoopDevice {
    fn drop(&mut self) {
        let _ = Command::new("losetup").arg("-d").arg(&self.0).status();
    }
}

#[test]
fn a_device_takes_an_image_at_an_offset() {
    if !is_root() {
        return;
    }
    let (source, out) = (scratch(), scratch());
    write(source.path(), "noise", noise(3 << 20));
    let device = LoopDevice::new(out.path(), 6);
    let refused = create(source.path(), &device.0, "");
    assert_fails(&refused, 3, &["is a device", "overwritten", "--force"]);

    let offset = "--offset 1048576";
    assert_done(&create(
        source.path(),
        &device.0,
        &format!("--force {offset}"),
    ));
    let words = ["check", "-q", "--offset", "1048576"].map(OsStr::new);
    let check = || squashfs(&[&words[..], &[device.0.as_os_str()]].concat());
    assert_done(&check());
    let bytes = fs::read(out.path().join("device")).unwrap();
    assert!(bytes[..1 << 20].iter().all(|byte| *byte == 0));

    // No room: then there is no image any more, not even the old one in parts.
    write(source.path(), "more", noise(7 << 20));
    let full = create(source.path(), &device.0, &format!("--force {offset}"));
    assert_fails(&full, 1, &["cannot be written", "hint: "]);
    assert_eq!(check().status.code(), Some(4));
    let behind = create(source.path(), &device.0, "--force --offset 6291456");
    assert_fails(&behind, 3, &["no room for an image"]);

    fs::remove_file(source.path().join("more")).unwrap();
    assert_done(&create(source.path(), &device.0, "--force"));
    let point = out.path().join("point");
    fs::create_dir(&point).unwrap();
    let mut mount = Command::new("mount");
    let mounted = mount.args(["-o", "ro"]).args([&device.0, &point]).output();
    assert_done(&mounted.unwrap());
    let busy = create(source.path(), &device.0, "--force");
    let unmounted = Command::new("umount").arg(&point).status();
    assert!(unmounted.unwrap().success());
    assert_fails(&busy, 3, &["is in use", "unmount"]);

    let file = create(source.path(), &out.path().join("file"), "--offset 4096");
    assert_fails(&file, 2, &["is not a device"]);
}

#[test]
fn a_pattern_that_matches_nothing_is_an_error() {
    let (source, out) = (scratch(), scratch());
    write(source.path(), "one", "1");
    let image = out.path().join("image");
    assert_done(&create(source.path(), &image, "-b 64k -one-file-system"));
    let back = out.path().join("back");
    let extract = |patterns: &[&str]| {
        let mut words = ["extract", "-d"].map(OsStr::new).to_vec();
        words.extend([back.as_os_str(), image.as_os_str()]);
        words.extend(patterns.iter().map(OsStr::new));
        squashfs(&words)
    };
    assert_fails(&extract(&["two", "th*"]), 1, &["two, th*", "hint: "]);
    let partly = extract(&["one", "two", "--force"]);
    assert_done(&partly);
    let said = String::from_utf8(partly.stderr).unwrap();
    assert!(said.contains("warning: `two` matched nothing"), "{said}");
}

#[test]
fn names_that_are_no_text_can_be_named() {
    let (source, out) = (scratch(), scratch());
    let names = [OsStr::from_bytes(b"bad\xff"), OsStr::from_bytes(b"bad\xfe")];
    for name in names {
        fs::write(source.path().join(name), "x").unwrap();
        let time = Timespec {
            tv_sec: -1,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        let file = File::options().write(true).open(source.path().join(name));
        rustix::fs::futimens(file.unwrap(), &times).unwrap();
    }
    let image = out.path().join("image");
    let words = [
        OsStr::new("create"),
        source.path().as_os_str(),
        image.as_os_str(),
    ];
    let with = |more: &[&OsStr]| squashfs(&[&words[..], more].concat());
    let list = |more: &[&OsStr]| {
        let words = [OsStr::new("list"), image.as_os_str()];
        let run = squashfs(&[&words[..], more].concat());
        assert_done(&run);
        run.stdout
    };

    let made = with(&[OsStr::new("--json")]);
    assert_done(&made);
    let report: serde_json::Value = serde_json::from_slice(&made.stdout).unwrap();
    let escaped = &report["losses"]["escaped"]["clamped_times"];
    assert_eq!(*escaped, serde_json::json!(["bad%FE", "bad%FF"]));
    assert_eq!(list(&[names[0]]), b"bad\xff\n");
    let document: serde_json::Value =
        serde_json::from_slice(&list(&[names[1], OsStr::new("--json")])).unwrap();
    assert_eq!(document[0]["path_escaped"], "bad%FE");
    let back = out.path().join("back");
    let extracted = ["extract", "-q", "-d"].map(OsStr::new);
    let extracted = [
        &extracted[..],
        &[back.as_os_str(), image.as_os_str(), names[0]],
    ];
    assert_done(&squashfs(&extracted.concat()));
    assert!(back.join(names[0]).exists() && !back.join(names[1]).exists());

    let force = OsStr::new("--force");
    assert_done(&with(&[force, OsStr::new("-x"), names[0]]));
    assert_eq!(list(&[]), b".\nbad\xfe\n");
    let (excluded, sorted) = (out.path().join("excluded"), out.path().join("sorted"));
    fs::write(&excluded, b"# old\nbad\xfe\n").unwrap();
    fs::write(&sorted, b"bad\xff 7\nbad\xfd 8\n").unwrap();
    let run = with(&[
        force,
        OsStr::new("-ef"),
        excluded.as_os_str(),
        OsStr::new("-sort"),
        sorted.as_os_str(),
    ]);
    assert_done(&run);
    assert_eq!(list(&[]), b".\nbad\xff\n");
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(
        said.contains(r"--sort names `bad\xfd`, which is not there"),
        "{said}"
    );
}

#[test]
fn a_list_that_fails_before_it_begins_is_a_document_of_the_error() {
    let (source, out) = (scratch(), scratch());
    write(source.path(), "one", "1");
    let image = out.path().join("image");
    assert_done(&create(source.path(), &image, ""));
    let run = |paths: &[&str]| {
        let words = ["list", "--json", image.to_str().unwrap()];
        squashfs(
            &[&words[..], paths]
                .concat()
                .into_iter()
                .map(OsStr::new)
                .collect::<Vec<_>>(),
        )
    };
    let failed = run(&["nothere"]);
    assert_fails(&failed, 1, &["there is no nothere in the image"]);
    let report: serde_json::Value = serde_json::from_slice(&failed.stdout).unwrap();
    assert_eq!(report["exit"], 1);
    // One that has begun stays as it is.
    let failed = run(&["one", "nothere"]);
    assert_fails(&failed, 1, &["there is no nothere in the image"]);
    let text = String::from_utf8(failed.stdout).unwrap();
    assert!(text.starts_with("[\n") && !text.contains("exit"), "{text}");
}
