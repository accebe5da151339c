//! Writing to the medium while there is more to come.

use std::ffi::{c_int, c_uint};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Asks the kernel to begin to write these bytes of a file to its medium, and does not wait for it.
/// By itself it would leave them in memory until a good deal of it is full, and whoever then calls
/// `fsync` waits for all of it. A hint: nothing is safe before `fsync`.
///
/// # Errors
/// What the kernel reports (`sync_file_range(2)`); `Unsupported` on a pipe or a terminal.
pub fn start_writeback(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let number = |value| i64::try_from(value).map_err(|_| io::ErrorKind::InvalidInput);
    let (offset, length) = (number(offset)?, number(length)?);
    // SAFETY: the arguments are numbers and a descriptor that lives as long as the call.
    let result =
        unsafe { sync_file_range(file.as_raw_fd(), offset, length, SYNC_FILE_RANGE_WRITE) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// `linux/fs.h`.
const SYNC_FILE_RANGE_WRITE: c_uint = 2;

unsafe extern "C" {
    fn sync_file_range(file: c_int, offset: i64, length: i64, flags: c_uint) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_written_stays_as_it_is() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&[7; 8192]).unwrap();
        start_writeback(file.as_file(), 0, 8192).unwrap();
        assert_eq!(std::fs::read(file.path()).unwrap(), [7; 8192]);
        assert!(start_writeback(file.as_file(), u64::MAX, 1).is_err());
    }
}
