//! What has to be done with a device, and nothing more: tests put faults between.

use livestick_blockio::{ReadAt, WriteAt};
use std::io;

/// A device that is written. Writes begin and end on sectors of 512 bytes.
pub trait Medium: ReadAt + WriteAt + Sync {
    /// How large it says it is.
    fn size_bytes(&self) -> u64;

    /// Whether it is still plugged in: what fails where it is not is no fault of the medium.
    fn is_there(&self) -> bool;

    /// Returns once all that was written is on the medium, its own caches included.
    ///
    /// # Errors
    /// What the device reports.
    fn flush(&self) -> io::Result<()>;

    /// Makes the next reads come from the medium.
    ///
    /// # Errors
    /// What the device reports.
    fn forget(&self) -> io::Result<()>;

    /// Has the system look at the partition table again.
    ///
    /// # Errors
    /// What the system reports.
    fn announce(&self) -> io::Result<()>;
}
