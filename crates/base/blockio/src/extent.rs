//! Runs of sectors.

/// Bytes in a sector. Sticks with 4096-byte sectors are refused elsewhere: SYSLINUX and the volume
/// are laid out for this size only.
pub const SECTOR_BYTES: u64 = 512;

/// A run of consecutive 512-byte sectors. What LBA 0 is (the volume or the whole device) is said
/// where an extent is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first sector.
    pub start_lba: u64,
    /// How many sectors.
    pub length_sectors: u64,
}

impl Extent {
    /// Where the extent begins, in bytes.
    #[must_use]
    pub fn start_bytes(&self) -> u64 {
        self.start_lba * SECTOR_BYTES
    }

    /// How long it is, in bytes.
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        self.length_sectors * SECTOR_BYTES
    }
}
