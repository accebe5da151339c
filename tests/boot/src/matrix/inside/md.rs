//! Members of an md array, as the kernel reads them.

use anyhow::Result;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Version 1.2 of the superblock lies here (`drivers/md/md.c`, `super_1_load`).
const SUPERBLOCK_OFFSET: u64 = 4096;
/// `sizeof(struct mdp_superblock_1)`, and room for the roles of two devices.
const SUPERBLOCK_BYTES: usize = 256 + 2 * 2;
/// Data begins here, in sectors: 1 MiB.
const DATA_OFFSET_SECTORS: u64 = 2048;
const SECTOR_BYTES: u64 = 512;

/// Makes the file one of two members, `role` 0 or 1, of a clean mirror
/// (`struct mdp_superblock_1`, `include/uapi/linux/raid/md_p.h`).
pub(super) fn write_member(file: &File, role: u32) -> Result<()> {
    let sectors = file.metadata()?.len() / SECTOR_BYTES - DATA_OFFSET_SECTORS;
    let mut block = [0; SUPERBLOCK_BYTES];
    let mut put = |offset: usize, bytes: &[u8]| {
        block[offset..offset + bytes.len()].copy_from_slice(bytes);
    };
    put(0, &0xa92b_4efc_u32.to_le_bytes()); // magic
    put(4, &1_u32.to_le_bytes()); // major_version
    put(16, b"an array inside "); // set_uuid
    put(32, b"inside:mirror"); // set_name
    put(64, &1_700_000_000_u64.to_le_bytes()); // ctime
    put(72, &1_u32.to_le_bytes()); // level: RAID 1
    put(80, &sectors.to_le_bytes()); // size
    put(92, &2_u32.to_le_bytes()); // raid_disks
    put(128, &DATA_OFFSET_SECTORS.to_le_bytes()); // data_offset
    put(136, &sectors.to_le_bytes()); // data_size
    put(144, &(SUPERBLOCK_OFFSET / SECTOR_BYTES).to_le_bytes()); // super_offset
    put(160, &role.to_le_bytes()); // dev_number
    let member = if role == 0 {
        b"the first member"
    } else {
        b"the other member"
    };
    put(168, member); // device_uuid
    put(192, &1_700_000_000_u64.to_le_bytes()); // utime
    put(200, &7_u64.to_le_bytes()); // events
    put(208, &u64::MAX.to_le_bytes()); // resync_offset: in sync
    put(220, &2_u32.to_le_bytes()); // max_dev
    put(256, &0_u16.to_le_bytes()); // dev_roles
    put(258, &1_u16.to_le_bytes());
    let sum = checksum(&block);
    block[216..220].copy_from_slice(&sum.to_le_bytes()); // sb_csum
    Ok(file.write_all_at(&block, SUPERBLOCK_OFFSET)?)
}

/// `calc_sb_1_csum`: the sum of all words, folded to 32 bits.
fn checksum(block: &[u8; SUPERBLOCK_BYTES]) -> u32 {
    let words = block.chunks_exact(4);
    let words =
        words.map(|word| u64::from(u32::from_le_bytes([word[0], word[1], word[2], word[3]])));
    let sum: u64 = words.sum();
    let folded = (sum & 0xffff_ffff) + (sum >> 32);
    u32::try_from(folded & 0xffff_ffff).unwrap_or(0)
}
