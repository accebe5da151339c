//! Names and metadata of everything below a root, directory by directory.

use crate::rules::Rules;
use crate::xattr::XattrReader;
use crate::{Capture, CaptureError, Options, Report, Unreadable};
use livestick_blockio::Progress;
use livestick_tree::{Content, Device, Kind, Metadata, NodeId, RootDirectory, Tree, Xattr};
use rustix::fs::{AtFlags, FileType, RawDir, Statx, StatxAttributes, StatxFlags};
use std::collections::HashMap;
use std::ffi::{CStr, CString, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// Room for the entries of one `getdents64` call.
const ENTRIES_BYTES: usize = 64 * 1024;

/// A scan under way.
pub(crate) struct Scan<'a> {
    files: &'a RootDirectory,
    /// `None`: everything is taken as it is.
    rules: Option<&'a Rules<'a>>,
    options: &'a Options,
    tree: Tree,
    report: Report,
    /// Files with several names, by device and inode.
    linked: HashMap<(u32, u32, u64), NodeId>,
    /// Directories still to be read, with their paths.
    pending: Vec<(NodeId, Vec<u8>)>,
    xattrs: XattrReader,
    entries: Vec<MaybeUninit<u8>>,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(
        files: &'a RootDirectory,
        rules: Option<&'a Rules<'a>>,
        options: &'a Options,
    ) -> Result<Self, CaptureError> {
        let mut xattrs = XattrReader::new();
        let root = stat(files.as_fd(), c"")
            .and_then(|stat| Ok((stat, xattrs.read(files.as_fd(), c".")?)))
            .map_err(|source| unreadable(b"", source))?;
        Ok(Self {
            files,
            rules,
            options,
            tree: Tree::new(metadata(&root.0), root.1),
            report: Report::default(),
            linked: HashMap::new(),
            pending: vec![(Tree::ROOT, Vec::new())],
            xattrs,
            entries: vec![MaybeUninit::uninit(); ENTRIES_BYTES],
        })
    }

    pub(crate) fn run(mut self, progress: &dyn Progress) -> Result<Capture, CaptureError> {
        while let Some((directory, path)) = self.pending.pop() {
            if progress.interrupted() {
                return Err(CaptureError::Interrupted);
            }
            if let Err(error) = self.directory(directory, &path) {
                self.tolerate(error)?;
            }
        }
        let Self {
            tree, mut report, ..
        } = self;
        report.unreadable.sort();
        Ok(Capture { tree, report })
    }

    /// Names what cannot be read, or gives up because of it.
    fn tolerate(&mut self, error: CaptureError) -> Result<(), CaptureError> {
        match (error, self.options.unreadable) {
            (CaptureError::Unreadable { path, .. }, Unreadable::Skip) => {
                self.report.unreadable.push(path);
                Ok(())
            }
            (error, _) => Err(error),
        }
    }

    fn directory(&mut self, parent: NodeId, path: &[u8]) -> Result<(), CaptureError> {
        let failed = |source| unreadable(path, source);
        let directory = self.files.open_directory(&to_path(path)).map_err(failed)?;
        let names = self.names(directory.as_fd()).map_err(failed)?;
        for name in names {
            let path = join(path, name.to_bytes());
            if let Err(error) = self.entry(parent, directory.as_fd(), &name, path) {
                self.tolerate(error)?;
            }
        }
        Ok(())
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

    fn entry(
        &mut self,
        parent: NodeId,
        directory: BorrowedFd<'_>,
        name: &CStr,
        path: Vec<u8>,
    ) -> Result<(), CaptureError> {
        let full = to_path(&path);
        if self.options.exclusions.excludes(&full) {
            self.report.excluded.push(full);
            return Ok(());
        }
        if self.options.left_out.contains(&full) {
            self.report.left_out.push(full);
            return Ok(());
        }
        let failed = |source| unreadable(&path, source);
        let stat = stat(directory, name).map_err(failed)?;
        let file_type = FileType::from_raw_mode(stat.stx_mode.into());
        let inode = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
        let has_links = stat.stx_nlink > 1 && file_type != FileType::Directory;
        if has_links && let Some(node) = self.linked.get(&inode) {
            let linked = self.tree.link(parent, name.to_bytes(), *node);
            self.report.files += 1;
            return linked.map_err(|source| CaptureError::Tree { source });
        }
        let is_swap = |rules: &Rules<'_>| rules.is_swap(&path);
        if file_type == FileType::RegularFile && self.rules.is_some_and(is_swap) {
            self.report.left_out.push(full);
            return Ok(());
        }
        let kind = kind(directory, name, &stat, file_type).map_err(failed)?;
        let xattrs = self.xattrs.read(directory, name).map_err(failed)?;
        let node = self.add(parent, name, &stat, kind, xattrs)?;
        if has_links {
            self.linked.insert(inode, node);
        }
        if file_type == FileType::Directory {
            self.descend(node, path, &stat);
        }
        Ok(())
    }

    fn add(
        &mut self,
        parent: NodeId,
        name: &CStr,
        stat: &Statx,
        kind: Kind,
        xattrs: Box<[Xattr]>,
    ) -> Result<NodeId, CaptureError> {
        self.report.files += 1;
        if let Kind::File { length_bytes, .. } = kind {
            self.report.bytes += length_bytes;
        }
        self.tree
            .add(parent, name.to_bytes(), metadata(stat), kind, xattrs)
            .map_err(|source| CaptureError::Tree { source })
    }

    /// Another filesystem shows here only when the source could not be cloned; it is not entered.
    fn descend(&mut self, node: NodeId, path: Vec<u8>, stat: &Statx) {
        if self.rules.is_some_and(|rules| rules.empties(&path)) {
            self.report.emptied.push(to_path(&path));
        } else if !stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
            self.pending.push((node, path));
        }
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

fn unreadable(path: &[u8], source: io::Error) -> CaptureError {
    CaptureError::Unreadable {
        path: to_path(if path.is_empty() { b"." } else { path }),
        source,
    }
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, name].join(&b'/')
}

fn to_path(bytes: &[u8]) -> PathBuf {
    OsString::from_vec(bytes.to_vec()).into()
}
