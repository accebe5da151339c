//! What lies on the medium, byte for byte.

use crate::timestamp::Timestamp;
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes in a directory entry.
pub(crate) const ENTRY_BYTES: usize = size_of::<RawEntry>();
/// UTF-16 units in a long-name entry.
const LONG_NAME_UNITS: usize = 13;

/// Sectors of the volume, counted from its start.
pub(crate) const FS_INFO_SECTOR: u16 = 1;
pub(crate) const BACKUP_SECTOR: u16 = 6;

/// Attributes of directory entries.
pub(crate) const ATTRIBUTE_LABEL: u8 = 0x08;
pub(crate) const ATTRIBUTE_DIRECTORY: u8 = 0x10;
pub(crate) const ATTRIBUTE_FILE: u8 = 0x20;
pub(crate) const ATTRIBUTE_LONG_NAME: u8 = 0x0f;

pub(crate) const SIGNATURE: [u8; 2] = [0x55, 0xaa];
/// Marks the entry that holds a long name's end, which comes first.
pub(crate) const LAST_LONG_ENTRY: u8 = 0x40;
/// FAT32, addressed by LBA.
const PARTITION_TYPE: u8 = 0x0c;
const PARTITION_ACTIVE: u8 = 0x80;

/// Where no boot code is given: `int 18h`, which asks the firmware for the next boot device, and a
/// loop should it come back.
const NO_BOOT: [u8; 4] = [0xcd, 0x18, 0xeb, 0xfe];

/// The geometry for addresses by cylinder, head and sector: with 64 heads and 32 sectors a cylinder
/// is a mebibyte, so that partitions on mebibytes begin and end with cylinders.
pub(crate) const HEADS: u16 = 64;
pub(crate) const SECTORS_PER_TRACK: u16 = 32;
const LAST_CYLINDER: u32 = 1023;

/// The first sector of the device.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawMbr {
    code: [u8; 440],
    pub(crate) signature: U32,
    reserved: U16,
    pub(crate) partitions: [RawPartition; 4],
    pub(crate) boot_signature: [u8; 2],
}

#[derive(Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawPartition {
    status: u8,
    first: [u8; 3],
    pub(crate) kind: u8,
    last: [u8; 3],
    pub(crate) start_lba: U32,
    pub(crate) length_sectors: U32,
}

/// The boot sector of a FAT32 volume.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawBootSector {
    jump: [u8; 3],
    oem_name: [u8; 8],
    pub(crate) parameters: RawParameters,
    code: [u8; 420],
    pub(crate) boot_signature: [u8; 2],
}

/// The BIOS parameter block, bytes 11 to 89 of the boot sector.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawParameters {
    pub(crate) bytes_per_sector: U16,
    pub(crate) sectors_per_cluster: u8,
    pub(crate) reserved_sectors: U16,
    pub(crate) fats: u8,
    pub(crate) root_entries: U16,
    total_sectors_16: U16,
    media: u8,
    pub(crate) fat_sectors_16: U16,
    sectors_per_track: U16,
    heads: U16,
    pub(crate) hidden_sectors: U32,
    pub(crate) total_sectors: U32,
    pub(crate) fat_sectors: U32,
    flags: U16,
    version: U16,
    pub(crate) root_cluster: U32,
    fs_info_sector: U16,
    backup_sector: U16,
    reserved: [u8; 12],
    drive: u8,
    reserved_1: u8,
    extended_signature: u8,
    pub(crate) serial: U32,
    pub(crate) label: [u8; 11],
    kind: [u8; 8],
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawFsInfo {
    lead_signature: U32,
    reserved: [u8; 480],
    signature: U32,
    pub(crate) free_clusters: U32,
    pub(crate) next_free: U32,
    reserved_1: [u8; 12],
    trail_signature: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawEntry {
    pub(crate) name: [u8; 11],
    pub(crate) attributes: u8,
    pub(crate) reserved: u8,
    creation_tenths: u8,
    creation_time: U16,
    creation_date: U16,
    access_date: U16,
    cluster_high: U16,
    write_time: U16,
    write_date: U16,
    cluster_low: U16,
    pub(crate) length_bytes: U32,
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawLongEntry {
    pub(crate) order: u8,
    units_0: [U16; 5],
    attributes: u8,
    kind: u8,
    pub(crate) checksum: u8,
    units_5: [U16; 6],
    cluster: U16,
    units_11: [U16; 2],
}

const _: () = assert!(size_of::<RawMbr>() == 512);
const _: () = assert!(size_of::<RawBootSector>() == 512);
const _: () = assert!(size_of::<RawParameters>() == 79);
const _: () = assert!(size_of::<RawFsInfo>() == 512);
const _: () = assert!(size_of::<RawEntry>() == 32);
const _: () = assert!(size_of::<RawLongEntry>() == 32);

/// What the boot sector says of its volume.
pub(crate) struct Parameters {
    pub(crate) sectors_per_cluster: u8,
    pub(crate) reserved_sectors: u16,
    pub(crate) start_lba: u32,
    pub(crate) total_sectors: u32,
    pub(crate) fat_sectors: u32,
    pub(crate) fats: u8,
    pub(crate) root_cluster: u32,
    pub(crate) serial: u32,
    pub(crate) label: [u8; 11],
}

/// The two entries of a FAT that are not for clusters: the medium's type, and "unmounted cleanly, no
/// errors".
pub(crate) const FAT_HEAD: [u32; 2] = [0x0fff_fff8, 0x0fff_ffff];

impl RawEntry {
    pub(crate) fn cluster(&self) -> u32 {
        u32::from(self.cluster_high.get()) << 16 | u32::from(self.cluster_low.get())
    }

    pub(crate) fn set_cluster(&mut self, cluster: u32) {
        let [low_0, low_1, high_0, high_1] = cluster.to_le_bytes();
        self.cluster_high = U16::from_bytes([high_0, high_1]);
        self.cluster_low = U16::from_bytes([low_0, low_1]);
    }
}

impl RawLongEntry {
    /// Its part of the name, with what follows the end.
    pub(crate) fn units(&self) -> Vec<u16> {
        let units = self
            .units_0
            .iter()
            .chain(&self.units_5)
            .chain(&self.units_11);
        units.map(|unit| unit.get()).collect()
    }
}

/// A device's first sector with one active FAT32 partition.
pub(crate) fn mbr(
    code: Option<&[u8; 440]>,
    signature: u32,
    start_lba: u32,
    length_sectors: u32,
) -> [u8; 512] {
    let mut mbr = RawMbr {
        code: [0; 440],
        signature: signature.into(),
        reserved: 0.into(),
        partitions: [RawPartition::default(); 4],
        boot_signature: SIGNATURE,
    };
    match code {
        Some(code) => mbr.code = *code,
        None => mbr.code[..NO_BOOT.len()].copy_from_slice(&NO_BOOT),
    }
    mbr.partitions[0] = partition(start_lba, length_sectors);
    zerocopy::transmute!(mbr)
}

/// A device's first sector with another length of its first partition.
pub(crate) fn with_partition(mbr: &[u8; 512], start_lba: u32, length_sectors: u32) -> [u8; 512] {
    let mut mbr: RawMbr = zerocopy::transmute!(*mbr);
    mbr.partitions[0] = partition(start_lba, length_sectors);
    zerocopy::transmute!(mbr)
}

/// The entry of an active FAT32 partition.
pub(crate) fn partition(start_lba: u32, length_sectors: u32) -> RawPartition {
    let last_lba = start_lba.saturating_add(length_sectors.saturating_sub(1));
    RawPartition {
        status: PARTITION_ACTIVE,
        first: cylinder_head_sector(start_lba),
        kind: PARTITION_TYPE,
        last: cylinder_head_sector(last_lba),
        start_lba: start_lba.into(),
        length_sectors: length_sectors.into(),
    }
}

/// What of the first sectors of device and volume never changes: boot code, and the signature of the
/// partition table.
pub(crate) fn boot_bytes(mbr: &[u8; 512], boot_sector: &[u8; 512]) -> Vec<u8> {
    let parts = [&mbr[..446], &boot_sector[..11], &boot_sector[90..510]];
    parts.concat()
}

/// A volume's boot sector. Of `code`, a whole sector, the parameter block is left out.
pub(crate) fn boot_sector(code: Option<&[u8; 512]>, parameters: &Parameters) -> [u8; 512] {
    let mut sector: RawBootSector = match code {
        Some(code) => zerocopy::transmute!(*code),
        None => zerocopy::transmute!([0_u8; 512]),
    };
    if code.is_none() {
        // A short jump to `code`, as every reader expects one here, and Microsoft's advice for the
        // name: some readers know no other.
        sector.jump = [0xeb, 0x58, 0x90];
        sector.oem_name = *b"MSWIN4.1";
        sector.code[..NO_BOOT.len()].copy_from_slice(&NO_BOOT);
    }
    sector.parameters = raw_parameters(parameters);
    sector.boot_signature = SIGNATURE;
    zerocopy::transmute!(sector)
}

/// The sector of hints beside the boot sector.
pub(crate) fn fs_info(free_clusters: u32, next_free: u32) -> [u8; 512] {
    let info = RawFsInfo {
        lead_signature: 0x4161_5252.into(),
        reserved: [0; 480],
        signature: 0x6141_7272.into(),
        free_clusters: free_clusters.into(),
        next_free: next_free.into(),
        reserved_1: [0; 12],
        trail_signature: 0xaa55_0000.into(),
    };
    zerocopy::transmute!(info)
}

/// A directory entry with an 8.3 name.
pub(crate) fn entry(
    name: [u8; 11],
    attributes: u8,
    cluster: u32,
    length_bytes: u32,
    timestamp: Timestamp,
) -> [u8; ENTRY_BYTES] {
    let [low_0, low_1, high_0, high_1] = cluster.to_le_bytes();
    let entry = RawEntry {
        name,
        attributes,
        reserved: 0,
        creation_tenths: 0,
        creation_time: timestamp.time.into(),
        creation_date: timestamp.date.into(),
        access_date: timestamp.date.into(),
        cluster_high: U16::from_bytes([high_0, high_1]),
        write_time: timestamp.time.into(),
        write_date: timestamp.date.into(),
        cluster_low: U16::from_bytes([low_0, low_1]),
        length_bytes: length_bytes.into(),
    };
    zerocopy::transmute!(entry)
}

/// How many entries a long name takes.
pub(crate) fn long_entries_count(name: &str) -> usize {
    name.encode_utf16().count().div_ceil(LONG_NAME_UNITS)
}

/// The entries of a long name, in the order in which they precede the alias's entry.
pub(crate) fn long_entries(name: &str, checksum: u8) -> Vec<[u8; ENTRY_BYTES]> {
    let units: Vec<u16> = name.encode_utf16().collect();
    let pieces = units.chunks(LONG_NAME_UNITS).zip(1_u8..);
    let mut entries: Vec<_> = pieces
        .map(|(piece, order)| {
            let end = usize::from(order) * LONG_NAME_UNITS >= units.len();
            let order = if end { order | LAST_LONG_ENTRY } else { order };
            long_entry(piece, order, checksum)
        })
        .collect();
    entries.reverse();
    entries
}

/// A short piece ends with a zero; what follows the zero is all ones.
fn long_entry(piece: &[u16], order: u8, checksum: u8) -> [u8; ENTRY_BYTES] {
    let unit = |index: usize| {
        let after = if index == piece.len() { 0 } else { u16::MAX };
        U16::new(piece.get(index).copied().unwrap_or(after))
    };
    let entry = RawLongEntry {
        order,
        units_0: std::array::from_fn(unit),
        attributes: ATTRIBUTE_LONG_NAME,
        kind: 0,
        checksum,
        units_5: std::array::from_fn(|index| unit(5 + index)),
        cluster: 0.into(),
        units_11: std::array::from_fn(|index| unit(11 + index)),
    };
    zerocopy::transmute!(entry)
}

fn raw_parameters(parameters: &Parameters) -> RawParameters {
    RawParameters {
        bytes_per_sector: 512.into(),
        sectors_per_cluster: parameters.sectors_per_cluster,
        reserved_sectors: parameters.reserved_sectors.into(),
        fats: parameters.fats,
        root_entries: 0.into(),
        total_sectors_16: 0.into(),
        media: 0xf8,
        fat_sectors_16: 0.into(),
        sectors_per_track: SECTORS_PER_TRACK.into(),
        heads: HEADS.into(),
        hidden_sectors: parameters.start_lba.into(),
        total_sectors: parameters.total_sectors.into(),
        fat_sectors: parameters.fat_sectors.into(),
        flags: 0.into(),
        version: 0.into(),
        root_cluster: parameters.root_cluster.into(),
        fs_info_sector: FS_INFO_SECTOR.into(),
        backup_sector: BACKUP_SECTOR.into(),
        reserved: [0; 12],
        drive: 0x80,
        reserved_1: 0,
        extended_signature: 0x29,
        serial: parameters.serial.into(),
        label: parameters.label,
        kind: *b"FAT32   ",
    }
}

/// Head, sector (from 1, with the cylinder's two high bits above it) and cylinder. What lies behind
/// the last cylinder is given as its last sector, which keeps the geometry readable from it.
fn cylinder_head_sector(lba: u32) -> [u8; 3] {
    let (heads, sectors) = (u32::from(HEADS), u32::from(SECTORS_PER_TRACK));
    let last = (LAST_CYLINDER + 1) * heads * sectors - 1;
    let lba = lba.min(last);
    let cylinder = lba / (heads * sectors);
    let [head, ..] = (lba / sectors % heads).to_le_bytes();
    let [sector, ..] = ((lba % sectors + 1) | (cylinder >> 8 << 6)).to_le_bytes();
    let [cylinder, ..] = cylinder.to_le_bytes();
    [head, sector, cylinder]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cylinders_are_mebibytes() {
        assert_eq!(cylinder_head_sector(2048), [0, 1, 1]);
        assert_eq!(cylinder_head_sector(2048 * 513 - 1), [63, 0x80 | 32, 0]);
        assert_eq!(cylinder_head_sector(u32::MAX), [63, 0xc0 | 32, 255]);
    }

    #[test]
    fn boot_code_keeps_the_volume_s_parameters() {
        let parameters = Parameters {
            sectors_per_cluster: 8,
            reserved_sectors: 60_000,
            start_lba: 2048,
            total_sectors: 600_000,
            fat_sectors: 512,
            fats: 2,
            root_cluster: 2,
            serial: 0x1234_abcd,
            label: *b"LABEL      ",
        };
        let plain = boot_sector(None, &parameters);
        let coded = boot_sector(Some(&[0xcc; 512]), &parameters);
        assert_eq!(coded[..11], [0xcc; 11]);
        assert_eq!(coded[11..90], plain[11..90]);
        assert_eq!(coded[90..510], [0xcc; 420]);
        assert_eq!(coded[510..], SIGNATURE);
    }

    #[test]
    fn a_long_name_ends_with_zero_and_ones() {
        let entries = long_entries("filesystem.squashfs", 0x5a);
        assert_eq!(entries.len(), 2);
        assert_eq!(&entries[0][..11], b"\x42u\0a\0s\0h\0f\0");
        assert_eq!(
            &entries[0][14..],
            b"s\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\xff\xff\xff\xff"
        );
        assert_eq!((entries[1][0], entries[1][13]), (1, 0x5a));
        assert_eq!(long_entries("exactly13.abc", 0).len(), 1);
    }
}
