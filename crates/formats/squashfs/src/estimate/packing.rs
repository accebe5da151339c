//! Which blocks and fragments there will be, as far as lengths tell: holes and duplicates show only
//! when they are read.

use crate::plan::{Plan, is_own_block};
use std::ops::Range;

/// The contents of all files of a plan, cut as the writer cuts them.
pub(super) struct Packing {
    pub(super) block_bytes: u64,
    /// In the order of the plan.
    pub(super) files: Vec<Packed>,
    pub(super) fragments: Vec<Fragment>,
    /// What is in the fragments, one after the other.
    pub(super) pieces: Vec<Piece>,
}

/// Where a file's bytes go.
#[derive(Clone, Copy)]
pub(super) struct Packed {
    /// How many of its bytes are in blocks of its own.
    pub(super) own_bytes: u64,
    /// Which fragment the others are in, and from which byte on.
    pub(super) fragment: Option<(u32, u32)>,
}

/// A block of ends and small files.
pub(super) struct Fragment {
    pub(super) length_bytes: u64,
    /// Of all pieces, its own.
    pub(super) pieces: Range<usize>,
}

/// The end of a file, or all of it, in a fragment.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    pub(super) file: usize,
    pub(super) offset: u64,
    pub(super) length: usize,
}

/// What is compressed as one.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    /// A block of a file.
    Block {
        file: usize,
        offset: u64,
        length: usize,
    },
    /// A fragment.
    Fragment { number: usize, length: usize },
}

impl Unit {
    pub(super) fn length_bytes(&self) -> u64 {
        let (Self::Block { length, .. } | Self::Fragment { length, .. }) = self;
        *length as u64
    }
}

impl Packing {
    pub(super) fn new(plan: &Plan<'_>, block_bytes: usize) -> Self {
        let mut packing = Self {
            block_bytes: block_bytes as u64,
            files: Vec::with_capacity(plan.files.len()),
            fragments: Vec::new(),
            pieces: Vec::new(),
        };
        for (file, planned) in plan.files.iter().enumerate() {
            packing.add(file, planned.length_bytes);
        }
        packing
    }

    fn add(&mut self, file: usize, length_bytes: u64) {
        let tail_bytes = length_bytes % self.block_bytes;
        let blocks_bytes = length_bytes - tail_bytes;
        // Less than a block, which is at most 1 MiB.
        let [tail, block] = [tail_bytes, self.block_bytes]
            .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
        if tail == 0 || blocks_bytes > 0 && is_own_block(tail, block) {
            self.files.push(Packed {
                own_bytes: length_bytes,
                fragment: None,
            });
            return;
        }
        let place = self.add_piece(Piece {
            file,
            offset: blocks_bytes,
            length: tail,
        });
        self.files.push(Packed {
            own_bytes: blocks_bytes,
            fragment: Some(place),
        });
    }

    /// Next fit, as the sequencer does.
    fn add_piece(&mut self, piece: Piece) -> (u32, u32) {
        let length = piece.length as u64;
        let block_bytes = self.block_bytes;
        let open = self.fragments.last();
        if open.is_none_or(|open| open.length_bytes + length > block_bytes) {
            self.fragments.push(Fragment {
                length_bytes: 0,
                pieces: self.pieces.len()..self.pieces.len(),
            });
        }
        let number = self.fragments.len() - 1;
        let fragment = &mut self.fragments[number];
        let offset = fragment.length_bytes;
        self.pieces.push(piece);
        fragment.length_bytes += length;
        fragment.pieces.end = self.pieces.len();
        // A fragment holds a file at least, of which there are less than 2^32; it is at most 1 MiB.
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        (number, u32::try_from(offset).unwrap_or(u32::MAX))
    }

    /// Chooses what is compressed: everything, or one unit at each of many points at equal
    /// distances. So a unit is chosen with a probability that is its share of all bytes.
    pub(super) fn choose(&self, plan: &Plan<'_>, sample_bytes: u64) -> Vec<Unit> {
        let mut points = Points::new(plan.content_bytes, sample_bytes.max(1), self.block_bytes);
        let mut units = Vec::new();
        for (file, packed) in self.files.iter().enumerate() {
            points.take(packed.own_bytes, self.block_bytes, |offset, length| {
                units.push(Unit::Block {
                    file,
                    offset,
                    length,
                });
            });
        }
        for (number, fragment) in self.fragments.iter().enumerate() {
            let length_bytes = fragment.length_bytes;
            points.take(length_bytes, self.block_bytes, |_, length| {
                units.push(Unit::Fragment { number, length });
            });
        }
        units
    }
}

/// The points of a sample, in all bytes laid end to end.
struct Points {
    /// Where the next bytes begin.
    position: u64,
    next: u64,
    /// From one to the next; `None` where everything is taken.
    step: Option<u64>,
}

impl Points {
    fn new(total_bytes: u64, sample_bytes: u64, block_bytes: u64) -> Self {
        // At least a block, so that none is chosen twice.
        let count = (sample_bytes / block_bytes).max(1);
        let step = (total_bytes > sample_bytes).then(|| (total_bytes / count).max(block_bytes));
        Self {
            position: 0,
            next: step.unwrap_or_default() / 2,
            step,
        }
    }

    /// Goes past the next bytes, which are cut into blocks, and names the blocks that are chosen.
    fn take(&mut self, length_bytes: u64, block_bytes: u64, mut chosen: impl FnMut(u64, usize)) {
        let end = self.position + length_bytes;
        while self.next < end {
            let offset = (self.next - self.position) / block_bytes * block_bytes;
            let length = block_bytes.min(length_bytes - offset);
            chosen(offset, usize::try_from(length).unwrap_or(usize::MAX));
            self.next = match self.step {
                Some(step) => self.next + step,
                None => self.position + offset + length,
            };
        }
        self.position = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(points: &mut Points, length_bytes: u64) -> Vec<(u64, usize)> {
        let mut found = Vec::new();
        points.take(length_bytes, 10, |offset, length| {
            found.push((offset, length))
        });
        found
    }

    #[test]
    fn everything_is_taken_where_the_sample_is_large_enough() {
        let mut points = Points::new(38, 38, 10);
        assert_eq!(chosen(&mut points, 25), [(0, 10), (10, 10), (20, 5)]);
        assert_eq!(chosen(&mut points, 0), []);
        assert_eq!(chosen(&mut points, 13), [(0, 10), (10, 3)]);
    }

    #[test]
    fn points_lie_at_equal_distances_and_no_block_is_taken_twice() {
        let mut points = Points::new(1000, 50, 10);
        let mut found = chosen(&mut points, 500);
        found.extend(chosen(&mut points, 95));
        assert_eq!(found, [(100, 10), (300, 10), (0, 10)]);
        let mut points = Points::new(100, 99, 10);
        assert_eq!(chosen(&mut points, 100).len(), 9);
    }
}
