//! Blocks as they are stored, decompressed; and a cursor over the bytes of a table.

use super::cache::Cache;
use super::decode::{Broken, Decoder};
use super::layout::{Reference, Rows, STORED_BLOCK_LIMIT_BYTES, Table};
use super::source::read_exact;
use super::superblock::Superblock;
use crate::ReadError;
use crate::format::{DATA_STORED, METADATA_BLOCK_BYTES, METADATA_STORED};
use livestick_blockio::ReadAt;
use std::sync::{Arc, Mutex, PoisonError};
use zerocopy::{FromBytes, IntoBytes};

/// How many metadata blocks are kept: half a megabyte. A walk uses a few tables at once.
const METADATA_BLOCKS: usize = 64;
/// How many bytes of data are kept: mostly fragments, of which files that are neighbours use
/// several in turn.
const DATA_BYTES: usize = 16 << 20;

/// An uncompressed metadata block.
#[derive(Debug)]
pub(crate) struct MetadataBlock {
    /// 1 to 8192 bytes.
    pub(crate) bytes: Vec<u8>,
    /// Where the next block begins in the image.
    pub(crate) next: u64,
}

/// The size of a data block or fragment as it is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BlockSize(pub(crate) u32);

impl BlockSize {
    /// The block is not stored: it is zeros.
    pub(crate) fn is_hole(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn is_stored(self) -> bool {
        self.0 & DATA_STORED != 0
    }

    /// How many bytes it takes in the image; `None` where bits are set that have no meaning.
    pub(crate) fn length_bytes(self) -> Option<u32> {
        let length = self.0 & !DATA_STORED;
        (length < DATA_STORED).then_some(length)
    }
}

/// The blocks of an image.
pub(crate) struct Stored<R> {
    pub(crate) source: R,
    block_bytes: usize,
    bytes_used: u64,
    decoder: Mutex<Decoder>,
    metadata: Cache<u64, MetadataBlock>,
    data: Cache<(u64, BlockSize), Vec<u8>>,
}

impl<R: ReadAt> Stored<R> {
    pub(crate) fn new(source: R, superblock: &Superblock) -> Self {
        let block_bytes = superblock.block_bytes();
        Self {
            source,
            block_bytes,
            bytes_used: superblock.bytes_used,
            decoder: Mutex::new(Decoder::new(superblock.compressor)),
            metadata: Cache::new(METADATA_BLOCKS),
            data: Cache::new((DATA_BYTES / block_bytes).min(METADATA_BLOCKS)),
        }
    }

    /// The metadata block at a position in the image.
    pub(crate) fn metadata(
        &self,
        table: Table,
        position: u64,
    ) -> Result<Arc<MetadataBlock>, ReadError> {
        if position < table.start || position >= table.end {
            return Err(table.damaged(position, "what is named is not in the table"));
        }
        if let Some(block) = self.metadata.get(position) {
            return Ok(block);
        }
        let block = Arc::new(self.read_metadata(table, position)?);
        self.metadata.insert(position, &block);
        Ok(block)
    }

    fn read_metadata(&self, table: Table, position: u64) -> Result<MetadataBlock, ReadError> {
        let damaged = |problem| table.damaged(position, problem);
        let mut memory = [0; 2 + METADATA_BLOCK_BYTES];
        let there = (table.end - position).min(STORED_BLOCK_LIMIT_BYTES);
        // At most 8194.
        let there = &mut memory[..usize::try_from(there).unwrap_or_default()];
        read_exact(&self.source, there, position)?;
        let (header, rest) = there
            .split_first_chunk::<2>()
            .ok_or_else(|| damaged("it ends inside the header of a block"))?;
        let header = u16::from_le_bytes(*header);
        let length = usize::from(header & !METADATA_STORED);
        let stored = rest
            .get(..length)
            .filter(|stored| !stored.is_empty())
            .ok_or_else(|| damaged("a block is empty, too long, or runs out of the table"))?;
        let bytes = if header & METADATA_STORED != 0 {
            stored.to_vec()
        } else {
            let mut bytes = vec![0; METADATA_BLOCK_BYTES];
            let length = self
                .decode(stored, &mut bytes)
                .map_err(|Broken| damaged("a block cannot be decompressed"))?;
            bytes.truncate(length);
            bytes
        };
        if bytes.is_empty() {
            return Err(damaged("a block holds nothing"));
        }
        Ok(MetadataBlock {
            bytes,
            next: position + 2 + length as u64,
        })
    }

    /// A data block or fragment, kept for the next call.
    pub(crate) fn data_kept(
        &self,
        table: &'static str,
        start: u64,
        size: BlockSize,
    ) -> Result<Arc<Vec<u8>>, ReadError> {
        if let Some(block) = self.data.get((start, size)) {
            return Ok(block);
        }
        let mut bytes = Vec::new();
        self.data(table, start, size, &mut bytes)?;
        let block = Arc::new(bytes);
        self.data.insert((start, size), &block);
        Ok(block)
    }

    /// Reads a data block or fragment into `output`, which is then as long as the block.
    pub(crate) fn data(
        &self,
        table: &'static str,
        start: u64,
        size: BlockSize,
        output: &mut Vec<u8>,
    ) -> Result<(), ReadError> {
        let read = |stored: &mut Vec<u8>| -> Result<(), ReadError> {
            let length = self.stored_bytes(table, start, size)?;
            stored.resize(length, 0);
            read_exact(&self.source, stored, start)
        };
        if size.is_stored() {
            return read(output);
        }
        let mut stored = Vec::new();
        read(&mut stored)?;
        output.resize(self.block_bytes, 0);
        let length = self
            .decode(&stored, output)
            .map_err(|Broken| ReadError::Damaged {
                table,
                offset: start,
                problem: "it cannot be decompressed",
            })?;
        output.truncate(length);
        Ok(())
    }

    /// How many bytes a block takes in the image, once that is known to be possible.
    pub(crate) fn stored_bytes(
        &self,
        table: &'static str,
        start: u64,
        size: BlockSize,
    ) -> Result<usize, ReadError> {
        let damaged = |problem| ReadError::Damaged {
            table,
            offset: start,
            problem,
        };
        let length = size
            .length_bytes()
            .ok_or_else(|| damaged("its size has bits that have no meaning"))?;
        let fits = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.block_bytes)
            .ok_or_else(|| damaged("it takes more than a block"))?;
        let end = start.checked_add(length.into());
        if end.is_none_or(|end| end > self.bytes_used) {
            return Err(damaged("it lies outside of the image"));
        }
        Ok(fits)
    }

    /// A row of a table.
    pub(crate) fn row<T: FromBytes + IntoBytes>(
        &self,
        rows: &Rows,
        row: u64,
    ) -> Result<T, ReadError> {
        let (block, offset) = rows.place(row).ok_or_else(|| {
            rows.table
                .damaged(rows.table.start, "a row is named that it lacks")
        })?;
        Cursor::at(rows.table, block, offset).read(self)
    }

    fn decode(&self, input: &[u8], output: &mut [u8]) -> Result<usize, Broken> {
        let mut decoder = self.decoder.lock().unwrap_or_else(PoisonError::into_inner);
        decoder.decode(input, output)
    }
}

/// Reads the bytes of a table across its blocks.
#[derive(Clone, Debug)]
pub(crate) struct Cursor {
    table: Table,
    /// Where the block begins in the image.
    block: u64,
    offset: usize,
    held: Option<Arc<MetadataBlock>>,
}

impl Cursor {
    pub(crate) fn new(table: Table, reference: Reference) -> Self {
        let block = table.start.saturating_add(reference.block.into());
        Self::at(table, block, reference.offset.into())
    }

    pub(crate) fn at(table: Table, block: u64, offset: usize) -> Self {
        Self {
            table,
            block,
            offset,
            held: None,
        }
    }

    /// Where the block begins that the next byte is in.
    pub(crate) fn settle<R: ReadAt>(&mut self, stored: &Stored<R>) -> Result<u64, ReadError> {
        self.rest(stored)?;
        Ok(self.block)
    }

    /// Keeps no block in memory until it is read again.
    pub(super) fn let_go(&mut self) {
        self.held = None;
    }

    pub(crate) fn damaged(&self, problem: &'static str) -> ReadError {
        self.table.damaged(self.block, problem)
    }

    /// Reads a struct.
    pub(crate) fn read<T: FromBytes + IntoBytes, R: ReadAt>(
        &mut self,
        stored: &Stored<R>,
    ) -> Result<T, ReadError> {
        let mut value = T::new_zeroed();
        self.fill(stored, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Reads some bytes. The length is the caller's, who has a limit for it.
    pub(crate) fn bytes<R: ReadAt>(
        &mut self,
        stored: &Stored<R>,
        length: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; length];
        self.fill(stored, &mut bytes)?;
        Ok(bytes)
    }

    pub(crate) fn fill<R: ReadAt>(
        &mut self,
        stored: &Stored<R>,
        mut buffer: &mut [u8],
    ) -> Result<(), ReadError> {
        while !buffer.is_empty() {
            let rest = self.rest(stored)?;
            let count = rest.len().min(buffer.len());
            let (now, later) = buffer.split_at_mut(count);
            now.copy_from_slice(&rest[..count]);
            buffer = later;
            self.offset += count;
        }
        Ok(())
    }

    /// Goes on without looking.
    pub(crate) fn skip<R: ReadAt>(
        &mut self,
        stored: &Stored<R>,
        mut length: u64,
    ) -> Result<(), ReadError> {
        while length > 0 {
            let rest = self.rest(stored)?.len();
            let count = usize::try_from(length).map_or(rest, |length| length.min(rest));
            self.offset += count;
            length -= count as u64;
        }
        Ok(())
    }

    /// What is left of the block, at least a byte; the next block's where nothing is left.
    fn rest<R: ReadAt>(&mut self, stored: &Stored<R>) -> Result<&[u8], ReadError> {
        let block = match self.held.take() {
            Some(block) => block,
            None => stored.metadata(self.table, self.block)?,
        };
        let block = if self.offset < block.bytes.len() {
            block
        } else if self.offset == block.bytes.len() {
            self.block = block.next;
            self.offset = 0;
            stored.metadata(self.table, self.block)?
        } else {
            return Err(self.damaged("what is named lies behind the end of a block"));
        };
        Ok(&self.held.insert(block).bytes[self.offset..])
    }
}
