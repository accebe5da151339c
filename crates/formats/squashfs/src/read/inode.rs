//! Inodes.

use super::Image;
use super::layout::Reference;
use super::stored::Cursor;
use crate::ReadError;
use crate::format::{
    EXTENDED, LISTING_EXTRA_BYTES, NO_FRAGMENT, NO_XATTRS, RawDevice, RawDirectory,
    RawExtendedDirectory, RawExtendedFile, RawFile, RawInode, RawIpc, RawSymlink,
};
use livestick_blockio::ReadAt;
use livestick_tree::{Device, Metadata};
use zerocopy::byteorder::little_endian::U32;

/// The longest target of a symbolic link that is read: the largest page that Linux has, where the
/// kernel's limit is one page.
const TARGET_LIMIT_BYTES: u32 = 64 << 10;

/// What `chmod` can set; the kind of file stands elsewhere.
const PERMISSION_BITS: u16 = 0o7777;

/// What the image holds of one file.
#[derive(Clone, Debug)]
pub struct Inode {
    /// Owner, permissions and time.
    pub metadata: Metadata,
    /// How many names it has, as the image says.
    pub links: u32,
    /// Its number, from 1 on. Names of one file, hard links, have the same.
    pub number: u32,
    /// What kind of file it is, with what only that kind has.
    pub kind: InodeKind,
    /// Its set of attributes.
    pub(crate) xattrs: Option<u32>,
    /// Where it is in the inode table.
    pub(crate) reference: Reference,
    /// It is in the form that has everything.
    pub(crate) extended: bool,
    /// Its permissions have bits beside, which no inode should.
    pub(crate) mode_excess: bool,
}

/// The kinds of file.
#[derive(Clone, Debug)]
pub enum InodeKind {
    /// A directory.
    Directory(DirectoryPlace),
    /// A regular file.
    File(FilePlace),
    /// A symbolic link and its target, any bytes.
    Symlink(Box<[u8]>),
    /// A block device.
    BlockDevice(Device),
    /// A character device.
    CharacterDevice(Device),
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
}

impl InodeKind {
    /// The type in its basic form, which is also that of directory entries.
    pub(crate) fn number(&self) -> u16 {
        match self {
            Self::Directory(_) => 1,
            Self::File(_) => 2,
            Self::Symlink(_) => 3,
            Self::BlockDevice(_) => 4,
            Self::CharacterDevice(_) => 5,
            Self::Fifo => 6,
            Self::Socket => 7,
        }
    }
}

/// Where the listing of a directory is.
#[derive(Clone, Debug)]
pub struct DirectoryPlace {
    pub(crate) listing: Reference,
    /// The length of the listing, and three.
    pub(crate) size: u32,
    /// The number of the directory that it is in.
    pub(crate) parent: u32,
    /// How many points its index has.
    pub(crate) indexes: u16,
    /// Where its index begins.
    pub(crate) index: Option<Cursor>,
}

impl DirectoryPlace {
    /// The length of the listing.
    pub(crate) fn listing_bytes(&self) -> u32 {
        self.size.saturating_sub(LISTING_EXTRA_BYTES)
    }
}

/// Where the bytes of a regular file are.
#[derive(Clone, Debug)]
pub struct FilePlace {
    pub(crate) length_bytes: u64,
    /// Where the first block is in the image.
    pub(crate) start: u64,
    /// How many blocks; the end of the file may be in a fragment.
    pub(crate) blocks: u64,
    pub(crate) fragment: Option<FragmentPlace>,
    /// How much of it takes no space, as the image says.
    pub(crate) sparse_bytes: u64,
    /// Where the sizes of its blocks begin.
    pub(crate) sizes: Cursor,
}

/// Where the end of a file is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FragmentPlace {
    pub(crate) number: u32,
    pub(crate) offset: u32,
}

impl FilePlace {
    /// The length of the file in bytes.
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }
}

impl Inode {
    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, InodeKind::Directory(_))
    }

    /// The length of a regular file in bytes, `None` of anything else.
    #[must_use]
    pub fn length_bytes(&self) -> Option<u64> {
        match &self.kind {
            InodeKind::File(file) => Some(file.length_bytes),
            _ => None,
        }
    }

    pub(crate) fn read<R: ReadAt>(
        image: &Image<R>,
        reference: Reference,
    ) -> Result<Self, ReadError> {
        let mut cursor = Cursor::new(image.layout.inodes, reference);
        let raw: RawInode = cursor.read(&image.stored)?;
        let number = raw.number.get();
        if number == 0 {
            return Err(cursor.damaged("an inode has the number 0"));
        }
        let id = |index: u16| {
            let id = image.ids.get(usize::from(index)).copied();
            id.ok_or_else(|| cursor.damaged("an inode names an id that there is not"))
        };
        let metadata = Metadata {
            permissions: raw.permissions.get() & PERMISSION_BITS,
            uid: id(raw.uid_index.get())?,
            gid: id(raw.gid_index.get())?,
            modified_seconds: raw.modified.get().into(),
        };
        let kind = raw.kind.get();
        let extended = kind > EXTENDED;
        let basic = if extended { kind - EXTENDED } else { kind };
        let mut parser = Parser {
            image,
            cursor,
            extended,
        };
        let (kind, links, xattrs) = parser.body(basic)?;
        Ok(Self {
            metadata,
            links,
            number,
            kind,
            xattrs: (xattrs != NO_XATTRS).then_some(xattrs),
            reference,
            extended,
            mode_excess: raw.permissions.get() & !PERMISSION_BITS != 0,
        })
    }
}

/// What comes after the common part: the kind, links, and attributes.
type Body = (InodeKind, u32, u32);

struct Parser<'a, R> {
    image: &'a Image<R>,
    cursor: Cursor,
    extended: bool,
}

impl<R: ReadAt> Parser<'_, R> {
    fn body(&mut self, basic: u16) -> Result<Body, ReadError> {
        match (basic, self.extended) {
            (1, false) => self.directory(),
            (1, true) => self.extended_directory(),
            (2, false) => self.file(),
            (2, true) => self.extended_file(),
            (3, _) => self.symlink(),
            (4 | 5, _) => self.device(basic),
            (6 | 7, _) => self.ipc(basic),
            _ => Err(self
                .cursor
                .damaged("an inode is of a type that there is not")),
        }
    }

    fn directory(&mut self) -> Result<Body, ReadError> {
        let raw: RawDirectory = self.cursor.read(&self.image.stored)?;
        let place = DirectoryPlace {
            listing: Reference {
                block: raw.listing_block.get(),
                offset: raw.listing_offset.get(),
            },
            size: raw.size.get().into(),
            parent: raw.parent.get(),
            indexes: 0,
            index: None,
        };
        Ok((InodeKind::Directory(place), raw.links.get(), NO_XATTRS))
    }

    fn extended_directory(&mut self) -> Result<Body, ReadError> {
        let raw: RawExtendedDirectory = self.cursor.read(&self.image.stored)?;
        let indexes = raw.indexes.get();
        let place = DirectoryPlace {
            listing: Reference {
                block: raw.listing_block.get(),
                offset: raw.listing_offset.get(),
            },
            size: raw.size.get(),
            parent: raw.parent.get(),
            indexes,
            index: (indexes > 0).then(|| self.cursor.clone()),
        };
        Ok((
            InodeKind::Directory(place),
            raw.links.get(),
            raw.xattrs.get(),
        ))
    }

    fn file(&mut self) -> Result<Body, ReadError> {
        let raw: RawFile = self.cursor.read(&self.image.stored)?;
        let kind = self.place(
            raw.start.get().into(),
            raw.size.get().into(),
            raw.fragment.get(),
            raw.fragment_offset.get(),
            0,
        )?;
        Ok((kind, 1, NO_XATTRS))
    }

    fn extended_file(&mut self) -> Result<Body, ReadError> {
        let raw: RawExtendedFile = self.cursor.read(&self.image.stored)?;
        let kind = self.place(
            raw.start.get(),
            raw.size.get(),
            raw.fragment.get(),
            raw.fragment_offset.get(),
            raw.sparse.get(),
        )?;
        Ok((kind, raw.links.get(), raw.xattrs.get()))
    }

    fn place(
        &self,
        start: u64,
        length_bytes: u64,
        fragment: u32,
        offset: u32,
        sparse_bytes: u64,
    ) -> Result<InodeKind, ReadError> {
        if i64::try_from(length_bytes).is_err() {
            return Err(self.cursor.damaged("a file is of a negative length"));
        }
        let fragment = (fragment != NO_FRAGMENT).then_some(FragmentPlace {
            number: fragment,
            offset,
        });
        let block = u64::from(self.image.superblock.block_size_bytes);
        let blocks = match fragment {
            Some(_) => length_bytes / block,
            None => length_bytes.div_ceil(block),
        };
        Ok(InodeKind::File(FilePlace {
            length_bytes,
            start,
            blocks,
            fragment,
            sparse_bytes,
            sizes: self.cursor.clone(),
        }))
    }

    fn symlink(&mut self) -> Result<Body, ReadError> {
        let raw: RawSymlink = self.cursor.read(&self.image.stored)?;
        let length = raw.target_bytes.get();
        if length > TARGET_LIMIT_BYTES {
            return Err(self
                .cursor
                .damaged("the target of a link is longer than 64 KiB"));
        }
        let target = self.cursor.bytes(&self.image.stored, length as usize)?;
        let xattrs = self.xattrs()?;
        Ok((InodeKind::Symlink(target.into()), raw.links.get(), xattrs))
    }

    fn device(&mut self, basic: u16) -> Result<Body, ReadError> {
        let raw: RawDevice = self.cursor.read(&self.image.stored)?;
        // As the kernel packs it: `new_encode_dev()`.
        let number = raw.device.get();
        let device = Device {
            major: number >> 8 & 0xFFF,
            minor: number & 0xFF | number >> 12 & 0xF_FF00,
        };
        let kind = match basic {
            4 => InodeKind::BlockDevice(device),
            _ => InodeKind::CharacterDevice(device),
        };
        Ok((kind, raw.links.get(), self.xattrs()?))
    }

    fn ipc(&mut self, basic: u16) -> Result<Body, ReadError> {
        let raw: RawIpc = self.cursor.read(&self.image.stored)?;
        let kind = match basic {
            6 => InodeKind::Fifo,
            _ => InodeKind::Socket,
        };
        Ok((kind, raw.links.get(), self.xattrs()?))
    }

    /// The attribute set at the end of an extended inode.
    fn xattrs(&mut self) -> Result<u32, ReadError> {
        if !self.extended {
            return Ok(NO_XATTRS);
        }
        let number: U32 = self.cursor.read(&self.image.stored)?;
        Ok(number.get())
    }
}
