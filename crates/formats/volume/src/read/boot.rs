//! Partition table and boot sector.

use super::ReadError;
use crate::VOLUME_START_LBA;
use crate::format::{self, RawBootSector, RawMbr};
use crate::geometry::{CLUSTERS_AT_LEAST, CLUSTERS_AT_MOST, FATS, FIRST_CLUSTER};
use livestick_blockio::{Extent, ReadAt, SECTOR_BYTES};
use std::io;
use zerocopy::IntoBytes;

/// What partition table and boot sector say of a volume.
#[derive(Clone, Debug)]
pub struct BootRecord {
    /// The device's first sector.
    pub mbr: [u8; 512],
    /// The volume's first sector.
    pub boot_sector: [u8; 512],
    /// The partition, by sectors of the device.
    pub partition: Extent,
    /// The volume's parameters.
    pub parameters: Parameters,
}

/// The parameters of a volume that make sense together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Where the volume begins, on the device.
    pub start_lba: u32,
    /// The volume's length.
    pub total_sectors: u32,
    /// A cluster's length.
    pub sectors_per_cluster: u8,
    /// What lies before the first FAT.
    pub reserved_sectors: u16,
    /// The length of a FAT.
    pub fat_sectors: u32,
    /// The first cluster of the root.
    pub root_cluster: u32,
    /// How many clusters there are.
    pub clusters: u32,
    /// The serial number.
    pub serial: u32,
    /// The label, padded with spaces.
    pub label: [u8; 11],
}

impl BootRecord {
    pub(super) fn read(medium: &impl ReadAt) -> Result<Self, ReadError> {
        let mbr = sector(medium, 0, "partition table")?;
        let partition = partition(&mbr)?;
        let boot_sector = sector(medium, partition.start_lba, "boot sector");
        let boot_sector = boot_sector.map_err(|error| match error {
            ReadError::Io { source, .. } if source.kind() == io::ErrorKind::UnexpectedEof => {
                ReadError::Damaged {
                    part: "partition table",
                    problem: "the volume begins behind the device's end",
                }
            }
            error => error,
        })?;
        let parameters = Parameters::parse(&boot_sector, &partition)?;
        Ok(Self {
            mbr,
            boot_sector,
            partition,
            parameters,
        })
    }

    /// What neither growing nor the owner's files change: boot code and the signature of the
    /// partition table. The builder takes the same bytes of its own with [`crate::boot_bytes`].
    #[must_use]
    pub fn boot_bytes(&self) -> Vec<u8> {
        format::boot_bytes(&self.mbr, &self.boot_sector)
    }

    /// The number by which systems tell devices apart.
    #[must_use]
    pub fn mbr_signature(&self) -> u32 {
        let raw: RawMbr = zerocopy::transmute!(self.mbr);
        raw.signature.get()
    }
}

impl Parameters {
    /// Reads a boot sector.
    pub(crate) fn parse(sector: &[u8; 512], partition: &Extent) -> Result<Self, ReadError> {
        let raw: RawBootSector = zerocopy::transmute!(*sector);
        let raw_parameters = raw.parameters;
        let damaged = |problem| ReadError::Damaged {
            part: "boot sector",
            problem,
        };
        if raw.boot_signature != format::SIGNATURE {
            return Err(damaged("it does not end with 55 AA"));
        }
        if u64::from(raw_parameters.bytes_per_sector.get()) != SECTOR_BYTES {
            return Err(damaged("its sectors do not have 512 bytes"));
        }
        if raw_parameters.fat_sectors_16.get() != 0 || raw_parameters.root_entries.get() != 0 {
            return Err(damaged("it is not FAT32"));
        }
        if raw_parameters.fats != FATS {
            return Err(damaged("there are not two FATs"));
        }
        if !raw_parameters.sectors_per_cluster.is_power_of_two() {
            return Err(damaged("a cluster has no possible size"));
        }
        let total_sectors = raw_parameters.total_sectors.get();
        let meta_sectors = u64::from(raw_parameters.reserved_sectors.get())
            + u64::from(FATS) * u64::from(raw_parameters.fat_sectors.get());
        let data_sectors = u64::from(total_sectors).checked_sub(meta_sectors);
        let clusters =
            data_sectors.map(|data| data / u64::from(raw_parameters.sectors_per_cluster));
        let clusters = clusters.filter(|count| (1..=CLUSTERS_AT_MOST).contains(count));
        let clusters = clusters.and_then(|count| u32::try_from(count).ok());
        let clusters = clusters.ok_or_else(|| damaged("its lengths do not add up"))?;
        if u64::from(raw_parameters.fat_sectors.get()) * 128 < u64::from(clusters) + 2 {
            return Err(damaged("the FAT is too short"));
        }
        if u64::from(total_sectors) > partition.length_sectors
            || u64::from(raw_parameters.hidden_sectors.get()) != partition.start_lba
        {
            return Err(damaged("it is of another partition"));
        }
        let root_cluster = raw_parameters.root_cluster.get();
        if root_cluster < FIRST_CLUSTER || root_cluster - FIRST_CLUSTER >= clusters {
            return Err(damaged("the root lies outside of the volume"));
        }
        Ok(Self {
            start_lba: raw_parameters.hidden_sectors.get(),
            total_sectors,
            sectors_per_cluster: raw_parameters.sectors_per_cluster,
            reserved_sectors: raw_parameters.reserved_sectors.get(),
            fat_sectors: raw_parameters.fat_sectors.get(),
            root_cluster,
            clusters,
            serial: raw_parameters.serial.get(),
            label: raw_parameters.label,
        })
    }

    /// As the boot sector is made of them.
    pub(crate) fn to_raw(&self) -> format::Parameters {
        format::Parameters {
            sectors_per_cluster: self.sectors_per_cluster,
            reserved_sectors: self.reserved_sectors,
            start_lba: self.start_lba,
            total_sectors: self.total_sectors,
            fat_sectors: self.fat_sectors,
            fats: FATS,
            root_cluster: self.root_cluster,
            serial: self.serial,
            label: self.label,
        }
    }

    /// Whether every reader takes it for FAT32.
    #[must_use]
    pub fn is_large_enough(&self) -> bool {
        self.clusters >= CLUSTERS_AT_LEAST
    }

    /// A cluster's length.
    #[must_use]
    pub fn cluster_bytes(&self) -> u64 {
        u64::from(self.sectors_per_cluster) * SECTOR_BYTES
    }

    /// The label without its padding.
    #[must_use]
    pub fn label(&self) -> String {
        String::from_utf8_lossy(&self.label).trim_end().to_owned()
    }

    /// Where a copy of the FAT begins, on the device.
    pub(crate) fn fat_lba(&self, copy: u8) -> u64 {
        u64::from(self.start_lba)
            + u64::from(self.reserved_sectors)
            + u64::from(copy) * u64::from(self.fat_sectors)
    }

    /// Where the first cluster begins, on the device.
    pub(crate) fn data_lba(&self) -> u64 {
        self.fat_lba(FATS)
    }

    /// Where a cluster begins, on the device. The cluster must be one.
    pub(crate) fn cluster_lba(&self, cluster: u32) -> u64 {
        self.data_lba() + u64::from(cluster - FIRST_CLUSTER) * u64::from(self.sectors_per_cluster)
    }

    /// Whether there is a cluster of this number.
    pub(crate) fn holds(&self, cluster: u32) -> bool {
        cluster >= FIRST_CLUSTER && cluster - FIRST_CLUSTER < self.clusters
    }
}

/// Where the volume ends, in bytes, of a device that begins with this sector; `None` where there is none
/// at the place where [`crate::Plan`] puts it.
#[must_use]
pub fn volume_end_bytes(first_sector: &[u8]) -> Option<u64> {
    let sector = <&[u8; 512]>::try_from(first_sector).ok()?;
    let raw: RawMbr = zerocopy::transmute!(*sector);
    let expected = |length| format::partition(VOLUME_START_LBA, length);
    partition(sector).ok()?;
    let [first, ..] = &raw.partitions;
    let length_sectors = first.length_sectors.get();
    let is_ours = first.as_bytes() == expected(length_sectors).as_bytes();
    let end_lba = u64::from(VOLUME_START_LBA) + u64::from(length_sectors);
    is_ours.then_some(end_lba * SECTOR_BYTES)
}

/// One sector of the device.
pub(super) fn sector(
    medium: &impl ReadAt,
    lba: u64,
    part: &'static str,
) -> Result<[u8; 512], ReadError> {
    let mut sector = [0; 512];
    let offset_bytes = lba * SECTOR_BYTES;
    let read = medium.read_exact_at(&mut sector, offset_bytes);
    read.map_err(|source| ReadError::Io {
        part,
        offset_bytes,
        source,
    })?;
    Ok(sector)
}

/// The first partition.
fn partition(mbr: &[u8; 512]) -> Result<Extent, ReadError> {
    let damaged = |problem| ReadError::Damaged {
        part: "partition table",
        problem,
    };
    let raw: RawMbr = zerocopy::transmute!(*mbr);
    if raw.boot_signature != format::SIGNATURE {
        return Err(damaged("it does not end with 55 AA"));
    }
    let [first, ..] = raw.partitions;
    if first.length_sectors.get() == 0 || first.start_lba.get() == 0 {
        return Err(damaged("it has no first partition"));
    }
    Ok(Extent {
        start_lba: first.start_lba.get().into(),
        length_sectors: first.length_sectors.get().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Damage, and no fault of whoever reads: the medium gives all that it has.
    #[test]
    fn a_volume_behind_the_end_is_damage() {
        let mut device = vec![0; 4096];
        let entry = format::partition(VOLUME_START_LBA, 2048);
        device[446..462].copy_from_slice(entry.as_bytes());
        device[510..512].copy_from_slice(b"\x55\xaa");
        device[457] |= 0x40;
        let error = BootRecord::read(&&device[..]).unwrap_err();
        let ReadError::Damaged { part, problem } = error else {
            panic!("{error}");
        };
        assert_eq!(part, "partition table");
        assert!(problem.contains("behind the device's end"), "{problem}");
    }
}
