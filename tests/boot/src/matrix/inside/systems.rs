//! A disk of other systems: partitions of four kinds that livestick has no business with.

use super::super::run::sh;
use anyhow::Result;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

pub(super) const DISK_BYTES: u64 = 192 * MIB;

const MIB: u64 = 1 << 20;
/// Of each partition where it begins and how long it is, in MiB, its type for `sgdisk`, and what makes
/// its content, in a file.
type Partition = (u64, u64, &'static str, fn(&Path) -> Result<()>);
const PARTITIONS: [Partition; 4] = [
    (1, 16, "8200", make_swap),
    (17, 16, "bf00", write_zfs_label),
    (33, 128, "8300", make_btrfs),
    (161, 16, "0700", make_ntfs),
];

/// Makes the partitions and what is on them.
pub(super) fn write(path: &Path, disk: &File) -> Result<()> {
    let mut table = Command::new("sgdisk");
    for (index, (start, length, kind, _)) in PARTITIONS.iter().enumerate() {
        let number = index + 1;
        let end = start + length;
        table.arg(format!(
            "--new={number}:{}:{}",
            start * 2048,
            end * 2048 - 1
        ));
        table.arg(format!("--typecode={number}:{kind}"));
    }
    sh(table.arg(path))?;
    for (start, length, _, make) in PARTITIONS {
        let part = path.with_extension("part");
        File::create(&part)?.set_len(length * MIB)?;
        make(&part)?;
        disk.write_all_at(&fs::read(&part)?, start * MIB)?;
        fs::remove_file(part)?;
    }
    Ok(())
}

fn make_swap(part: &Path) -> Result<()> {
    sh(Command::new("mkswap").arg("--quiet").arg(part))
}

fn make_btrfs(part: &Path) -> Result<()> {
    sh(Command::new("mkfs.btrfs")
        .args(["--quiet", "--label", "other"])
        .arg(part))
}

fn make_ntfs(part: &Path) -> Result<()> {
    // The options say where the partition begins, which is of no matter here.
    let options = ["--quiet", "--fast", "--force", "--partition-start", "0"];
    let disk = ["--heads", "255", "--sectors-per-track", "63"];
    sh(Command::new("mkntfs").args(options).args(disk).arg(part))
}

/// Both labels at the start and both at the end, each with the beginning of its list: version 5000, in
/// XDR (`vdev_label_t` of `sys/vdev_impl.h`, `nvs_xdr` of `libnvpair/nvpair.c`).
fn write_zfs_label(part: &Path) -> Result<()> {
    const LABEL_BYTES: u64 = 256 * 1024;
    const LIST_OFFSET: u64 = 16 * 1024;
    let mut list = vec![1, 1, 0, 0]; // XDR, little-endian host
    for word in [0_u32, 1, 36, 32, 7] {
        list.extend(word.to_be_bytes());
    }
    list.extend(b"version\0");
    for word in [8_u32, 1, 0, 5000, 0, 0] {
        list.extend(word.to_be_bytes());
    }
    let file = File::options().write(true).open(part)?;
    let length = file.metadata()?.len();
    for label in [
        0,
        LABEL_BYTES,
        length - 2 * LABEL_BYTES,
        length - LABEL_BYTES,
    ] {
        file.write_all_at(&list, label + LIST_OFFSET)?;
    }
    Ok(())
}
