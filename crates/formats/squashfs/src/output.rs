//! The image, written from its front to its end.

use crate::WriteError;
use livestick_blockio::WriteAt;

/// How much is written at once. Writes begin at multiples of this, which suits flash.
const WRITE_BYTES: usize = 1 << 20;

/// Appends to an image.
pub(crate) struct Output<'a, W> {
    medium: &'a W,
    /// Where `waiting` begins.
    written: u64,
    waiting: Vec<u8>,
}

impl<'a, W: WriteAt> Output<'a, W> {
    pub(crate) fn new(medium: &'a W) -> Self {
        Self {
            medium,
            written: 0,
            waiting: Vec::with_capacity(WRITE_BYTES),
        }
    }

    /// Where the next byte goes.
    pub(crate) fn position(&self) -> u64 {
        self.written + self.waiting.len() as u64
    }

    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> Result<(), WriteError> {
        while !bytes.is_empty() {
            let room = WRITE_BYTES - self.waiting.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.waiting.extend_from_slice(now);
            bytes = later;
            if self.waiting.len() == WRITE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Fills up to a multiple of `unit_bytes` with zeros.
    pub(crate) fn pad(&mut self, unit_bytes: u64) -> Result<(), WriteError> {
        let missing = self.position().next_multiple_of(unit_bytes) - self.position();
        for _ in 0..missing {
            self.append(&[0])?;
        }
        Ok(())
    }

    /// Writes what waits, and then the first bytes anew.
    pub(crate) fn finish(mut self, front: &[u8]) -> Result<(), WriteError> {
        self.flush()?;
        self.medium
            .write_all_at(front, 0)
            .map_err(WriteError::Output)
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        self.medium
            .write_all_at(&self.waiting, self.written)
            .map_err(WriteError::Output)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }
}
