//! Sticks that are not as they were built: patched copies of good ones.

use super::run::{FindRoot, sh};
use super::scenario::Root;
use anyhow::{Context, Result, ensure};
use livestick_handoff::{Identity, Manifest, paths};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was done to a copy of a stick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    /// Nothing: it is not even copied.
    None,
    /// Its length is a power of two, as that of an SD card.
    Padded,
    /// The root image is shorter than the manifest says.
    Short,
    /// Nothing was written behind the middle of the root image.
    Cut,
    /// One bit in the middle of the root image is wrong.
    Flipped,
    /// The manifest is that of another stick.
    OtherIdentity,
    /// The manifest makes no sense.
    BadManifest,
    /// The first menu entry is the one that checks the stick.
    ChecksAtOnce,
    /// The same, with the wrong bit.
    FlippedAndChecks,
    /// Somebody edited the menu, and its entries hand over to a program that is not there.
    NoInit,
    /// The second segment of the root image is gone.
    SegmentMissing,
    /// The second segment of the root image is shorter than the manifest says.
    SegmentShort,
    /// Its owner gave the volume another name.
    OtherLabel,
    /// Its FAT is none that Linux mounts.
    BrokenFat,
    /// The kernel is that of Debian 13.
    OtherKernel,
}

/// Where the only partition begins.
const PARTITION_START: &str = "1M";
/// A SquashFS begins with it, at the beginning of a sector.
const SQUASHFS_MAGIC: &[u8; 4] = b"hsqs";
const SECTOR_BYTES: usize = 512;
const MISSING_INIT: &str = "/sbin/no-such-init";
const SECOND_SEGMENT: &str = "live/filesystem.squashfs.001";
const PARTITION_START_BYTES: u64 = 1 << 20;
/// `BPB_FATSz32`, of whose zero the kernel says "bogus number of FAT sectors".
const FAT_LENGTH_OFFSET: u64 = 36;
const SYSLINUX_MENU: &str = "syslinux/syslinux.cfg";

impl Damage {
    /// Makes the copy, in a file that takes no more space than the original.
    pub(super) fn copy(self, good: &Path, copy: &Path, root: FindRoot<'_>) -> Result<()> {
        sh(Command::new("cp").arg("--sparse=always").args([good, copy]))?;
        match self {
            Self::None => Ok(()),
            Self::Padded => {
                let file = File::options().write(true).open(copy)?;
                Ok(file.set_len(file.metadata()?.len().next_power_of_two())?)
            }
            Self::Short => replace(copy, paths::ROOT_IMAGE, |mut image| {
                image.truncate(image.len() - SECTOR_BYTES);
                Ok(image)
            }),
            Self::Cut => cut(copy),
            Self::Flipped => flip(copy),
            Self::OtherIdentity => replace(copy, paths::MANIFEST, |text| {
                let manifest = Manifest::parse(&text).context("the manifest makes no sense")?;
                let identity = Identity([0x5a; 16]);
                Ok(Manifest {
                    identity,
                    ..manifest
                }
                .to_string()
                .into_bytes())
            }),
            Self::BadManifest => replace(copy, paths::MANIFEST, |text| {
                Ok(text.iter().map(|byte| byte ^ 1).collect())
            }),
            Self::ChecksAtOnce => start_with_check(copy),
            Self::FlippedAndChecks => flip(copy).and_then(|()| start_with_check(copy)),
            Self::NoInit => replace(copy, SYSLINUX_MENU, |text| {
                let text =
                    String::from_utf8(text).context("SYSLINUX's configuration is no text")?;
                ensure!(text.contains(" APPEND "), "no entry has options:\n{text}");
                let named = format!(" APPEND init={MISSING_INIT} ");
                Ok(text.replace(" APPEND ", &named).into_bytes())
            }),
            Self::SegmentMissing => mtool("mdel", copy, &[&format!("::/{SECOND_SEGMENT}")]),
            Self::SegmentShort => replace(copy, SECOND_SEGMENT, |mut segment| {
                segment.truncate(segment.len() - SECTOR_BYTES);
                Ok(segment)
            }),
            Self::OtherLabel => mtool("mlabel", copy, &["::HOLIDAY"]),
            Self::BrokenFat => {
                let file = File::options().write(true).open(copy)?;
                Ok(file.write_all_at(&[0; 4], PARTITION_START_BYTES + FAT_LENGTH_OFFSET)?)
            }
            Self::OtherKernel => {
                let kernel = fs::read(kernel_of(&root(Root::Trixie)?)?)?;
                replace(copy, paths::KERNEL, |_| Ok(kernel))
            }
        }
    }
}

/// Runs one of mtools on the stick's volume.
fn mtool(name: &str, stick: &Path, arguments: &[&str]) -> Result<()> {
    let volume = format!("{}@@{PARTITION_START}", stick.display());
    sh(Command::new(name).args(["-i", &volume]).args(arguments))
}

/// The kernel that a root has, of which there is one.
fn kernel_of(root: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(root.join("boot"))?.flatten();
    let is_kernel = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name.to_string_lossy().starts_with("vmlinuz-")
    };
    let kernel = entries.map(|entry| entry.path()).find(is_kernel);
    kernel.with_context(|| format!("{} has no kernel", root.display()))
}

/// Replaces a file on a stick by what is made of it.
fn replace(
    stick: &Path,
    path: &str,
    change: impl FnOnce(Vec<u8>) -> Result<Vec<u8>>,
) -> Result<()> {
    let scratch = stick.with_extension("file");
    let volume = format!("{}@@{PARTITION_START}", stick.display());
    let on_stick = format!("::/{path}");
    let mcopy = || {
        let mut command = Command::new("mcopy");
        command.args(["-o", "-i", &volume]);
        command
    };
    sh(mcopy().arg(&on_stick).arg(&scratch))?;
    fs::write(&scratch, change(fs::read(&scratch)?)?)?;
    sh(mcopy().arg(&scratch).arg(&on_stick))?;
    Ok(fs::remove_file(scratch)?)
}

/// SYSLINUX boots what `DEFAULT` names, and the menu's first entry is marked, too.
fn start_with_check(stick: &Path) -> Result<()> {
    let (mut before, mut after) = (String::new(), String::new());
    replace(stick, SYSLINUX_MENU, |text| {
        before = hex_digest(&text);
        let text = String::from_utf8(text).context("SYSLINUX's configuration is no text")?;
        ensure!(
            text.contains("LABEL check"),
            "there is no entry that checks the stick:\n{text}"
        );
        let lines = text.lines().map(|line| match line.trim() {
            line if line.starts_with("DEFAULT ") => "DEFAULT check".to_owned(),
            "MENU DEFAULT" => String::new(),
            _ => line.to_owned(),
        });
        let text = lines.collect::<Vec<_>>().join("\n").into_bytes();
        after = hex_digest(&text);
        Ok(text)
    })?;
    // The menu is one of the files that are checked.
    replace(stick, paths::CHECKSUMS, |text| {
        let text = String::from_utf8(text).context("the checksums are no text")?;
        ensure!(text.contains(&before), "no checksum of the menu:\n{text}");
        Ok(text.replace(&before, &after).into_bytes())
    })
}

fn hex_digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn cut(stick: &Path) -> Result<()> {
    let (start, length) = root_image(stick)?;
    let file = File::options().write(true).open(stick)?;
    let whole = file.metadata()?.len();
    file.set_len(start + length / 2)?;
    Ok(file.set_len(whole)?)
}

fn flip(stick: &Path) -> Result<()> {
    let (start, length) = root_image(stick)?;
    let file = File::options().read(true).write(true).open(stick)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, start + length / 2)?;
    Ok(file.write_all_at(&[byte[0] ^ 1], start + length / 2)?)
}

/// Where the root image lies on the stick, which livestick never scatters, and how long it is.
fn root_image(stick: &Path) -> Result<(u64, u64)> {
    let mut file = File::open(stick)?;
    let (mut offset, mut buffer) = (1 << 20, vec![0; 1 << 20]);
    file.seek(SeekFrom::Start(offset))?;
    loop {
        let count = file.read(&mut buffer)?;
        ensure!(count > 0, "there is no root image on the stick");
        let mut sectors = buffer[..count].chunks(SECTOR_BYTES);
        if let Some(sector) = sectors.position(|sector| sector.starts_with(SQUASHFS_MAGIC)) {
            offset += (sector * SECTOR_BYTES) as u64;
            // `bytes_used` of the superblock.
            let mut length = [0; 8];
            file.read_exact_at(&mut length, offset + 40)?;
            return Ok((offset, u64::from_le_bytes(length)));
        }
        offset += count as u64;
    }
}
