//! Extended attributes of a directory's entry, whatever its kind, links not followed.

use livestick_tree::Xattr;
use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The longest list of names, and the longest value, that the kernel hands out
/// (`XATTR_LIST_MAX`, `XATTR_SIZE_MAX`).
const LIMIT_BYTES: usize = 64 * 1024;

/// Reads attributes into one buffer, again and again.
pub(crate) struct XattrReader {
    buffer: Vec<u8>,
}

impl XattrReader {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; LIMIT_BYTES],
        }
    }

    /// The attributes of `name` in `directory`, sorted by name.
    ///
    /// There is no system call that takes a directory and a name (before Linux 6.13) and does not
    /// follow links, so the path leads through `/proc`.
    pub(crate) fn read(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
    ) -> io::Result<Box<[Xattr]>> {
        let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.to_bytes());
        let path = CString::new(path)?;
        let length = match llistxattr(path.as_c_str(), &mut self.buffer[..]) {
            Ok(0) | Err(Errno::NOTSUP) => return Ok(Box::default()),
            Ok(length) => length,
            Err(error) => return Err(error.into()),
        };
        let names = self.buffer[..length].to_vec();
        let mut xattrs = Vec::new();
        for name in names.split_inclusive(|byte| *byte == 0) {
            let name = CStr::from_bytes_with_nul(name).map_err(io::Error::other)?;
            match lgetxattr(path.as_c_str(), name, &mut self.buffer[..]) {
                Ok(length) => xattrs.push(Xattr {
                    name: name.to_bytes().into(),
                    value: self.buffer[..length].into(),
                }),
                // It went away between the list and now.
                Err(Errno::NODATA) => {}
                Err(error) => return Err(error.into()),
            }
        }
        xattrs.sort_unstable();
        Ok(xattrs.into())
    }
}
