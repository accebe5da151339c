//! Making files below a directory. Each is named by its directory's descriptor and one name, and no
//! link is followed, so that nothing outside is reached, whatever is in the target.

use super::{Existing, Unrestored, UnrestoredPart};
use livestick_tree::{Device, Metadata, Xattr};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Permissions of what is not finished: nobody else should look into it.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);
const DIRECTORY_MODE: Mode = Mode::RWXU;
/// How much of a path is opened at once: the kernel takes up to 4095 bytes.
const PATH_STEP_BYTES: usize = 4000;
/// setuid and setgid.
const SET_ID_BITS: u16 = 0o6000;

/// How files are made.
#[derive(Clone, Copy)]
pub(super) struct Maker {
    pub(super) existing: Existing,
    pub(super) owners: bool,
}

/// Why a file cannot be made.
pub(super) enum Refusal {
    Exists,
    Io(io::Error),
}

impl From<Errno> for Refusal {
    fn from(error: Errno) -> Self {
        match error {
            Errno::EXIST => Self::Exists,
            error => Self::Io(error.into()),
        }
    }
}

/// Opens the target itself, and makes it if it is not there. The path is the caller's, who may use
/// links in it.
pub(super) fn open_target(path: &Path) -> io::Result<OwnedFd> {
    match rustix::fs::mkdirat(CWD, path, DIRECTORY_MODE) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, path, flags, Mode::empty())?)
}

pub(super) fn is_empty(directory: BorrowedFd<'_>) -> io::Result<bool> {
    for entry in rustix::fs::Dir::read_from(directory)? {
        if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Finds a directory below the target by its path, of at most 4095 bytes, to name files in it; no link
/// on the way is followed.
pub(super) fn open_below(target: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    open_with(target, path, OFlags::PATH)
}

/// Opens a directory below the target by its path, however long that is; no link on the way is followed.
pub(super) fn open_directory(target: BorrowedFd<'_>, path: &[u8]) -> io::Result<OwnedFd> {
    let mut opened = open_with(target, b"", OFlags::RDONLY)?;
    let mut rest = path;
    while !rest.is_empty() {
        let end = match rest.get(..PATH_STEP_BYTES) {
            // Names are at most 256 bytes.
            Some(step) => step.iter().rposition(|byte| *byte == b'/'),
            None => None,
        };
        let end = end.unwrap_or(rest.len());
        opened = open_with(opened.as_fd(), &rest[..end], OFlags::RDONLY)?;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    Ok(opened)
}

/// Removes a file that was made.
pub(super) fn remove(at: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(at, name, AtFlags::empty())?)
}

fn open_with(target: BorrowedFd<'_>, path: &[u8], access: OFlags) -> io::Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let path = if path.is_empty() { &b"."[..] } else { path };
    let flags = access | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    Ok(rustix::fs::openat2(
        target,
        path,
        flags,
        Mode::empty(),
        how,
    )?)
}

impl Maker {
    /// Makes a directory, or takes the one that is there where it may.
    pub(super) fn directory(self, at: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(at, name, flags, Mode::empty());
        match rustix::fs::mkdirat(at, name, DIRECTORY_MODE) {
            Ok(()) => return Ok(open()?),
            Err(Errno::EXIST) if self.existing == Existing::Replace => {}
            Err(error) => return Err(error.into()),
        }
        match open() {
            Err(Errno::NOTDIR | Errno::LOOP) => {
                rustix::fs::unlinkat(at, name, AtFlags::empty())?;
                rustix::fs::mkdirat(at, name, DIRECTORY_MODE)?;
                Ok(open()?)
            }
            opened => Ok(opened?),
        }
    }

    pub(super) fn file(self, at: BorrowedFd<'_>, name: &[u8]) -> Result<File, Refusal> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        self.make(at, name, || {
            rustix::fs::openat(at, name, flags | OFlags::CLOEXEC, FILE_MODE)
        })
        .map(File::from)
    }

    pub(super) fn symlink(
        self,
        at: BorrowedFd<'_>,
        name: &[u8],
        target: &[u8],
    ) -> Result<(), Refusal> {
        self.make(at, name, || rustix::fs::symlinkat(target, at, name))
    }

    /// Makes a device, pipe or socket.
    pub(super) fn node(
        self,
        at: BorrowedFd<'_>,
        name: &[u8],
        kind: FileType,
        device: Device,
    ) -> Result<(), Refusal> {
        let number = rustix::fs::makedev(device.major, device.minor);
        self.make(at, name, || {
            rustix::fs::mknodat(at, name, kind, FILE_MODE, number)
        })
    }

    /// Makes a name for a file that was made before, in an opened directory.
    pub(super) fn link(
        self,
        from: BorrowedFd<'_>,
        old: &[u8],
        at: BorrowedFd<'_>,
        name: &[u8],
    ) -> Result<(), Refusal> {
        // Without `AT_SYMLINK_FOLLOW`, a link that is in the old place is linked itself.
        self.make(at, name, || {
            rustix::fs::linkat(from, old, at, name, AtFlags::empty())
        })
    }

    /// Makes something; once more after what is in its place was removed, where that may be.
    /// Directories are never removed.
    fn make<T>(
        self,
        at: BorrowedFd<'_>,
        name: &[u8],
        make: impl Fn() -> Result<T, Errno>,
    ) -> Result<T, Refusal> {
        match make() {
            Err(Errno::EXIST) if self.existing == Existing::Replace => {
                match rustix::fs::unlinkat(at, name, AtFlags::empty()) {
                    Ok(()) => Ok(make()?),
                    Err(Errno::ISDIR) => Err(Refusal::Exists),
                    Err(error) => Err(error.into()),
                }
            }
            made => Ok(made?),
        }
    }
}

/// What the image says of a file beside its content.
pub(super) struct Attributes<'a> {
    pub(super) path: &'a [u8],
    pub(super) metadata: Metadata,
    pub(super) xattrs: &'a [Xattr],
}

impl Attributes<'_> {
    /// Restores what an open file or directory has. The order matters: a new owner takes away
    /// setuid and capabilities, and everything changes the time.
    pub(super) fn restore(
        &self,
        maker: Maker,
        file: BorrowedFd<'_>,
        lost: &mut dyn FnMut(Unrestored),
    ) {
        let mut owned = false;
        if maker.owners {
            let (uid, gid) = self.owner();
            let changed = rustix::fs::fchown(file, Some(uid), Some(gid));
            owned = self.note(UnrestoredPart::Owner, changed, lost);
        }
        for xattr in self.xattrs {
            let set = rustix::fs::fsetxattr(file, &*xattr.name, &xattr.value, XattrFlags::empty());
            self.note(UnrestoredPart::Xattr(xattr.name.clone()), set, lost);
        }
        let changed = rustix::fs::fchmod(file, self.mode(owned, lost));
        self.note(UnrestoredPart::Permissions, changed, lost);
        let changed = rustix::fs::futimens(file, &self.times());
        self.note(UnrestoredPart::Time, changed, lost);
    }

    /// Restores what a link, device, pipe or socket has, which cannot be opened.
    pub(super) fn restore_by_name(
        &self,
        maker: Maker,
        at: BorrowedFd<'_>,
        name: &[u8],
        is_symlink: bool,
        lost: &mut dyn FnMut(Unrestored),
    ) {
        let mut owned = false;
        if maker.owners {
            let (uid, gid) = self.owner();
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            let changed = rustix::fs::chownat(at, name, Some(uid), Some(gid), flags);
            owned = self.note(UnrestoredPart::Owner, changed, lost);
        }
        for xattr in self.xattrs {
            // There is no call for a name in an open directory that all kernels have.
            let path = [
                format!("/proc/self/fd/{}/", at.as_raw_fd()).as_bytes(),
                name,
            ]
            .concat();
            let set = rustix::fs::lsetxattr(path, &*xattr.name, &xattr.value, XattrFlags::empty());
            self.note(UnrestoredPart::Xattr(xattr.name.clone()), set, lost);
        }
        if !is_symlink {
            let changed = change_mode(at, name, self.mode(owned, lost));
            self.note(UnrestoredPart::Permissions, changed, lost);
        }
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        let changed = rustix::fs::utimensat(at, name, &self.times(), flags);
        self.note(UnrestoredPart::Time, changed, lost);
    }

    fn owner(&self) -> (Uid, Gid) {
        let Metadata { uid, gid, .. } = self.metadata;
        (Uid::from_raw(uid), Gid::from_raw(gid))
    }

    /// The permissions. A program must not run as another owner than the one it was made for.
    fn mode(&self, owned: bool, lost: &mut dyn FnMut(Unrestored)) -> Mode {
        let mut permissions = self.metadata.permissions;
        if !owned && permissions & SET_ID_BITS != 0 {
            permissions &= !SET_ID_BITS;
            self.note(UnrestoredPart::SetId, Err(Errno::PERM), lost);
        }
        Mode::from_raw_mode(permissions.into())
    }

    fn times(&self) -> Timestamps {
        let time = Timespec {
            tv_sec: self.metadata.modified_seconds,
            tv_nsec: 0,
        };
        Timestamps {
            last_access: time,
            last_modification: time,
        }
    }

    /// Whether it worked; if not, that is noted.
    fn note(
        &self,
        part: UnrestoredPart,
        result: Result<(), Errno>,
        lost: &mut dyn FnMut(Unrestored),
    ) -> bool {
        let Err(error) = result else { return true };
        lost(Unrestored {
            path: self.path.to_vec(),
            part,
            source: error.into(),
        });
        false
    }
}

/// Changes the permissions of what is not a link. A plain `fchmodat` would follow one that somebody
/// puts there meanwhile.
fn change_mode(at: BorrowedFd<'_>, name: &[u8], mode: Mode) -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let node = rustix::fs::openat(at, name, flags, Mode::empty())?;
    let found = rustix::fs::fstat(&node)?;
    if FileType::from_raw_mode(found.st_mode) == FileType::Symlink {
        return Err(Errno::LOOP);
    }
    let path = format!("/proc/self/fd/{}", node.as_fd().as_raw_fd());
    rustix::fs::chmodat(CWD, path, mode, AtFlags::empty())
}
