//! The computer's other disks, each made for one boot.

use super::damage::Damage;
use super::run::{FindRoot, noise, sh};
use anyhow::Result;
use livestick_vm::{Bus, Disk};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is on another disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inside {
    /// The very same stick once more.
    Twin,
    /// A livestick with the same label and everything else but the identity.
    Decoy,
    /// A copy of the stick on a disk inside, of whose root image the end is missing.
    ShortCopy,
    /// Nothing that makes sense.
    Noise,
    /// One of many small disks behind one controller.
    Luns,
    /// An ext4 that was not unmounted.
    DirtyExt4,
    /// One of the two halves of an md mirror.
    MdMirror,
    /// An LVM volume group with one volume.
    Lvm,
    /// Swap space.
    Swap,
    /// A stick like this one, with a FAT that cannot be mounted.
    BrokenFat,
    /// A disk with GPT, and with swap, ZFS, Btrfs and NTFS on its partitions.
    Systems,
    /// A disk whose partition table can be read, and nothing after that.
    Hanging,
    /// A disk of which the first page can be read at most: whoever looks for its partitions hangs.
    Dead,
}

const DISK_BYTES: u64 = 32 << 20;
const LUN_BYTES: u64 = 4 << 20;

impl Inside {
    /// Makes the disk as the machine's `index`-th, in this folder.
    pub(super) fn make(
        self,
        index: usize,
        stick: &Path,
        folder: &Path,
        root: FindRoot<'_>,
    ) -> Result<Disk> {
        let path = folder.join(format!("inside-{index}.img"));
        let (length, bus) = match self {
            Self::Twin => return Ok(Disk::stick(stick)),
            Self::Decoy => {
                Damage::OtherIdentity.copy(stick, &path, root)?;
                return Ok(Disk::stick(path));
            }
            Self::BrokenFat => {
                Damage::BrokenFat.copy(stick, &path, root)?;
                return Ok(Disk::stick(path));
            }
            Self::ShortCopy => {
                Damage::Short.copy(stick, &path, root)?;
                return Ok(Disk::internal(path, Bus::Ahci));
            }
            Self::Luns => (LUN_BYTES, Bus::VirtioScsi),
            Self::Systems => (systems::DISK_BYTES, Bus::VirtioBlk),
            _ => (DISK_BYTES, Bus::VirtioBlk),
        };
        File::create(&path)?.set_len(length)?;
        self.fill(&path, index)?;
        Ok(Disk {
            hangs_after_bytes: match self {
                // The BIOS and the kernel, which asks it once more, read a sector each. The kernel reads a
                // page of the disk then, and another one where it is no partition table.
                Self::Hanging => Some(8192),
                Self::Dead => Some(2048),
                _ => None,
            },
            ..Disk::internal(path, bus)
        })
    }

    fn fill(self, path: &Path, index: usize) -> Result<()> {
        let file = File::options().read(true).write(true).open(path)?;
        match self {
            Self::Twin | Self::Decoy | Self::BrokenFat | Self::ShortCopy => Ok(()),
            Self::Systems => systems::write(path, &file),
            Self::Noise | Self::Luns | Self::Dead => {
                Ok(file.write_all_at(&noise(1 << 20, index as u64), 0)?)
            }
            Self::DirtyExt4 => dirty_ext4(path, &file),
            Self::MdMirror => md::write_member(&file, u32::from(index % 2 == 1)),
            Self::Lvm => lvm::write_volume_group(&file),
            Self::Swap => sh(Command::new("mkswap").arg("--quiet").arg(path)),
            Self::Hanging => Ok(file.write_all_at(&one_partition(), 0)?),
        }
    }
}

/// A boot sector with one partition of Linux, from 1 MiB to the end of the disk.
fn one_partition() -> [u8; 512] {
    const ENTRY: usize = 446;
    const START_SECTOR: u32 = 2048;
    let mut sector = [0; 512];
    sector[ENTRY + 4] = 0x83;
    sector[ENTRY + 8..ENTRY + 12].copy_from_slice(&START_SECTOR.to_le_bytes());
    let sectors = u32::try_from(DISK_BYTES / 512).unwrap_or(u32::MAX) - START_SECTOR;
    sector[ENTRY + 12..ENTRY + 16].copy_from_slice(&sectors.to_le_bytes());
    sector[510..].copy_from_slice(&[0x55, 0xaa]);
    sector
}

/// `s_feature_incompat` of the superblock, and its bit for a journal that is to be replayed
/// (`fs/ext4/ext4.h`). Without checksums of metadata it can simply be set.
fn dirty_ext4(path: &Path, file: &File) -> Result<()> {
    const FEATURE_INCOMPAT_OFFSET: u64 = 1024 + 0x60;
    const INCOMPAT_RECOVER: u8 = 0x4;
    sh(Command::new("mkfs.ext4")
        .args(["-q", "-F", "-O", "^metadata_csum", "-L", "inside"])
        .arg(path))?;
    let mut features = [0];
    file.read_exact_at(&mut features, FEATURE_INCOMPAT_OFFSET)?;
    Ok(file.write_all_at(&[features[0] | INCOMPAT_RECOVER], FEATURE_INCOMPAT_OFFSET)?)
}

/// Every disk's digest, as `sha256sum` prints them.
pub(super) fn digests(paths: &[PathBuf]) -> Result<String> {
    if paths.is_empty() {
        return Ok(String::new());
    }
    let output = Command::new("sha256sum").args(paths).output()?;
    anyhow::ensure!(output.status.success(), "cannot read the disks inside");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

mod lvm;
mod md;
mod systems;
