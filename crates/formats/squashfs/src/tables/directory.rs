//! Listings of directories. Entries stand in runs behind a header, and where a listing is long, an
//! index tells which run to begin with.

use super::metadata::{MetadataWriter, Reference};
use crate::WriteError;
use crate::format::{
    HEADER_LIMIT_ENTRIES, LISTING_EXTRA_BYTES, METADATA_BLOCK_BYTES, RawDirectoryEntry,
    RawDirectoryHeader,
};
use zerocopy::IntoBytes;
use zerocopy::byteorder::little_endian::U32;

/// An inode counts the points of its index in 16 bits.
const INDEX_LIMIT_POINTS: usize = 65_535;
/// The most entries of a directory without an index: what one header counts.
const PLAIN_LIMIT_ENTRIES: usize = HEADER_LIMIT_ENTRIES;

/// A name in a directory.
pub(super) struct Entry<'a> {
    pub(super) name: &'a [u8],
    pub(super) inode: Reference,
    pub(super) number: u32,
    /// The type, in its basic form.
    pub(super) kind: u16,
}

/// Where a listing is, and what the directory's inode says of it.
#[derive(Default)]
pub(super) struct Listing<'a> {
    pub(super) place: Reference,
    /// Its length, and the three bytes more that the format adds.
    pub(super) size: u32,
    pub(super) subdirectories: u32,
    /// It has an index, though perhaps an empty one.
    pub(super) indexed: bool,
    pub(super) index: Vec<IndexPoint<'a>>,
}

/// A point in a listing from which reading may begin: a header.
pub(super) struct IndexPoint<'a> {
    /// How many bytes into the listing.
    pub(super) position: u32,
    /// Where the metadata block is that it lies in.
    pub(super) block: u32,
    /// The first name after it.
    pub(super) name: &'a [u8],
}

impl<'a> Listing<'a> {
    /// Appends the listing of a directory, whose entries are sorted, to the table.
    pub(super) fn append(
        entries: &[Entry<'a>],
        subdirectories: u32,
        table: &mut MetadataWriter,
    ) -> Result<Self, WriteError> {
        let too_large = |_| WriteError::TableSize("directory");
        let Plain { bytes, points } = Plain::new(entries)?;
        let place = table.position()?;
        let mut index = Vec::with_capacity(points.len());
        let mut done = 0;
        for (position, name) in points {
            table.append(&bytes[done..position])?;
            done = position;
            index.push(IndexPoint {
                position: u32::try_from(position).map_err(too_large)?,
                block: table.position()?.block,
                name,
            });
        }
        table.append(&bytes[done..])?;
        let size = u32::try_from(bytes.len())
            .ok()
            .and_then(|size| size.checked_add(LISTING_EXTRA_BYTES))
            .ok_or(WriteError::TableSize("directory"))?;
        Ok(Self {
            place,
            size,
            subdirectories,
            indexed: entries.len() > PLAIN_LIMIT_ENTRIES || bytes.len() >= METADATA_BLOCK_BYTES,
            index,
        })
    }
}

/// The bytes of a listing before they are cut into blocks.
struct Plain<'a> {
    bytes: Vec<u8>,
    /// Positions of headers, at most 8 KiB apart, and the names that follow.
    points: Vec<(usize, &'a [u8])>,
}

/// The run of entries behind the last header.
struct Run {
    header: usize,
    entries: usize,
    block: u32,
    number: u32,
}

impl<'a> Plain<'a> {
    fn new(entries: &[Entry<'a>]) -> Result<Self, WriteError> {
        let mut plain = Self {
            bytes: Vec::new(),
            points: Vec::new(),
        };
        let mut run: Option<Run> = None;
        for entry in entries {
            let full = plain.passes_block(entry);
            let (mut open, delta) = match run.take().and_then(|run| run.accepts(entry)) {
                Some(accepted) if !full => accepted,
                _ => {
                    if full && plain.points.len() < INDEX_LIMIT_POINTS {
                        plain.points.push((plain.bytes.len(), entry.name));
                    }
                    (plain.open(entry), 0)
                }
            };
            plain.add(entry, delta)?;
            open.entries += 1;
            plain.count(&open)?;
            run = Some(open);
        }
        Ok(plain)
    }

    /// Whether there would be more than 8 KiB since the last point of the index.
    fn passes_block(&self, entry: &Entry<'_>) -> bool {
        let last = self.points.last().map_or(0, |(position, _)| *position);
        let entry_bytes = size_of::<RawDirectoryEntry>() + entry.name.len();
        self.bytes.len() + entry_bytes - last > METADATA_BLOCK_BYTES
    }

    /// Begins a run with this entry.
    fn open(&mut self, entry: &Entry<'_>) -> Run {
        let header = self.bytes.len();
        let raw = RawDirectoryHeader {
            entries_minus_1: 0.into(),
            inode_block: entry.inode.block.into(),
            inode_number: entry.number.into(),
        };
        self.bytes.extend_from_slice(raw.as_bytes());
        Run {
            header,
            entries: 0,
            block: entry.inode.block,
            number: entry.number,
        }
    }

    fn add(&mut self, entry: &Entry<'_>, delta: i16) -> Result<(), WriteError> {
        // A tree has no name of more than 255 bytes, and none that is empty.
        let name_bytes = u16::try_from(entry.name.len().saturating_sub(1))
            .map_err(|_| WriteError::TableSize("directory"))?;
        let raw = RawDirectoryEntry {
            inode_offset: entry.inode.offset.into(),
            inode_number_delta: delta.into(),
            kind: entry.kind.into(),
            name_bytes_minus_1: name_bytes.into(),
        };
        self.bytes.extend_from_slice(raw.as_bytes());
        self.bytes.extend_from_slice(entry.name);
        Ok(())
    }

    /// Writes the count of a run into its header.
    fn count(&mut self, run: &Run) -> Result<(), WriteError> {
        let count =
            u32::try_from(run.entries - 1).map_err(|_| WriteError::TableSize("directory"))?;
        let field = run.header..run.header + size_of::<U32>();
        self.bytes[field].copy_from_slice(&count.to_le_bytes());
        Ok(())
    }
}

impl Run {
    /// Whether the run can go on with this entry; then also the difference of the inode numbers.
    fn accepts(self, entry: &Entry<'_>) -> Option<(Self, i16)> {
        let delta = i64::from(entry.number) - i64::from(self.number);
        let delta = i16::try_from(delta).ok()?;
        let fits = self.entries < HEADER_LIMIT_ENTRIES && self.block == entry.inode.block;
        fits.then_some((self, delta))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8], block: u32, number: u32) -> Entry<'_> {
        Entry {
            name,
            inode: Reference { block, offset: 0 },
            number,
            kind: 2,
        }
    }

    fn headers(bytes: &[u8]) -> Vec<(usize, usize)> {
        let word = |at: usize| {
            let bytes = bytes[at..at + 4].try_into().unwrap();
            usize::try_from(u32::from_le_bytes(bytes)).unwrap()
        };
        let mut headers = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let count = word(at) + 1;
            headers.push((at, count));
            at += 12;
            for _ in 0..count {
                at += 8 + (word(at + 4) >> 16) + 1;
            }
        }
        assert_eq!(at, bytes.len());
        headers
    }

    #[test]
    fn a_run_ends_at_256_entries_at_another_block_and_at_a_far_number() {
        let names: Vec<_> = (0..300).map(|n| format!("{n:03}").into_bytes()).collect();
        let mut entries: Vec<_> = names.iter().map(|name| entry(name, 0, 1)).collect();
        entries[257].inode.block = 9;
        entries[258].inode.block = 9;
        entries[259].inode.block = 9;
        entries[259].number = 40_000;
        for entry in &mut entries[260..] {
            entry.number = 7_232;
        }
        let plain = Plain::new(&entries).unwrap();
        let counts: Vec<_> = headers(&plain.bytes).iter().map(|(_, n)| *n).collect();
        assert_eq!(counts, [256, 1, 2, 1, 40]);
        assert!(plain.points.is_empty());
    }

    #[test]
    fn index_points_are_headers_at_most_8_kib_apart() {
        let names: Vec<_> = (0..5000)
            .map(|n| format!("{n:06}{}", "x".repeat(n % 200)).into_bytes())
            .collect();
        let entries: Vec<_> = names.iter().map(|name| entry(name, 0, 1)).collect();
        let plain = Plain::new(&entries).unwrap();
        let headers: Vec<_> = headers(&plain.bytes).iter().map(|(at, _)| *at).collect();
        let mut last = 0;
        for (position, name) in &plain.points {
            assert!(headers.binary_search(position).is_ok());
            assert!(position - last <= METADATA_BLOCK_BYTES);
            let first = &plain.bytes[position + 20..][..name.len()];
            assert_eq!(first, *name);
            last = *position;
        }
        assert!(plain.bytes.len() - last <= METADATA_BLOCK_BYTES + 12);
    }
}
