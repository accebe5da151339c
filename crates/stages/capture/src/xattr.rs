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
    /// The kernel has system calls for it, as far as is known: since Linux 6.13.
    direct: bool,
}

impl XattrReader {
    pub(crate) fn new() -> Self {
        Self {
            buffer: vec![0; LIMIT_BYTES],
            direct: true,
        }
    }

    /// The attributes of `name` in `directory`, sorted by name.
    pub(crate) fn read(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
    ) -> io::Result<Box<[Xattr]>> {
        let place = Place::new(directory, name, self.direct)?;
        let length = match place.list(&mut self.buffer) {
            Ok(0) => return Ok(Box::default()),
            Ok(length) => length,
            Err(error) if has_none(&error) => return Ok(Box::default()),
            Err(error) if self.direct && error.kind() == io::ErrorKind::Unsupported => {
                self.direct = false;
                return self.read(directory, name);
            }
            Err(error) => return Err(error),
        };
        let names = self.buffer[..length].to_vec();
        let mut xattrs = Vec::new();
        for name in names.split_inclusive(|byte| *byte == 0) {
            let name = CStr::from_bytes_with_nul(name).map_err(io::Error::other)?;
            match place.get(name, &mut self.buffer) {
                Ok(length) => xattrs.push(Xattr {
                    name: name.to_bytes().into(),
                    value: self.buffer[..length].into(),
                }),
                // It went away between the list and now.
                Err(error) if is(&error, Errno::NODATA) => {}
                Err(error) => return Err(error),
            }
        }
        xattrs.sort_unstable();
        Ok(xattrs.into())
    }
}

/// How a name in a directory is reached.
enum Place<'a> {
    Direct(BorrowedFd<'a>, &'a CStr),
    /// Through `/proc`, where no system call takes a directory and a name and does not follow links.
    /// It takes about three times as long.
    Path(CString),
}

impl<'a> Place<'a> {
    fn new(directory: BorrowedFd<'a>, name: &'a CStr, direct: bool) -> io::Result<Self> {
        if direct {
            return Ok(Self::Direct(directory, name));
        }
        let mut path = format!("/proc/self/fd/{}/", directory.as_raw_fd()).into_bytes();
        path.extend_from_slice(name.to_bytes());
        Ok(Self::Path(CString::new(path)?))
    }

    fn list(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Direct(directory, name) => {
                livestick_sys::list_xattrs_at(*directory, name, buffer)
            }
            Self::Path(path) => Ok(llistxattr(path.as_c_str(), buffer)?),
        }
    }

    fn get(&self, xattr: &CStr, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Direct(directory, name) => {
                livestick_sys::get_xattr_at(*directory, name, xattr, buffer)
            }
            Self::Path(path) => Ok(lgetxattr(path.as_c_str(), xattr, buffer)?),
        }
    }
}

/// The filesystem has no attributes.
fn has_none(error: &io::Error) -> bool {
    is(error, Errno::NOTSUP)
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{XattrFlags, lsetxattr};
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    #[test]
    fn both_ways_lead_to_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        for name in [c"user.b", c"user.a"] {
            lsetxattr(&path, name, b"value", XattrFlags::empty()).unwrap();
        }
        let directory = File::open(folder.path()).unwrap();
        let read = |direct| {
            let mut reader = XattrReader::new();
            reader.direct = direct;
            reader.read(directory.as_fd(), c"file").unwrap()
        };
        let xattrs = read(true);
        let names: Vec<_> = xattrs.iter().map(|xattr| &*xattr.name).collect();
        assert_eq!(names, [&b"user.a"[..], b"user.b"]);
        assert_eq!(read(false), xattrs);
    }
}
