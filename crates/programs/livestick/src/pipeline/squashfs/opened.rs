//! An image that is read.

use crate::failure::{Exit, Failure};
use crate::settings::ImagePlace;
use anyhow::Context;
use livestick_blockio::Slice;
use livestick_squashfs::Image;
use std::fs::File;
use std::io::{Seek, SeekFrom};

/// An image in a file, or in a part of one.
pub type Opened = Image<Slice<File>>;

/// Opens the file or the device that an image is in.
pub fn medium(place: &ImagePlace) -> Result<Slice<File>, Failure> {
    let refused = |error| Failure::new(Exit::Refused, error);
    let path = place.path.display();
    let file = File::open(&place.path)
        .with_context(|| format!("cannot open {path}"))
        .map_err(refused)?;
    let metadata = file.metadata().ok();
    if metadata.is_some_and(|metadata| metadata.is_dir()) {
        let message = format!("{path} is a directory, not an image");
        return Err(Failure::message(Exit::Refused, message));
    }
    // Of a device, the metadata do not tell the length.
    let length = (&file)
        .seek(SeekFrom::End(0))
        .with_context(|| format!("{path} cannot be read at any place, as an image must be"))
        .map_err(refused)?;
    let rest = length.saturating_sub(place.offset_bytes);
    Ok(Slice::new(file, place.offset_bytes, rest))
}

/// Opens an image.
pub fn open(place: &ImagePlace) -> Result<Opened, Failure> {
    Image::open(medium(place)?)
        .with_context(|| format!("{} cannot be read as SquashFS", place.path.display()))
        .map_err(|error| Failure::new(Exit::Refused, error))
}
