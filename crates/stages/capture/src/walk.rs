//! Reads directories, several at a time: the system calls take far longer than what is made of
//! their answers.

use crate::files::Files;
use crate::filter::{Cause, Filter};
use crate::xattr::XattrReader;
use livestick_blockio::Progress;
use livestick_tree::{Content, Device, Kind, Metadata, Xattr};
use rustix::fs::{AtFlags, FileType, RawDir, Statx, StatxAttributes, StatxFlags};
use std::collections::{BTreeMap, HashMap, HashSet};
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

/// A file's device and inode.
pub(crate) type Inode = (u32, u32, u64);

/// What was left out for one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Names, directories among them.
    pub(crate) files: u64,
    /// The lengths of regular files, hard links counted once.
    pub(crate) bytes: u64,
}

/// What a walk found.
pub(crate) struct Walked {
    pub(crate) listings: Listings,
    pub(crate) saved: BTreeMap<Cause, Saved>,
}

/// A name in a directory.
pub(crate) struct Entry {
    pub(crate) name: CString,
    pub(crate) found: Found,
}

/// What was found under a name.
pub(crate) enum Found {
    /// What is not taken.
    Omitted(Cause),
    /// A file, or why nothing is known of it.
    File(io::Result<Box<File>>),
}

/// What is known of a file.
pub(crate) struct File {
    pub(crate) metadata: Metadata,
    pub(crate) kind: Kind,
    pub(crate) xattrs: Box<[Xattr]>,
    /// Device and inode, where the file has several names.
    pub(crate) linked: Option<Inode>,
    /// Of a directory: what is in it is listed.
    pub(crate) is_entered: bool,
    /// Of a directory: why what is in it is not taken.
    pub(crate) emptied: Option<Cause>,
}

/// A walk under way.
pub(crate) struct Walk<'a> {
    files: &'a Files,
    filter: &'a Filter<'a>,
    progress: &'a dyn Progress,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Directories that nobody reads yet.
    waiting: Vec<Task>,
    /// How many are being read.
    reading: usize,
    listings: Listings,
    saved: BTreeMap<Cause, Saved>,
    /// Files with several names that were measured already.
    measured: HashSet<Inode>,
}

/// A directory to read.
struct Task {
    path: Vec<u8>,
    /// Why it is not taken: then it is only measured.
    omitted: Option<Cause>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        files: &'a Files,
        filter: &'a Filter<'a>,
        progress: &'a dyn Progress,
    ) -> Self {
        let root = Task {
            path: Vec::new(),
            omitted: None,
        };
        let state = State {
            waiting: vec![root],
            ..State::default()
        };
        Self {
            files,
            filter,
            progress,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }

    /// The root itself.
    pub(crate) fn root(&self) -> io::Result<(Metadata, Box<[Xattr]>)> {
        let root = self.files.root().as_fd();
        let stat = stat(root, c"")?;
        let xattrs = XattrReader::new().read(root, c".")?;
        Ok((metadata(&stat), xattrs))
    }

    /// Reads every directory. Where the caller interrupts, some are missing.
    pub(crate) fn run(self) -> Walked {
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
        let state = state.unwrap_or_else(PoisonError::into_inner);
        Walked {
            listings: state.listings,
            saved: state.saved,
        }
    }

    fn read_directories(&self) {
        let mut reader = Reader {
            walk: self,
            xattrs: XattrReader::new(),
            entries: vec![MaybeUninit::uninit(); ENTRIES_BYTES],
        };
        while let Some(task) = self.next() {
            let _reading = Reading(self);
            match task.omitted {
                None => self.list(&mut reader, task.path),
                Some(cause) => self.measure(&mut reader, &task.path, cause),
            }
        }
    }

    fn list(&self, reader: &mut Reader<'_, '_>, path: Vec<u8>) {
        let mut below = Vec::new();
        let listing = reader.directory(&path, &mut below);
        let mut state = self.lock();
        state.waiting.append(&mut below);
        state.listings.insert(path, listing);
    }

    /// Adds up what a directory holds. What cannot be read of it does not matter.
    fn measure(&self, reader: &mut Reader<'_, '_>, path: &[u8], cause: Cause) {
        let Ok(directory) = self.files.open_directory(&to_path(path)) else {
            return;
        };
        for name in reader.names(directory.as_fd()).unwrap_or_default() {
            if let Ok(stat) = stat(directory.as_fd(), &name) {
                self.count(&stat, join(path, name.to_bytes()), cause);
            }
        }
    }

    /// Counts a file that is not taken. What is below it follows.
    fn count(&self, stat: &Statx, path: Vec<u8>, cause: Cause) {
        let mut state = self.lock();
        let is_first = linked(stat).is_none_or(|inode| state.measured.insert(inode));
        let saved = state.saved.entry(cause).or_default();
        saved.files += 1;
        match FileType::from_raw_mode(stat.stx_mode.into()) {
            FileType::RegularFile if is_first => saved.bytes += stat.stx_size,
            FileType::Directory if !is_mount(stat) => state.waiting.push(Task {
                path,
                omitted: Some(cause),
            }),
            _ => {}
        }
    }

    /// A directory to read, once there is one; `None` when there will be no more.
    fn next(&self) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if self.progress.interrupted() {
                return None;
            }
            if let Some(task) = state.waiting.pop() {
                state.reading += 1;
                return Some(task);
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
    /// What is in a directory. Directories to go on with are added to `below`.
    fn directory(&mut self, path: &[u8], below: &mut Vec<Task>) -> io::Result<Vec<Entry>> {
        let directory = self.walk.files.open_directory(&to_path(path))?;
        let names = self.names(directory.as_fd())?;
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let path = join(path, name.to_bytes());
            let found = self.entry(directory.as_fd(), &name, &path);
            if let Found::File(Ok(file)) = &found
                && file.is_entered
            {
                let omitted = file.emptied;
                below.push(Task { path, omitted });
            }
            entries.push(Entry { name, found });
        }
        Ok(entries)
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
        if let Some(cause) = self.walk.filter.omits(path) {
            if let Ok(stat) = stat(directory, name) {
                self.walk.count(&stat, path.to_vec(), cause);
            }
            return Found::Omitted(cause);
        }
        let file = match self.walk.files.mount_at(path) {
            Some(mount) => self.file(mount.as_fd(), c".", path),
            None => self.file(directory, name, path),
        };
        Found::File(file.map(Box::new))
    }

    fn file(&mut self, directory: BorrowedFd<'_>, name: &CStr, path: &[u8]) -> io::Result<File> {
        let stat = stat(directory, name)?;
        let file_type = FileType::from_raw_mode(stat.stx_mode.into());
        let is_directory = file_type == FileType::Directory;
        // Another filesystem that is not taken shows here only where the source could not be cloned.
        let is_foreign = is_mount(&stat) && name != c".";
        Ok(File {
            metadata: metadata(&stat),
            kind: kind(directory, name, &stat, file_type)?,
            xattrs: self.xattrs.read(directory, name)?,
            linked: linked(&stat),
            is_entered: is_directory && !is_foreign,
            emptied: self.walk.filter.empties(path).filter(|_| is_directory),
        })
    }
}

fn is_mount(stat: &Statx) -> bool {
    stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

/// Device and inode, where a file has several names.
fn linked(stat: &Statx) -> Option<Inode> {
    let is_directory = FileType::from_raw_mode(stat.stx_mode.into()) == FileType::Directory;
    let inode = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
    (stat.stx_nlink > 1 && !is_directory).then_some(inode)
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
