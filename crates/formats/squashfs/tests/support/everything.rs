//! A directory with all that there is.

use super::image::{noise, text};
use rustix::fs::{CWD, FileType, Mode, XattrFlags, makedev, mknodat, setxattr};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;

/// Sizes around the edges of a block.
pub fn edges(block: usize) -> Vec<usize> {
    let mut edges = vec![0, 1, 100, 4095, 4096, 4097];
    for blocks in [1, 2, 3] {
        edges.extend([blocks * block - 1, blocks * block, blocks * block + 1]);
    }
    edges
}

/// A directory with every kind of file that a filesystem has.
pub fn make_everything(root: &Path) {
    let block = 128 << 10;
    let path = |name: &str| root.join(name);
    fs::create_dir_all(path("etc/deep/er")).unwrap();
    fs::create_dir(path("empty")).unwrap();
    for (seed, size) in edges(block).into_iter().enumerate() {
        fs::write(path(&format!("etc/{size}.conf")), text(seed as u64, size)).unwrap();
        fs::write(
            path(&format!("etc/deep/{size}.bin")),
            noise(seed as u64, size),
        )
        .unwrap();
    }
    fs::write(path("etc/deep/er/same"), text(8, 2 * block)).unwrap();
    let sparse = File::create(path("sparse")).unwrap();
    sparse.set_len(9 << 20).unwrap();
    sparse.write_all_at(b"data", 5 << 20).unwrap();
    fs::hard_link(path("sparse"), path("etc/link")).unwrap();
    symlink("etc/deep", path("symlink")).unwrap();
    symlink("x".repeat(4095), path("long")).unwrap();
    fs::set_permissions(path("etc/100.conf"), PermissionsExt::from_mode(0o6755)).unwrap();
    let mode = Mode::from_raw_mode(0o640);
    for (name, kind, device) in [
        ("pipe", FileType::Fifo, 0),
        ("socket", FileType::Socket, 0),
        ("disk", FileType::BlockDevice, makedev(8, 1)),
        ("odd", FileType::CharacterDevice, makedev(4095, 1_048_575)),
    ] {
        mknodat(CWD, path(name), kind, mode, device).unwrap();
    }
    fs::hard_link(path("pipe"), path("pipe2")).unwrap();
    for (name, attribute, value) in [
        ("etc/100.conf", "user.note", vec![b'v'; 300]),
        ("etc/1.conf", "user.note", vec![b'v'; 300]),
        ("etc/1.conf", "user.more", vec![b'w'; 5]),
        ("etc", "user.directory", Vec::new()),
        ("disk", "trusted.disk", b"value".to_vec()),
        ("symlink", "trusted.link", b"value".to_vec()),
        ("pipe", "trusted.pipe", b"value".to_vec()),
    ] {
        rustix::fs::lsetxattr(path(name), attribute, &value, XattrFlags::empty()).unwrap();
    }
    // `cap_net_raw=ep`, version 2.
    let capability = [
        1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    let name = "security.capability";
    setxattr(
        path("etc/deep/100.bin"),
        name,
        &capability,
        XattrFlags::empty(),
    )
    .unwrap();
}
