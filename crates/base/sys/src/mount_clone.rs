//! A mount seen once more, without touching it.

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use std::ffi::{c_char, c_long};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Clones the mount at `path`, without the mounts below it, read-only and without access times. The
/// clone is attached nowhere: it is seen only through the returned directory descriptor, and is gone
/// with it. What is mounted over a folder of the original is absent: the folder shows its own content.
///
/// Needs `CAP_SYS_ADMIN` and Linux 5.12 (`open_tree(2)`, `mount_setattr(2)`).
///
/// # Errors
/// `PermissionDenied` without that capability, `Unsupported` on an older kernel, else what the
/// kernel reports for `path`.
pub fn clone_mount_read_only(path: &Path) -> io::Result<OwnedFd> {
    clone_read_only(CWD, path, OpenTreeFlags::empty())
}

/// The same for the mount in which an open directory lies, whatever has become of its path.
///
/// # Errors
/// As [`clone_mount_read_only`]; `InvalidInput` too where it is mounted no more.
pub fn clone_open_mount_read_only(directory: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    clone_read_only(directory, Path::new(""), OpenTreeFlags::AT_EMPTY_PATH)
}

fn clone_read_only(
    directory: BorrowedFd<'_>,
    path: &Path,
    flags: OpenTreeFlags,
) -> io::Result<OwnedFd> {
    let flags = flags | OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let clone = open_tree(directory, path, flags)?;
    let attributes = MountAttr {
        attr_set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME,
        attr_clr: MOUNT_ATTR_ATIME,
        propagation: 0,
        userns_fd: 0,
    };
    mount_setattr(clone.as_fd(), &attributes)?;
    Ok(clone)
}

/// `struct mount_attr` of `linux/mount.h`.
#[repr(C)]
struct MountAttr {
    attr_set: u64,
    attr_clr: u64,
    propagation: u64,
    userns_fd: u64,
}

const _: () = assert!(size_of::<MountAttr>() == 32);

const MOUNT_ATTR_RDONLY: u64 = 0x01;
const MOUNT_ATTR_NOATIME: u64 = 0x10;
/// All atime modes, which are one field: setting one of them needs the whole field cleared.
const MOUNT_ATTR_ATIME: u64 = 0x70;

/// The number is the same on every architecture, as for all system calls since Linux 5.1.
const SYS_MOUNT_SETATTR: c_long = 442;
const AT_EMPTY_PATH: c_long = 0x1000;

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
}

fn mount_setattr(mount: BorrowedFd<'_>, attributes: &MountAttr) -> io::Result<()> {
    let empty: *const c_char = c"".as_ptr();
    // SAFETY: the arguments are those of mount_setattr(2): a descriptor that lives as long as the
    // call, a NUL-terminated path, flags, and a `struct mount_attr` with its size. The kernel only
    // reads the two pointers.
    let result = unsafe {
        syscall(
            SYS_MOUNT_SETATTR,
            c_long::from(mount.as_raw_fd()),
            empty,
            AT_EMPTY_PATH,
            std::ptr::from_ref(attributes),
            size_of::<MountAttr>(),
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::is_root;
    use rustix::fs::{Mode, OFlags, openat};
    use std::fs::{self, File};
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    /// Set back so that every atime mode would update it: older than the modification, and than a day.
    fn age_access_time(path: &Path) -> i64 {
        let file = File::options().write(true).open(path).unwrap();
        let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000);
        file.set_times(fs::FileTimes::new().set_accessed(old))
            .unwrap();
        fs::metadata(path).unwrap().atime()
    }

    fn read_through(clone: &OwnedFd, name: &Path) -> String {
        let file = openat(clone, name, OFlags::RDONLY, Mode::empty()).unwrap();
        let mut text = String::new();
        File::from(file).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn reading_through_the_clone_leaves_the_access_time_alone() {
        if !is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "content").unwrap();

        // That the test can fail: a plain read does change it.
        let before = age_access_time(&path);
        fs::read(&path).unwrap();
        if fs::metadata(&path).unwrap().atime() == before {
            eprintln!(
                "skipped: {} is mounted without access times",
                path.display()
            );
            return;
        }

        let before = age_access_time(&path);
        let clone = clone_mount_read_only(folder.path()).unwrap();
        assert_eq!(read_through(&clone, Path::new("file")), "content");
        assert_eq!(fs::metadata(&path).unwrap().atime(), before);
    }

    #[test]
    fn the_clone_cannot_be_written() {
        if !is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let clone = clone_mount_read_only(folder.path()).unwrap();
        let flags = OFlags::WRONLY | OFlags::CREATE;
        let error = openat(&clone, "new", flags, Mode::RWXU).unwrap_err();
        assert_eq!(error, rustix::io::Errno::ROFS);
        // The original still can.
        fs::write(folder.path().join("new"), "").unwrap();
    }

    #[test]
    fn what_is_mounted_below_is_not_in_the_clone() {
        if !is_root() {
            return;
        }
        let clone = clone_mount_read_only(Path::new("/")).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = openat(&clone, "proc", flags, Mode::empty()).unwrap();
        assert!(openat(&folder, "self", OFlags::PATH, Mode::empty()).is_err());
    }
}
