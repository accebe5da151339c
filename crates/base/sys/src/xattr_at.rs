//! Extended attributes of a name in an open directory.

use rustix::fs::AtFlags;
use std::ffi::{CStr, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Lists the attributes of `name` in `directory`, which is not followed if it is a link: their names,
/// each with a NUL behind it. Returns how many bytes that takes.
///
/// # Errors
/// `Unsupported` before Linux 6.13; else what the kernel reports (`listxattr(2)`).
pub fn list_xattrs_at(
    directory: BorrowedFd<'_>,
    name: &CStr,
    buffer: &mut [u8],
) -> io::Result<usize> {
    // SAFETY: the arguments are those of listxattrat(2): a descriptor that lives as long as the call,
    // a NUL-terminated path, flags, and a buffer of that length, which the kernel fills.
    let result = unsafe {
        syscall(
            SYS_LISTXATTRAT,
            c_long::from(directory.as_raw_fd()),
            name.as_ptr(),
            FLAGS,
            buffer.as_mut_ptr(),
            buffer.len(),
        )
    };
    length(result)
}

/// Reads an attribute of `name` in `directory`, which is not followed if it is a link. Returns how
/// long it is.
///
/// # Errors
/// `Unsupported` before Linux 6.13; else what the kernel reports (`getxattr(2)`).
pub fn get_xattr_at(
    directory: BorrowedFd<'_>,
    name: &CStr,
    xattr: &CStr,
    buffer: &mut [u8],
) -> io::Result<usize> {
    let arguments = XattrArgs {
        value: buffer.as_mut_ptr(),
        size: u32::try_from(buffer.len()).unwrap_or(u32::MAX),
        flags: 0,
    };
    // SAFETY: the arguments are those of getxattrat(2): a descriptor that lives as long as the call,
    // two NUL-terminated strings, flags, and a `struct xattr_args` with its size, which names a
    // buffer of at least that length; only this is written to.
    let result = unsafe {
        syscall(
            SYS_GETXATTRAT,
            c_long::from(directory.as_raw_fd()),
            name.as_ptr(),
            FLAGS,
            xattr.as_ptr(),
            std::ptr::from_ref(&arguments),
            size_of::<XattrArgs>(),
        )
    };
    length(result)
}

/// `struct xattr_args` of `linux/xattr.h`, whose first field is a pointer in 64 bits.
#[repr(C)]
struct XattrArgs {
    value: *mut u8,
    size: u32,
    flags: u32,
}

const _: () = assert!(size_of::<XattrArgs>() == 16);

/// The numbers are the same on every architecture, as for all system calls since Linux 5.1.
const SYS_GETXATTRAT: c_long = 464;
const SYS_LISTXATTRAT: c_long = 465;
#[allow(clippy::cast_lossless, reason = "there is no constant `From`")]
const FLAGS: c_long = AtFlags::SYMLINK_NOFOLLOW.bits() as c_long;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

fn length(result: c_long) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{XattrFlags, lsetxattr};
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    #[test]
    fn attributes_are_those_of_the_name_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "").unwrap();
        lsetxattr(&path, c"user.note", b"value", XattrFlags::empty()).unwrap();
        std::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
        let directory = File::open(folder.path()).unwrap();
        let mut buffer = [0; 64];
        let listed = match list_xattrs_at(directory.as_fd(), c"file", &mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {
                eprintln!("skipped: this kernel has no listxattrat");
                return;
            }
            listed => listed.unwrap(),
        };
        assert_eq!(&buffer[..listed], b"user.note\0");
        let read = get_xattr_at(directory.as_fd(), c"file", c"user.note", &mut buffer);
        assert_eq!(&buffer[..read.unwrap()], b"value");
        let link = list_xattrs_at(directory.as_fd(), c"link", &mut buffer).unwrap();
        assert_eq!(link, 0);
        let missing = list_xattrs_at(directory.as_fd(), c"none", &mut buffer);
        assert_eq!(missing.unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
