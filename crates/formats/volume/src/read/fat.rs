//! The allocation table, entry by entry.

use super::{Parameters, ReadError};
use livestick_blockio::{ReadAt, SECTOR_BYTES};
use std::sync::{Mutex, PoisonError};

/// A copy of the table, of which a piece is kept. Chains of one run read each piece once.
#[derive(Debug)]
pub(super) struct Fat {
    start_bytes: u64,
    length_bytes: u64,
    kept: Mutex<Piece>,
}

#[derive(Debug, Default)]
struct Piece {
    start_bytes: u64,
    bytes: Vec<u8>,
}

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// The cluster is free.
    Free,
    /// It is the last of its chain.
    End,
    /// The next one.
    Next(u32),
    /// It cannot be used.
    Bad,
}

const PIECE_BYTES: u64 = 64 << 10;
/// The upper four bits have no meaning.
const ENTRY_MASK: u32 = 0x0fff_ffff;

impl Fat {
    pub(super) fn new(parameters: &Parameters) -> Self {
        Self {
            start_bytes: parameters.fat_lba(0) * SECTOR_BYTES,
            length_bytes: u64::from(parameters.fat_sectors) * SECTOR_BYTES,
            kept: Mutex::default(),
        }
    }

    /// The entry of a cluster, which must be one.
    pub(super) fn link(&self, medium: &impl ReadAt, cluster: u32) -> Result<Link, ReadError> {
        Ok(match self.entry(medium, cluster)? & ENTRY_MASK {
            0 => Link::Free,
            0x0fff_fff7 => Link::Bad,
            0x0fff_fff8.. => Link::End,
            next => Link::Next(next),
        })
    }

    fn entry(&self, medium: &impl ReadAt, cluster: u32) -> Result<u32, ReadError> {
        let offset = u64::from(cluster) * 4;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let inside = |kept: &Piece| {
            let within = usize::try_from(offset.checked_sub(kept.start_bytes)?).ok()?;
            kept.bytes.get(within..)?.first_chunk::<4>().copied()
        };
        if let Some(entry) = inside(&kept) {
            return Ok(u32::from_le_bytes(entry));
        }
        let start_bytes = offset / PIECE_BYTES * PIECE_BYTES;
        let length = (self.length_bytes - start_bytes).min(PIECE_BYTES);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        let offset_bytes = self.start_bytes + start_bytes;
        let read = medium.read_exact_at(&mut bytes, offset_bytes);
        read.map_err(|source| ReadError::Io {
            part: "FAT",
            offset_bytes,
            source,
        })?;
        *kept = Piece { start_bytes, bytes };
        Ok(inside(&kept).map_or(0, u32::from_le_bytes))
    }
}
