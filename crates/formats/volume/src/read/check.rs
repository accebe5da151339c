//! Whether all that is not a file's content is as it should be.

use super::boot::sector;
use super::{Finding, ReadError, Scan, Volume};
use crate::VOLUME_START_LBA;
use crate::format::{self, BACKUP_SECTOR, FS_INFO_SECTOR, RawFsInfo, RawMbr, RawPartition};
use livestick_blockio::{ReadAt, SECTOR_BYTES};
use zerocopy::IntoBytes;

/// Where systems note in the boot sector that they have the volume mounted.
const STATE_OFFSET: usize = 65;
/// What is looked at in one go.
const PIECE_BYTES: u64 = 1 << 20;
const FAT_CLEAN_BITS: u32 = 0x0c00_0000;

/// Holds partition table, boot sectors, FSInfo and both FATs against each other and against what
/// [`crate::Plan`] writes there, on a device of so many bytes. What is wrong with directories and
/// chains is in the scan's own findings.
///
/// # Errors
/// Where the medium cannot be read.
pub fn check<R: ReadAt>(
    volume: &Volume<R>,
    scan: &Scan,
    device_bytes: u64,
) -> Result<Vec<Finding>, ReadError> {
    let mut findings = Vec::new();
    check_partitions(volume, device_bytes, &mut findings);
    check_boot_sectors(volume, scan, &mut findings)?;
    let free_clusters = check_fats(volume, scan, &mut findings)?;
    check_fs_info(volume, free_clusters, &mut findings)?;
    Ok(findings)
}

fn check_partitions<R>(volume: &Volume<R>, device_bytes: u64, findings: &mut Vec<Finding>) {
    const PART: &str = "partition table";
    let mbr: RawMbr = zerocopy::transmute!(volume.boot.mbr);
    let parameters = &volume.boot.parameters;
    let expected = format::partition(parameters.start_lba, parameters.total_sectors);
    let [first, others @ ..] = &mbr.partitions;
    if first.as_bytes() != expected.as_bytes() || parameters.start_lba != VOLUME_START_LBA {
        findings.push(Finding::damaged(
            PART,
            "its first entry is not that of the volume",
        ));
    }
    let device_sectors = device_bytes / SECTOR_BYTES;
    let end = u64::from(parameters.start_lba) + u64::from(parameters.total_sectors);
    if end > device_sectors {
        findings.push(Finding::damaged(PART, "the volume ends behind the device"));
    }
    for partition in others.iter().filter(|entry| !is_empty(entry)) {
        let start = u64::from(partition.start_lba.get());
        let length = u64::from(partition.length_sectors.get());
        let possible = partition.kind != 0 && length > 0 && start >= end;
        findings.push(match possible && start + length <= device_sectors {
            true => Finding::odd(PART, "there is another partition"),
            false => Finding::damaged(PART, "another entry makes no sense"),
        });
    }
}

fn is_empty(partition: &RawPartition) -> bool {
    partition.as_bytes().iter().all(|byte| *byte == 0)
}

fn check_boot_sectors<R: ReadAt>(
    volume: &Volume<R>,
    scan: &Scan,
    findings: &mut Vec<Finding>,
) -> Result<(), ReadError> {
    const PART: &str = "boot sector";
    let parameters = &volume.boot.parameters;
    let own = without_state(volume.boot.boot_sector);
    let backup_lba = u64::from(parameters.start_lba) + u64::from(BACKUP_SECTOR);
    let backup = sector(&volume.medium, backup_lba, "backup of the boot sector")?;
    if own != without_state(backup) {
        findings.push(Finding::damaged(PART, "it and its backup differ"));
    }
    if format::boot_sector(Some(&own), &parameters.to_raw()) != own {
        findings.push(Finding::damaged(
            PART,
            "a field does not have its only value",
        ));
    }
    if !parameters.is_large_enough() {
        findings.push(Finding::damaged(PART, "it has too few clusters for FAT32"));
    }
    if volume.boot.boot_sector[STATE_OFFSET] != 0 {
        findings.push(Finding::odd(PART, "the volume was not unmounted"));
    }
    if scan.label.is_some_and(|label| label != parameters.label) {
        findings.push(Finding::odd(
            PART,
            "the label is not that of the root directory",
        ));
    }
    Ok(())
}

fn without_state(mut sector: [u8; 512]) -> [u8; 512] {
    // Only the two bits that have a meaning.
    sector[STATE_OFFSET] &= !3;
    sector
}

/// Returns how many clusters are free.
fn check_fats<R: ReadAt>(
    volume: &Volume<R>,
    scan: &Scan,
    findings: &mut Vec<Finding>,
) -> Result<u32, ReadError> {
    const PART: &str = "FAT";
    let parameters = &volume.boot.parameters;
    let length_bytes = u64::from(parameters.fat_sectors) * SECTOR_BYTES;
    let (mut free, mut lost) = (0, 0);
    let mut differs = None;
    let mut first = 0_u32;
    for start in (0..length_bytes).step_by(1 << 20) {
        let length = (length_bytes - start).min(PIECE_BYTES);
        let [one, other] = [0, 1].map(|copy| {
            let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
            let offset_bytes = parameters.fat_lba(copy) * SECTOR_BYTES + start;
            let read = volume.medium.read_exact_at(&mut piece, offset_bytes);
            read.map(|()| piece).map_err(|source| ReadError::Io {
                part: PART,
                offset_bytes,
                source,
            })
        });
        let (one, other) = (one?, other?);
        let (one, other) = (one.as_chunks::<4>().0, other.as_chunks::<4>().0);
        for (cluster, (one, other)) in (first..).zip(one.iter().zip(other)) {
            if one != other && differs.is_none() {
                differs = Some(cluster);
            }
            if parameters.holds(cluster) {
                let is_free = u32::from_le_bytes(*one) & 0x0fff_ffff == 0;
                free += u32::from(is_free);
                lost += u32::from(!is_free && !scan.taken.holds(cluster));
            }
        }
        if start == 0 {
            findings.extend(check_head(one));
        }
        first += u32::try_from(one.len()).unwrap_or_default();
    }
    if let Some(cluster) = differs {
        let problem = format!("its two copies differ at cluster {cluster}");
        findings.push(Finding::damaged(PART, problem));
    }
    if lost > 0 {
        let problem = format!("{lost} clusters belong to no file");
        findings.push(Finding::odd(PART, problem));
    }
    Ok(free)
}

/// The two entries before the first cluster's.
fn check_head(fat: &[[u8; 4]]) -> Option<Finding> {
    let head = |index: usize| fat.get(index).map(|entry| u32::from_le_bytes(*entry));
    let [medium, state] = format::FAT_HEAD;
    if head(0) != Some(medium) || head(1).map(|entry| entry | FAT_CLEAN_BITS) != Some(state) {
        return Some(Finding::damaged("FAT", "it does not begin as a FAT does"));
    }
    (head(1) != Some(state)).then(|| Finding::odd("FAT", "the volume was not unmounted"))
}

fn check_fs_info<R: ReadAt>(
    volume: &Volume<R>,
    free_clusters: u32,
    findings: &mut Vec<Finding>,
) -> Result<(), ReadError> {
    const PART: &str = "FSInfo sector";
    let parameters = &volume.boot.parameters;
    for place in [FS_INFO_SECTOR, BACKUP_SECTOR + FS_INFO_SECTOR] {
        let lba = u64::from(parameters.start_lba) + u64::from(place);
        let found = sector(&volume.medium, lba, PART)?;
        let raw: RawFsInfo = zerocopy::transmute!(found);
        let (free, next) = (raw.free_clusters.get(), raw.next_free.get());
        if format::fs_info(free, next) != found {
            findings.push(Finding::damaged(PART, "it is not one"));
        }
        let next_is_one = next == u32::MAX || parameters.holds(next);
        // Nobody keeps the backup's numbers up to date.
        let own = place == FS_INFO_SECTOR;
        if own && (!next_is_one || (free != u32::MAX && free != free_clusters)) {
            findings.push(Finding::odd(
                PART,
                "its hints about free clusters are wrong",
            ));
        }
    }
    Ok(())
}
