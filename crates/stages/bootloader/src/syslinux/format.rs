//! Where `ldlinux.sys` keeps what its installer writes into it.
//!
//! Source: SYSLINUX 6.04, `libinstaller/syslxint.h` (`struct patch_area`, `struct ext_patch_area`,
//! `struct syslinux_extent`).

use super::PatchError;
use livestick_blockio::SECTOR_BYTES;
use std::ops::Range;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// What the patch area begins with, at a multiple of four bytes.
pub(super) const MAGIC: u32 = 0x3eb2_02fe;
/// The first four bytes of an auxiliary data vector (ADV).
const ADV_MAGIC: u32 = 0x5a2d_2fa5;
/// There are two copies of the ADV, each a sector, at the file's end.
const ADV_SECTORS: usize = 2;
const SECTOR: usize = 512;
const _: () = assert!(SECTOR as u64 == SECTOR_BYTES);

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawPatchArea {
    magic: U32,
    instance: U32,
    data_sectors: U16,
    adv_sectors: U16,
    dwords: U32,

    checksum: U32,
    max_transfer: U16,
    extended_offset: U16,
}

const _: () = assert!(size_of::<RawPatchArea>() == 24);
const CHECKSUM_OFFSET: usize = 16;

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawExtendedPatchArea {
    advs_offset: U16,
    directory_offset: U16,
    directory_length: U16,
    subvolume_offset: U16,
    subvolume_length: U16,
    extents_offset: U16,
    extents_count: U16,
    first_sector_low_offset: U16,

    first_sector_high_offset: U16,
    raid_offset: U16,
}

const _: () = assert!(size_of::<RawExtendedPatchArea>() == 20);

#[derive(FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RawExtent {
    start_lba: U64,
    length_sectors: U16,
}

const _: () = assert!(size_of::<RawExtent>() == 10);

/// A run of sectors that the boot sector's successor loads in one go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LoadExtent {
    pub(super) start_lba: u64,
    pub(super) length_sectors: u16,
}

/// Where everything is, checked to lie inside the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PatchArea {
    /// How many sectors the core has; the two ADVs follow it.
    pub(super) data_sectors: usize,
    /// What the checksum covers.
    pub(super) summed: Range<usize>,
    pub(super) checksum: Range<usize>,
    pub(super) directory: Range<usize>,
    pub(super) extents: Range<usize>,
    pub(super) advs: Range<usize>,
    /// In the boot sector: where the lower and the upper half of the core's first sector go.
    pub(super) first_sector: [Range<usize>; 2],
}

impl PatchArea {
    pub(super) fn find(ldlinux_sys: &[u8]) -> Result<Self, PatchError> {
        let mut dwords = ldlinux_sys.chunks_exact(4);
        let start = dwords.position(|dword| dword == MAGIC.to_le_bytes());
        let start = start.ok_or(PatchError::NotLdlinux { field: "magic" })? * 4;
        let raw: RawPatchArea = read(ldlinux_sys, start, "patch area")?;
        let extended = usize::from(raw.extended_offset.get());
        let extended: RawExtendedPatchArea = read(ldlinux_sys, extended, "extended patch area")?;

        let data_sectors = usize::from(raw.data_sectors.get());
        check_advs(
            ldlinux_sys,
            data_sectors,
            usize::from(raw.adv_sectors.get()),
        )?;
        let dwords = usize::try_from(raw.dwords.get()).unwrap_or(usize::MAX);
        let inside = |field, offset: usize, length: usize| {
            let end = offset.saturating_add(length);
            match end <= data_sectors * SECTOR {
                true => Ok(offset..end),
                false => Err(PatchError::NotLdlinux { field }),
            }
        };
        let in_boot_sector = |offset: U16| {
            let offset = usize::from(offset.get());
            match offset + 4 <= SECTOR {
                true => Ok(offset..offset + 4),
                false => Err(PatchError::NotLdlinux {
                    field: "first sector",
                }),
            }
        };
        let extents = usize::from(extended.extents_count.get()) * size_of::<RawExtent>();
        Ok(Self {
            data_sectors,
            summed: inside("dwords", 0, dwords.saturating_mul(4))?,
            checksum: inside("checksum", start + CHECKSUM_OFFSET, 4)?,
            directory: inside(
                "directory",
                extended.directory_offset.get().into(),
                extended.directory_length.get().into(),
            )?,
            extents: inside("extents", extended.extents_offset.get().into(), extents)?,
            advs: inside(
                "ADV pointers",
                extended.advs_offset.get().into(),
                8 * ADV_SECTORS,
            )?,
            first_sector: [
                in_boot_sector(extended.first_sector_low_offset)?,
                in_boot_sector(extended.first_sector_high_offset)?,
            ],
        })
    }

    /// How many sectors the file has.
    pub(super) fn total_sectors(&self) -> usize {
        self.data_sectors + ADV_SECTORS
    }
}

/// The list as the file holds it, filled up with zeros; `None` where it is too long.
pub(super) fn extents_to_bytes(extents: &[LoadExtent], room: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(room);
    for extent in extents {
        let raw = RawExtent {
            start_lba: extent.start_lba.into(),
            length_sectors: extent.length_sectors.into(),
        };
        bytes.extend(raw.as_bytes());
    }
    (bytes.len() <= room).then(|| {
        bytes.resize(room, 0);
        bytes
    })
}

/// The file must be whole: core, then two ADVs.
fn check_advs(bytes: &[u8], data_sectors: usize, adv_sectors: usize) -> Result<(), PatchError> {
    let whole = adv_sectors == ADV_SECTORS
        && bytes.len() == (data_sectors + ADV_SECTORS) * SECTOR
        && bytes[data_sectors * SECTOR..]
            .chunks_exact(SECTOR)
            .all(|adv| adv.starts_with(&ADV_MAGIC.to_le_bytes()));
    if whole {
        Ok(())
    } else {
        Err(PatchError::NotLdlinux { field: "ADV" })
    }
}

fn read<T: FromBytes + KnownLayout + Immutable + Unaligned>(
    bytes: &[u8],
    offset: usize,
    field: &'static str,
) -> Result<T, PatchError> {
    bytes
        .get(offset..)
        .and_then(|rest| T::read_from_prefix(rest).ok())
        .map(|(value, _)| value)
        .ok_or(PatchError::NotLdlinux { field })
}
