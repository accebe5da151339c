//! A volume takes all of a larger device, and no file moves.
//!
//! The FATs become longer. They end where the data begins, and extend downward into the reserved
//! sectors. Where those do not suffice, clusters become larger too, as far as every file begins on a
//! boundary of the larger ones: [`crate::Plan`] puts them so. With clusters of 32 KiB, 32 MiB of reserved
//! sectors suffice for 133 GB.

use crate::finish::{MetadataWrite, fat_of};
use crate::format::{self, BACKUP_SECTOR, FS_INFO_SECTOR};
use crate::geometry::{
    self, CLUSTERS_AT_LEAST, CLUSTERS_AT_MOST, FAT_ENTRIES_PER_SECTOR, FATS, FIRST_CLUSTER,
    SECTORS_PER_CLUSTER_AT_MOST, SECTORS_PER_MIB, TAIL_SECTORS,
};
use crate::plan::Run;
use crate::read::{self, Parameters, ReadError, Scan, Severity, Volume};
use crate::{Size, VOLUME_START_LBA};
use livestick_blockio::{Extent, ReadAt, SECTOR_BYTES};

/// What makes a volume larger.
#[derive(Clone, Debug)]
pub struct Growth {
    /// The volume's new length.
    pub volume_bytes: u64,
    /// What must read as zeros, by sectors of the device, before `writes`.
    pub zeros: Vec<Extent>,
    /// What must be written, in this order; the partition table is the last.
    pub writes: Vec<MetadataWrite>,
}

/// Why a volume cannot grow.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// It cannot be read.
    #[error("the volume cannot be read")]
    Read {
        /// Why.
        #[source]
        source: ReadError,
    },
    /// It is damaged, or not one that [`crate::Plan`] made.
    #[error("the volume is damaged: {problem}")]
    Damaged {
        /// The first thing that is wrong.
        problem: String,
    },
}

/// The smallest number of reserved sectors: that of other tools.
const RESERVED_AT_LEAST: u64 = 32;
/// The most that the boot sector can say.
const RESERVED_AT_MOST: u64 = u16::MAX as u64;

/// Plans how the volume on `medium` takes all of a device of so many bytes. `None` where it does so
/// already.
///
/// # Errors
/// Where the volume cannot be read, or is damaged: then it stays as it is.
pub fn grow<R: ReadAt>(medium: &R, device_bytes: u64) -> Result<Option<Growth>, GrowError> {
    let read = |source| GrowError::Read { source };
    let volume = Volume::open(medium).map_err(read)?;
    let scan = volume.scan().map_err(read)?;
    let old = &volume.boot().parameters;
    let checked = read::check(&volume, &scan, u64::MAX).map_err(read)?;
    let mut findings = scan.findings.iter().chain(&checked);
    if let Some(finding) = findings.find(|finding| finding.severity == Severity::Damaged) {
        let problem = finding.to_string();
        return Err(GrowError::Damaged { problem });
    }
    let Some(new) = larger(old, &scan, device_bytes) else {
        return Ok(None);
    };
    let change = Change {
        volume: &volume,
        scan: &scan,
        old,
        new: &new,
    };
    change.growth().map(Some)
}

/// The parameters on the larger device.
fn larger(old: &Parameters, scan: &Scan, device_bytes: u64) -> Option<Parameters> {
    let sectors = u32::try_from(device_bytes / SECTOR_BYTES).unwrap_or(u32::MAX);
    let end_lba = (sectors / SECTORS_PER_MIB * SECTORS_PER_MIB).checked_sub(TAIL_SECTORS)?;
    let usual = geometry::sectors_per_cluster(Size::Fixed(device_bytes));
    let mut candidates: Vec<_> = possible_clusters(old, scan)
        .filter_map(|sectors_per_cluster| resized(old, sectors_per_cluster, end_lba))
        .filter(|new| new.total_sectors > old.total_sectors)
        .collect();
    // As large as it gets, then as near to the usual size of clusters as can be.
    let longest = candidates.iter().map(|new| new.total_sectors).max()?;
    candidates.retain(|new| longest - new.total_sectors < SECTORS_PER_MIB);
    let distance = |new: &Parameters| new.sectors_per_cluster.abs_diff(usual);
    candidates.into_iter().min_by_key(distance)
}

/// Sizes of clusters, in sectors, that need no file to move.
fn possible_clusters<'a>(old: &'a Parameters, scan: &'a Scan) -> impl Iterator<Item = u8> + 'a {
    let factors = (0..7).map(|shift| 1_u8 << shift);
    let whole = move |factor: &u8| {
        let factor = u32::from(*factor);
        scan.runs.iter().all(|runs| {
            let (last, others) = match runs.split_last() {
                Some((last, others)) => (Some(last), others),
                None => (None, &[][..]),
            };
            let begins = |run: &Run| (run.start - FIRST_CLUSTER).is_multiple_of(factor);
            let ends = |run: &Run| run.length.is_multiple_of(factor);
            last.is_none_or(begins) && others.iter().all(|run| begins(run) && ends(run))
        })
    };
    let sizes = factors.filter(whole);
    let sizes = sizes.filter_map(|factor| old.sectors_per_cluster.checked_mul(factor));
    sizes.filter(|sectors| *sectors <= SECTORS_PER_CLUSTER_AT_MOST)
}

/// The volume with clusters of this size, up to this sector or as far as the FATs have room.
fn resized(old: &Parameters, sectors_per_cluster: u8, end_lba: u32) -> Option<Parameters> {
    let data_lba = old.data_lba();
    let before_data = data_lba - u64::from(VOLUME_START_LBA);
    let room = before_data.checked_sub(RESERVED_AT_LEAST)?;
    let clusters = u64::from(end_lba).checked_sub(data_lba)? / u64::from(sectors_per_cluster);
    let entries = room / u64::from(FATS) * u64::from(FAT_ENTRIES_PER_SECTOR);
    let clusters = clusters
        .min(entries - u64::from(FIRST_CLUSTER))
        .min(CLUSTERS_AT_MOST);
    let clusters = u32::try_from(clusters).ok()?;
    let needed = u64::from((clusters + FIRST_CLUSTER).div_ceil(FAT_ENTRIES_PER_SECTOR));
    // The FATs end where the data begin, and no more sectors than these can be reserved before them:
    // they may be longer than they need to be.
    let too_many = before_data.saturating_sub(RESERVED_AT_MOST);
    let fat_sectors = needed.max(too_many.div_ceil(u64::from(FATS)));
    let reserved = before_data - u64::from(FATS) * fat_sectors;
    let end_lba = data_lba + u64::from(clusters) * u64::from(sectors_per_cluster);
    let new = Parameters {
        sectors_per_cluster,
        reserved_sectors: u16::try_from(reserved).ok()?,
        fat_sectors: u32::try_from(fat_sectors).ok()?,
        total_sectors: u32::try_from(end_lba - u64::from(VOLUME_START_LBA)).ok()?,
        clusters,
        ..old.clone()
    };
    (clusters >= CLUSTERS_AT_LEAST).then_some(new)
}

struct Change<'a, R> {
    volume: &'a Volume<R>,
    scan: &'a Scan,
    old: &'a Parameters,
    new: &'a Parameters,
}

impl<R: ReadAt> Change<'_, R> {
    fn growth(&self) -> Result<Growth, GrowError> {
        let mut runs: Vec<Run> = self
            .scan
            .runs
            .iter()
            .flatten()
            .map(|run| self.run(run))
            .collect();
        runs.sort_by_key(|run| run.start);
        let fat = self.fat();
        let used: u32 = runs.iter().map(|run| run.length).sum();
        let next = runs.last().map_or(FIRST_CLUSTER, Run::end);

        let mut zeros = Vec::new();
        let mut writes = Vec::new();
        for copy in 0..FATS {
            let written_sectors = fat.len() as u64 / SECTOR_BYTES;
            zeros.push(Extent {
                start_lba: self.new.fat_lba(copy) + written_sectors,
                length_sectors: u64::from(self.new.fat_sectors) - written_sectors,
            });
            writes.push(write(self.new.fat_lba(copy), fat.clone()));
        }
        if self.factor() > 1 {
            self.add_directories(&mut zeros, &mut writes)?;
        }
        writes.extend(self.head_writes(self.new.clusters - used, next));
        Ok(Growth {
            volume_bytes: u64::from(self.new.total_sectors) * SECTOR_BYTES,
            zeros,
            writes,
        })
    }

    fn factor(&self) -> u32 {
        u32::from(self.new.sectors_per_cluster / self.old.sectors_per_cluster)
    }

    fn cluster(&self, old: u32) -> u32 {
        FIRST_CLUSTER + (old - FIRST_CLUSTER) / self.factor()
    }

    fn run(&self, old: &Run) -> Run {
        Run {
            start: self.cluster(old.start),
            length: old.length.div_ceil(self.factor()),
        }
    }

    /// The allocation table up to the last cluster in use, in whole sectors.
    fn fat(&self) -> Vec<u8> {
        let chains = self.scan.runs.iter();
        let chains = chains.map(|runs| runs.iter().map(|run| self.run(run)).collect());
        fat_of(chains.collect::<Vec<Vec<Run>>>().iter().map(Vec::as_slice))
    }

    /// The directories with their entries' new clusters, and what those have more at their ends.
    fn add_directories(
        &self,
        zeros: &mut Vec<Extent>,
        writes: &mut Vec<MetadataWrite>,
    ) -> Result<(), GrowError> {
        let directories = self.scan.entries.iter().filter(|entry| entry.is_directory);
        for directory in directories {
            let mut bytes = vec![0; usize::try_from(directory.length_bytes).unwrap_or_default()];
            let file = self.volume.file(directory);
            file.read_exact_at(&mut bytes, 0)
                .map_err(|source| GrowError::Read {
                    source: ReadError::Io {
                        part: "directory",
                        offset_bytes: directory.extents.first().map_or(0, Extent::start_bytes),
                        source,
                    },
                })?;
            read::relink(&mut bytes, |old| self.cluster(old));
            let mut rest = &bytes[..];
            for extent in &directory.extents {
                let length = usize::try_from(extent.length_bytes()).unwrap_or_default();
                let (now, later) = rest.split_at(length.min(rest.len()));
                writes.push(write(extent.start_lba, now.to_vec()));
                rest = later;
            }
            zeros.extend(directory.extents.last().map(|last| self.behind(last)));
        }
        Ok(())
    }

    /// What the last cluster has more than before.
    fn behind(&self, last: &Extent) -> Extent {
        let end = last.start_lba + last.length_sectors - self.old.data_lba();
        let new_end = end.next_multiple_of(u64::from(self.new.sectors_per_cluster));
        Extent {
            start_lba: self.old.data_lba() + end,
            length_sectors: new_end - end,
        }
    }

    fn head_writes(&self, free_clusters: u32, next: u32) -> [MetadataWrite; 5] {
        let boot = self.volume.boot();
        let next = match self.new.holds(next) {
            true => next,
            false => u32::MAX,
        };
        let fs_info = format::fs_info(free_clusters, next);
        let boot_sector = format::boot_sector(Some(&boot.boot_sector), &self.new.to_raw());
        let mbr = format::with_partition(&boot.mbr, self.new.start_lba, self.new.total_sectors);
        let start = u64::from(self.new.start_lba);
        let (info, backup) = (u64::from(FS_INFO_SECTOR), u64::from(BACKUP_SECTOR));
        [
            write(start + backup + info, fs_info.to_vec()),
            write(start + backup, boot_sector.to_vec()),
            write(start + info, fs_info.to_vec()),
            write(start, boot_sector.to_vec()),
            write(0, mbr.to_vec()),
        ]
    }
}

fn write(lba: u64, bytes: Vec<u8>) -> MetadataWrite {
    MetadataWrite {
        offset_bytes: lba * SECTOR_BYTES,
        bytes,
    }
}
