//! Directories to make archives of.

use super::read::{have, noise};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

/// What every dialect can hold.
pub fn plain(root: &Path) {
    fs::create_dir_all(root.join("dir/empty")).unwrap();
    fs::write(root.join("dir/file"), "hello").unwrap();
    fs::write(root.join("dir/noise"), noise(1, 300_000)).unwrap();
    fs::write(root.join("none"), "").unwrap();
    fs::write(root.join("block"), noise(2, 512)).unwrap();
    fs::write(root.join(OsStr::from_bytes(b"\xff\n \\ ]'")), "odd").unwrap();
    fs::hard_link(root.join("dir/file"), root.join("linked")).unwrap();
    symlink("../anywhere", root.join("dir/symlink")).unwrap();
    fs::set_permissions(root.join("dir/file"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(root.join("dir"), fs::Permissions::from_mode(0o1777)).unwrap();
    set_time(&root.join("dir/noise"), 1_000_000_000, 0);
}

/// Pipes, and devices where we may make them.
pub fn special(root: &Path) {
    let make = |name: &str, kind, device| {
        rustix::fs::mknodat(CWD, root.join(name), kind, Mode::RUSR, device).unwrap();
    };
    make("pipe", FileType::Fifo, 0);
    if is_root() {
        let device = rustix::fs::makedev(8, 300);
        make("block device", FileType::BlockDevice, device);
        make("character device", FileType::CharacterDevice, device);
    }
}

/// A path that the field for it cannot hold. With up to 50 bytes to a name, ustar's second field
/// helps.
pub fn long_names(root: &Path, length: usize) {
    let name = |letter: &str| letter.repeat(length);
    let deep = root.join(name("a")).join(name("b")).join(name("c"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join(name("d")), "deep").unwrap();
}

/// Link targets of more than 100 bytes.
pub fn long_links(root: &Path) {
    let name = "t".repeat(150);
    fs::write(root.join(&name), "target").unwrap();
    fs::hard_link(root.join(&name), root.join("a link to it")).unwrap();
    symlink("x/".repeat(400), root.join("long symlink")).unwrap();
}

/// Numbers that the octal fields cannot hold.
pub fn wide_numbers(root: &Path) {
    fs::write(root.join("before 1970"), "old").unwrap();
    set_time(&root.join("before 1970"), -86_400, 0);
    fs::write(root.join("after 2242"), "new").unwrap();
    set_time(&root.join("after 2242"), 1 << 33, 0);
    if is_root() {
        fs::write(root.join("owned"), "mine").unwrap();
        let (uid, gid) = (Uid::from_raw(4_000_000_000), Gid::from_raw(3_000_000));
        rustix::fs::chown(root.join("owned"), Some(uid), Some(gid)).unwrap();
    }
}

/// Times that are no whole seconds.
pub fn fractions(root: &Path) {
    fs::write(root.join("fraction"), "x").unwrap();
    set_time(&root.join("fraction"), 1_700_000_000, 999_999_999);
}

/// A time before 1970 that is no whole second. libarchive 3.6 writes -1.5 as -2.5.
pub fn negative_fractions(root: &Path) {
    fs::write(root.join("negative fraction"), "x").unwrap();
    set_time(&root.join("negative fraction"), -2, 500_000_000);
}

/// Files with holes: at the start, at the end, many, nothing else, and a very large one.
pub fn sparse(root: &Path) {
    let file = |name: &str, length: u64, data: &[u64]| {
        let file = File::create(root.join(name)).unwrap();
        file.set_len(length).unwrap();
        for offset in data {
            let bytes = noise(*offset + 1, 4096);
            file.write_all_at(&bytes, *offset).unwrap();
        }
    };
    let many: Vec<u64> = (0..60).map(|index| index << 16).collect();
    file("many holes", 60 << 16, &many);
    file("holes around", 3 << 20, &[1 << 20]);
    file("data at the end", (1 << 20) + 4096, &[1 << 20]);
    file("ends in a block", (1 << 20) + 100, &[0]);
    file("only a hole", 1 << 20, &[]);
    file("large", 9 << 30, &[0, 1 << 32, 9 << 30 >> 1]);
    let odd = File::create(root.join("an odd length")).unwrap();
    odd.write_all_at(&noise(3, 1000), 1 << 20).unwrap();
}

/// Extended attributes; says whether the filesystem takes them.
pub fn xattrs(root: &Path) -> bool {
    use rustix::fs::{XattrFlags, lsetxattr};
    let path = root.join("attributes");
    fs::write(&path, "x").unwrap();
    let set =
        |path: &Path, name: &str, value: &[u8]| lsetxattr(path, name, value, XattrFlags::empty());
    let works = set(&path, "user.text", b"value").is_ok();
    if have("a filesystem with extended attributes", works) {
        set(&path, "user.binary", b"\0\n=\xff 12 a=b\n").unwrap();
        set(&path, "user.empty", b"").unwrap();
        fs::create_dir(root.join("directory")).unwrap();
        set(&root.join("directory"), "user.on", b"a directory").unwrap();
    }
    if works && is_root() {
        // cap_net_raw=ep
        let capability = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        set(&path, "security.capability", capability).unwrap();
        symlink("nowhere", root.join("attributed link")).unwrap();
        set(&root.join("attributed link"), "trusted.x", b"1").unwrap();
    }
    works
}

/// An attribute with a name that GNU tar escapes, and libarchive does not.
pub fn escaped_xattr(root: &Path) {
    use rustix::fs::{XattrFlags, lsetxattr};
    let path = root.join("attributes");
    lsetxattr(path, "user.a=b%3D", b"name", XattrFlags::empty()).unwrap();
}

pub fn is_root() -> bool {
    have("root", rustix::process::geteuid().is_root())
}

fn set_time(path: &Path, tv_sec: i64, tv_nsec: i64) {
    let time = Timespec { tv_sec, tv_nsec };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}
