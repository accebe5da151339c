//! Reads directories, several at a time: the system calls take far longer than what is made of
//! their answers.

use crate::Options;
use crate::rules::Rules;
use crate::xattr::XattrReader;
use livestick_blockio::Progress;
use livestick_tree::{Content, Device, Kind, Metadata, RootDirectory, Xattr};
use rustix::fs::{AtFlags, FileType, RawDir, Statx, StatxAttributes, StatxFlags};
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, available_parallelism};

/// Room for the entries of one `getdents64` call.
const ENTRIES_BYTES: usize = 64 * 1024;
/// More threads than this only crowd each other in the kernel's caches.
const THREADS_LIMIT: usize = 8;

/// What is in each directory, by its path.
pub(crate) type Listings = HashMap<Vec<u8>, io::Result<Vec<Entry>>>;

/// A name in a directory.
pub(crate) struct Entry {
    pub(crate) name: CString,
    pub(crate) found: Found,
}

/// What was found under a name.
pub(crate) enum Found {
    /// What the user leaves out.
    Excluded,
    /// What is no part of the source.
    LeftOut,
    /// A file, or why nothing is known of it.
    File(io::Result<Box<File>>),
}

/// What is known of a file.
pub(crate) struct File {
    pub(crate) metadata: Metadata,
    pub(crate) kind: Kind,
    pub(crate) xattrs: Box<[Xattr]>,
    /// Device and inode, where the file has several names.
    pub(crate) linked: Option<(u32, u32, u64)>,
    /// Of a directory: what is in it is listed.
    pub(crate) is_entered: bool,
    /// Of a directory: what is in it is left out by a rule.
    pub(crate) is_emptied: bool,
}

/// A walk under way.
pub(crate) struct Walk<'a> {
    files: &'a RootDirectory,
    /// `None`: everything is taken as it is.
    rules: Option<&'a Rules<'a>>,
    options: &'a Options,
    progress: &'a dyn Progress,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// Directories that nobody reads yet.
    waiting: Vec<Vec<u8>>,
    /// How many are being read.
    reading: usize,
    listings: Listings,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        files: &'a RootDirectory,
        rules: Option<&'a Rules<'a>>,
        options: &'a Options,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            files,
            rules,
            options,
            progress,
            state: Mutex::new(State {
                waiting: vec![Vec::new()],
                reading: 0,
                listings: Listings::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// The root itself.
    pub(crate) fn root(&self) -> io::Result<(Metadata, Box<[Xattr]>)> {
        let stat = stat(self.files.as_fd(), c"")?;
        let xattrs = XattrReader::new().read(self.files.as_fd(), c".")?;
        Ok((metadata(&stat), xattrs))
    }

    /// Reads every directory. Where the caller interrupts, some are missing.
    pub(crate) fn run(self) -> Listings {
        let threads = available_parallelism().map_or(1, NonZeroUsize::get);
        std::thread::scope(|scope| {
            for _ in 1..threads.min(THREADS_LIMIT) {
                let name = Builder::new().name("scan".into());
                // Without more threads this one does it all.
                let _ = name.spawn_scoped(scope, || self.read_directories());
            }
            self.read_directories();
        });
        let state = self.state.into_inner();
        state.unwrap_or_else(PoisonError::into_inner).listings
    }

    fn read_directories(&self) {
        let mut reader = Reader {
            walk: self,
            xattrs: XattrReader::new(),
            entries: vec![MaybeUninit::uninit(); ENTRIES_BYTES],
        };
        while let Some(path) = self.next() {
            let _reading = Reading(self);
            let listing = reader.directory(&path);
            let entered = listing.iter().flatten().filter(|entry| entry.is_entered());
            let below: Vec<_> = entered
                .map(|entry| join(&path, entry.name.to_bytes()))
                .collect();
            let mut state = self.lock();
            state.waiting.extend(below);
            state.listings.insert(path, listing);
        }
    }

    /// A directory to read, once there is one; `None` when there will be no more.
    fn next(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if self.progress.interrupted() {
                return None;
            }
            if let Some(path) = state.waiting.pop() {
                state.reading += 1;
                return Some(path);
            }
            if state.reading == 0 {
                return None;
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A directory is being read; when that is over, others may have something to do, or nothing more.
struct Reading<'a, 'b>(&'a Walk<'b>);

impl Drop for Reading<'_, '_> {
    fn drop(&mut self) {
        self.0.lock().reading -= 1;
        self.0.changed.notify_all();
    }
}

/// One thread of a walk.
struct Reader<'a, 'b> {
    walk: &'a Walk<'b>,
    xattrs: XattrReader,
    entries: Vec<MaybeUninit<u8>>,
}

impl Reader<'_, '_> {
    fn directory(&mut self, path: &[u8]) -> io::Result<Vec<Entry>> {
        let directory = self.walk.files.open_directory(&to_path(path))?;
        let names = self.names(directory.as_fd())?;
        let entry = |name: CString| {
            let found = self.entry(directory.as_fd(), &name, &join(path, name.to_bytes()));
            Entry { name, found }
        };
        Ok(names.into_iter().map(entry).collect())
    }

    /// The names in a directory, sorted, so that the tree does not depend on the filesystem.
    fn names(&mut self, directory: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
        let mut reader = RawDir::new(directory, &mut self.entries);
        let mut names = Vec::new();
        while let Some(entry) = reader.next() {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn entry(&mut self, directory: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> Found {
        let full = to_path(path);
        if self.walk.options.exclusions.excludes(&full) {
            return Found::Excluded;
        }
        if self.walk.options.left_out.contains(&full) {
            return Found::LeftOut;
        }
        Found::File(self.file(directory, name, path).map(Box::new))
    }

    fn file(&mut self, directory: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> io::Result<File> {
        let stat = stat(directory, name)?;
        let file_type = FileType::from_raw_mode(stat.stx_mode.into());
        let is_directory = file_type == FileType::Directory;
        let has_links = stat.stx_nlink > 1 && !is_directory;
        let is_emptied = self.walk.rules.is_some_and(|rules| rules.empties(path));
        // Another filesystem shows here only when the source could not be cloned.
        let is_mount = stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT);
        Ok(File {
            metadata: metadata(&stat),
            kind: kind(directory, name, &stat, file_type)?,
            xattrs: self.xattrs.read(directory, name)?,
            linked: has_links.then_some((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)),
            is_entered: is_directory && !is_emptied && !is_mount,
            is_emptied: is_directory && is_emptied,
        })
    }
}

impl Entry {
    fn is_entered(&self) -> bool {
        matches!(&self.found, Found::File(Ok(file)) if file.is_entered)
    }
}

fn stat(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT | AtFlags::EMPTY_PATH;
    Ok(rustix::fs::statx(
        directory,
        name,
        flags,
        StatxFlags::BASIC_STATS,
    )?)
}

fn metadata(stat: &Statx) -> Metadata {
    Metadata {
        permissions: stat.stx_mode & 0o7777,
        uid: stat.stx_uid,
        gid: stat.stx_gid,
        modified_seconds: stat.stx_mtime.tv_sec,
    }
}

fn kind(
    directory: BorrowedFd<'_>,
    name: &CStr,
    stat: &Statx,
    file_type: FileType,
) -> io::Result<Kind> {
    let device = Device {
        major: stat.stx_rdev_major,
        minor: stat.stx_rdev_minor,
    };
    Ok(match file_type {
        FileType::Directory => Kind::empty_directory(),
        FileType::RegularFile => Kind::File {
            length_bytes: stat.stx_size,
            content: Content::Source,
        },
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
            Kind::Symlink(target.into_bytes().into())
        }
        FileType::BlockDevice => Kind::BlockDevice(device),
        FileType::CharacterDevice => Kind::CharacterDevice(device),
        FileType::Fifo => Kind::Fifo,
        FileType::Socket => Kind::Socket,
        FileType::Unknown => return Err(io::Error::other("a file of unknown kind")),
    })
}

/// The path of a name in a directory.
pub(crate) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, name].join(&b'/')
}

/// Bytes as a path.
pub(crate) fn to_path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}
