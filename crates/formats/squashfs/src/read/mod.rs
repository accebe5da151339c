//! Reads images.

mod cache;
pub(crate) mod content;
pub(crate) mod decode;
pub(crate) mod directory;
mod extract;
pub(crate) mod inode;
pub(crate) mod layout;
pub(crate) mod source;
pub(crate) mod stored;
pub(crate) mod superblock;
mod walk;
pub(crate) mod xattr;

pub use content::{Content, Piece};
pub use directory::{Entries, Entry};
pub use extract::{
    Damage, Existing, ExtractOptions, ExtractSummary, Owners, Unrestored, UnrestoredPart,
};
pub use inode::{DirectoryPlace, FilePlace, Inode, InodeKind};
pub use superblock::{Compressor, CompressorOptions, Flags, Superblock};
pub use walk::Walk;

use crate::ReadError;
use content::Position;
use layout::Layout;
use livestick_blockio::ReadAt;
use livestick_tree::Xattr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stored::Stored;
use zerocopy::byteorder::little_endian::U32;

/// An image that is read.
///
/// Nothing is trusted: whatever the image says, reading it gives bytes or an error, and memory is
/// bounded. A few decompressed blocks are kept: half a megabyte of metadata, 16 MiB of data. It can
/// be used from several threads at once.
pub struct Image<R> {
    pub(crate) stored: Stored<R>,
    pub(crate) superblock: Superblock,
    pub(crate) layout: Layout,
    /// Owners and groups.
    pub(crate) ids: Vec<u32>,
    options: Option<CompressorOptions>,
    last_read: Mutex<Option<Position>>,
}

impl<R: ReadAt> Image<R> {
    /// Opens an image, which begins at position 0 of `source`. By the rules of the kernel: what it
    /// would not mount is not opened.
    ///
    /// # Errors
    /// Where the source cannot be read, is no SquashFS 4.0, is compressed with lzo, or has tables
    /// that break the rules.
    pub fn open(source: R) -> Result<Self, ReadError> {
        let superblock = Superblock::read(&source)?;
        let (options, _) = CompressorOptions::read(&source, &superblock)?;
        let (layout, faults) = Layout::read(&source, &superblock);
        if let Some(fault) = faults.into_iter().next() {
            return Err(fault);
        }
        let mut image = Self::assemble(source, superblock, layout);
        image.options = options;
        image.ids = image.read_ids()?;
        // The kernel refuses to mount without a root, and so would everybody else.
        match image.root()?.kind {
            InodeKind::Directory(_) => Ok(image),
            _ => Err(ReadError::Damaged {
                table: "inode table",
                offset: image.layout.inodes.start,
                problem: "the root is not a directory",
            }),
        }
    }

    /// An image whose tables are known, good or bad.
    pub(crate) fn assemble(source: R, superblock: Superblock, layout: Layout) -> Self {
        Self {
            stored: Stored::new(source, &superblock),
            superblock,
            layout,
            ids: Vec::new(),
            options: None,
            last_read: Mutex::default(),
        }
    }

    pub(crate) fn read_ids(&self) -> Result<Vec<u32>, ReadError> {
        // At most 65,535.
        let Some(rows) = &self.layout.ids else {
            return Ok(Vec::new());
        };
        let id = |row| Ok(self.stored.row::<U32>(rows, row)?.get());
        (0..rows.count).map(id).collect()
    }

    /// What the superblock says.
    pub fn superblock(&self) -> &Superblock {
        &self.superblock
    }

    /// The options of the compressor, where the image has them.
    pub fn compressor_options(&self) -> Option<CompressorOptions> {
        self.options
    }

    /// The root directory.
    ///
    /// # Errors
    /// Where the image is damaged or cannot be read.
    pub fn root(&self) -> Result<Inode, ReadError> {
        Inode::read(self, self.superblock.root)
    }

    /// Finds a path, name by name; `None` where there is no such file. Slashes before, behind and in
    /// a row do not matter; `.` and `..` are names that no directory has, and symbolic links are not
    /// followed.
    ///
    /// # Errors
    /// Where the image is damaged or cannot be read.
    pub fn lookup(&self, path: &[u8]) -> Result<Option<Inode>, ReadError> {
        let mut inode = self.root()?;
        for name in path.split(|byte| *byte == b'/').filter(|n| !n.is_empty()) {
            let InodeKind::Directory(directory) = &inode.kind else {
                return Ok(None);
            };
            let Some(reference) = directory::find(self, directory, name)? else {
                return Ok(None);
            };
            inode = Inode::read(self, reference)?;
        }
        Ok(Some(inode))
    }

    /// The entries of a directory in the order of the image, which is that of their names' bytes.
    /// They are read as they are asked for; a directory of any size takes no memory.
    ///
    /// Who goes down into directories has to take care of images in which a directory is in itself;
    /// [`walk`](Self::walk), [`extract`](Self::extract) and [`check`](crate::check()) do.
    ///
    /// # Errors
    /// [`ReadError::Kind`] where it is not a directory.
    pub fn entries(&self, directory: &Inode) -> Result<Entries<'_, R>, ReadError> {
        match &directory.kind {
            InodeKind::Directory(place) => Ok(Entries::new(self, place)),
            _ => Err(ReadError::Kind("directory")),
        }
    }

    /// A file and all that is below it; `None` where there is no such file. The path is that of
    /// [`lookup`](Self::lookup).
    ///
    /// # Errors
    /// Where the image is damaged or cannot be read.
    pub fn walk(&self, path: &[u8]) -> Result<Option<Walk<'_, R>>, ReadError> {
        let names = path.split(|byte| *byte == b'/').filter(|n| !n.is_empty());
        let path = names.collect::<Vec<_>>().join(&b'/');
        let top = self.lookup(&path)?;
        Ok(top.map(|top| Walk::new(self, &path, top)))
    }

    /// The extended attributes of a file, sorted by name.
    ///
    /// # Errors
    /// Where the image is damaged or cannot be read; where a value is longer than 64 KiB, or all
    /// together than 4 MiB.
    pub fn xattrs(&self, inode: &Inode) -> Result<Vec<Xattr>, ReadError> {
        match (inode.xattrs, &self.layout.xattrs) {
            (None, _) => Ok(Vec::new()),
            (Some(set), Some(tables)) => xattr::read(&self.stored, tables, set),
            (Some(_), None) => Err(ReadError::Damaged {
                table: "inode table",
                offset: self.layout.inodes.start,
                problem: "a file has attributes, but there are none",
            }),
        }
    }

    /// Reads from a regular file at `offset`, up to the end of a block; 0 only at the file's end.
    /// Reading on from where the last call ended costs no more than streaming; going back costs a
    /// look at the sizes of all blocks before, 4 bytes each.
    ///
    /// # Errors
    /// [`ReadError::Kind`] where it is not a regular file; where the image is damaged or cannot be
    /// read.
    pub fn read_at(
        &self,
        inode: &Inode,
        buffer: &mut [u8],
        offset: u64,
    ) -> Result<usize, ReadError> {
        let InodeKind::File(file) = &inode.kind else {
            return Err(ReadError::Kind("regular file"));
        };
        content::read_at(self, inode, file, buffer, offset)
    }

    /// The content of a regular file from start to end, with its holes.
    ///
    /// # Errors
    /// [`ReadError::Kind`] where it is not a regular file.
    pub fn content(&self, inode: &Inode) -> Result<Content<'_, R>, ReadError> {
        match &inode.kind {
            InodeKind::File(file) => Ok(Content::new(self, file)),
            _ => Err(ReadError::Kind("regular file")),
        }
    }

    fn last_read(&self) -> MutexGuard<'_, Option<Position>> {
        self.last_read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
