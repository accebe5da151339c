//! Files with holes: which pieces of them are data, and in which order these lie in the archive.

use crate::ReadError;
use crate::format::{BLOCK_BYTES, RawSegment, RawSparseExtension};
use crate::header::Header;
use crate::limit::{FILE_LIMIT_BYTES, SEGMENTS_LIMIT};
use crate::number::parse_decimal;
use crate::pax::SparseRecords;
use crate::stream::Stream;
use zerocopy::transmute_ref;

/// The longest number of a map in front of the data, with its line feed: those of 64 bits.
const NUMBER_LIMIT_BYTES: usize = 21;

/// The most blocks that those pieces need which are not in a GNU header.
const EXTENSIONS_LIMIT: usize = SEGMENTS_LIMIT / 21 + 1;

/// A piece of data of a file with holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Where it is in the file.
    pub(crate) offset: u64,
    pub(crate) length_bytes: u64,
    /// Where it is behind the file's first byte in the archive.
    pub(crate) packed_offset: u64,
}

/// The pieces of a file with holes, in order.
#[derive(Debug)]
pub(crate) struct SparseMap {
    pub(crate) length_bytes: u64,
    pub(crate) segments: Vec<Segment>,
    /// How many bytes follow in the archive.
    pub(crate) packed_bytes: u64,
}

/// Why there is no map.
pub(crate) enum SparseError {
    Problem(&'static str),
    Read(ReadError),
}

impl From<ReadError> for SparseError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl SparseMap {
    /// The map of a GNU header of type `S`, and of the blocks that follow it.
    pub(crate) fn read_gnu(
        header: &Header,
        packed_bytes: u64,
        stream: &mut impl Stream,
    ) -> Result<Self, SparseError> {
        let gnu = header
            .gnu()
            .ok_or(SparseError::Problem("is not in a GNU header"))?;
        let mut pieces = Pieces::default();
        pieces.read(header, &gnu.segments)?;
        let mut is_extended = gnu.is_extended != 0;
        let mut blocks = 0;
        while is_extended {
            // Blocks may be empty; pieces that are counted are not enough.
            blocks += 1;
            if blocks > EXTENSIONS_LIMIT {
                return Err(SparseError::Problem("has too many pieces"));
            }
            let mut block = [0; BLOCK_BYTES];
            stream.read_exact(&mut block)?;
            let extension: &RawSparseExtension = transmute_ref!(&block);
            pieces.read(header, &extension.segments)?;
            is_extended = extension.is_extended != 0;
        }
        let length_bytes = header.number(&gnu.real_size, "real size")?;
        Self::new(&pieces.0, length_bytes, packed_bytes)
    }

    /// The map that pax records give, or that they say comes before the data.
    pub(crate) fn read_pax(
        records: &SparseRecords,
        packed_bytes: u64,
        stream: &mut impl Stream,
    ) -> Result<Self, SparseError> {
        let length_bytes = records
            .real_size
            .ok_or(SparseError::Problem("has no size of the whole file"))?;
        match (records.major, records.minor) {
            (None | Some(0), _) => Self::new(&records.map, length_bytes, packed_bytes),
            (Some(1), None | Some(0)) if records.map.is_empty() => {
                let mut text = MapText::new(stream, packed_bytes);
                let pieces = text.read()?;
                let packed_bytes = text.packed_bytes;
                Self::new(&pieces, length_bytes, packed_bytes)
            }
            (Some(1), None | Some(0)) => Err(SparseError::Problem("comes in two ways")),
            _ => Err(SparseError::Problem("is of an unknown version")),
        }
    }

    /// Checks that the pieces come one after the other, inside the file, and that the archive has
    /// all their bytes.
    ///
    /// Some readers want each piece but the last to be a whole number of blocks, others take them
    /// as they come. Writers make blocks, so it does not matter; here they are taken as they come.
    fn new(
        pieces: &[(u64, u64)],
        length_bytes: u64,
        packed_bytes: u64,
    ) -> Result<Self, SparseError> {
        if length_bytes > FILE_LIMIT_BYTES {
            return Err(SparseError::Problem("has an impossible size"));
        }
        let mut segments: Vec<Segment> = Vec::with_capacity(pieces.len());
        let (mut end, mut packed) = (0, 0);
        for (offset, piece_bytes) in pieces {
            if *offset < end {
                return Err(SparseError::Problem("is not in order"));
            }
            let segment = Segment {
                offset: *offset,
                length_bytes: *piece_bytes,
                packed_offset: packed,
            };
            let piece_end = offset.checked_add(*piece_bytes);
            end = piece_end
                .filter(|end| *end <= length_bytes)
                .ok_or(SparseError::Problem("has data behind the end of the file"))?;
            packed += piece_bytes;
            // GNU tar marks the end of the file with a piece of no length.
            if *piece_bytes > 0 {
                segments.push(segment);
            }
        }
        if packed != packed_bytes {
            return Err(SparseError::Problem("does not fit the data in the archive"));
        }
        Ok(Self {
            length_bytes,
            segments,
            packed_bytes,
        })
    }
}

/// Offset and length of each piece of a GNU header.
#[derive(Default)]
struct Pieces(Vec<(u64, u64)>);

impl Pieces {
    /// Takes those that there are.
    fn read(&mut self, header: &Header, segments: &[RawSegment]) -> Result<(), SparseError> {
        for segment in segments.iter().take_while(|one| one.length[0] != 0) {
            if self.0.len() == SEGMENTS_LIMIT {
                return Err(SparseError::Problem("has too many pieces"));
            }
            self.0.push((
                header.number(&segment.offset, "offset of a piece")?,
                header.number(&segment.length, "length of a piece")?,
            ));
        }
        Ok(())
    }
}

/// The map of version 1.0: lines with the number of pieces, and offset and length of each, padded to
/// whole blocks.
struct MapText<'a, S> {
    stream: &'a mut S,
    block: [u8; BLOCK_BYTES],
    /// How much of the block was used.
    used: usize,
    /// What is left of the entry's data behind the block.
    packed_bytes: u64,
}

impl<'a, S: Stream> MapText<'a, S> {
    fn new(stream: &'a mut S, packed_bytes: u64) -> Self {
        Self {
            stream,
            block: [0; BLOCK_BYTES],
            used: BLOCK_BYTES,
            packed_bytes,
        }
    }

    fn read(&mut self) -> Result<Vec<(u64, u64)>, SparseError> {
        let count = self.number()?;
        let count = usize::try_from(count).ok();
        let count = count
            .filter(|count| *count <= SEGMENTS_LIMIT)
            .ok_or(SparseError::Problem("has too many pieces"))?;
        (0..count)
            .map(|_| Ok((self.number()?, self.number()?)))
            .collect()
    }

    fn number(&mut self) -> Result<u64, SparseError> {
        let mut digits = Vec::with_capacity(NUMBER_LIMIT_BYTES);
        while digits.len() < NUMBER_LIMIT_BYTES {
            match self.byte()? {
                b'\n' => break,
                digit => digits.push(digit),
            }
        }
        parse_decimal(&digits).ok_or(SparseError::Problem("has an invalid number"))
    }

    fn byte(&mut self) -> Result<u8, SparseError> {
        if self.used == BLOCK_BYTES {
            self.packed_bytes = self
                .packed_bytes
                .checked_sub(BLOCK_BYTES as u64)
                .ok_or(SparseError::Problem("is cut short"))?;
            self.stream.read_exact(&mut self.block)?;
            self.used = 0;
        }
        self.used += 1;
        Ok(self.block[self.used - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(pieces: &[(u64, u64)], length_bytes: u64, packed_bytes: u64) -> &'static str {
        match SparseMap::new(pieces, length_bytes, packed_bytes) {
            Err(SparseError::Problem(problem)) => problem,
            _ => "",
        }
    }

    #[test]
    fn pieces_are_in_order_and_inside() {
        let order = "is not in order";
        let behind = "has data behind the end of the file";
        let fit = "does not fit the data in the archive";
        assert_eq!(problem(&[(0, 5), (10, 5), (15, 0)], 15, 10), "");
        assert_eq!(problem(&[], 15, 0), "");
        assert_eq!(problem(&[(0, 5), (4, 5)], 15, 10), order);
        assert_eq!(problem(&[(10, 5), (0, 5)], 15, 10), order);
        assert_eq!(problem(&[(10, 6)], 15, 6), behind);
        assert_eq!(problem(&[(16, 0)], 15, 0), behind);
        assert_eq!(problem(&[(10, u64::MAX)], 15, 9), behind);
        assert_eq!(problem(&[(0, 5)], 15, 4), fit);
        assert_eq!(problem(&[(0, 5)], 15, 6), fit);
        assert_eq!(problem(&[], u64::MAX, 0), "has an impossible size");
    }

    #[test]
    fn a_piece_knows_its_place_in_the_archive() {
        let Ok(map) = SparseMap::new(&[(512, 3), (600, 0), (1024, 4)], 2000, 7) else {
            panic!("it is refused");
        };
        let places: Vec<_> = map
            .segments
            .iter()
            .map(|segment| segment.packed_offset)
            .collect();
        assert_eq!(places, [0, 3]);
    }
}
