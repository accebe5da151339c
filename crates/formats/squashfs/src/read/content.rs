//! The bytes of regular files.

use super::inode::FilePlace;
use super::stored::{BlockSize, Cursor};
use super::{Image, layout::Rows};
use crate::ReadError;
use crate::format::RawFragment;
use livestick_blockio::ReadAt;
use std::sync::Arc;
use zerocopy::byteorder::little_endian::U32;

/// A part of a file, from its start to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes: a block, or less.
    Data(&'a [u8]),
    /// So many zeros, which take no space in the image.
    Hole(u64),
}

/// The content of a file, piece by piece.
pub struct Content<'a, R> {
    image: &'a Image<R>,
    file: FilePlace,
    blocks: BlockWalk,
    data: Vec<u8>,
    /// The end of the file has not been handed out.
    tail: bool,
}

impl<'a, R: ReadAt> Content<'a, R> {
    pub(super) fn new(image: &'a Image<R>, file: &FilePlace) -> Self {
        Self {
            image,
            blocks: BlockWalk::new(file),
            file: file.clone(),
            data: Vec::new(),
            tail: file.fragment.is_some(),
        }
    }

    /// The next piece, `None` at the end. Holes that follow each other are separate pieces, a block
    /// each.
    ///
    /// # Errors
    /// Where the image is damaged or cannot be read. Then the rest of the file cannot be had.
    pub fn next_piece(&mut self) -> Result<Option<Piece<'_>>, ReadError> {
        let place = self.blocks.next(self.image, &self.file)?;
        if let Some(block) = place {
            if block.size.is_hole() {
                return Ok(Some(Piece::Hole(block.length_bytes as u64)));
            }
            let stored = &self.image.stored;
            stored.data("data", block.start, block.size, &mut self.data)?;
            check_length(&self.data, &block)?;
            return Ok(Some(Piece::Data(&self.data)));
        }
        if std::mem::take(&mut self.tail) {
            let (fragment, range) = tail(self.image, &self.file)?;
            self.data.clear();
            self.data.extend_from_slice(&fragment[range]);
            // An empty one is against the rules, but harmless.
            return Ok((!self.data.is_empty()).then_some(Piece::Data(&self.data)));
        }
        Ok(None)
    }
}

/// Where a block of a file is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockPlace {
    pub(crate) start: u64,
    pub(crate) size: BlockSize,
    /// How long it must be once it is decompressed.
    pub(crate) length_bytes: usize,
}

/// Goes through the blocks of a file, which say only how long they are.
#[derive(Clone)]
pub(crate) struct BlockWalk {
    sizes: Cursor,
    /// The number of the next block.
    next: u64,
    /// Where it is in the image.
    start: u64,
}

impl BlockWalk {
    pub(crate) fn new(file: &FilePlace) -> Self {
        Self {
            sizes: file.sizes.clone(),
            next: 0,
            start: file.start,
        }
    }

    /// The next block, `None` after the last.
    pub(crate) fn next<R: ReadAt>(
        &mut self,
        image: &Image<R>,
        file: &FilePlace,
    ) -> Result<Option<BlockPlace>, ReadError> {
        if self.next >= file.blocks {
            return Ok(None);
        }
        let size = BlockSize(self.sizes.read::<U32, _>(&image.stored)?.get());
        let block_bytes = u64::from(image.superblock.block_size_bytes);
        let left = file.length_bytes.saturating_sub(self.next * block_bytes);
        let length = left.min(block_bytes);
        let start = self.start;
        let taken = size.length_bytes().unwrap_or_default();
        self.start = start.saturating_add(taken.into());
        self.next += 1;
        Ok(Some(BlockPlace {
            start,
            size,
            // At most a block.
            length_bytes: usize::try_from(length).unwrap_or_default(),
        }))
    }
}

/// Where the last read ended: sequential reads do not begin from the list's start.
pub(super) struct Position {
    file: super::layout::Reference,
    walk: BlockWalk,
}

/// Reads at any place of a file; 0 bytes only at its end.
pub(super) fn read_at<R: ReadAt>(
    image: &Image<R>,
    inode: &super::Inode,
    file: &FilePlace,
    buffer: &mut [u8],
    offset: u64,
) -> Result<usize, ReadError> {
    if offset >= file.length_bytes || buffer.is_empty() {
        return Ok(0);
    }
    let block_bytes = u64::from(image.superblock.block_size_bytes);
    let number = offset / block_bytes;
    // Less than a block.
    let within = usize::try_from(offset % block_bytes).unwrap_or_default();
    if number >= file.blocks {
        let (fragment, range) = tail(image, file)?;
        return Ok(copy(&fragment[range], within, buffer));
    }
    let block = seek(image, inode, file, number)?;
    if block.size.is_hole() {
        let count = (block.length_bytes - within).min(buffer.len());
        buffer[..count].fill(0);
        return Ok(count);
    }
    let data = image.stored.data_kept("data", block.start, block.size)?;
    check_length(&data, &block)?;
    Ok(copy(&data, within, buffer))
}

fn copy(data: &[u8], within: usize, buffer: &mut [u8]) -> usize {
    let rest = data.get(within..).unwrap_or_default();
    let count = rest.len().min(buffer.len());
    buffer[..count].copy_from_slice(&rest[..count]);
    count
}

/// Finds a block by its number.
fn seek<R: ReadAt>(
    image: &Image<R>,
    inode: &super::Inode,
    file: &FilePlace,
    number: u64,
) -> Result<BlockPlace, ReadError> {
    let mut last = image.last_read();
    let mut walk = match last.take() {
        Some(position) if position.file == inode.reference && position.walk.next <= number => {
            position.walk
        }
        _ => BlockWalk::new(file),
    };
    loop {
        let before = walk.clone();
        let block = walk
            .next(image, file)?
            .ok_or_else(|| walk.sizes.damaged("a file has too few blocks"))?;
        if walk.next > number {
            // The next read may want more of the same block.
            *last = Some(Position {
                file: inode.reference,
                walk: before,
            });
            return Ok(block);
        }
    }
}

fn check_length(data: &[u8], block: &BlockPlace) -> Result<(), ReadError> {
    if data.len() == block.length_bytes {
        return Ok(());
    }
    Err(ReadError::Damaged {
        table: "data",
        offset: block.start,
        problem: "a block is not as long as its file needs",
    })
}

/// A fragment: where it is.
pub(crate) fn fragment<R: ReadAt>(
    image: &Image<R>,
    number: u32,
) -> Result<(u64, BlockSize), ReadError> {
    let rows: &Rows = image.layout.fragments.as_ref().ok_or(ReadError::Damaged {
        table: "fragment table",
        offset: image.superblock.fragment_table.unwrap_or_default(),
        problem: "a file has a fragment, but there are none",
    })?;
    let raw: RawFragment = image.stored.row(rows, number.into())?;
    Ok((raw.start.get(), BlockSize(raw.size.get())))
}

/// The fragment with the end of a file, and what of it is the file's.
fn tail<R: ReadAt>(
    image: &Image<R>,
    file: &FilePlace,
) -> Result<(Arc<Vec<u8>>, std::ops::Range<usize>), ReadError> {
    let Some(place) = file.fragment else {
        return Ok((Arc::default(), 0..0));
    };
    let (start, size) = fragment(image, place.number)?;
    let data = image.stored.data_kept("fragment", start, size)?;
    let length = file.length_bytes % u64::from(image.superblock.block_size_bytes);
    let from = place.offset as usize;
    let end = usize::try_from(length)
        .ok()
        .and_then(|length| from.checked_add(length))
        .filter(|end| *end <= data.len());
    let end = end.ok_or(ReadError::Damaged {
        table: "fragment",
        offset: start,
        problem: "the end of a file lies outside of it",
    })?;
    Ok((data, from..end))
}
