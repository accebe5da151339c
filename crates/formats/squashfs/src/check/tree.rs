//! The tree: every directory, every name, every inode.

use super::blocks::Wanted;
use super::inodes::InodeChecker;
use super::paths::{NameId, Names};
use super::tables::{MetadataMaps, stop};
use super::{CheckReport, Finding, Severity};
use crate::ReadError;
use crate::read::Image;
use crate::read::directory::{HeaderPlace, Index, IndexPoint, ListedName, Listing};
use crate::read::inode::{DirectoryPlace, Inode, InodeKind};
use crate::read::layout::Reference;
use livestick_blockio::{Progress, ReadAt};
use std::collections::HashMap;
use zerocopy::byteorder::little_endian::U64;

/// The kinds of file that a directory may name, of which the sockets are the last.
const KINDS_LIMIT: u16 = 7;

/// What is known of an inode that was reached.
struct Seen {
    number: u32,
    /// How many names it has, as it says and as there are.
    links: u32,
    names: u32,
    /// The first of them.
    name: NameId,
    /// The type in its basic form.
    kind: u16,
}

/// A directory that waits. Its inode is read again: to keep it would keep the blocks it is in.
struct Waiting {
    name: NameId,
    inode: Reference,
    /// The number of the directory that it is in; `None` of the root, which has none.
    parent: Option<u32>,
}

/// Goes through the tree.
pub(super) struct Walk<'a, R> {
    image: &'a Image<R>,
    maps: &'a MetadataMaps,
    report: &'a mut CheckReport,
    progress: &'a dyn Progress,
    names: Names,
    seen: HashMap<Reference, Seen>,
    numbers: HashMap<u32, Reference>,
    waiting: Vec<Waiting>,
    inodes: InodeChecker,
    wanted: Wanted,
    /// How long the listings to come can be: those of different directories do not overlap, and if
    /// they do, a small image can have any number of names.
    listings_left: u64,
    /// It was ended early.
    cut: bool,
    /// How much was found before it began.
    findings_before: u64,
}

impl<'a, R: ReadAt> Walk<'a, R> {
    pub(super) fn new(
        image: &'a Image<R>,
        maps: &'a MetadataMaps,
        report: &'a mut CheckReport,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            image,
            maps,
            progress,
            findings_before: report.findings_count,
            report,
            names: Names::new(),
            seen: HashMap::new(),
            numbers: HashMap::new(),
            waiting: Vec::new(),
            inodes: InodeChecker::new(maps.inodes.bytes),
            wanted: Wanted::default(),
            listings_left: maps.directories.bytes,
            cut: false,
        }
    }

    pub(super) fn run(&mut self) -> Result<(), ReadError> {
        let root = self.image.superblock.root;
        if self.add_inode(Names::ROOT, root).is_some() {
            self.waiting.push(Waiting {
                name: Names::ROOT,
                inode: root,
                parent: None,
            });
        }
        while let Some(waiting) = self.waiting.pop() {
            if self.cut {
                break;
            }
            self.directory(&waiting)?;
        }
        Ok(())
    }

    /// What can be said once everything was seen. Hands over what has to be decompressed.
    pub(super) fn finish(mut self) -> Result<Wanted, ReadError> {
        // Where something cannot be reached, that follows from what was found already.
        let cut = self.cut || self.report.findings_count > self.findings_before;
        self.check_links();
        self.check_export()?;
        let (inodes, found) = (self.image.superblock.inodes, self.seen.len());
        if !cut && found != inodes as usize {
            let problem = format!("it counts {inodes} inodes, but the tree has {found}");
            self.report.note(Severity::Odd, ("superblock", 0), problem);
        }
        if !cut && self.inodes.bytes_left > 0 {
            let place = ("inode table", self.image.layout.inodes.start);
            let problem = format!("{} bytes belong to no file", self.inodes.bytes_left);
            self.report.note(Severity::Odd, place, problem);
        }
        if !cut && self.listings_left > 0 {
            let place = ("directory table", self.image.layout.directories.start);
            let problem = format!("{} bytes belong to no directory", self.listings_left);
            self.report.note(Severity::Odd, place, problem);
        }
        self.wanted.names = Some(self.names);
        Ok(self.wanted)
    }

    fn directory(&mut self, waiting: &Waiting) -> Result<(), ReadError> {
        // It was read before, when it was found.
        let Ok(inode) = Inode::read(self.image, waiting.inode) else {
            return Ok(());
        };
        let InodeKind::Directory(place) = &inode.kind else {
            return Ok(());
        };
        if waiting.parent.is_some_and(|parent| parent != place.parent) {
            let problem = "it does not name the directory that it is in as its parent";
            self.found(Severity::Odd, waiting.name, problem);
        }
        let length = u64::from(place.listing_bytes());
        let Some(left) = self.listings_left.checked_sub(length) else {
            self.cut = true;
            let problem = "the listings are longer than their table; the rest was not looked at";
            self.found(Severity::Access, waiting.name, problem);
            return Ok(());
        };
        self.listings_left = left;
        if length > 0
            && let Some(problem) = self.maps.directories.fault(place.listing)
        {
            self.found(Severity::Access, waiting.name, problem);
        }
        let mut walk = ListingWalk::new(self.image, place);
        match self.listing(waiting, &inode, &mut walk) {
            Err(ReadError::Interrupted) => Err(ReadError::Interrupted),
            Err(error) => {
                let path = self.names.path(waiting.name);
                self.report.error(Severity::Access, Some(path), &error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn listing(
        &mut self,
        waiting: &Waiting,
        inode: &Inode,
        walk: &mut ListingWalk,
    ) -> Result<(), ReadError> {
        let mut subdirectories: u32 = 0;
        while let Some(entry) = walk.listing.next(self.image)? {
            stop(self.progress)?;
            if let Some((severity, problem)) = walk.fault(self.image, &entry)? {
                let path = self.names.path_in(waiting.name, &entry.name);
                self.report.add(finding(severity, path, problem));
            }
            if self.entry(waiting.name, inode.number, &entry) {
                subdirectories = subdirectories.saturating_add(1);
            }
            walk.last = entry.name;
        }
        if walk.point.is_some() {
            let problem = "its index has points that no header stands at";
            self.found(Severity::Access, waiting.name, problem);
        }
        if inode.links != subdirectories.saturating_add(2) {
            let problem = format!(
                "it says that it has {} links; with {subdirectories} directories in it, it has {}",
                inode.links,
                subdirectories.saturating_add(2)
            );
            let path = self.names.path(waiting.name);
            self.report.add(finding(Severity::Odd, path, problem));
        }
        Ok(())
    }

    /// One name; true where it is a directory's.
    fn entry(&mut self, directory: NameId, parent: u32, entry: &ListedName) -> bool {
        let known = self.seen.get(&entry.inode).map(|seen| seen.kind);
        let kind = match known {
            Some(kind) => Some(kind),
            None => self.new_entry(directory, parent, entry),
        };
        let Some(kind) = kind else { return false };
        // It is there now, whether it was before or not.
        if let Some(seen) = self.seen.get_mut(&entry.inode) {
            seen.names = seen.names.saturating_add(1);
            if i64::from(seen.number) != entry.number {
                let path = self.names.path_in(directory, &entry.name);
                let problem = "the number in the directory is not that of the inode";
                self.report.add(finding(Severity::Access, path, problem));
            }
        }
        if kind != entry.kind {
            let path = self.names.path_in(directory, &entry.name);
            let problem = "the kind of file in the directory is not that of the inode";
            self.report.add(finding(Severity::Odd, path, problem));
        }
        let is_directory = kind == 1;
        if is_directory && known.is_some() {
            let path = self.names.path_in(directory, &entry.name);
            let problem = "the directory has a second name, and may be in itself";
            self.report.add(finding(Severity::Access, path, problem));
        }
        is_directory
    }

    /// The first name of an inode; the kind of file, where it can be read.
    fn new_entry(&mut self, directory: NameId, parent: u32, entry: &ListedName) -> Option<u16> {
        let name = self.names.add(directory, &entry.name)?;
        let kind = self.add_inode(name, entry.inode)?;
        if kind == 1 {
            self.waiting.push(Waiting {
                name,
                inode: entry.inode,
                parent: Some(parent),
            });
        }
        Some(kind)
    }

    /// Looks at an inode for the first time.
    fn add_inode(&mut self, name: NameId, reference: Reference) -> Option<u16> {
        if let Some(problem) = self.maps.inodes.fault(reference) {
            self.found(Severity::Access, name, problem);
            return None;
        }
        let inode = match Inode::read(self.image, reference) {
            Ok(inode) => inode,
            Err(error) => {
                let path = self.names.path(name);
                self.report.error(Severity::Access, Some(path), &error);
                return None;
            }
        };
        let mut faults = Vec::new();
        self.inodes
            .check(self.image, &inode, name, &mut self.wanted, &mut faults);
        if self.numbers.insert(inode.number, reference).is_some() {
            let problem = "another file has the same inode number";
            faults.push(Finding::new(Severity::Access, problem));
        }
        for fault in faults {
            let path = Some(self.names.path(name));
            self.report.add(Finding { path, ..fault });
        }
        self.count(&inode);
        let kind = inode.kind.number();
        let seen = Seen {
            number: inode.number,
            links: inode.links,
            names: 0,
            name,
            kind,
        };
        self.seen.insert(reference, seen);
        Some(kind)
    }

    fn count(&mut self, inode: &Inode) {
        let counts = &mut self.report.counts;
        let count = match &inode.kind {
            InodeKind::Directory(_) => &mut counts.directories,
            InodeKind::File(_) => &mut counts.files,
            InodeKind::Symlink(_) => &mut counts.symlinks,
            InodeKind::BlockDevice(_) => &mut counts.block_devices,
            InodeKind::CharacterDevice(_) => &mut counts.character_devices,
            InodeKind::Fifo => &mut counts.fifos,
            InodeKind::Socket => &mut counts.sockets,
        };
        *count += 1;
        let length = inode.length_bytes().unwrap_or_default();
        self.report.content_bytes = self.report.content_bytes.saturating_add(length);
    }

    fn check_links(&mut self) {
        let files = self.seen.values().filter(|seen| seen.kind != 1);
        let mut wrong = Vec::new();
        for seen in files {
            self.report.counts.hard_links += u64::from(seen.names.saturating_sub(1));
            if seen.links != seen.names {
                wrong.push(seen);
            }
        }
        wrong.sort_unstable_by_key(|seen| seen.number);
        for seen in wrong {
            let problem = format!(
                "it says that it has {} names, and has {}",
                seen.links, seen.names
            );
            let path = self.names.path(seen.name);
            self.report.add(finding(Severity::Odd, path, problem));
        }
    }

    /// The export table must name each inode by its number.
    fn check_export(&mut self) -> Result<(), ReadError> {
        let Some(rows) = &self.image.layout.export else {
            return Ok(());
        };
        for row in 0..rows.count {
            stop(self.progress)?;
            let place = (rows.table.name, rows.table.start);
            let inode = match self.image.stored.row::<U64>(rows, row) {
                Ok(inode) => Reference::from_number(inode.get()),
                Err(error) => {
                    // Its blocks were looked at before.
                    self.report.error(Severity::Odd, None, &error);
                    break;
                }
            };
            // As many as there are inodes, which are counted in 32 bits.
            let number = u32::try_from(row + 1).unwrap_or_default();
            let known = self.numbers.get(&number).copied();
            if known.is_some() && inode != known {
                let problem = format!("the place of inode {number} is wrong");
                self.report.note(Severity::Odd, place, problem);
            }
        }
        Ok(())
    }

    fn found(&mut self, severity: Severity, name: NameId, problem: &str) {
        let path = self.names.path(name);
        self.report.add(finding(severity, path, problem));
    }
}

fn finding(severity: Severity, path: Vec<u8>, problem: impl Into<String>) -> Finding {
    Finding {
        path: Some(path),
        ..Finding::new(severity, problem)
    }
}

/// Goes through a listing and its index side by side.
struct ListingWalk {
    listing: Listing,
    index: Index,
    /// The next point of the index.
    point: Option<IndexPoint>,
    indexed: bool,
    started: bool,
    last: Vec<u8>,
}

impl ListingWalk {
    fn new<R>(image: &Image<R>, directory: &DirectoryPlace) -> Self {
        Self {
            listing: Listing::new(image, directory),
            index: Index::new(directory),
            point: None,
            indexed: directory.indexes > 0,
            started: false,
            last: Vec::new(),
        }
    }

    /// What is wrong with a name, beside what it names.
    fn fault<R: ReadAt>(
        &mut self,
        image: &Image<R>,
        entry: &ListedName,
    ) -> Result<Option<(Severity, &'static str)>, ReadError> {
        if !std::mem::replace(&mut self.started, true) {
            self.point = self.index.next(image)?;
        }
        if let Some(header) = entry.header
            && let Some(fault) = self.index_fault(image, header, &entry.name)?
        {
            return Ok(Some((Severity::Access, fault)));
        }
        if entry.kind > KINDS_LIMIT {
            // It says nothing, and the listing ends: `squashfs_readdir()`.
            let problem = "the kernel knows no such kind of file, and ends the list here";
            return Ok(Some((Severity::Access, problem)));
        }
        Ok(self.name_fault(&entry.name))
    }

    fn name_fault(&self, name: &[u8]) -> Option<(Severity, &'static str)> {
        let is_name =
            !matches!(name, b"." | b"..") && !name.iter().any(|byte| matches!(byte, b'/' | 0));
        if !is_name {
            // A slash makes the list an error: `verify_dirent_name()`. The others name something
            // else.
            Some((Severity::Access, "that is no name for a file"))
        } else if name.len() > 255 {
            Some((Severity::Odd, "the name is longer than 255 bytes"))
        } else if name == self.last {
            Some((
                Severity::Access,
                "the name is there twice, and stands for the first",
            ))
        } else if name.first() < self.last.first() || (self.indexed && *name < *self.last) {
            // It stops looking at the first byte that is greater, and goes by the index before.
            Some((
                Severity::Access,
                "the names are not sorted, and the kernel misses some",
            ))
        } else if *name < *self.last {
            Some((Severity::Odd, "the names are not sorted"))
        } else {
            None
        }
    }

    /// Compares the next point of the index with a header, if it should stand there.
    fn index_fault<R: ReadAt>(
        &mut self,
        image: &Image<R>,
        header: HeaderPlace,
        name: &[u8],
    ) -> Result<Option<&'static str>, ReadError> {
        let Some(point) = &self.point else {
            return Ok(None);
        };
        if point.place.position != header.position {
            return Ok(None);
        }
        let right = point.place.block == header.block && point.name == name;
        self.point = self.index.next(image)?;
        Ok((!right).then_some("the index of the directory names another block, or another name"))
    }
}
