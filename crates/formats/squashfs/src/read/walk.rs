//! Everything below a file, one name after the other.

use super::directory::Listing;
use super::inode::{Inode, InodeKind};
use super::layout::Reference;
use super::{DirectoryPlace, Image};
use crate::ReadError;
use livestick_blockio::ReadAt;
use std::collections::HashSet;

/// Paths that are longer are no paths for anybody, only made to take for ever.
pub(super) const PATH_LIMIT_BYTES: usize = 64 << 10;

/// A file and all that is below it: a directory comes before what is in it, and names are in the
/// order of the image.
///
/// Names are read as they are asked for. However large the directories are, memory is taken for
/// their number, 8 bytes for each, and for how deep they are in each other. A hostile image cannot
/// make it longer than its directory table is.
///
/// After an error it goes on with what comes next, or ends.
pub struct Walk<'a, R> {
    image: &'a Image<R>,
    /// Of what came last.
    path: Vec<u8>,
    /// What comes first.
    top: Option<Inode>,
    /// The directory that came last, whose names come next.
    entered: Option<(Reference, DirectoryPlace)>,
    levels: Vec<Level>,
    /// The directories that came: a tree has each once.
    taken: HashSet<Reference>,
    /// How long the listings to come can be. Directories that share one would make a walk of any
    /// length from a small image.
    listings_left: u64,
}

/// A directory whose names come.
struct Level {
    listing: Listing,
    /// The length of its path.
    path_bytes: usize,
}

impl<'a, R: ReadAt> Walk<'a, R> {
    pub(super) fn new(image: &'a Image<R>, path: &[u8], top: Inode) -> Self {
        Self {
            image,
            path: path.to_vec(),
            top: Some(top),
            entered: None,
            levels: Vec::new(),
            taken: HashSet::new(),
            listings_left: image.layout.directories.limit_bytes(),
        }
    }

    /// The path of what [`next_file`](Self::next_file) gave last, or could not read: in the image,
    /// without a slash in front, empty for the root. Its names are those of the image, which may
    /// have chosen them freely.
    pub fn path(&self) -> &[u8] {
        &self.path
    }

    /// The next file; `None` at the end.
    ///
    /// # Errors
    /// Where the image is damaged or cannot be read; [`ReadError::Loop`], [`ReadError::SharedListings`]
    /// and [`ReadError::PathLength`] where its directories are not a tree, or too deep.
    pub fn next_file(&mut self) -> Result<Option<Inode>, ReadError> {
        if let Some(top) = self.top.take() {
            return Ok(Some(self.found(top)));
        }
        if let Some((reference, place)) = self.entered.take() {
            self.enter(reference, &place)?;
        }
        while let Some(level) = self.levels.last_mut() {
            self.path.truncate(level.path_bytes);
            let entry = match level.listing.next(self.image) {
                Ok(Some(entry)) => entry,
                Ok(None) => {
                    self.levels.pop();
                    continue;
                }
                Err(error) => {
                    self.levels.pop();
                    return Err(error);
                }
            };
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(&entry.name);
            if self.path.len() > PATH_LIMIT_BYTES {
                self.levels.clear();
                return Err(ReadError::PathLength(PATH_LIMIT_BYTES));
            }
            let inode = Inode::read(self.image, entry.inode)?;
            return Ok(Some(self.found(inode)));
        }
        Ok(None)
    }

    fn found(&mut self, inode: Inode) -> Inode {
        if let InodeKind::Directory(place) = &inode.kind {
            self.entered = Some((inode.reference, place.clone()));
        }
        inode
    }

    fn enter(&mut self, reference: Reference, place: &DirectoryPlace) -> Result<(), ReadError> {
        if !self.taken.insert(reference) {
            return Err(ReadError::Loop(self.path.clone()));
        }
        let Some(left) = self.listings_left.checked_sub(place.listing_bytes().into()) else {
            self.levels.clear();
            return Err(ReadError::SharedListings);
        };
        self.listings_left = left;
        if let Some(above) = self.levels.last_mut() {
            // However deep it gets, the blocks are not all held at once.
            above.listing.let_go();
        }
        self.levels.push(Level {
            listing: Listing::new(self.image, place),
            path_bytes: self.path.len(),
        });
        Ok(())
    }
}
