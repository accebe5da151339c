//! Opening and looking at single files.

use super::{Shared, Stopped};
use livestick_tree::{SourceFile, Stamp};
use std::io;
use std::ops::Range;

/// How much is compared or hashed at once.
const CHUNK_BYTES: usize = 128 << 10;

impl Shared<'_> {
    /// Opens a file of the plan, wherever its bytes are.
    pub(super) fn open(&self, file: usize) -> io::Result<Box<dyn SourceFile>> {
        let id = self.plan.files[file].node;
        self.plan.tree.open(id, self.source)
    }

    /// Whether a file has these bytes, and still the state in which it was read.
    pub(super) fn holds(&self, file: usize, stamp: Stamp, bytes: &[u8]) -> bool {
        let compare = || -> io::Result<bool> {
            let open = self.open(file)?;
            if open.stamp()? != stamp {
                return Ok(false);
            }
            let mut buffer = vec![0; bytes.len()];
            open.read_exact_at(&mut buffer, 0)?;
            Ok(buffer == bytes && open.stamp()? == stamp)
        };
        // What cannot be compared is no duplicate; it is stored once more.
        compare().unwrap_or(false)
    }

    /// Whether two files are equal; then the state of the first. Both must be as long as planned.
    pub(super) fn equal(&self, first: usize, second: usize) -> Result<Option<Stamp>, Stopped> {
        let (Ok(first), Ok(second)) = (Steady::open(self, first), Steady::open(self, second))
        else {
            return Ok(None);
        };
        let mut buffers = [vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]];
        let mut at = 0;
        while at < first.stamp.length_bytes {
            self.check()?;
            let [left, right] = &mut buffers;
            let (Ok(left), Ok(right)) = (first.chunk(left, at), second.chunk(right, at)) else {
                return Ok(None);
            };
            if left != right {
                return Ok(None);
            }
            at += left.len() as u64;
        }
        Ok((first.is_unchanged() && second.is_unchanged()).then_some(first.stamp))
    }

    /// The hash of the first bytes of a file, or of all of them; `None` where it cannot be read.
    pub(super) fn hash(&self, file: usize, limit_bytes: u64) -> Result<Option<u128>, Stopped> {
        let Ok(open) = Steady::open(self, file) else {
            return Ok(None);
        };
        let end = open.stamp.length_bytes.min(limit_bytes);
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut at = 0;
        while at < end {
            self.check()?;
            let Ok(chunk) = open.chunk(&mut buffer, at) else {
                return Ok(None);
            };
            hasher.update(chunk);
            at += chunk.len() as u64;
        }
        Ok(Some(hasher.digest128()))
    }
}

/// An open file with the state in which it is expected to stay.
struct Steady {
    file: Box<dyn SourceFile>,
    stamp: Stamp,
}

impl Steady {
    fn open(shared: &Shared<'_>, file: usize) -> io::Result<Self> {
        let open = shared.open(file)?;
        let stamp = open.stamp()?;
        if stamp.length_bytes != shared.plan.files[file].length_bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self { file: open, stamp })
    }

    /// The next bytes: as many as fit into the buffer, fewer only at the end.
    fn chunk<'a>(&self, buffer: &'a mut [u8], at: u64) -> io::Result<&'a [u8]> {
        let rest = usize::try_from(self.stamp.length_bytes - at).unwrap_or(usize::MAX);
        let count = rest.min(buffer.len());
        let chunk = &mut buffer[..count];
        self.file.read_exact_at(chunk, at)?;
        Ok(chunk)
    }

    fn is_unchanged(&self) -> bool {
        self.file.stamp().is_ok_and(|stamp| stamp == self.stamp)
    }
}

/// The holes of a file, asked for as reading goes on.
pub(super) struct Holes<'a> {
    file: &'a dyn SourceFile,
    /// The data that was last found. What is before it is a hole.
    data: Range<u64>,
}

impl<'a> Holes<'a> {
    pub(super) fn new(file: &'a dyn SourceFile) -> Self {
        Self { file, data: 0..0 }
    }

    /// How many bytes from `at` on are a hole.
    pub(super) fn length_at(&mut self, at: u64) -> u64 {
        if at >= self.data.end {
            // A source that cannot tell loses time, nothing else.
            self.data = match self.file.data_from(at) {
                Ok(Some(data)) => data,
                Ok(None) => u64::MAX..u64::MAX,
                Err(_) => at..u64::MAX,
            };
        }
        self.data.start.saturating_sub(at)
    }
}

/// Whether there is nothing but zeros.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes
        .chunks(1024)
        .all(|chunk| chunk.iter().fold(0, |all, byte| all | byte) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestick_blockio::ReadAt;

    #[test]
    fn zeros_are_told_from_the_last_byte_on() {
        let mut bytes = vec![0; 5000];
        assert!(is_zero(&bytes));
        assert!(is_zero(&[]));
        bytes[4999] = 1;
        assert!(!is_zero(&bytes));
    }

    #[test]
    fn holes_are_measured_from_any_place() {
        struct Sparse;
        impl ReadAt for Sparse {
            fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
                Ok(0)
            }
        }
        impl SourceFile for Sparse {
            fn stamp(&self) -> io::Result<Stamp> {
                Err(io::ErrorKind::Unsupported.into())
            }
            fn data_from(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
                Ok(match offset {
                    0..200 => Some(offset.max(100)..200),
                    200..400 => Some(offset.max(300)..400),
                    _ => None,
                })
            }
        }
        let mut holes = Holes::new(&Sparse);
        let lengths = [0, 50, 100, 199, 200, 350, 400, 500].map(|at| holes.length_at(at));
        assert_eq!(
            lengths,
            [100, 50, 0, 0, 100, 0, u64::MAX - 400, u64::MAX - 500]
        );
    }
}
