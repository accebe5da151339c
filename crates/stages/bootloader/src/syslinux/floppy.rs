//! The scratch image: an empty 1.44 MB FAT12 floppy, and reading back what was put on it.
//!
//! Source: Microsoft, "FAT: General Overview of On-Disk Format", 1.03.

use std::iter;

const SECTOR: usize = 512;
const SECTORS: usize = 2880;
const FAT_SECTORS: usize = 9;
const FAT_START: usize = SECTOR;
const ROOT_START: usize = FAT_START + 2 * FAT_SECTORS * SECTOR;
const ROOT_ENTRIES: usize = 224;
const ENTRY: usize = 32;
const DATA_START: usize = ROOT_START + ROOT_ENTRIES * ENTRY;
/// Clusters are numbered from 2, and here each is one sector.
const FIRST_CLUSTER: usize = 2;
/// From this value on, an entry of the table ends its chain.
const CHAIN_END: usize = 0xff8;

/// The boot sector up to where code would start.
const HEADER: [u8; 62] = *b"\xeb\x3c\x90MSDOS5.0\
    \x00\x02\x01\x01\x00\x02\xe0\x00\x40\x0b\xf0\x09\x00\x12\x00\x02\x00\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x29\x00\x00\x00\x00NO NAME    FAT12   ";

/// An empty floppy.
pub(super) fn blank() -> Vec<u8> {
    let mut image = vec![0; SECTORS * SECTOR];
    image[..HEADER.len()].copy_from_slice(&HEADER);
    image[SECTOR - 2..SECTOR].copy_from_slice(&[0x55, 0xaa]);
    for fat in [FAT_START, FAT_START + FAT_SECTORS * SECTOR] {
        image[fat..fat + 3].copy_from_slice(&[0xf0, 0xff, 0xff]);
    }
    image
}

/// The file of the root folder with this name, as the folder writes it: eight letters and three.
/// `None` where there is none, or where its clusters do not hold it.
pub(super) fn read_file(image: &[u8], name: &[u8; 11]) -> Option<Vec<u8>> {
    let entries = image.get(ROOT_START..DATA_START)?.chunks_exact(ENTRY);
    let entry = entries.into_iter().find(|entry| entry.starts_with(name))?;
    let first = usize::from(u16::from_le_bytes([entry[26], entry[27]]));
    let length = u32::from_le_bytes([entry[28], entry[29], entry[30], entry[31]]);
    let length = usize::try_from(length).ok()?;
    let chain = iter::successors(Some(first), |cluster| next_cluster(image, *cluster));
    let mut bytes = Vec::new();
    for cluster in chain.take(length.div_ceil(SECTOR)) {
        let start = DATA_START + cluster.checked_sub(FIRST_CLUSTER)? * SECTOR;
        bytes.extend(image.get(start..start + SECTOR)?);
    }
    bytes.truncate(length);
    (bytes.len() == length).then_some(bytes)
}

/// Two entries of the table share three bytes.
fn next_cluster(image: &[u8], cluster: usize) -> Option<usize> {
    let offset = FAT_START + cluster * 3 / 2;
    let pair = usize::from(u16::from_le_bytes([
        *image.get(offset)?,
        *image.get(offset + 1)?,
    ]));
    let next = if cluster.is_multiple_of(2) {
        pair & 0xfff
    } else {
        pair >> 4
    };
    (next < CHAIN_END).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A floppy whose first entry is `LDLINUX.SYS` with these clusters.
    fn floppy(length: u32, chain: &[usize]) -> Vec<u8> {
        let mut image = blank();
        let entry = &mut image[ROOT_START..ROOT_START + ENTRY];
        entry[..11].copy_from_slice(b"LDLINUX SYS");
        entry[26] = u8::try_from(chain[0]).unwrap();
        entry[28..32].copy_from_slice(&length.to_le_bytes());
        for (position, cluster) in chain.iter().enumerate() {
            let next = chain.get(position + 1).copied().unwrap_or(0xfff);
            let offset = FAT_START + cluster * 3 / 2;
            let shift = if cluster.is_multiple_of(2) { 0 } else { 4 };
            let bits = (next << shift).to_le_bytes();
            image[offset] |= bits[0];
            image[offset + 1] |= bits[1];
            let data = DATA_START + (cluster - 2) * SECTOR;
            image[data..data + SECTOR].fill(u8::try_from(position + 1).unwrap());
        }
        image
    }

    #[test]
    fn a_file_is_read_along_its_chain() {
        let bytes = read_file(&floppy(1025, &[7, 4, 5]), b"LDLINUX SYS").unwrap();
        assert_eq!(
            (bytes.len(), bytes[0], bytes[512], bytes[1024]),
            (1025, 1, 2, 3)
        );
    }

    #[test]
    fn a_file_that_is_not_there_or_cut_off_is_none() {
        assert_eq!(read_file(&blank(), b"LDLINUX SYS"), None);
        assert_eq!(read_file(&floppy(2000, &[7, 4, 5]), b"LDLINUX SYS"), None);
        assert_eq!(read_file(&floppy(u32::MAX, &[2]), b"LDLINUX SYS"), None);
        assert_eq!(read_file(&[], b"LDLINUX SYS"), None);
    }
}
