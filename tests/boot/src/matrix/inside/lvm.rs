//! An LVM volume group on one disk, as LVM2 reads it (`lib/format_text/layout.h`, `lib/label/label.h`).

use anyhow::Result;
use std::fs::File;
use std::os::unix::fs::FileExt;

const SECTOR_BYTES: usize = 512;
const LABEL_SECTOR: u64 = 1;
/// The metadata area, in bytes: from the second page to the first MiB.
const AREA_START: u64 = 4096;
const AREA_BYTES: u64 = (1 << 20) - AREA_START;
const PHYSICAL_VOLUME: &str = "insideAAAAAAAAAAAAAAAAAAAAAAAAA1";
const EXTENT_SECTORS: u64 = 8192;

/// Makes the file the only physical volume of the group `inside`, which has the volume `data`.
pub(super) fn write_volume_group(file: &File) -> Result<()> {
    let device_bytes = file.metadata()?.len();
    let extents = (device_bytes - AREA_START - AREA_BYTES) / (EXTENT_SECTORS * SECTOR_BYTES as u64);
    let text = metadata(device_bytes / SECTOR_BYTES as u64, extents);
    file.write_all_at(&label(device_bytes), LABEL_SECTOR * SECTOR_BYTES as u64)?;
    file.write_all_at(&area_header(&text), AREA_START)?;
    Ok(file.write_all_at(&text, AREA_START + SECTOR_BYTES as u64)?)
}

/// `struct label_header` and `struct pv_header` with one data area and one metadata area.
fn label(device_bytes: u64) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    let mut put = |offset: usize, bytes: &[u8]| {
        sector[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(0, b"LABELONE");
    put(8, &LABEL_SECTOR.to_le_bytes());
    put(20, &32_u32.to_le_bytes()); // offset of the contents
    put(24, b"LVM2 001");
    put(32, PHYSICAL_VOLUME.as_bytes());
    put(64, &device_bytes.to_le_bytes());
    put(72, &(AREA_START + AREA_BYTES).to_le_bytes()); // data: to the end
    put(104, &AREA_START.to_le_bytes());
    put(112, &AREA_BYTES.to_le_bytes());
    let sum = checksum(&sector[20..]);
    sector[16..20].copy_from_slice(&sum.to_le_bytes());
    sector
}

/// `struct mda_header` with one `struct raw_locn`.
fn area_header(text: &[u8]) -> [u8; SECTOR_BYTES] {
    let mut sector = [0; SECTOR_BYTES];
    let mut put = |offset: usize, bytes: &[u8]| {
        sector[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(4, b" LVM2 x[5A%r0N*>");
    put(20, &1_u32.to_le_bytes()); // version
    put(24, &AREA_START.to_le_bytes());
    put(32, &AREA_BYTES.to_le_bytes());
    put(40, &(SECTOR_BYTES as u64).to_le_bytes()); // the text, from the area's start
    put(48, &(text.len() as u64).to_le_bytes());
    put(56, &checksum(text).to_le_bytes());
    let sum = checksum(&sector[4..]);
    sector[..4].copy_from_slice(&sum.to_le_bytes());
    sector
}

fn metadata(device_sectors: u64, extents: u64) -> Vec<u8> {
    let dashed = |id: &str| {
        let cuts = [0, 6, 10, 14, 18, 22, 26, 32];
        let parts: Vec<_> = cuts.windows(2).map(|cut| &id[cut[0]..cut[1]]).collect();
        parts.join("-")
    };
    let text = format!(
        r#"inside {{
id = "{group}"
seqno = 1
format = "lvm2"
status = ["RESIZEABLE", "READ", "WRITE"]
flags = []
extent_size = {EXTENT_SECTORS}
max_lv = 0
max_pv = 0
metadata_copies = 0
physical_volumes {{
pv0 {{
id = "{physical}"
device = "/dev/inside"
status = ["ALLOCATABLE"]
flags = []
dev_size = {device_sectors}
pe_start = 2048
pe_count = {extents}
}}
}}
logical_volumes {{
data {{
id = "{logical}"
status = ["READ", "WRITE", "VISIBLE"]
flags = []
creation_host = "inside"
creation_time = 1700000000
segment_count = 1
segment1 {{
start_extent = 0
extent_count = {extents}
type = "striped"
stripe_count = 1
stripes = ["pv0", 0]
}}
}}
}}
}}
contents = "Text Format Volume Group"
version = 1
description = ""
creation_host = "inside"
creation_time = 1700000000
"#,
        group = dashed("insideAAAAAAAAAAAAAAAAAAAAAAAAA2"),
        physical = dashed(PHYSICAL_VOLUME),
        logical = dashed("insideAAAAAAAAAAAAAAAAAAAAAAAAA3"),
    );
    [text.as_bytes(), &[0]].concat()
}

/// LVM's CRC-32: the usual polynomial from a start of its own, and not inverted (`lib/misc/crc.c`).
fn checksum(bytes: &[u8]) -> u32 {
    const START: u32 = 0xf597_a6cf;
    const POLYNOMIAL: u32 = 0xedb8_8320;
    let step = |sum: u32| (sum >> 1) ^ if sum & 1 == 1 { POLYNOMIAL } else { 0 };
    bytes.iter().fold(START, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| step(sum))
    })
}
