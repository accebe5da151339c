//! Listings of directories.

use super::Image;
use super::inode::{DirectoryPlace, Inode};
use super::layout::Reference;
use super::stored::Cursor;
use crate::ReadError;
use crate::format::{
    HEADER_LIMIT_ENTRIES, METADATA_BLOCK_BYTES, NAME_LIMIT_BYTES, RawDirectoryEntry,
    RawDirectoryHeader, RawDirectoryIndex,
};
use livestick_blockio::ReadAt;

/// A name in a directory, and what it names.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The name: 1 to 256 bytes, which a damaged or hostile image may have chosen freely. Only
    /// [`Image::extract`] looks at them.
    pub name: Vec<u8>,
    /// The file.
    pub inode: Inode,
}

/// The entries of a directory, read as they are asked for. After an error there are no more.
pub struct Entries<'a, R> {
    image: &'a Image<R>,
    listing: Listing,
}

impl<'a, R: ReadAt> Entries<'a, R> {
    pub(super) fn new(image: &'a Image<R>, directory: &DirectoryPlace) -> Self {
        let listing = Listing::new(image, directory);
        Self { image, listing }
    }
}

impl<R: ReadAt> Iterator for Entries<'_, R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entry = self.listing.next(self.image).and_then(|entry| {
            let Some(entry) = entry else { return Ok(None) };
            let inode = Inode::read(self.image, entry.inode)?;
            Ok(Some(Entry {
                name: entry.name,
                inode,
            }))
        });
        if entry.is_err() {
            self.listing.remaining = 0;
        }
        entry.transpose()
    }
}

/// A name as it is stored.
pub(crate) struct ListedName {
    pub(crate) name: Vec<u8>,
    pub(crate) inode: Reference,
    pub(crate) number: i64,
    /// The type, which should be the inode's in its basic form.
    pub(crate) kind: u16,
    /// Where the header before it is, if it is the first one after that.
    pub(crate) header: Option<HeaderPlace>,
}

/// Where a header of a listing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeaderPlace {
    /// How many bytes into the listing.
    pub(crate) position: u32,
    /// Where its block begins, counted from the table's first byte.
    pub(crate) block: u64,
}

/// Goes through a listing.
pub(crate) struct Listing {
    cursor: Cursor,
    /// How long the listing is.
    length: u32,
    /// Bytes that are left.
    pub(crate) remaining: u32,
    run: Option<Run>,
}

/// What the last header said.
struct Run {
    left: u32,
    block: u32,
    number: u32,
    place: Option<HeaderPlace>,
}

impl Listing {
    pub(crate) fn new<R>(image: &Image<R>, directory: &DirectoryPlace) -> Self {
        let length = directory.listing_bytes();
        Self {
            cursor: Cursor::new(image.layout.directories, directory.listing),
            length,
            remaining: length,
            run: None,
        }
    }

    /// Keeps no block in memory until the next name is asked for.
    pub(super) fn let_go(&mut self) {
        self.cursor.let_go();
    }

    /// The next name. After an error it must not be called again.
    pub(crate) fn next<R: ReadAt>(
        &mut self,
        image: &Image<R>,
    ) -> Result<Option<ListedName>, ReadError> {
        let mut run = match self.run.take() {
            Some(run) if run.left > 0 => run,
            _ if self.remaining == 0 => return Ok(None),
            _ => self.header(image)?,
        };
        self.take(size_of::<RawDirectoryEntry>())?;
        let raw: RawDirectoryEntry = self.cursor.read(&image.stored)?;
        let name_bytes = usize::from(raw.name_bytes_minus_1.get()) + 1;
        if name_bytes > NAME_LIMIT_BYTES {
            return Err(self.cursor.damaged("a name is longer than 256 bytes"));
        }
        self.take(name_bytes)?;
        let name = self.cursor.bytes(&image.stored, name_bytes)?;
        let header = run.place.take();
        run.left -= 1;
        let inode = Reference {
            block: run.block,
            offset: raw.inode_offset.get(),
        };
        let number = i64::from(run.number) + i64::from(raw.inode_number_delta.get());
        self.run = Some(run);
        Ok(Some(ListedName {
            name,
            inode,
            number,
            kind: raw.kind.get(),
            header,
        }))
    }

    fn header<R: ReadAt>(&mut self, image: &Image<R>) -> Result<Run, ReadError> {
        let position = self.length - self.remaining;
        self.take(size_of::<RawDirectoryHeader>())?;
        let block = self.cursor.settle(&image.stored)?;
        let raw = self.cursor.read::<RawDirectoryHeader, _>(&image.stored)?;
        let entries = raw.entries_minus_1.get();
        if entries as usize >= HEADER_LIMIT_ENTRIES {
            return Err(self.cursor.damaged("a header counts more than 256 entries"));
        }
        Ok(Run {
            left: entries + 1,
            block: raw.inode_block.get(),
            number: raw.inode_number.get(),
            place: Some(HeaderPlace {
                position,
                block: block - image.layout.directories.start,
            }),
        })
    }

    /// Counts bytes of the listing.
    fn take(&mut self, bytes: usize) -> Result<(), ReadError> {
        let left = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| self.remaining.checked_sub(bytes));
        self.remaining =
            left.ok_or_else(|| self.cursor.damaged("a listing ends inside an entry"))?;
        Ok(())
    }
}

/// A point of a directory's index.
pub(crate) struct IndexPoint {
    pub(crate) place: HeaderPlace,
    pub(crate) name: Vec<u8>,
}

/// Goes through the index of a directory.
pub(crate) struct Index {
    cursor: Option<Cursor>,
    left: u16,
}

impl Index {
    pub(crate) fn new(directory: &DirectoryPlace) -> Self {
        Self {
            cursor: directory.index.clone(),
            left: directory.indexes,
        }
    }

    /// The next point. After an error it must not be called again.
    pub(crate) fn next<R: ReadAt>(
        &mut self,
        image: &Image<R>,
    ) -> Result<Option<IndexPoint>, ReadError> {
        let (Some(cursor), Some(left)) = (&mut self.cursor, self.left.checked_sub(1)) else {
            return Ok(None);
        };
        self.left = left;
        let raw: RawDirectoryIndex = cursor.read(&image.stored)?;
        let name_bytes = raw.name_bytes_minus_1.get() as usize;
        if name_bytes >= NAME_LIMIT_BYTES {
            return Err(cursor.damaged("a name in an index is longer than 256 bytes"));
        }
        Ok(Some(IndexPoint {
            place: HeaderPlace {
                position: raw.listing_position.get(),
                block: raw.block.get().into(),
            },
            name: cursor.bytes(&image.stored, name_bytes + 1)?,
        }))
    }
}

/// Finds a name in a directory as the kernel does: from the last point of the index that is not
/// behind it, up to the first name that begins with a greater byte.
pub(super) fn find<R: ReadAt>(
    image: &Image<R>,
    directory: &DirectoryPlace,
    name: &[u8],
) -> Result<Option<Reference>, ReadError> {
    let mut listing = Listing::new(image, directory);
    let mut index = Index::new(directory);
    while let Some(point) = index.next(image)? {
        if *point.name > *name {
            break;
        }
        listing.seek(image, directory, point.place);
    }
    while let Some(entry) = listing.next(image)? {
        if entry.name == name {
            return Ok(Some(entry.inode));
        }
        if entry.name.first() > name.first() {
            break;
        }
    }
    Ok(None)
}

impl Listing {
    fn seek<R>(&mut self, image: &Image<R>, directory: &DirectoryPlace, place: HeaderPlace) {
        let table = image.layout.directories;
        let block = table.start.saturating_add(place.block);
        let into = u64::from(place.position) + u64::from(directory.listing.offset);
        let offset = usize::try_from(into).unwrap_or_default() % METADATA_BLOCK_BYTES;
        self.cursor = Cursor::at(table, block, offset);
        self.remaining = self.length.saturating_sub(place.position);
    }
}
