//! What is on a block device, told by the magic numbers at its start.

use livestick_blockio::ReadAt;
use std::{fmt, io};

/// What the first bytes of a device say is on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// FAT12, FAT16 or FAT32, with the label of its boot sector.
    Vfat {
        /// `None` where there is none, or `NO NAME`.
        label: Option<String>,
    },
    /// exFAT.
    Exfat,
    /// NTFS.
    Ntfs,
    /// A disk that BitLocker encrypts.
    BitLocker,
    /// ext2, ext3 or ext4.
    Ext,
    /// Btrfs.
    Btrfs,
    /// One of several devices of a Btrfs.
    BtrfsMember,
    /// XFS.
    Xfs,
    /// A disk of a ZFS pool.
    Zfs,
    /// SquashFS.
    Squashfs,
    /// A CD or DVD image, possibly one that also boots from a disk.
    Iso9660,
    /// A physical volume of LVM.
    Lvm,
    /// A disk that LUKS encrypts.
    Luks,
    /// Swap space, or a hibernated system.
    Swap,
    /// A member of a RAID array of Linux, or of one of those that firmware makes (IMSM, DDF).
    Md,
    /// Partitions: what is on them is on devices of their own.
    Partitions(Table),
    /// Nothing but zeros.
    Empty,
    /// Something else.
    Unknown,
}

/// Kinds of partition table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// The four entries of the PC's boot sector.
    Mbr,
    /// The GUID partition table of UEFI.
    Gpt,
}

impl Content {
    /// How much of a device's start decides. Btrfs lies farthest out, at 64 KiB.
    pub const SNIFF_BYTES: usize = 128 * 1024;

    /// Looks at the start of `medium`.
    ///
    /// # Errors
    /// What reading reports.
    pub fn of(medium: &impl ReadAt) -> io::Result<Self> {
        // The first pages settle most: the rest is read only where they do not.
        let first = Self::sniff(&read_start(medium, FIRST_BYTES)?);
        match first {
            Self::Vfat { .. } | Self::Ntfs | Self::Luks | Self::Squashfs => Ok(first),
            _ => Ok(Self::sniff(&read_start(medium, Self::SNIFF_BYTES)?)),
        }
    }

    /// Looks at the end of `medium`, of so many bytes: `None` where nothing is there that lies at the
    /// end. What is there belongs to a group, whatever the start says.
    ///
    /// # Errors
    /// What reading reports.
    pub fn at_end(medium: &impl ReadAt, size_bytes: u64) -> io::Result<Option<Self>> {
        let start_bytes = size_bytes.saturating_sub(END_BYTES);
        let length = usize::try_from(size_bytes - start_bytes).unwrap_or_default();
        let mut end = vec![0; length];
        medium.read_exact_at(&mut end, start_bytes)?;
        Ok(Self::sniff_end(&end, size_bytes))
    }

    /// Tells what ends with these bytes, the last [`END_BYTES`] of a device or all of a smaller one.
    fn sniff_end(end: &[u8], size_bytes: u64) -> Option<Self> {
        let start_bytes = size_bytes.checked_sub(end.len() as u64)?;
        let holds_at = |offset: Option<u64>, magic: &[u8]| {
            let within = offset.and_then(|offset| offset.checked_sub(start_bytes));
            let within = within.and_then(|within| usize::try_from(within).ok());
            within.is_some_and(|within| holds(end, within, magic))
        };
        let aligned = |unit: u64| size_bytes / unit * unit;
        let from_end = |length: u64| size_bytes.checked_sub(length);
        // Linux's 1.0: 8 KiB before the end, and on a page; 0.90: the last whole 64 KiB, in the
        // machine's own byte order (`super1.c` and `super0.c` of mdadm).
        let version_1 = from_end(8192).map(|offset| offset / 4096 * 4096);
        let version_0 = aligned(65536).checked_sub(65536);
        let md = holds_at(version_1, MD_MAGIC)
            || holds_at(version_0, MD_MAGIC)
            || holds_at(version_0, b"\xa9\x2b\x4e\xfc");
        // Of firmware: Intel's in the last sector but one, DDF's in the last, or 257 from the end
        // (`intel_raid.c` and `ddf_raid.c` of util-linux).
        let firmware = [512, 4096].iter().any(|sector| {
            holds_at(from_end(2 * sector), b"Intel Raid ISM Cfg Sig. ")
                || holds_at(from_end(*sector), DDF_MAGIC)
                || holds_at(from_end(257 * sector), DDF_MAGIC)
        });
        // ZFS has two of its four labels there.
        let labels =
            [2, 1].map(|number| aligned(ZFS_LABEL_BYTES).checked_sub(number * ZFS_LABEL_BYTES));
        let zfs = labels.into_iter().any(|label| {
            let version = label.map(|label| label + 0x4014);
            holds_at(version, ZFS_MAGIC)
        });
        match (md || firmware, zfs) {
            (true, _) => Some(Self::Md),
            (false, true) => Some(Self::Zfs),
            (false, false) => None,
        }
    }

    /// Tells what begins with these bytes, the first [`Self::SNIFF_BYTES`] of a device or all of a
    /// smaller one.
    #[must_use]
    pub fn sniff(start: &[u8]) -> Self {
        let found = MAGICS
            .iter()
            .find(|(offset, magic, _)| holds(start, *offset, magic));
        if let Some((_, _, content)) = found {
            return match content {
                Self::Btrfs if !holds(start, BTRFS_DEVICES, &1_u64.to_le_bytes()) => {
                    Self::BtrfsMember
                }
                content => content.clone(),
            };
        }
        if is_lvm(start) {
            Self::Lvm
        } else if is_vfat(start) {
            Self::Vfat {
                label: vfat_label(start),
            }
        } else if GPT_HEADERS
            .iter()
            .any(|offset| holds(start, *offset, b"EFI PART"))
        {
            Self::Partitions(Table::Gpt)
        } else if is_mbr(start) {
            Self::Partitions(Table::Mbr)
        } else if start.iter().all(|byte| *byte == 0) {
            Self::Empty
        } else {
            Self::Unknown
        }
    }
}

/// The serial number of a FAT as `blkid` prints it, `1A2B-3C4D`; `None` where it has none.
///
/// # Errors
/// What reading reports.
pub fn vfat_serial(medium: &impl ReadAt) -> io::Result<Option<String>> {
    let start = read_start(medium, BOOT_SECTOR_BYTES)?;
    // It lies right before the label, behind a byte that says whether both are there.
    let serial = vfat_label_offset(&start) - 4;
    let is_there = matches!(byte(&start, serial - 1), 0x28 | 0x29);
    let (low, high) = (u16_at(&start, serial), u16_at(&start, serial + 2));
    Ok((is_vfat(&start) && is_there).then(|| format!("{high:04X}-{low:04X}")))
}

impl fmt::Display for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Vfat { label: Some(label) } => return write!(formatter, "FAT `{label}`"),
            Self::Vfat { label: None } => "FAT",
            Self::Exfat => "exFAT",
            Self::Ntfs => "NTFS",
            Self::BitLocker => "BitLocker",
            Self::Ext => "ext2/3/4",
            Self::Btrfs => "Btrfs",
            Self::BtrfsMember => "Btrfs on several devices",
            Self::Xfs => "XFS",
            Self::Zfs => "ZFS",
            Self::Squashfs => "SquashFS",
            Self::Iso9660 => "ISO 9660",
            Self::Lvm => "LVM",
            Self::Luks => "LUKS",
            Self::Swap => "swap",
            Self::Md => "RAID",
            Self::Partitions(Table::Mbr) => "MBR partitions",
            Self::Partitions(Table::Gpt) => "GPT partitions",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        };
        formatter.write_str(text)
    }
}

/// Magic numbers (offset, bytes) that decide by themselves; the first that matches wins. Encryption
/// and RAID come before what may shine through from within or from former use; ISO 9660 comes before
/// the partition table that a bootable image also has. The offsets are those of util-linux's
/// `libblkid/src/superblocks`.
const MAGICS: &[(usize, &[u8], Content)] = &[
    (0, b"LUKS\xba\xbe", Content::Luks),
    (0, MD_MAGIC, Content::Md),
    (4096, MD_MAGIC, Content::Md),
    (4086, b"SWAPSPACE2", Content::Swap),
    (4086, b"SWAP-SPACE", Content::Swap),
    (4086, b"S1SUSPEND", Content::Swap),
    (4086, b"LINHIB0001", Content::Swap),
    (0, b"hsqs", Content::Squashfs),
    (0, b"XFSB", Content::Xfs),
    (3, b"NTFS    ", Content::Ntfs),
    (3, b"EXFAT   ", Content::Exfat),
    (3, b"-FVE-FS-", Content::BitLocker),
    (0x438, b"\x53\xef", Content::Ext),
    (0x10040, b"_BHRfS_M", Content::Btrfs),
    (0x8001, b"CD001", Content::Iso9660),
    // The first pair of a label's list, in XDR (`vdev_label_t` of `sys/vdev_impl.h`, `libnvpair/nvpair.c`).
    (0x4014, ZFS_MAGIC, Content::Zfs),
];

const MD_MAGIC: &[u8] = b"\xfc\x4e\x2b\xa9";
const DDF_MAGIC: &[u8] = b"\xde\x11\xde\x11";
const ZFS_MAGIC: &[u8] = b"\0\0\0\x07version\0";
const ZFS_LABEL_BYTES: u64 = 256 << 10;
/// `num_devices` of `struct btrfs_super_block` (`linux/btrfs_tree.h`).
const BTRFS_DEVICES: usize = 0x10088;

/// How much of a device's end is looked at: DDF's second place is 257 sectors of 4096 bytes from it.
const END_BYTES: u64 = 2 << 20;

const FIRST_BYTES: usize = 8192;
const BOOT_SECTOR_BYTES: usize = 512;

/// Up to so many bytes: fewer where the medium is smaller.
fn read_start(medium: &impl ReadAt, limit: usize) -> io::Result<Vec<u8>> {
    let mut start = vec![0; limit];
    let mut length = 0;
    while length < start.len() {
        match medium.read_at(&mut start[length..], length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    start.truncate(length);
    Ok(start)
}

/// The second sector, of 512 or of 4096 bytes.
const GPT_HEADERS: [usize; 2] = [512, 4096];

fn bytes(start: &[u8], offset: usize, length: usize) -> Option<&[u8]> {
    start.get(offset..)?.get(..length)
}

fn byte(start: &[u8], offset: usize) -> u8 {
    start.get(offset).copied().unwrap_or_default()
}

fn u16_at(start: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes([byte(start, offset), byte(start, offset + 1)])
}

fn holds(start: &[u8], offset: usize, magic: &[u8]) -> bool {
    bytes(start, offset, magic.len()) == Some(magic)
}

/// The label is in one of the first four sectors.
fn is_lvm(start: &[u8]) -> bool {
    (0..4)
        .map(|sector| sector * 512)
        .any(|offset| holds(start, offset, b"LABELONE") && holds(start, offset + 24, b"LVM2 001"))
}

/// A boot sector whose BIOS parameter block makes sense: a partition table ends with the same two
/// bytes.
fn is_vfat(start: &[u8]) -> bool {
    let sector_bytes = u16_at(start, 11);
    let cluster_sectors = byte(start, 13);
    let jump = matches!(byte(start, 0), 0xeb | 0xe9);
    jump && holds(start, 510, b"\x55\xaa")
        && matches!(sector_bytes, 512 | 1024 | 2048 | 4096)
        && cluster_sectors.is_power_of_two()
        && u16_at(start, 14) != 0
        && matches!(byte(start, 16), 1 | 2)
        && byte(start, 21) >= 0xf0
}

/// FAT32 has no 16-bit count of sectors in a FAT, and a longer parameter block.
fn vfat_label_offset(start: &[u8]) -> usize {
    if u16_at(start, 22) == 0 { 71 } else { 43 }
}

fn vfat_label(start: &[u8]) -> Option<String> {
    let label = String::from_utf8_lossy(bytes(start, vfat_label_offset(start), 11)?);
    let label = label.trim_matches([' ', '\0']);
    let printable = !label.contains(char::is_control);
    (printable && !label.is_empty() && label != "NO NAME").then(|| label.to_owned())
}

/// At least one entry of a type, and every entry either active or not.
fn is_mbr(start: &[u8]) -> bool {
    let Some(table) = bytes(start, 446, 64) else {
        return false;
    };
    holds(start, 510, b"\x55\xaa")
        && table
            .chunks(16)
            .all(|entry| matches!(byte(entry, 0), 0 | 0x80))
        && table.chunks(16).any(|entry| byte(entry, 4) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::path::Path;
    use std::process::Command;

    fn with(patches: &[(usize, &[u8])]) -> Vec<u8> {
        let mut start = vec![0; Content::SNIFF_BYTES];
        for (offset, bytes) in patches {
            start[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        start
    }

    #[test]
    fn each_magic_number_is_found_where_it_lies() {
        for (offset, magic, content) in MAGICS {
            let one_device: (usize, &[u8]) = (BTRFS_DEVICES, &[1]);
            let start = with(&[(*offset, magic), one_device]);
            assert_eq!(Content::sniff(&start), *content);
        }
        let group = with(&[(0x10040, b"_BHRfS_M"), (BTRFS_DEVICES, &[2])]);
        assert_eq!(Content::sniff(&group), Content::BtrfsMember);
        let lvm = with(&[(512, b"LABELONE"), (536, b"LVM2 001")]);
        assert_eq!(Content::sniff(&lvm), Content::Lvm);
    }

    #[test]
    fn what_lies_at_the_end_is_found_there() {
        // Of sizes that are whole numbers of nothing but sectors.
        for size in [64 << 20, (64 << 20) + 512 * 77, (3 << 20) + 512] {
            let size_bytes = size as u64;
            let places: [(usize, &[u8], Content); 9] = [
                ((size - 8192) / 4096 * 4096, MD_MAGIC, Content::Md),
                (size / 65536 * 65536 - 65536, MD_MAGIC, Content::Md),
                (
                    size / 65536 * 65536 - 65536,
                    b"\xa9\x2b\x4e\xfc",
                    Content::Md,
                ),
                (size - 1024, b"Intel Raid ISM Cfg Sig. 1.3.00", Content::Md),
                (size - 8192, b"Intel Raid ISM Cfg Sig. 1.3.00", Content::Md),
                (size - 512, DDF_MAGIC, Content::Md),
                (size - 257 * 512, DDF_MAGIC, Content::Md),
                (
                    (size / (256 << 10) - 1) * (256 << 10) + 0x4014,
                    ZFS_MAGIC,
                    Content::Zfs,
                ),
                (
                    (size / (256 << 10) - 2) * (256 << 10) + 0x4014,
                    ZFS_MAGIC,
                    Content::Zfs,
                ),
            ];
            let mut medium = vec![0; size];
            assert_eq!(Content::at_end(&&medium[..], size_bytes).unwrap(), None);
            for (place, magic, content) in places {
                medium[place..place + magic.len()].copy_from_slice(magic);
                let found = Content::at_end(&&medium[..], size_bytes).unwrap();
                assert_eq!(found, Some(content), "{magic:?} at {place} of {size}");
                medium[place..place + magic.len()].fill(0);
            }
        }
        for size in [0, 1, 511, 512, 4096, 65536] {
            let medium = vec![0; size];
            let found = Content::at_end(&&medium[..], size as u64).unwrap();
            assert_eq!(found, None);
        }
    }

    #[test]
    fn a_partition_table_is_not_a_file_system() {
        let mut entry = [0; 16];
        entry[4] = 0x0c;
        let mbr = with(&[(446, &entry), (510, b"\x55\xaa")]);
        assert_eq!(Content::sniff(&mbr), Content::Partitions(Table::Mbr));
        let gpt = with(&[(446, &entry), (510, b"\x55\xaa"), (512, b"EFI PART")]);
        assert_eq!(Content::sniff(&gpt), Content::Partitions(Table::Gpt));
        let iso = with(&[(446, &entry), (510, b"\x55\xaa"), (0x8001, b"CD001")]);
        assert_eq!(Content::sniff(&iso), Content::Iso9660);
        let no_entries = with(&[(510, b"\x55\xaa")]);
        assert_eq!(Content::sniff(&no_entries), Content::Unknown);
    }

    #[test]
    fn any_length_can_be_looked_at() {
        assert_eq!(Content::sniff(&[]), Content::Empty);
        assert_eq!(Content::sniff(&[0; 600]), Content::Empty);
        let full = vec![0xff; Content::SNIFF_BYTES];
        for length in (0..2048).chain([Content::SNIFF_BYTES]) {
            let expected = if length == 0 {
                Content::Empty
            } else {
                Content::Unknown
            };
            assert_eq!(Content::sniff(&full[..length]), expected);
        }
    }

    /// False, visibly, where the tool is missing; that is an error on the build machine.
    fn made_by(tool: &str, arguments: &[&str], path: &Path) -> bool {
        File::create(path).unwrap().set_len(64 << 20).unwrap();
        match Command::new(tool).args(arguments).arg(path).output() {
            Ok(output) => {
                assert!(output.status.success(), "{tool}: {output:?}");
                true
            }
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "{tool}: {error}");
                eprintln!("skipped: {tool}: {error}");
                false
            }
        }
    }

    #[test]
    fn a_serial_number_is_printed_as_blkid_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        for kind in ["-F32", "-F16"] {
            if made_by("mkfs.vfat", &[kind, "-i", "1a2b3c4d"], &path) {
                let serial = vfat_serial(&File::open(&path).unwrap()).unwrap();
                assert_eq!(serial.as_deref(), Some("1A2B-3C4D"));
            }
        }
        assert_eq!(
            vfat_serial(&File::open("/dev/null").unwrap()).unwrap(),
            None
        );
    }

    #[test]
    fn what_the_usual_tools_make_is_recognised() {
        let vfat = |label: Option<&str>| Content::Vfat {
            label: label.map(str::to_owned),
        };
        let cases: [(&str, &[&str], Content); 6] = [
            ("mkfs.vfat", &["-F32", "-n", "STICK"], vfat(Some("STICK"))),
            ("mkfs.vfat", &["-F32"], vfat(None)),
            ("mkfs.vfat", &["-F16", "-n", "SMALL"], vfat(Some("SMALL"))),
            ("mkfs.ext4", &["-q"], Content::Ext),
            ("mkswap", &["-q"], Content::Swap),
            ("sgdisk", &["-n", "1:0:0"], Content::Partitions(Table::Gpt)),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image");
        for (tool, arguments, expected) in cases {
            if made_by(tool, arguments, &path) {
                assert_eq!(Content::of(&File::open(&path).unwrap()).unwrap(), expected);
            }
        }
    }
}
