//! Positioned reads and writes, extents, and progress: the vocabulary in which the other crates
//! speak of bytes on a stick.
//!
//! All offsets and lengths are bytes unless a name ends in `_lba` or `_sectors`.

mod extent;
mod positioned;
mod progress;
mod slice;

pub use extent::{Extent, SECTOR_BYTES};
pub use positioned::{ReadAt, WriteAt};
pub use progress::{NoProgress, Progress};
pub use slice::Slice;
