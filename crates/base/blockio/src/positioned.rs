//! Reads and writes at an offset, without a cursor, so that threads can share one descriptor.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Something that can be read at any offset.
pub trait ReadAt {
    /// Reads up to `buffer.len()` bytes at `offset`; 0 means the end.
    ///
    /// # Errors
    /// Whatever the medium reports.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Fills the buffer.
    ///
    /// # Errors
    /// `UnexpectedEof` where the medium ends first.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    buffer = &mut buffer[count..];
                    offset += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Something that can be written at any offset.
pub trait WriteAt {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// Whatever the medium reports; then any part of the range may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }
}

impl WriteAt for File {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        FileExt::write_all_at(self, bytes, offset)
    }
}

impl ReadAt for [u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..))
            .unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

impl<T: ReadAt + ?Sized> ReadAt for &T {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        (**self).read_at(buffer, offset)
    }
}

impl<T: WriteAt + ?Sized> WriteAt for &T {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (**self).write_all_at(bytes, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_reads_up_to_its_end_and_no_further() {
        let bytes: &[u8] = b"abcdef";
        let mut buffer = [0; 4];
        assert_eq!(bytes.read_at(&mut buffer, 4).unwrap(), 2);
        assert_eq!(&buffer[..2], b"ef");
        assert_eq!(bytes.read_at(&mut buffer, u64::MAX).unwrap(), 0);
        let end = bytes.read_exact_at(&mut buffer, 3).unwrap_err();
        assert_eq!(end.kind(), io::ErrorKind::UnexpectedEof);
    }
}
