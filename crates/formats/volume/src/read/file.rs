//! A file's bytes, wherever its clusters are.

use super::Entry;
use livestick_blockio::{Extent, ReadAt, SECTOR_BYTES};
use std::io;

/// The bytes of a file, as a medium of their own.
#[derive(Clone, Debug)]
pub struct FileReader<R> {
    medium: R,
    /// By sectors of the device, each with where in the file it begins.
    extents: Vec<(u64, Extent)>,
    length_bytes: u64,
}

impl<R> FileReader<R> {
    pub(super) fn new(medium: R, entry: &Entry) -> Self {
        let mut position = 0;
        let extents = entry.extents.iter().map(|extent| {
            let start = position;
            position += extent.length_bytes();
            (start, *extent)
        });
        Self {
            medium,
            extents: extents.collect(),
            length_bytes: entry.length_bytes,
        }
    }

    /// The file's length.
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }
}

impl<R: ReadAt> ReadAt for FileReader<R> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.length_bytes.saturating_sub(offset);
        let behind = self.extents.partition_point(|(start, _)| *start <= offset);
        let Some((start, extent)) = behind.checked_sub(1).map(|index| self.extents[index]) else {
            return Ok(0);
        };
        let within = offset - start;
        let rest = rest.min(extent.length_bytes().saturating_sub(within));
        let count = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        if count == 0 {
            return Ok(0);
        }
        let place = extent.start_lba * SECTOR_BYTES + within;
        self.medium.read_at(&mut buffer[..count], place)
    }
}
