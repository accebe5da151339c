//! A device whose failures are told apart from its absence.

use crate::Medium;
use livestick_blockio::{ReadAt, WriteAt};
use rustix::io::Errno;
use std::io;

/// A device that reports `ENODEV` once it is not there any more. The kernel reports what it likes: a
/// disk that is pulled out has no sectors left, so that a write is `ENOSPC`, and what was on its way is
/// `EIO`.
#[derive(Debug)]
pub(crate) struct Watched<M>(pub(crate) M);

impl<M: Medium> Watched<M> {
    fn told<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| match self.0.is_there() {
            true => error,
            false => Errno::NODEV.into(),
        })
    }
}

impl<M: Medium> Medium for Watched<M> {
    fn size_bytes(&self) -> u64 {
        self.0.size_bytes()
    }

    fn is_there(&self) -> bool {
        self.0.is_there()
    }

    fn flush(&self) -> io::Result<()> {
        self.told(self.0.flush())
    }

    fn forget(&self) -> io::Result<()> {
        self.told(self.0.forget())
    }

    fn announce(&self) -> io::Result<()> {
        self.0.announce()
    }
}

impl<M: Medium> ReadAt for Watched<M> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.told(self.0.read_at(buffer, offset))? {
            // Nor has it anything to be read.
            0 if !buffer.is_empty() && !self.0.is_there() => Err(Errno::NODEV.into()),
            count => Ok(count),
        }
    }
}

impl<M: Medium> WriteAt for Watched<M> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.told(self.0.write_all_at(bytes, offset))
    }
}
