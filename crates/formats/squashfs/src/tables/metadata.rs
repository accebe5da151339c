//! Metadata blocks: 8 KiB of a table each, compressed.

use crate::codec::Encoder;
use crate::format::{METADATA_BLOCK_BYTES, METADATA_STORED};
use crate::output::Output;
use crate::{Compression, WriteError};
use livestick_blockio::WriteAt;
use zerocopy::byteorder::little_endian::U64;
use zerocopy::{Immutable, IntoBytes};

/// A place in a table: where its block begins, counted from the table's first byte, and how far
/// into that block's uncompressed bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) block: u32,
    pub(crate) offset: u16,
}

impl Reference {
    /// As one number, the way inodes are named.
    pub(crate) fn number(self) -> u64 {
        u64::from(self.block) << 16 | u64::from(self.offset)
    }
}

/// Compresses a table as it grows.
pub(crate) struct MetadataWriter {
    encoder: Encoder,
    /// What the table is called in errors.
    name: &'static str,
    /// Less than a block: a full one is compressed at once, so that no reference ever points to
    /// the end of a block, which kernels reject.
    waiting: Vec<u8>,
    compressed: Vec<u8>,
    /// Where each block begins in `compressed`.
    blocks: Vec<u64>,
    memory: Vec<u8>,
}

impl MetadataWriter {
    pub(crate) fn new(compression: Compression, name: &'static str) -> Result<Self, WriteError> {
        Ok(Self {
            encoder: Encoder::for_metadata(compression)?,
            name,
            waiting: Vec::with_capacity(METADATA_BLOCK_BYTES),
            compressed: Vec::new(),
            blocks: Vec::new(),
            memory: vec![0; METADATA_BLOCK_BYTES],
        })
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> Result<Reference, WriteError> {
        let too_large = |_| WriteError::TableSize(self.name);
        Ok(Reference {
            block: u32::try_from(self.compressed.len()).map_err(too_large)?,
            offset: u16::try_from(self.waiting.len()).map_err(too_large)?,
        })
    }

    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let room = METADATA_BLOCK_BYTES - self.waiting.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == METADATA_BLOCK_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes the table; says where it begins, and where each of its blocks does.
    pub(crate) fn write<W: WriteAt>(
        mut self,
        output: &mut Output<'_, W>,
    ) -> Result<(u64, Vec<u64>), WriteError> {
        self.flush()?;
        let start = output.position();
        output.append(&self.compressed)?;
        let blocks = self.blocks.iter().map(|block| start + block).collect();
        Ok((start, blocks))
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.blocks.push(self.compressed.len() as u64);
        let encoded = self.encoder.encode(&self.waiting, None, &mut self.memory)?;
        let (bytes, flag) = match encoded {
            Some(length) => (&self.memory[..length], 0),
            None => (&self.waiting[..], METADATA_STORED),
        };
        // Never more than a block, 8 KiB.
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        self.compressed.extend((length | flag).to_le_bytes());
        self.compressed.extend_from_slice(bytes);
        self.waiting.clear();
        Ok(())
    }
}

/// Writes a table of equal rows and after it the list of its blocks, behind a header if it has one.
/// Returns where header and list begin: that is what the superblock names.
pub(crate) fn write_indexed<W: WriteAt, R: IntoBytes + Immutable>(
    rows: impl IntoIterator<Item = R>,
    header: &[u8],
    mut table: MetadataWriter,
    output: &mut Output<'_, W>,
) -> Result<u64, WriteError> {
    for row in rows {
        table.append(row.as_bytes())?;
    }
    let (_, blocks) = table.write(output)?;
    let start = output.position();
    output.append(header)?;
    for block in blocks {
        output.append(U64::new(block).as_bytes())?;
    }
    Ok(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_never_points_to_the_end_of_a_block() {
        let compression = Compression::Zstd { level: 3 };
        let mut table = MetadataWriter::new(compression, "table").unwrap();
        table.append(&[7; METADATA_BLOCK_BYTES - 1]).unwrap();
        let before = table.position().unwrap();
        assert_eq!((before.block, before.offset), (0, 8191));
        table.append(&[7]).unwrap();
        let after = table.position().unwrap();
        assert!(after.block > 2 && after.offset == 0, "{after:?}");
        assert_eq!(after.number(), u64::from(after.block) << 16);
    }
}
