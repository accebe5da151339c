//! What was written where.

use std::collections::BTreeMap;
use std::ops::Range;
use xxhash_rust::xxh3::xxh3_128;

/// The digest of every piece of a device that was written. Pieces do not overlap.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pieces: BTreeMap<u64, Piece>,
}

/// Bytes that must come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    pub(crate) length: usize,
    /// Against errors, not against attackers.
    digest: u128,
    /// Whether it has come back since.
    pub(crate) is_good: bool,
}

/// How long a piece is at most: so much is read again where a part of it changes.
pub(crate) const PIECE_BYTES: usize = 1 << 20;

impl Piece {
    pub(crate) fn end(&self) -> u64 {
        self.start + self.length as u64
    }

    /// Whether these are the bytes that were written.
    pub(crate) fn is(&self, bytes: &[u8]) -> bool {
        bytes.len() == self.length && xxh3_128(bytes) == self.digest
    }
}

impl Ledger {
    /// The pieces that meet this range, in order.
    pub(crate) fn within(&self, range: Range<u64>) -> Vec<Piece> {
        let before = self.pieces.range(..range.start).next_back();
        let before = before.filter(|(_, piece)| piece.end() > range.start);
        let others = self.pieces.range(range);
        before
            .into_iter()
            .chain(others)
            .map(|(_, piece)| *piece)
            .collect()
    }

    /// Notes what was written, in place of the pieces that it covers.
    pub(crate) fn note(&mut self, bytes: &[u8], start: u64) {
        let end = start + bytes.len() as u64;
        for piece in self.within(start..end) {
            self.pieces.remove(&piece.start);
        }
        let mut start = start;
        for bytes in bytes.chunks(PIECE_BYTES) {
            let piece = Piece {
                start,
                length: bytes.len(),
                digest: xxh3_128(bytes),
                is_good: false,
            };
            self.pieces.insert(start, piece);
            start = piece.end();
        }
    }

    /// Notes that the piece that starts there has come back.
    pub(crate) fn confirm(&mut self, start: u64) {
        if let Some(piece) = self.pieces.get_mut(&start) {
            piece.is_good = true;
        }
    }

    /// Those that have not come back yet, in order.
    pub(crate) fn unconfirmed(&self) -> Vec<Piece> {
        let pieces = self.pieces.values().copied();
        pieces.filter(|piece| !piece.is_good).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_again_counts() {
        let mut ledger = Ledger::default();
        ledger.note(&vec![1; PIECE_BYTES + 512], 1024);
        assert_eq!(ledger.unconfirmed().len(), 2);
        let second = 1024 + PIECE_BYTES as u64;
        assert_eq!(ledger.within(second..second + 1)[0].start, second);
        assert_eq!(ledger.within(0..1024), []);
        assert_eq!(ledger.within(second - 1..second + 1).len(), 2);
        ledger.note(&[2; 512], second);
        let last = ledger.unconfirmed()[1];
        assert!(last.is(&[2; 512]) && !last.is(&[1; 512]));
        ledger.confirm(second);
        assert_eq!(ledger.unconfirmed().len(), 1);
        ledger.note(&[2; 512], second);
        assert_eq!(ledger.unconfirmed().len(), 2, "it was written again");
    }
}
