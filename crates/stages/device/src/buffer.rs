//! Memory that a device can be read into directly.

use std::ops::{Deref, DerefMut};
use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Bytes that begin on a page, as `O_DIRECT` wants them.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    pages: Vec<Page>,
    length: usize,
}

/// The largest alignment that a device asks for.
pub(crate) const PAGE_BYTES: usize = 4096;

#[derive(Clone, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
struct Page([u8; PAGE_BYTES]);

impl Buffer {
    /// So many zeros.
    pub(crate) fn zeros(length: usize) -> Self {
        Self {
            pages: vec![Page::new_zeroed(); length.div_ceil(PAGE_BYTES)],
            length,
        }
    }

    /// A copy of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut buffer = Self::zeros(bytes.len());
        buffer.copy_from_slice(bytes);
        buffer
    }

    /// Forgets what comes behind so many bytes.
    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

/// Whether bytes begin where `O_DIRECT` wants it.
pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(PAGE_BYTES)
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.pages.as_bytes()[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.pages.as_mut_bytes()[..self.length]
    }
}
