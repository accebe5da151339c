//! Where the bytes of files are, once an archive has been read.

use crate::sparse::Segment;
use livestick_blockio::ReadAt;
use livestick_tree::{ContentSource, NodeId, SourceFile, Stamp, Tree};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// The contents of the files of an archive. They are read from the archive itself, or from the file
/// into which it was decompressed; both must stay as they are.
pub struct Contents {
    medium: Arc<Medium>,
    places: Vec<Option<Place>>,
}

/// What the bytes are read from.
pub(crate) enum Medium {
    /// The archive. Somebody may change it.
    Archive(File),
    /// What was kept of it.
    Spool(Box<dyn ReadAt + Send + Sync>),
}

/// Where a file is.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) length_bytes: u64,
    /// Where its first byte is.
    pub(crate) position: u64,
    /// Its data, where it has holes.
    pub(crate) segments: Option<Arc<[Segment]>>,
}

impl Contents {
    /// The places are those of the nodes, in their order.
    pub(crate) fn new(medium: Medium, places: Vec<Option<Place>>) -> Self {
        Self {
            medium: Arc::new(medium),
            places,
        }
    }
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Contents")
            .field("nodes", &self.places.len())
            .finish_non_exhaustive()
    }
}

impl ContentSource for Contents {
    fn open(&self, _tree: &Tree, node: NodeId) -> io::Result<Box<dyn SourceFile>> {
        let place = self.places.get(node.index()).and_then(Option::as_ref);
        Ok(Box::new(ArchivedFile {
            medium: self.medium.clone(),
            place: place.ok_or(io::ErrorKind::NotFound)?.clone(),
        }))
    }
}

struct ArchivedFile {
    medium: Arc<Medium>,
    place: Place,
}

impl ArchivedFile {
    /// The first piece of data that ends after `offset`.
    fn segment(&self, offset: u64) -> Option<Segment> {
        let Some(segments) = &self.place.segments else {
            let whole = Segment {
                offset: 0,
                length_bytes: self.place.length_bytes,
                packed_offset: 0,
            };
            return (offset < whole.length_bytes).then_some(whole);
        };
        let next = segments.partition_point(|segment| segment.end() <= offset);
        segments.get(next).copied()
    }
}

impl ReadAt for ArchivedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.place.length_bytes.saturating_sub(offset);
        let segment = self.segment(offset).filter(|_| rest > 0);
        let at_most = |length: u64| {
            usize::try_from(length).map_or(buffer.len(), |length| length.min(buffer.len()))
        };
        match segment {
            Some(segment) if segment.offset <= offset => {
                let count = at_most(segment.end() - offset);
                let position = self.place.position + segment.packed_offset;
                self.medium
                    .read_at(&mut buffer[..count], position + (offset - segment.offset))
            }
            hole_before => {
                let hole = hole_before.map_or(rest, |segment| segment.offset - offset);
                let count = at_most(hole);
                buffer[..count].fill(0);
                Ok(count)
            }
        }
    }
}

impl SourceFile for ArchivedFile {
    fn stamp(&self) -> io::Result<Stamp> {
        let changed = match &*self.medium {
            Medium::Archive(file) => {
                let metadata = file.metadata()?;
                (metadata.ctime(), metadata.ctime_nsec())
            }
            Medium::Spool(_) => (0, 0),
        };
        Ok(Stamp {
            length_bytes: self.place.length_bytes,
            changed,
        })
    }

    fn data_from(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let segment = self.segment(offset);
        Ok(segment.map(|segment| segment.offset.max(offset)..segment.end()))
    }
}

impl Segment {
    fn end(&self) -> u64 {
        self.offset + self.length_bytes
    }
}

impl ReadAt for Medium {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Archive(file) => ReadAt::read_at(file, buffer, offset),
            Self::Spool(spool) => spool.read_at(buffer, offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(segments: Option<&[(u64, u64, u64)]>, length_bytes: u64) -> ArchivedFile {
        struct Bytes(&'static [u8]);
        impl ReadAt for Bytes {
            fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
                self.0.read_at(buffer, offset)
            }
        }
        let segments = segments.map(|segments| {
            let segments = segments.iter();
            segments
                .map(|(offset, length_bytes, packed_offset)| Segment {
                    offset: *offset,
                    length_bytes: *length_bytes,
                    packed_offset: *packed_offset,
                })
                .collect()
        });
        ArchivedFile {
            medium: Arc::new(Medium::Spool(Box::new(Bytes(b"..abcdefgh..")))),
            place: Place {
                length_bytes,
                position: 2,
                segments,
            },
        }
    }

    fn read(file: &ArchivedFile, offset: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![b'?'; length];
        file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }

    #[test]
    fn holes_are_zeros_and_data_lies_side_by_side() {
        let file = file(Some(&[(2, 3, 0), (5, 1, 3), (8, 2, 4)]), 12);
        assert_eq!(read(&file, 0, 12), b"\0\0abcd\0\0ef\0\0");
        for start in 0..12 {
            let whole = read(&file, 0, 12);
            assert_eq!(read(&file, start as u64, 12 - start), whole[start..]);
        }
        assert_eq!(file.read_at(&mut [0; 4], 12).unwrap(), 0);
        assert_eq!(file.read_at(&mut [0; 4], u64::MAX).unwrap(), 0);
        let data = [0, 3, 5, 6, 9, 10].map(|offset| file.data_from(offset).unwrap());
        assert_eq!(
            data,
            [
                Some(2..5),
                Some(3..5),
                Some(5..6),
                Some(8..10),
                Some(9..10),
                None
            ]
        );
    }

    #[test]
    fn a_file_without_holes_ends_where_it_ends() {
        let file = file(None, 4);
        assert_eq!(read(&file, 0, 4), b"abcd");
        assert_eq!(file.read_at(&mut [0; 8], 1).unwrap(), 3);
        assert_eq!(file.read_at(&mut [0; 8], 4).unwrap(), 0);
        assert_eq!(file.data_from(1).unwrap(), Some(1..4));
        assert_eq!(file.data_from(4).unwrap(), None);
    }

    #[test]
    fn a_file_of_nothing_but_holes_needs_no_data() {
        let file = file(Some(&[]), 5);
        assert_eq!(read(&file, 0, 5), [0; 5]);
        assert_eq!(file.data_from(0).unwrap(), None);
    }
}
