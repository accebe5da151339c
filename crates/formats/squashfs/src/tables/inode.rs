//! Inodes as they are in the table: in their basic form, or in the extended one where it is needed.

use super::directory::Listing;
use crate::WriteError;
use crate::format::{
    EXTENDED, NO_FRAGMENT, NO_XATTRS, RawDevice, RawDirectory, RawDirectoryIndex,
    RawExtendedDirectory, RawExtendedFile, RawFile, RawInode, RawIpc, RawSymlink,
};
use crate::pipeline::Contents;
use livestick_tree::Kind;
use zerocopy::IntoBytes;
use zerocopy::byteorder::little_endian::U32;

/// An inode before it is encoded.
pub(super) struct Inode<'a> {
    /// The type in its basic form.
    pub(super) kind: u16,
    pub(super) permissions: u16,
    pub(super) uid_index: u16,
    pub(super) gid_index: u16,
    pub(super) modified: u32,
    pub(super) number: u32,
    /// How many names it has. Not looked at for directories.
    pub(super) links: u32,
    /// The number of its attribute set.
    pub(super) xattrs: Option<u32>,
    pub(super) body: Body<'a>,
}

/// What only some kinds of inode have.
pub(super) enum Body<'a> {
    Directory {
        listing: Listing<'a>,
        parent: u32,
    },
    File {
        contents: Contents<'a>,
        sparse_bytes: u64,
    },
    Symlink(&'a [u8]),
    Device(u32),
    Ipc,
}

/// The type of a file in its basic form, which is also that of directory entries.
pub(super) fn kind_number(kind: &Kind) -> u16 {
    match kind {
        Kind::Directory(_) => 1,
        Kind::File { .. } => 2,
        Kind::Symlink(_) => 3,
        Kind::BlockDevice(_) => 4,
        Kind::CharacterDevice(_) => 5,
        Kind::Fifo => 6,
        Kind::Socket => 7,
    }
}

impl Inode<'_> {
    /// Appends the inode to `bytes`.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), WriteError> {
        match &self.body {
            Body::Directory { listing, parent } => self.directory(listing, *parent, bytes),
            Body::File {
                contents,
                sparse_bytes,
            } => {
                self.file(contents, *sparse_bytes, bytes);
                Ok(())
            }
            Body::Symlink(target) => self.symlink(target, bytes),
            Body::Device(device) => {
                let raw = RawDevice {
                    links: self.links.into(),
                    device: (*device).into(),
                };
                self.other(raw.as_bytes(), bytes);
                Ok(())
            }
            Body::Ipc => {
                let raw = RawIpc {
                    links: self.links.into(),
                };
                self.other(raw.as_bytes(), bytes);
                Ok(())
            }
        }
    }

    fn header(&self, extended: bool, bytes: &mut Vec<u8>) {
        let kind = self.kind + if extended { EXTENDED } else { 0 };
        let raw = RawInode {
            kind: kind.into(),
            permissions: self.permissions.into(),
            uid_index: self.uid_index.into(),
            gid_index: self.gid_index.into(),
            modified: self.modified.into(),
            number: self.number.into(),
        };
        bytes.extend_from_slice(raw.as_bytes());
    }

    /// The attribute set as a field.
    fn xattrs(&self) -> U32 {
        self.xattrs.unwrap_or(NO_XATTRS).into()
    }

    fn directory(
        &self,
        listing: &Listing<'_>,
        parent: u32,
        bytes: &mut Vec<u8>,
    ) -> Result<(), WriteError> {
        // `.` and the name in the parent; each subdirectory's `..`.
        let links = listing.subdirectories.saturating_add(2);
        match u16::try_from(listing.size) {
            Ok(size) if self.xattrs.is_none() && !listing.indexed => {
                self.header(false, bytes);
                let raw = RawDirectory {
                    listing_block: listing.place.block.into(),
                    links: links.into(),
                    size: size.into(),
                    listing_offset: listing.place.offset.into(),
                    parent: parent.into(),
                };
                bytes.extend_from_slice(raw.as_bytes());
                Ok(())
            }
            _ => self.extended_directory(listing, links, parent, bytes),
        }
    }

    fn extended_directory(
        &self,
        listing: &Listing<'_>,
        links: u32,
        parent: u32,
        bytes: &mut Vec<u8>,
    ) -> Result<(), WriteError> {
        let too_large = |_| WriteError::TableSize("directory");
        self.header(true, bytes);
        let raw = RawExtendedDirectory {
            links: links.into(),
            size: listing.size.into(),
            listing_block: listing.place.block.into(),
            parent: parent.into(),
            indexes: u16::try_from(listing.index.len())
                .map_err(too_large)?
                .into(),
            listing_offset: listing.place.offset.into(),
            xattrs: self.xattrs(),
        };
        bytes.extend_from_slice(raw.as_bytes());
        for point in &listing.index {
            let name_bytes =
                u32::try_from(point.name.len().saturating_sub(1)).map_err(too_large)?;
            let raw = RawDirectoryIndex {
                listing_position: point.position.into(),
                block: point.block.into(),
                name_bytes_minus_1: name_bytes.into(),
            };
            bytes.extend_from_slice(raw.as_bytes());
            bytes.extend_from_slice(point.name);
        }
        Ok(())
    }

    fn file(&self, contents: &Contents<'_>, sparse_bytes: u64, bytes: &mut Vec<u8>) {
        let (fragment, fragment_offset) = contents.fragment.unwrap_or((NO_FRAGMENT, 0));
        let plain = self.links == 1 && self.xattrs.is_none() && sparse_bytes == 0;
        let start = u32::try_from(contents.start);
        let size = u32::try_from(contents.length_bytes);
        match (start, size) {
            (Ok(start), Ok(size)) if plain => {
                self.header(false, bytes);
                let raw = RawFile {
                    start: start.into(),
                    fragment: fragment.into(),
                    fragment_offset: fragment_offset.into(),
                    size: size.into(),
                };
                bytes.extend_from_slice(raw.as_bytes());
            }
            _ => {
                self.header(true, bytes);
                let raw = RawExtendedFile {
                    start: contents.start.into(),
                    size: contents.length_bytes.into(),
                    // The kernel takes it from the length to count sectors.
                    sparse: sparse_bytes
                        .min(contents.length_bytes.saturating_sub(1))
                        .into(),
                    links: self.links.into(),
                    fragment: fragment.into(),
                    fragment_offset: fragment_offset.into(),
                    xattrs: self.xattrs(),
                };
                bytes.extend_from_slice(raw.as_bytes());
            }
        }
        for word in contents.words {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }

    fn symlink(&self, target: &[u8], bytes: &mut Vec<u8>) -> Result<(), WriteError> {
        let raw = RawSymlink {
            links: self.links.into(),
            target_bytes: u32::try_from(target.len())
                .map_err(|_| WriteError::TableSize("inode table"))?
                .into(),
        };
        self.header(self.xattrs.is_some(), bytes);
        bytes.extend_from_slice(raw.as_bytes());
        bytes.extend_from_slice(target);
        self.set_number(bytes);
        Ok(())
    }

    /// Devices, pipes and sockets.
    fn other(&self, body: &[u8], bytes: &mut Vec<u8>) {
        self.header(self.xattrs.is_some(), bytes);
        bytes.extend_from_slice(body);
        self.set_number(bytes);
    }

    /// The attribute set at the end of an extended inode.
    fn set_number(&self, bytes: &mut Vec<u8>) {
        if self.xattrs.is_some() {
            bytes.extend_from_slice(self.xattrs().as_bytes());
        }
    }
}
