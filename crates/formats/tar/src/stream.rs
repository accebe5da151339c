//! The bytes of an archive, front to back, and where the data of its files can be found again.

use crate::ReadError;
use livestick_blockio::{Progress, WriteAt};
use std::fs::File;
use std::io::{self, BufReader, Read};

/// What is copied at a time.
const CHUNK_BYTES: usize = 128 << 10;
/// Read ahead where data is skipped: enough for some headers and small files, and little to throw
/// away where a large file follows.
const AHEAD_BYTES: usize = 16 << 10;

/// An archive that is read once.
pub(crate) trait Stream {
    /// How many bytes of the archive were passed.
    fn offset(&self) -> u64;

    /// Fills the buffer, less at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError>;

    /// Passes the data of a file. Says where it will be found.
    fn keep(&mut self, length_bytes: u64) -> Result<u64, ReadError>;

    /// Passes what nobody needs.
    fn skip(&mut self, length_bytes: u64) -> Result<(), ReadError>;

    /// Passes what comes after the archive, as far as that tells whether the archive was whole.
    fn finish(&mut self) -> Result<(), ReadError>;

    /// Fills the buffer, or fails.
    fn read_exact(&mut self, buffer: &mut [u8]) -> Result<(), ReadError> {
        match self.read(buffer)? {
            count if count == buffer.len() => Ok(()),
            _ => Err(ReadError::Truncated {
                offset: self.offset(),
            }),
        }
    }
}

/// An archive that can be read again later, in place.
pub(crate) struct InPlace<'a> {
    reader: BufReader<&'a File>,
    /// Where the archive begins in its file.
    start: u64,
    offset: u64,
    length_bytes: u64,
}

impl<'a> InPlace<'a> {
    /// Reads from the file's cursor, which is at `start`, to its end, `length_bytes` later.
    pub(crate) fn new(file: &'a File, start: u64, length_bytes: u64) -> Self {
        Self {
            reader: BufReader::with_capacity(AHEAD_BYTES, file),
            start,
            offset: 0,
            length_bytes,
        }
    }
}

impl Stream for InPlace<'_> {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        fill(&mut self.reader, buffer, &mut self.offset)
    }

    fn keep(&mut self, length_bytes: u64) -> Result<u64, ReadError> {
        let position = self.start + self.offset;
        self.skip(length_bytes)?;
        Ok(position)
    }

    fn skip(&mut self, length_bytes: u64) -> Result<(), ReadError> {
        let truncated = ReadError::Truncated {
            offset: self.length_bytes,
        };
        if length_bytes > self.length_bytes.saturating_sub(self.offset) {
            return Err(truncated);
        }
        let distance = i64::try_from(length_bytes).map_err(|_| truncated)?;
        self.reader
            .seek_relative(distance)
            .map_err(|source| ReadError::Input {
                offset: self.offset,
                source,
            })?;
        self.offset += length_bytes;
        Ok(())
    }

    fn finish(&mut self) -> Result<(), ReadError> {
        Ok(())
    }
}

/// An archive that passes by: what is needed later goes to a file of its own.
pub(crate) struct Spooled<'a, R, W> {
    reader: R,
    offset: u64,
    spool: &'a W,
    spooled_bytes: u64,
    /// How much of that was written. What comes behind is zeros.
    written_bytes: u64,
    buffer: Vec<u8>,
    progress: &'a dyn Progress,
}

impl<'a, R: Read, W: WriteAt> Spooled<'a, R, W> {
    pub(crate) fn new(reader: R, spool: &'a W, progress: &'a dyn Progress) -> Self {
        Self {
            reader,
            offset: 0,
            spool,
            spooled_bytes: 0,
            written_bytes: 0,
            buffer: vec![0; CHUNK_BYTES],
            progress,
        }
    }

    /// Reads the next bytes, at most `limit_bytes`, into the buffer. 0 is the end.
    fn chunk(&mut self, limit_bytes: u64) -> Result<usize, ReadError> {
        if self.progress.interrupted() {
            return Err(ReadError::Interrupted);
        }
        let length = usize::try_from(limit_bytes).unwrap_or(CHUNK_BYTES);
        let buffer = &mut self.buffer[..length.min(CHUNK_BYTES)];
        fill(&mut self.reader, buffer, &mut self.offset)
    }

    /// Adds the first bytes of the buffer to the spool. Zeros are left out: a disk image that was
    /// compressed with all its holes needs no more room here than it did before.
    fn spool(&mut self, count: usize) -> Result<(), ReadError> {
        let bytes = &self.buffer[..count];
        if bytes.iter().fold(0, |all, byte| all | byte) != 0 {
            self.write(bytes, self.spooled_bytes)?;
            self.written_bytes = self.spooled_bytes + count as u64;
        }
        self.spooled_bytes += count as u64;
        Ok(())
    }

    fn write(&self, bytes: &[u8], position: u64) -> Result<(), ReadError> {
        self.spool
            .write_all_at(bytes, position)
            .map_err(ReadError::Spool)
    }

    /// Passes so many bytes, which `each` sees in turn.
    fn pass(
        &mut self,
        mut length_bytes: u64,
        mut each: impl FnMut(&mut Self, usize) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        while length_bytes > 0 {
            let count = self.chunk(length_bytes)?;
            if count == 0 {
                return Err(ReadError::Truncated {
                    offset: self.offset,
                });
            }
            each(self, count)?;
            length_bytes -= count as u64;
        }
        Ok(())
    }
}

impl<R: Read, W: WriteAt> Stream for Spooled<'_, R, W> {
    fn offset(&self) -> u64 {
        self.offset
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ReadError> {
        fill(&mut self.reader, buffer, &mut self.offset)
    }

    fn keep(&mut self, length_bytes: u64) -> Result<u64, ReadError> {
        let position = self.spooled_bytes;
        self.pass(length_bytes, |stream, count| stream.spool(count))?;
        Ok(position)
    }

    fn skip(&mut self, length_bytes: u64) -> Result<(), ReadError> {
        self.pass(length_bytes, |_, _| Ok(()))
    }

    /// To the end: a decompressor compares the checksum there, and who writes into a pipe wants to
    /// get rid of everything.
    fn finish(&mut self) -> Result<(), ReadError> {
        while self.chunk(u64::MAX)? > 0 {}
        if self.written_bytes < self.spooled_bytes {
            self.write(&[0], self.spooled_bytes - 1)?;
        }
        Ok(())
    }
}

/// Fills the buffer, less at the end, and counts.
fn fill(reader: &mut impl Read, buffer: &mut [u8], offset: &mut u64) -> Result<usize, ReadError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => {
                filled += count;
                *offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A decompressor says this of its input.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(ReadError::Truncated { offset: *offset });
            }
            Err(source) => {
                return Err(ReadError::Input {
                    offset: *offset,
                    source,
                });
            }
        }
    }
    Ok(filled)
}
