//! Where the parts of the volume lie on the device.

use livestick_blockio::SECTOR_BYTES;

/// How much of the device the volume takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// What the files need, and no less than the smallest FAT32 volume that every reader accepts
    /// (about 300 MiB; what no file uses need not be written).
    Fit,
    /// All of a device of so many bytes.
    Fixed(u64),
}

/// Where the volume begins on the device.
pub const VOLUME_START_LBA: u32 = 2048;

/// Two copies, as every reader expects.
pub(crate) const FATS: u8 = 2;
/// The first cluster of the data area.
pub(crate) const FIRST_CLUSTER: u32 = 2;

/// FAT32 begins at 65,525 clusters: readers take a smaller volume for FAT16. The margin is for those
/// that count differently.
pub(crate) const CLUSTERS_AT_LEAST: u32 = 65_525 + 64;
/// Higher numbers have meanings of their own in the FAT.
pub(crate) const CLUSTERS_AT_MOST: u64 = 0x0fff_fff5;
/// Flash is erased in blocks of such sizes; data that begins on a boundary wears it least.
const DATA_ALIGNMENT_SECTORS: u32 = 4 * SECTORS_PER_MIB;
pub(crate) const SECTORS_PER_MIB: u32 = 2048;
/// Left free behind the partition, for the second table of a GPT should the device ever get one.
pub(crate) const TAIL_SECTORS: u32 = SECTORS_PER_MIB;
/// The largest clusters that every system reads: 32 KiB.
pub(crate) const SECTORS_PER_CLUSTER_AT_MOST: u8 = 64;
pub(crate) const FAT_ENTRIES_PER_SECTOR: u32 = 128;
const GIB: u64 = 1 << 30;

/// The parts of a volume of which only the length may still change.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    pub(crate) sectors_per_cluster: u8,
    pub(crate) reserved_sectors: u16,
    pub(crate) fat_sectors: u32,
    /// On the device.
    pub(crate) data_start_lba: u32,
    /// The most clusters that the volume may have.
    pub(crate) clusters_limit: u32,
}

/// How long a volume turned out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extension {
    pub(crate) clusters: u32,
    /// On the device, exclusive.
    pub(crate) end_lba: u32,
}

/// The volume would not fit the 32-bit numbers of FAT and partition table.
#[derive(Debug)]
pub(crate) struct TooLarge;

impl Geometry {
    /// Room for so many clusters, the smallest volume at least.
    pub(crate) fn fit(clusters: u64) -> Result<Self, TooLarge> {
        Self::new(sectors_per_cluster(Size::Fit), clusters)
    }

    /// A device of so many bytes, or `None` where that is less than the smallest volume needs.
    pub(crate) fn fixed(size_bytes: u64) -> Result<Option<Self>, TooLarge> {
        let sectors = size_bytes / SECTOR_BYTES;
        let mebibytes = u32::try_from(sectors).map_err(|_| TooLarge)? / SECTORS_PER_MIB;
        let end_lba = (mebibytes * SECTORS_PER_MIB).saturating_sub(TAIL_SECTORS);
        let sectors_per_cluster = sectors_per_cluster(Size::Fixed(size_bytes));
        // FATs for clusters where in truth the FATs are: a few sectors more than needed.
        let above = u64::from(end_lba / u32::from(sectors_per_cluster));
        let geometry = Self::new(sectors_per_cluster, above)?;
        let data_sectors = end_lba.saturating_sub(geometry.data_start_lba);
        let clusters_limit = data_sectors / u32::from(sectors_per_cluster);
        Ok((clusters_limit >= CLUSTERS_AT_LEAST).then_some(Self {
            clusters_limit,
            ..geometry
        }))
    }

    /// A size for [`Self::fixed`] that suffices for so many clusters.
    pub(crate) fn sufficient_bytes(
        clusters: u64,
        sectors_per_cluster: u8,
    ) -> Result<u64, TooLarge> {
        let geometry = Self::new(sectors_per_cluster, clusters)?;
        // The few sectors may push the data area to the next boundary.
        let boundary_bytes = u64::from(DATA_ALIGNMENT_SECTORS) * SECTOR_BYTES;
        Ok(geometry.length_bytes(geometry.whole()) + boundary_bytes)
    }

    /// The volume that holds clusters up to `used`, whole mebibytes long.
    pub(crate) fn shrunk_to(&self, used: u32) -> Extension {
        let clusters = used.max(CLUSTERS_AT_LEAST);
        self.extension(clusters.next_multiple_of(self.clusters_per_mib()))
    }

    /// The volume with all the clusters that it can have.
    pub(crate) fn whole(&self) -> Extension {
        self.extension(self.clusters_limit)
    }

    /// How much of a device such a volume takes.
    pub(crate) fn length_bytes(&self, extension: Extension) -> u64 {
        u64::from(extension.end_lba + TAIL_SECTORS) * SECTOR_BYTES
    }

    pub(crate) fn cluster_bytes(&self) -> u32 {
        cluster_bytes(self.sectors_per_cluster)
    }

    /// Where a cluster begins, on the device.
    pub(crate) fn cluster_lba(&self, cluster: u32) -> u64 {
        let index = u64::from(cluster - FIRST_CLUSTER);
        u64::from(self.data_start_lba) + index * u64::from(self.sectors_per_cluster)
    }

    /// Where a copy of the FAT begins, on the device.
    pub(crate) fn fat_lba(&self, copy: u8) -> u32 {
        VOLUME_START_LBA + u32::from(self.reserved_sectors) + u32::from(copy) * self.fat_sectors
    }

    fn new(sectors_per_cluster: u8, clusters: u64) -> Result<Self, TooLarge> {
        let clusters = clusters.max(u64::from(CLUSTERS_AT_LEAST));
        let clusters = clusters.next_multiple_of(u64::from(clusters_per_mib(sectors_per_cluster)));
        let clusters = Some(clusters).filter(|clusters| *clusters <= CLUSTERS_AT_MOST);
        let clusters = clusters.and_then(|clusters| u32::try_from(clusters).ok());
        let clusters_limit = clusters.ok_or(TooLarge)?;
        let fat_sectors = (clusters_limit + FIRST_CLUSTER).div_ceil(FAT_ENTRIES_PER_SECTOR);
        // The last boundary that a reserved count of 16 bits still reaches.
        let furthest = VOLUME_START_LBA + u32::from(u16::MAX) + u32::from(FATS) * fat_sectors;
        let excess = furthest % DATA_ALIGNMENT_SECTORS;
        let geometry = Self {
            sectors_per_cluster,
            reserved_sectors: u16::MAX - u16::try_from(excess).map_err(|_| TooLarge)?,
            fat_sectors,
            data_start_lba: furthest - excess,
            clusters_limit,
        };
        let end_lba = geometry.cluster_lba(FIRST_CLUSTER + clusters_limit);
        u32::try_from(end_lba + u64::from(TAIL_SECTORS)).map_err(|_| TooLarge)?;
        Ok(geometry)
    }

    fn clusters_per_mib(&self) -> u32 {
        clusters_per_mib(self.sectors_per_cluster)
    }

    fn extension(&self, clusters: u32) -> Extension {
        Extension {
            clusters,
            end_lba: self.data_start_lba + clusters * u32::from(self.sectors_per_cluster),
        }
    }
}

/// Small clusters for as long as the FAT stays small: the steps are those that Windows takes.
pub(crate) fn sectors_per_cluster(size: Size) -> u8 {
    match size {
        Size::Fit => 8,
        Size::Fixed(bytes) if bytes <= 8 * GIB => 8,
        Size::Fixed(bytes) if bytes <= 16 * GIB => 16,
        Size::Fixed(bytes) if bytes <= 32 * GIB => 32,
        Size::Fixed(_) => SECTORS_PER_CLUSTER_AT_MOST,
    }
}

/// Files and directories begin so many clusters apart, or a multiple of it: on boundaries of the
/// largest clusters, so that clusters can become as large without a file being moved.
pub(crate) fn clusters_apart(sectors_per_cluster: u8) -> u32 {
    u32::from((SECTORS_PER_CLUSTER_AT_MOST / sectors_per_cluster).max(1))
}

pub(crate) fn cluster_bytes(sectors_per_cluster: u8) -> u32 {
    512 * u32::from(sectors_per_cluster)
}

fn clusters_per_mib(sectors_per_cluster: u8) -> u32 {
    SECTORS_PER_MIB / u32::from(sectors_per_cluster)
}
