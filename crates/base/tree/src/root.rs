//! A directory that is treated as `/`.

use crate::{ContentSource, NodeId, SourceFile, Stamp, Tree};
use livestick_blockio::ReadAt;
use rustix::fs::{Mode, OFlags, ResolveFlags, SeekFrom};
use rustix::io::Errno;
use std::cell::Cell;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The largest file that is read whole: kernels, modules and firmware stay far below it.
const WHOLE_FILE_LIMIT_BYTES: u64 = 512 << 20;

/// Whoever may execute a file: owner, group or others.
const EXECUTABLE: u32 = 0o111;

/// The files of a root, found as a program that runs in that root would find them: a symbolic link
/// that is absolute, or climbs too high, stays inside. Paths need no leading slash.
pub trait RootFiles {
    /// Reads a regular file whole.
    ///
    /// # Errors
    /// `NotFound` where there is none; `InvalidInput` where it is not a regular file;
    /// `FileTooLarge` above 512 MiB.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;

    /// The names in a directory, sorted; names that are not UTF-8 are left out.
    ///
    /// # Errors
    /// `NotFound` where there is none, `NotADirectory` where it is something else.
    fn list(&self, path: &str) -> io::Result<Vec<String>>;

    /// Whether it is a regular file that somebody may execute.
    fn is_program(&self, path: &str) -> bool;
}

/// An open directory that holds a root. Nothing reached through it lies outside of it.
#[derive(Debug)]
pub struct RootDirectory {
    directory: OwnedFd,
}

impl RootDirectory {
    /// Opens a directory.
    ///
    /// # Errors
    /// Where it is not there, not a directory or not to be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { directory })
    }

    /// Opens a file as the root's own programs would.
    ///
    /// # Errors
    /// As the system call reports.
    pub fn open_in_root(&self, path: &Path) -> io::Result<File> {
        let path = path.strip_prefix("/").unwrap_or(path);
        self.open_resolved(path, OFlags::NONBLOCK, ResolveFlags::IN_ROOT)
    }

    /// Opens a directory below the root, for a scan: no link on the way is followed. The root itself
    /// is the empty path.
    ///
    /// # Errors
    /// As the system call reports.
    pub fn open_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        Ok(self.open_resolved(path, OFlags::DIRECTORY, how)?.into())
    }

    /// Opens a regular file below the root whose contents go into an image: no link on the way is
    /// followed.
    ///
    /// # Errors
    /// As the system call reports; `InvalidInput` where it is not a regular file.
    pub fn open_source_file(&self, path: &Path) -> io::Result<Box<dyn SourceFile>> {
        // Between scan and now a name may have become a link or a pipe: never follow, never wait.
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = self.open_resolved(path, OFlags::NONBLOCK, how)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        let first = Cell::new(Some(stamp(&metadata)));
        Ok(Box::new(DirectoryFile { file, first }))
    }

    /// Where a symbolic link below the root leads; `None` where it is something else. No link on the
    /// way is followed.
    ///
    /// # Errors
    /// As the system call reports.
    pub fn read_link(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let how = how | ResolveFlags::NO_SYMLINKS;
        // The last name may be a link, which with `NO_SYMLINKS` only `O_PATH` opens.
        let file = rustix::fs::openat2(&self.directory, path, flags, Mode::empty(), how)?;
        match rustix::fs::readlinkat(&file, "", Vec::new()) {
            Ok(target) => Ok(Some(target.into_bytes())),
            // What `readlinkat` says of everything that is not a link, reached by descriptor.
            Err(Errno::NOENT | Errno::INVAL) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reading must leave no trace in the source: access times stay as they are where the system
    /// lets us say so, which is for files of our own, or for root.
    fn open_resolved(&self, path: &Path, flags: OFlags, how: ResolveFlags) -> io::Result<File> {
        let how = how | ResolveFlags::NO_MAGICLINKS;
        let flags = flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        let open = |flags| rustix::fs::openat2(&self.directory, path, flags, Mode::empty(), how);
        match open(flags | OFlags::NOATIME) {
            Err(Errno::PERM) => Ok(open(flags)?.into()),
            result => Ok(result?.into()),
        }
    }
}

impl From<OwnedFd> for RootDirectory {
    fn from(directory: OwnedFd) -> Self {
        Self { directory }
    }
}

impl AsFd for RootDirectory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }
}

impl RootFiles for RootDirectory {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let mut file = self.open_in_root(Path::new(path))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(not_a_file());
        }
        let mut bytes = Vec::new();
        (&mut file)
            .take(WHOLE_FILE_LIMIT_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > WHOLE_FILE_LIMIT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let path = Path::new(path.trim_start_matches('/'));
        let directory = self.open_resolved(path, OFlags::DIRECTORY, ResolveFlags::IN_ROOT)?;
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(directory)? {
            match entry?.file_name().to_str() {
                Ok("." | "..") | Err(_) => {}
                Ok(name) => names.push(name.to_owned()),
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn is_program(&self, path: &str) -> bool {
        let file = self.open_in_root(Path::new(path));
        let metadata = file.and_then(|file| file.metadata());
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.mode() & EXECUTABLE != 0)
    }
}

impl ContentSource for RootDirectory {
    fn open(&self, tree: &Tree, node: NodeId) -> io::Result<Box<dyn SourceFile>> {
        use std::os::unix::ffi::OsStrExt;
        let path = tree.source_path(node);
        self.open_source_file(Path::new(std::ffi::OsStr::from_bytes(&path)))
    }
}

struct DirectoryFile {
    file: File,
    /// The state in which it was opened, for the first who asks: one look less at each file.
    first: Cell<Option<Stamp>>,
}

fn stamp(metadata: &Metadata) -> Stamp {
    Stamp {
        length_bytes: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    }
}

impl ReadAt for DirectoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        ReadAt::read_at(&self.file, buffer, offset)
    }
}

impl SourceFile for DirectoryFile {
    fn stamp(&self) -> io::Result<Stamp> {
        match self.first.take() {
            Some(first) => Ok(first),
            None => Ok(stamp(&self.file.metadata()?)),
        }
    }

    fn data_from(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        let start = match rustix::fs::seek(&self.file, SeekFrom::Data(offset)) {
            Ok(start) => start,
            // Only a hole is left, or the end.
            Err(Errno::NXIO) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(&self.file, SeekFrom::Hole(start))?;
        Ok(Some(start..end))
    }
}

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Kind};
    use std::os::unix::fs::symlink;

    #[test]
    fn links_resolve_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("usr/lib")).unwrap();
        std::fs::write(root.path().join("usr/lib/file"), "inside").unwrap();
        symlink("/usr/lib", root.path().join("lib")).unwrap();
        symlink("../../../../usr", root.path().join("up")).unwrap();
        symlink("/etc/passwd", root.path().join("out")).unwrap();
        let files = RootDirectory::open(root.path()).unwrap();
        assert_eq!(files.read("lib/file").unwrap(), b"inside");
        assert_eq!(files.read("/up/lib/file").unwrap(), b"inside");
        assert_eq!(files.list("lib").unwrap(), ["file"]);
        let outside = files.read("out").unwrap_err();
        assert_eq!(outside.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_pipe_is_refused_and_does_not_hang() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &path,
            rustix::fs::FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        let files = RootDirectory::open(root.path()).unwrap();
        let refused = files.read("pipe").unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn holes_are_found_and_a_change_shows_in_the_stamp() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("sparse");
        let file = File::create(&path).unwrap();
        file.set_len(8 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, b"x", 4 << 20).unwrap();

        let metadata = crate::Metadata {
            permissions: 0o644,
            uid: 0,
            gid: 0,
            modified_seconds: 0,
        };
        let mut tree = Tree::new(metadata, Box::default());
        let kind = Kind::File {
            length_bytes: 8 << 20,
            content: Content::Source,
        };
        let node = tree
            .add(Tree::ROOT, b"sparse", metadata, kind, Box::default())
            .unwrap();
        let source = RootDirectory::open(root.path()).unwrap();
        let open = source.open(&tree, node).unwrap();
        let data = open.data_from(0).unwrap().unwrap();
        assert!(data.start <= 4 << 20 && data.end > 4 << 20, "{data:?}");
        assert!(data.end < 8 << 20, "{data:?}");
        assert_eq!(open.data_from(data.end).unwrap(), None);

        let before = open.stamp().unwrap();
        file.set_len(9 << 20).unwrap();
        assert_ne!(open.stamp().unwrap(), before);

        std::fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
        assert!(source.open(&tree, node).is_err());
    }
}
