//! A window onto a larger medium.

use crate::{ReadAt, WriteAt};
use std::io;

/// `length` bytes of `inner` from `start` on, seen as a medium of its own. Writing past the end is
/// an error, so that one file's stream can never run into the next file's clusters.
#[derive(Clone, Copy, Debug)]
pub struct Slice<T> {
    inner: T,
    start: u64,
    length: u64,
}

impl<T> Slice<T> {
    /// The window of `length` bytes at `start`.
    #[must_use]
    pub fn new(inner: T, start: u64, length: u64) -> Self {
        Self {
            inner,
            start,
            length,
        }
    }

    /// How long the window is, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl<T: ReadAt> ReadAt for Slice<T> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.length.saturating_sub(offset);
        let count = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        if count == 0 {
            return Ok(0);
        }
        self.inner
            .read_at(&mut buffer[..count], self.start + offset)
    }
}

impl<T: WriteAt> WriteAt for Slice<T> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match offset.checked_add(bytes.len() as u64) {
            Some(end) if end <= self.length => self.inner.write_all_at(bytes, self.start + offset),
            _ => Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("the space of {} bytes is full", self.length),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    struct Memory(RefCell<Vec<u8>>);

    impl WriteAt for Memory {
        fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
            let start = usize::try_from(offset).unwrap();
            self.0.borrow_mut()[start..start + bytes.len()].copy_from_slice(bytes);
            Ok(())
        }
    }

    #[test]
    fn a_write_stays_inside_the_window() {
        let memory = Memory(RefCell::new(vec![0; 8]));
        let slice = Slice::new(&memory, 2, 4);
        slice.write_all_at(b"ab", 2).unwrap();
        assert!(slice.write_all_at(b"abc", 2).is_err());
        assert!(slice.write_all_at(b"a", u64::MAX).is_err());
        assert_eq!(*memory.0.borrow(), b"\0\0\0\0ab\0\0");
    }

    #[test]
    fn a_read_ends_with_the_window() {
        let bytes: &[u8] = b"abcdef";
        let slice = Slice::new(bytes, 1, 3);
        let mut buffer = [0; 8];
        assert_eq!(slice.read_at(&mut buffer, 1).unwrap(), 2);
        assert_eq!(&buffer[..2], b"cd");
        assert_eq!(slice.read_at(&mut buffer, 3).unwrap(), 0);
    }
}
