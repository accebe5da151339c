//! Writes the files of an image into a directory.

mod options;
mod selection;
mod target;

pub use options::{
    Damage, Existing, ExtractOptions, ExtractSummary, Owners, Unrestored, UnrestoredPart,
};

use super::Image;
use super::content::{Content, Piece};
use super::directory::{ListedName, Listing};
use super::inode::{FilePlace, Inode, InodeKind};
use super::layout::Reference;
use super::walk::PATH_LIMIT_BYTES as WALK_LIMIT_BYTES;
use crate::ReadError;
use livestick_blockio::{Progress, ReadAt, WriteAt};
use livestick_tree::{Device, Xattr};
use rustix::fs::FileType;
use selection::{Selected, Selection};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use target::{Attributes, Maker, Refusal};

/// How many directories around the one that is worked on are kept open: a process may have 1024
/// descriptors. Those further out are opened again when it is their turn.
const OPEN_LIMIT: usize = 256;
/// The longest path that the kernel takes, and so the longest that can be linked to.
const PATH_LIMIT_BYTES: usize = 4095;

impl<R: ReadAt> Image<R> {
    /// Writes files of the image below the directory `target`, which is made if it is not there; its
    /// parent must be. Owners, permissions, times, extended attributes, hard links and holes are
    /// restored as far as the system lets us. Nothing is ever written outside of the target,
    /// whatever names and links the image holds.
    ///
    /// Progress is one stage, in bytes of files.
    ///
    /// # Errors
    /// The first thing that is damaged (unless [`Damage::PassOver`]) or cannot be written; what was
    /// written until then stays.
    pub fn extract(
        &self,
        target: &Path,
        options: &ExtractOptions,
        progress: &dyn Progress,
    ) -> Result<ExtractSummary, ReadError> {
        let directory = target::open_target(target).map_err(ReadError::Target)?;
        let empty = target::is_empty(directory.as_fd()).map_err(ReadError::Target)?;
        if !empty && options.existing == Existing::Refuse {
            return Err(ReadError::TargetNotEmpty);
        }
        let owners = match options.owners {
            Owners::Automatic => rustix::process::geteuid().is_root(),
            Owners::Restore => true,
            Owners::Caller => false,
        };
        progress.start("extract", None);
        let mut extractor = Extractor {
            image: self,
            progress,
            damage: options.damage,
            maker: Maker {
                existing: options.existing,
                owners,
            },
            target: directory.as_fd(),
            selection: Selection::new(&options.paths),
            path: Vec::new(),
            links: HashMap::new(),
            taken: HashSet::new(),
            listings_left: self.layout.directories.limit_bytes(),
            summary: ExtractSummary::default(),
        };
        extractor.run()?;
        let mut summary = extractor.summary;
        summary.unmatched = extractor.selection.unmatched();
        Ok(summary)
    }
}

struct Extractor<'a, R> {
    image: &'a Image<R>,
    progress: &'a dyn Progress,
    damage: Damage,
    maker: Maker,
    target: BorrowedFd<'a>,
    selection: Selection,
    /// The path of what is worked on.
    path: Vec<u8>,
    /// Where files with several names were made.
    links: HashMap<Reference, Vec<u8>>,
    /// The directories that were worked on: a tree has each once.
    taken: HashSet<Reference>,
    /// How long the listings to come can be. Directories that share one would make an extraction of
    /// any length from a small image.
    listings_left: u64,
    summary: ExtractSummary,
}

/// The directories that are worked on.
struct Levels {
    /// The innermost, open.
    directory: OwnedFd,
    /// From the outermost to the innermost.
    all: Vec<Level>,
}

/// A directory that is worked on.
struct Level {
    /// The directory that it is in, unless that was closed.
    above: Option<OwnedFd>,
    inode: Inode,
    listing: Listing,
    selected: Selected,
    /// The last name, to see that there are not two equal ones.
    last: Vec<u8>,
    /// The length of the path of the directory that it is in.
    parent_path: usize,
}

impl<R: ReadAt> Extractor<'_, R> {
    fn run(&mut self) -> Result<(), ReadError> {
        let root = self.image.root()?;
        let selected = self.selection.root();
        let directory = self
            .target
            .try_clone_to_owned()
            .map_err(|source| self.output(source))?;
        let all = Vec::new();
        let mut levels = Levels { directory, all };
        self.enter(&mut levels, None, root, selected, 0)?;
        while let Some(level) = levels.all.last_mut() {
            if self.progress.interrupted() {
                return Err(ReadError::Interrupted);
            }
            match level.listing.next(self.image) {
                Ok(Some(entry)) => self.entry(&mut levels, &entry)?,
                Ok(None) => self.leave(&mut levels)?,
                Err(error) => {
                    self.pass_over(self.damaged(error))?;
                    self.leave(&mut levels)?;
                }
            }
        }
        Ok(())
    }

    /// Begins with a directory; the first one is the target itself.
    fn enter(
        &mut self,
        levels: &mut Levels,
        made: Option<OwnedFd>,
        inode: Inode,
        selected: Selected,
        parent_path: usize,
    ) -> Result<(), ReadError> {
        let InodeKind::Directory(place) = &inode.kind else {
            return Err(ReadError::Kind("directory"));
        };
        if self.path.len() > WALK_LIMIT_BYTES {
            return Err(ReadError::PathLength(WALK_LIMIT_BYTES));
        }
        if !self.taken.insert(inode.reference) {
            return Err(ReadError::Loop(self.path.clone()));
        }
        let left = self.listings_left.checked_sub(place.listing_bytes().into());
        self.listings_left = left.ok_or(ReadError::SharedListings)?;
        self.summary.counts.directories += 1;
        if let Some(above) = levels.all.last_mut() {
            // However deep it gets, the blocks are not all held at once.
            above.listing.let_go();
        }
        let far = levels.all.len().checked_sub(OPEN_LIMIT);
        if let Some(far) = far.and_then(|far| levels.all.get_mut(far)) {
            far.above = None;
        }
        levels.all.push(Level {
            above: made.map(|made| std::mem::replace(&mut levels.directory, made)),
            listing: Listing::new(self.image, place),
            inode,
            selected,
            last: Vec::new(),
            parent_path,
        });
        Ok(())
    }

    /// Ends with a directory: only now do its permissions and its time stay as they are set.
    fn leave(&mut self, levels: &mut Levels) -> Result<(), ReadError> {
        let Some(level) = levels.all.pop() else {
            return Ok(());
        };
        let xattrs = match self.xattrs(&level.inode) {
            Ok(xattrs) => xattrs,
            Err(error) => {
                self.pass_over(error)?;
                Vec::new()
            }
        };
        let (maker, directory) = (self.maker, levels.directory.as_fd());
        self.restore(&level.inode, &xattrs, |attributes, lost| {
            attributes.restore(maker, directory, lost);
        });
        self.path.truncate(level.parent_path);
        match level.above {
            Some(above) => levels.directory = above,
            None if levels.all.is_empty() => {}
            None => {
                let opened = target::open_directory(self.target, &self.path);
                levels.directory = opened.map_err(|source| self.output(source))?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, levels: &mut Levels, entry: &ListedName) -> Result<(), ReadError> {
        let parent_path = self.path.len();
        if parent_path > 0 {
            self.path.push(b'/');
        }
        self.path.extend_from_slice(&entry.name);
        match self.named(levels, entry, parent_path) {
            // Its own names come next.
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => {
                // Other names of it cannot be linked to this one.
                self.links.remove(&entry.inode);
                self.pass_over(error)?;
            }
        }
        self.path.truncate(parent_path);
        Ok(())
    }

    /// Makes what a name names; true where that is a directory, which is then worked on.
    fn named(
        &mut self,
        levels: &mut Levels,
        entry: &ListedName,
        parent_path: usize,
    ) -> Result<bool, ReadError> {
        let depth = levels.all.len() - 1;
        let Some(level) = levels.all.last_mut() else {
            return Ok(false);
        };
        self.check_name(level, &entry.name)?;
        let selected = self.selection.name(&level.selected, depth, &entry.name);
        let Some(selected) = selected else {
            return Ok(false);
        };
        let inode = Inode::read(self.image, entry.inode);
        let inode = inode.map_err(|error| self.damaged(error))?;
        let at = levels.directory.as_fd();
        if inode.is_directory() {
            let made = self.maker.directory(at, &entry.name);
            let made = made.map_err(|refusal| self.refused(refusal))?;
            self.enter(levels, Some(made), inode, selected, parent_path)?;
            return Ok(true);
        }
        if matches!(selected, Selected::All) {
            self.file(at, &entry.name, &inode)?;
        }
        Ok(false)
    }

    /// Notes what is damaged, where that is no reason to end.
    fn pass_over(&mut self, error: ReadError) -> Result<(), ReadError> {
        if !self.passes_over(&error) {
            return Err(error);
        }
        self.summary.passed_over(error);
        Ok(())
    }

    fn passes_over(&self, error: &ReadError) -> bool {
        let is_damage = matches!(
            error,
            ReadError::Extract { .. }
                | ReadError::Name(_)
                | ReadError::Loop(_)
                | ReadError::SharedListings
                | ReadError::PathLength(_)
        );
        is_damage && self.damage == Damage::PassOver
    }

    /// A name must be one, and where files are replaced it must not be there twice: the second would
    /// silently replace the first.
    fn check_name(&self, level: &mut Level, name: &[u8]) -> Result<(), ReadError> {
        let is_name = !matches!(name, b"" | b"." | b"..")
            && !name.iter().any(|byte| matches!(byte, b'/' | 0));
        if !is_name {
            return Err(ReadError::Name(self.path.clone()));
        }
        let sorted = level.last.as_slice() < name;
        if !sorted && self.maker.existing == Existing::Replace {
            return Err(self.damaged(ReadError::Damaged {
                table: "directory table",
                offset: self.image.layout.directories.start,
                problem: "the names of a directory are not sorted, or there twice",
            }));
        }
        level.last.clear();
        level.last.extend_from_slice(name);
        Ok(())
    }

    /// Makes whatever is not a directory.
    fn file(&mut self, at: BorrowedFd<'_>, name: &[u8], inode: &Inode) -> Result<(), ReadError> {
        if inode.links > 1 {
            if let Some(first) = self.links.get(&inode.reference) {
                return self.link(&first.clone(), at, name);
            }
            if self.path.len() <= PATH_LIMIT_BYTES {
                self.links.insert(inode.reference, self.path.clone());
            }
        }
        let xattrs = self.xattrs(inode)?;
        if let InodeKind::File(place) = &inode.kind {
            let made = self.maker.file(at, name);
            let file = made.map_err(|refusal| self.refused(refusal))?;
            if let Err(error) = self.content(&file, place) {
                if self.passes_over(&error) {
                    // Half a file would look like a whole one.
                    let removed = target::remove(at, name);
                    removed.map_err(|source| self.output(source))?;
                }
                return Err(error);
            }
            self.summary.counts.files += 1;
            let maker = self.maker;
            self.restore(inode, &xattrs, |attributes, lost| {
                attributes.restore(maker, file.as_fd(), lost);
            });
            return Ok(());
        }
        if !self.other(at, name, inode)? {
            self.links.remove(&inode.reference);
            return Ok(());
        }
        let (maker, is_symlink) = (self.maker, matches!(inode.kind, InodeKind::Symlink(_)));
        self.restore(inode, &xattrs, |attributes, lost| {
            attributes.restore_by_name(maker, at, name, is_symlink, lost);
        });
        Ok(())
    }

    /// Makes what has no content; false where that is a device which we may not make.
    fn other(&mut self, at: BorrowedFd<'_>, name: &[u8], inode: &Inode) -> Result<bool, ReadError> {
        let none = Device { major: 0, minor: 0 };
        let (kind, device) = match &inode.kind {
            InodeKind::Symlink(target) => {
                let made = self.maker.symlink(at, name, target);
                made.map_err(|refusal| self.refused(refusal))?;
                self.summary.counts.symlinks += 1;
                return Ok(true);
            }
            InodeKind::BlockDevice(device) => (FileType::BlockDevice, *device),
            InodeKind::CharacterDevice(device) => (FileType::CharacterDevice, *device),
            InodeKind::Socket => (FileType::Socket, none),
            _ => (FileType::Fifo, none),
        };
        let counts = &mut self.summary.counts;
        let count = match kind {
            FileType::BlockDevice => &mut counts.block_devices,
            FileType::CharacterDevice => &mut counts.character_devices,
            FileType::Socket => &mut counts.sockets,
            _ => &mut counts.fifos,
        };
        match self.maker.node(at, name, kind, device) {
            Ok(()) => {
                *count += 1;
                Ok(true)
            }
            Err(Refusal::Io(source)) if is_device(kind) && is_forbidden(&source) => {
                let path = self.path.clone();
                self.summary.lost(Unrestored {
                    path,
                    part: UnrestoredPart::Device,
                    source,
                });
                Ok(false)
            }
            Err(refusal) => Err(self.refused(refusal)),
        }
    }

    /// Makes one more name of a file.
    fn link(&mut self, first: &[u8], at: BorrowedFd<'_>, name: &[u8]) -> Result<(), ReadError> {
        let slash = first.iter().rposition(|byte| *byte == b'/');
        let (parent, old) = match slash {
            Some(slash) => (&first[..slash], &first[slash + 1..]),
            None => (&[][..], first),
        };
        let parent = target::open_below(self.target, parent);
        let parent = parent.map_err(|source| self.output(source))?;
        let made = self.maker.link(parent.as_fd(), old, at, name);
        made.map_err(|refusal| self.refused(refusal))?;
        self.summary.counts.hard_links += 1;
        Ok(())
    }

    fn content(&mut self, file: &File, place: &FilePlace) -> Result<(), ReadError> {
        let mut content = Content::new(self.image, place);
        let mut offset: u64 = 0;
        let mut written: u64 = 0;
        loop {
            if self.progress.interrupted() {
                return Err(ReadError::Interrupted);
            }
            let piece = content.next_piece();
            let length = match piece.map_err(|error| self.damaged(error))? {
                None => break,
                Some(Piece::Hole(length)) => {
                    self.summary.sparse_bytes += length;
                    length
                }
                Some(Piece::Data(bytes)) => {
                    file.write_all_at(bytes, offset)
                        .map_err(|source| self.output(source))?;
                    written = offset + bytes.len() as u64;
                    bytes.len() as u64
                }
            };
            offset += length;
            self.progress.advance(length);
        }
        // A hole at the end is made by the length alone.
        if written < place.length_bytes {
            file.set_len(place.length_bytes)
                .map_err(|source| self.output(source))?;
        }
        self.summary.content_bytes += place.length_bytes;
        Ok(())
    }

    fn xattrs(&self, inode: &Inode) -> Result<Vec<Xattr>, ReadError> {
        let xattrs = self.image.xattrs(inode);
        xattrs.map_err(|error| self.damaged(error))
    }

    fn restore(
        &mut self,
        inode: &Inode,
        xattrs: &[Xattr],
        restore: impl FnOnce(&Attributes<'_>, &mut dyn FnMut(Unrestored)),
    ) {
        let attributes = Attributes {
            path: &self.path,
            metadata: inode.metadata,
            xattrs,
        };
        let summary = &mut self.summary;
        restore(&attributes, &mut |unrestored| summary.lost(unrestored));
    }

    fn damaged(&self, source: ReadError) -> ReadError {
        ReadError::Extract {
            path: self.path.clone(),
            source: Box::new(source),
        }
    }

    fn output(&self, source: io::Error) -> ReadError {
        match self.path.is_empty() {
            true => ReadError::Target(source),
            false => ReadError::Output {
                path: self.path.clone(),
                source,
            },
        }
    }

    fn refused(&self, refusal: Refusal) -> ReadError {
        match refusal {
            Refusal::Exists => ReadError::Exists(self.path.clone()),
            Refusal::Io(source) => self.output(source),
        }
    }
}

fn is_device(kind: FileType) -> bool {
    matches!(kind, FileType::BlockDevice | FileType::CharacterDevice)
}

fn is_forbidden(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied
}
