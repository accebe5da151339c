//! A single inode.

use super::blocks::Wanted;
use super::paths::NameId;
use super::report::CRASH_WARNING;
use super::{Finding, Severity};
use crate::ReadError;
use crate::format::{
    LISTING_EXTRA_BYTES, RawDevice, RawDirectory, RawExtendedDirectory, RawExtendedFile, RawFile,
    RawInode, RawIpc, RawSymlink, TARGET_LIMIT_BYTES,
};
use crate::read::Image;
use crate::read::content::BlockWalk;
use crate::read::directory::Index;
use crate::read::inode::{DirectoryPlace, FilePlace, Inode, InodeKind};
use livestick_blockio::ReadAt;

/// Looks at inodes, each once.
pub(super) struct InodeChecker {
    /// How long the inodes to come can be: inodes do not overlap, and if they do, a small image can
    /// have any number of blocks.
    pub(super) bytes_left: u64,
}

impl InodeChecker {
    pub(super) fn new(table_bytes: u64) -> Self {
        Self {
            bytes_left: table_bytes,
        }
    }

    pub(super) fn check<R: ReadAt>(
        &mut self,
        image: &Image<R>,
        inode: &Inode,
        name: NameId,
        wanted: &mut Wanted,
        faults: &mut Vec<Finding>,
    ) {
        let mut fault = |severity, problem: &str| faults.push(Finding::new(severity, problem));
        if inode.number > image.superblock.inodes {
            fault(
                Severity::Odd,
                "its inode number is above the count of inodes",
            );
        }
        // Without the root nothing can be mounted.
        let fatal = match inode.reference == image.superblock.root {
            true => Severity::Mount,
            false => Severity::Access,
        };
        if inode.mode_excess {
            // Since late 2025, seen with 6.18: `squashfs_new_inode()`.
            fault(fatal, "its permissions have bits that kernels refuse");
        }
        if inode.links == 0 {
            fault(Severity::Odd, "it says that it has no names");
        }
        let sets = image.layout.xattrs.as_ref().map_or(0, |all| all.sets.count);
        if inode.xattrs.is_some_and(|set| u64::from(set) >= sets) {
            fault(fatal, "it has a set of attributes that there is not");
        }
        let Some(length) = inode_bytes(image, inode) else {
            // Whoever walks the listing says what is wrong with the index.
            return;
        };
        let Some(left) = self.bytes_left.checked_sub(length) else {
            fault(
                Severity::Access,
                "its inode overlaps others, or is longer than the table",
            );
            return;
        };
        self.bytes_left = left;
        match &inode.kind {
            InodeKind::File(file) => check_file(image, file, name, wanted, faults),
            InodeKind::Symlink(target) => check_target(target, faults),
            InodeKind::Directory(directory) if directory.size < LISTING_EXTRA_BYTES => {
                fault(Severity::Odd, "the directory is shorter than an empty one");
            }
            _ => {}
        }
    }
}

/// How much of the table an inode takes; `None` where the index of a directory is damaged.
fn inode_bytes<R: ReadAt>(image: &Image<R>, inode: &Inode) -> Option<u64> {
    let body = match (&inode.kind, inode.extended) {
        (InodeKind::Directory(_), false) => size_of::<RawDirectory>() as u64,
        (InodeKind::Directory(place), true) => {
            size_of::<RawExtendedDirectory>() as u64 + index_bytes(image, place)?
        }
        (InodeKind::File(file), false) => size_of::<RawFile>() as u64 + list_bytes(file),
        (InodeKind::File(file), true) => size_of::<RawExtendedFile>() as u64 + list_bytes(file),
        (InodeKind::Symlink(target), extended) => {
            size_of::<RawSymlink>() as u64 + target.len() as u64 + set_bytes(extended)
        }
        (InodeKind::BlockDevice(_) | InodeKind::CharacterDevice(_), extended) => {
            size_of::<RawDevice>() as u64 + set_bytes(extended)
        }
        (InodeKind::Fifo | InodeKind::Socket, extended) => {
            size_of::<RawIpc>() as u64 + set_bytes(extended)
        }
    };
    Some(size_of::<RawInode>() as u64 + body)
}

fn list_bytes(file: &FilePlace) -> u64 {
    file.blocks.saturating_mul(4)
}

/// The attribute set at the end of the extended form.
fn set_bytes(extended: bool) -> u64 {
    if extended { 4 } else { 0 }
}

fn index_bytes<R: ReadAt>(image: &Image<R>, place: &DirectoryPlace) -> Option<u64> {
    let mut bytes = 0;
    let mut index = Index::new(place);
    // At most 65,535 points.
    while let Some(point) = index.next(image).ok()? {
        bytes += 12 + point.name.len() as u64;
    }
    Some(bytes)
}

fn check_target(target: &[u8], faults: &mut Vec<Finding>) {
    if target.len() > TARGET_LIMIT_BYTES as usize {
        let problem = "the target of the link is longer than a page";
        faults.push(Finding::new(Severity::Access, problem));
    } else if target.is_empty() || target.contains(&0) {
        let problem = "the target of the link is empty, or has a NUL";
        faults.push(Finding::new(Severity::Odd, problem));
    }
}

fn check_file<R: ReadAt>(
    image: &Image<R>,
    file: &FilePlace,
    name: NameId,
    wanted: &mut Wanted,
    faults: &mut Vec<Finding>,
) {
    let mut fault = |severity, problem: &str| faults.push(Finding::new(severity, problem));
    let block_bytes = u64::from(image.superblock.block_size_bytes);
    if let Some(fragment) = file.fragment {
        let tail = file.length_bytes % block_bytes;
        let end = u64::from(fragment.offset) + tail;
        if tail == 0 {
            // Refused since late 2025: `squashfs_read_inode()`.
            fault(
                Severity::Access,
                "it has a fragment, though its length is a multiple of the block size",
            );
        } else if fragment.number >= image.superblock.fragments {
            fault(Severity::Access, "it has a fragment that there is not");
        } else if end > block_bytes {
            let problem = format!("its end lies outside of its fragment; {CRASH_WARNING}");
            fault(Severity::Access, &problem);
        } else {
            wanted.fragment(fragment.number, end, name);
        }
    }
    match check_blocks(image, file, name, wanted) {
        // The place of each block follows from those before: the rest is not known.
        Err(error) => faults.push(Finding::from_error(Severity::Access, None, &error)),
        Ok(holes) if file.sparse_bytes > holes => {
            fault(Severity::Odd, "it says that it has more holes than it has");
        }
        Ok(_) if file.sparse_bytes > 0 && file.sparse_bytes >= file.length_bytes => {
            fault(
                Severity::Odd,
                "it says that its holes are longer than itself",
            );
        }
        Ok(_) => {}
    }
}

/// Looks at the sizes of all blocks of a file; says how much of it takes no space.
fn check_blocks<R: ReadAt>(
    image: &Image<R>,
    file: &FilePlace,
    name: NameId,
    wanted: &mut Wanted,
) -> Result<u64, ReadError> {
    let mut walk = BlockWalk::new(file);
    let mut holes: u64 = 0;
    while let Some(block) = walk.next(image, file)? {
        if block.size.is_hole() {
            holes += block.length_bytes as u64;
            continue;
        }
        image.stored.stored_bytes("data", block.start, block.size)?;
        wanted.block(&block, name);
    }
    Ok(holes)
}
