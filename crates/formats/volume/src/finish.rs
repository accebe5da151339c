//! The bytes of a volume besides its files'.

use crate::directory::{Node, Target};
use crate::format::{self, BACKUP_SECTOR, FS_INFO_SECTOR, Parameters};
use crate::geometry::{Extension, FATS, FIRST_CLUSTER, Geometry};
use crate::plan::{PlacedLength, Plan, Run};
use crate::{Label, Size, Timestamp, VOLUME_START_LBA};
use livestick_blockio::{Extent, SECTOR_BYTES};

/// What the volume is called and begins with. Nothing in here moves a file.
#[derive(Clone, Debug)]
pub struct Options {
    /// The volume's label.
    pub label: Label,
    /// The volume's serial number, which tools show as its UUID.
    pub serial: u32,
    /// The partition table's signature, by which firmware and systems tell devices apart.
    pub mbr_signature: u32,
    /// The time of every file and directory.
    pub timestamp: Timestamp,
    /// What a BIOS runs; without it, the firmware is told to try the next device.
    pub boot_code: Option<BootCode>,
}

/// What a BIOS runs.
#[derive(Clone, Debug)]
pub struct BootCode {
    /// For the device's first sector: all that lies before the partition table.
    pub mbr: [u8; 440],
    /// For the volume's boot sector: bytes 0 to 10 and 90 to 509 of it are taken, the rest is the
    /// volume's own.
    pub volume: [u8; 512],
}

/// How long a file with a reserved length became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FinalLength<'a> {
    /// Its path, as in the plan.
    pub path: &'a str,
    /// Its length.
    pub length_bytes: u64,
}

/// What makes a volume of the files' bytes.
#[derive(Clone, Debug)]
pub struct Finished {
    /// How long the image is, or how much of the device it takes: as given with [`Size::Fixed`].
    pub length_bytes: u64,
    /// What must be written, in this order: as long as the last one is missing, there is no volume.
    pub writes: Vec<MetadataWrite>,
    /// What must read as zeros, by sectors of the device. A new file does where nothing is written;
    /// a device must be written here, before `writes`.
    pub zeros: Vec<Extent>,
}

/// Bytes for one place on the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataWrite {
    /// The place.
    pub offset_bytes: u64,
    /// The bytes, whole sectors.
    pub bytes: Vec<u8>,
}

/// Why the lengths do not fit the plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinishError {
    /// No file with a reserved length has that path.
    #[error("no length was reserved for `{path}`")]
    NotReserved {
        /// The path.
        path: String,
    },
    /// A file with a reserved length has no final one.
    #[error("the length of `{path}` is missing")]
    Missing {
        /// Its path.
        path: String,
    },
    /// A file became longer than its space.
    #[error("`{path}` has {length_bytes} bytes, and {limit_bytes} were reserved for it")]
    TooLong {
        /// Its path.
        path: String,
        /// How long it became.
        length_bytes: u64,
        /// How much was reserved.
        limit_bytes: u64,
    },
}

const END_OF_CHAIN: u32 = 0x0fff_ffff;
const NO_HINT: u32 = 0xffff_ffff;

pub(crate) fn finish(
    plan: &Plan,
    lengths: &[FinalLength<'_>],
    options: &Options,
) -> Result<Finished, FinishError> {
    let targets = file_targets(plan, final_lengths(plan, lengths)?);
    let geometry = &plan.geometry;
    let runs = runs(plan, &targets);
    let fat = fat_of(runs.iter().map(std::slice::from_ref));
    let end = runs.iter().map(Run::end).max().unwrap_or(FIRST_CLUSTER);
    let extension = match plan.size {
        Size::Fit => geometry.shrunk_to(end - FIRST_CLUSTER),
        Size::Fixed(_) => geometry.whole(),
    };

    let mut writes: Vec<_> = (0..FATS)
        .map(|copy| write(geometry.fat_lba(copy).into(), fat.clone()))
        .collect();
    writes.extend(directory_writes(plan, &targets, options));
    writes.extend(head_writes(geometry, extension, &runs, options));
    Ok(Finished {
        length_bytes: match plan.size {
            Size::Fit => geometry.length_bytes(extension),
            Size::Fixed(size_bytes) => size_bytes,
        },
        zeros: zeros(geometry, fat.len() as u64 / SECTOR_BYTES),
        writes,
    })
}

/// The length of every file, in the plan's order; `None` for one that is not there.
fn final_lengths(
    plan: &Plan,
    lengths: &[FinalLength<'_>],
) -> Result<Vec<Option<u32>>, FinishError> {
    let mut given = vec![None; plan.files.len()];
    for &FinalLength { path, length_bytes } in lengths {
        let index = plan.file_index(path);
        let reserved = index.and_then(|index| match plan.files[index].length {
            PlacedLength::AtMost(limit) | PlacedLength::Maybe(limit) => Some((index, limit)),
            PlacedLength::Exact(_) => None,
        });
        let path = || path.to_owned();
        let (index, limit) = reserved.ok_or_else(|| FinishError::NotReserved { path: path() })?;
        let length = u32::try_from(length_bytes).ok();
        let length = length.filter(|length| *length <= limit);
        given[index] = Some(length.ok_or_else(|| FinishError::TooLong {
            path: path(),
            length_bytes,
            limit_bytes: limit.into(),
        })?);
    }
    let lengths = plan.files.iter().zip(given).map(|(file, given)| {
        let missing = || FinishError::Missing {
            path: file.path.clone(),
        };
        match file.length {
            PlacedLength::Exact(length) => Ok(Some(length)),
            PlacedLength::AtMost(_) => given.ok_or_else(missing).map(Some),
            PlacedLength::Maybe(_) => Ok(given),
        }
    });
    lengths.collect()
}

fn file_targets(plan: &Plan, lengths: Vec<Option<u32>>) -> Vec<Option<Target>> {
    let targets = plan.files.iter().zip(lengths);
    let targets = targets.map(|(file, length_bytes)| {
        let length_bytes = length_bytes?;
        Some(Target {
            // An empty file has no clusters, and says so with 0.
            cluster: if length_bytes == 0 {
                0
            } else {
                file.start_cluster
            },
            length_bytes,
        })
    });
    targets.collect()
}

/// Every run of clusters that is in use.
fn runs(plan: &Plan, files: &[Option<Target>]) -> Vec<Run> {
    let there = files.iter().flatten();
    let used = there.filter(|target| target.length_bytes > 0);
    let files = used.map(|target| Run {
        start: target.cluster,
        length: target.length_bytes.div_ceil(plan.geometry.cluster_bytes()),
    });
    plan.directory_runs.iter().copied().chain(files).collect()
}

/// The FAT up to the last cluster in use, in whole sectors, of chains that are made of runs.
pub(crate) fn fat_of<'a>(chains: impl Iterator<Item = &'a [Run]>) -> Vec<u8> {
    let mut fat = format::FAT_HEAD.to_vec();
    for chain in chains {
        let followers = chain.iter().skip(1).map(|run| run.start);
        for (run, follower) in chain.iter().zip(followers.chain([END_OF_CHAIN])) {
            if fat.len() < run.end() as usize {
                fat.resize(run.end() as usize, 0);
            }
            let links = (run.start + 1..run.end()).chain([follower]);
            for (entry, link) in fat[run.start as usize..].iter_mut().zip(links) {
                *entry = link;
            }
        }
    }
    let mut bytes: Vec<u8> = fat.into_iter().flat_map(u32::to_le_bytes).collect();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn directory_writes(
    plan: &Plan,
    files: &[Option<Target>],
    options: &Options,
) -> Vec<MetadataWrite> {
    let target = |node: Node| match node {
        Node::File(index) => files[index],
        Node::Directory(number) => Some(Target {
            cluster: plan.directory_runs[number].start,
            length_bytes: 0,
        }),
    };
    let cluster_bytes = plan.geometry.cluster_bytes() as usize;
    let writes = plan.directory_runs.iter().enumerate().map(|(number, run)| {
        let (label, timestamp) = (options.label, options.timestamp);
        let mut bytes = plan.directories.bytes(number, label, timestamp, target);
        // A directory ends with a zero byte; the rest of its clusters is never looked at, but what
        // a device held before would be. All of them stay its own, though fewer files turned up.
        bytes.resize(run.length as usize * cluster_bytes, 0);
        write(plan.geometry.cluster_lba(run.start), bytes)
    });
    writes.collect()
}

/// FSInfo and boot sector, each after its backup, and the partition table.
fn head_writes(
    geometry: &Geometry,
    extension: Extension,
    runs: &[Run],
    options: &Options,
) -> [MetadataWrite; 5] {
    let total_sectors = extension.end_lba - VOLUME_START_LBA;
    let parameters = Parameters {
        sectors_per_cluster: geometry.sectors_per_cluster,
        reserved_sectors: geometry.reserved_sectors,
        start_lba: VOLUME_START_LBA,
        total_sectors,
        fat_sectors: geometry.fat_sectors,
        fats: FATS,
        root_cluster: FIRST_CLUSTER,
        serial: options.serial,
        label: options.label.padded(),
    };
    let (boot_sector, mbr) = boot_sectors(options, &parameters);

    let used: u32 = runs.iter().map(|run| run.length).sum();
    let next = runs.iter().map(Run::end).max().unwrap_or(FIRST_CLUSTER);
    let next = if next < FIRST_CLUSTER + extension.clusters {
        next
    } else {
        NO_HINT
    };
    let fs_info = format::fs_info(extension.clusters - used, next);

    let start = u64::from(VOLUME_START_LBA);
    let (info, backup) = (u64::from(FS_INFO_SECTOR), u64::from(BACKUP_SECTOR));
    [
        write(start + backup + info, fs_info.to_vec()),
        write(start + backup, boot_sector.to_vec()),
        write(start + info, fs_info.to_vec()),
        write(start, boot_sector.to_vec()),
        write(0, mbr.to_vec()),
    ]
}

fn boot_sectors(options: &Options, parameters: &Parameters) -> ([u8; 512], [u8; 512]) {
    let code = options.boot_code.as_ref();
    let boot_sector = format::boot_sector(code.map(|code| &code.volume), parameters);
    let mbr = format::mbr(
        code.map(|code| &code.mbr),
        options.mbr_signature,
        parameters.start_lba,
        parameters.total_sectors,
    );
    (boot_sector, mbr)
}

/// What of a volume's first sectors neither growing nor the owner's files will change: boot code and
/// the signature of the partition table. A reader takes the same bytes with
/// [`crate::BootRecord::boot_bytes`].
#[must_use]
pub fn boot_bytes(options: &Options) -> Vec<u8> {
    let any = Parameters {
        sectors_per_cluster: 1,
        reserved_sectors: 1,
        start_lba: VOLUME_START_LBA,
        total_sectors: 1,
        fat_sectors: 1,
        fats: FATS,
        root_cluster: FIRST_CLUSTER,
        serial: options.serial,
        label: options.label.padded(),
    };
    let (boot_sector, mbr) = boot_sectors(options, &any);
    format::boot_bytes(&mbr, &boot_sector)
}

/// The rest of the first MiB, and the rest of each FAT.
fn zeros(geometry: &Geometry, fat_written_sectors: u64) -> Vec<Extent> {
    let rest = |copy: u8| Extent {
        start_lba: u64::from(geometry.fat_lba(copy)) + fat_written_sectors,
        length_sectors: u64::from(geometry.fat_sectors) - fat_written_sectors,
    };
    let gap = Extent {
        start_lba: 1,
        length_sectors: u64::from(VOLUME_START_LBA) - 1,
    };
    std::iter::once(gap).chain((0..FATS).map(rest)).collect()
}

fn write(lba: u64, bytes: Vec<u8>) -> MetadataWrite {
    MetadataWrite {
        offset_bytes: lba * SECTOR_BYTES,
        bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Length, PlannedFile};

    fn finish(lengths: &[(&str, u64)]) -> Result<Finished, FinishError> {
        let files = [
            ("exact", Length::Exact(5000)),
            ("reserved", Length::AtMost(10_000)),
            ("after", Length::Exact(1)),
        ];
        let files = files.map(|(path, length)| PlannedFile {
            path: path.to_owned(),
            length,
        });
        let plan = Plan::new(&files, Size::Fit).unwrap();
        let lengths = lengths
            .iter()
            .map(|&(path, length_bytes)| FinalLength { path, length_bytes });
        plan.finish(&lengths.collect::<Vec<_>>(), &options())
    }

    fn options() -> Options {
        Options {
            label: "A".parse().unwrap(),
            serial: 1,
            mbr_signature: 2,
            timestamp: Timestamp::from_unix_seconds(0),
            boot_code: None,
        }
    }

    #[test]
    fn lengths_must_fit_the_plan() {
        let path = |path: &str| path.to_owned();
        let missing = FinishError::Missing {
            path: path("reserved"),
        };
        assert_eq!(finish(&[]).unwrap_err(), missing);
        for name in ["exact", "nowhere"] {
            let unknown = FinishError::NotReserved { path: path(name) };
            assert_eq!(finish(&[(name, 1), ("reserved", 1)]).unwrap_err(), unknown);
        }
        let long = FinishError::TooLong {
            path: path("reserved"),
            length_bytes: 10_001,
            limit_bytes: 10_000,
        };
        assert_eq!(finish(&[("reserved", 10_001)]).unwrap_err(), long);
    }

    #[test]
    fn chains_cover_files_and_leave_out_what_was_reserved_in_vain() {
        let entries = |length| {
            let finished = finish(&[("reserved", length)]).unwrap();
            let fat = &finished.writes[0].bytes;
            let entries = fat.as_chunks::<4>().0[2..27].iter();
            let entries = entries.map(|entry| u32::from_le_bytes(*entry));
            entries.collect::<Vec<_>>()
        };
        let end = END_OF_CHAIN;
        // The root, two clusters, three reserved, one; each on a boundary of eight.
        let expected = |reserved: [u32; 3]| {
            let mut expected = [0; 25];
            (expected[0], expected[24]) = (end, end);
            expected[8..10].copy_from_slice(&[11, end]);
            expected[16..19].copy_from_slice(&reserved);
            expected
        };
        assert_eq!(entries(10_000), expected([19, 20, end]));
        assert_eq!(entries(4096), expected([end, 0, 0]));
        assert_eq!(entries(0), expected([0; 3]));
    }

    #[test]
    fn a_file_that_is_not_needed_leaves_no_trace() {
        let file = |path: &str, length| PlannedFile {
            path: path.to_owned(),
            length,
        };
        let both = [
            file("one", Length::AtMost(5000)),
            file("two", Length::Maybe(5000)),
        ];
        let bytes = |files: &[PlannedFile]| {
            let one = FinalLength {
                path: "one",
                length_bytes: 5000,
            };
            let plan = Plan::new(files, Size::Fit).unwrap();
            plan.finish(&[one], &options()).unwrap().writes
        };
        assert_eq!(bytes(&both), bytes(&both[..1]));
    }

    #[test]
    fn the_partition_table_comes_last() {
        let finished = finish(&[("reserved", 0)]).unwrap();
        let offsets: Vec<_> = finished
            .writes
            .iter()
            .map(|write| write.offset_bytes)
            .collect();
        assert_eq!(offsets.last(), Some(&0));
        assert_eq!(offsets[offsets.len() - 2], 2048 * SECTOR_BYTES);
        assert_eq!(finished.writes.last().unwrap().bytes.len(), 512);
    }
}
