//! The image that is written: a file or standard input, compressed or not.

use crate::failure::{Exit, Failure};
use crate::settings::ImageFile;
use anyhow::Context;
use livestick_blockio::{Progress, ReadAt};
use livestick_device::{BoxError, Store};
use livestick_handoff::paths;
use livestick_image::OpenedImage;
use livestick_tar::Compression;
use livestick_volume::Severity;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek, SeekFrom};
use std::os::fd::AsFd;

/// An image that begins as one.
pub struct Opened {
    /// Its bytes, from the first on.
    pub reader: Box<dyn Read>,
    /// How many, where that is known.
    pub length_bytes: Option<u64>,
    /// Where its volume ends, if that is where livestick puts it, and can grow.
    pub volume_end_bytes: Option<u64>,
    /// What holds it; `None` of a pipe.
    pub store: Option<Store>,
}

/// More than what tells compressed from other files.
const BUFFER_BYTES: usize = 1 << 20;
const SECTOR_BYTES: usize = 512;

/// Opens the image, and looks at its first sector.
pub fn open(image: &ImageFile) -> Result<Opened, Failure> {
    let refused = |error: anyhow::Error| Failure::new(Exit::Refused, error);
    let name = match image {
        ImageFile::StandardInput => "standard input".to_owned(),
        ImageFile::Path(path) => path.display().to_string(),
    };
    let unreadable = || format!("cannot read {name}");
    let (file, length) = input(image).map_err(refused)?;
    let store = Store::of(&file).with_context(unreadable).map_err(refused)?;
    let mut input = BufReader::with_capacity(BUFFER_BYTES, file);
    let start = input.fill_buf().with_context(unreadable).map_err(refused)?;
    let compression = Compression::of_magic(start);
    let mut reader = compression
        .decoder(input)
        .with_context(unreadable)
        .map_err(refused)?;
    let mut first = Vec::with_capacity(SECTOR_BYTES);
    reader
        .by_ref()
        .take(SECTOR_BYTES as u64)
        .read_to_end(&mut first)
        .with_context(unreadable)
        .map_err(refused)?;
    if first.get(510..) != Some(b"\x55\xaa") {
        let message = format!("{name} is not the image of a disk: it has no partition table");
        return Err(Failure::message(Exit::Refused, message)
            .hint("give an image that `livestick build` has made"));
    }
    let length_bytes = length.filter(|_| compression == Compression::Stored);
    let volume_end_bytes = livestick_volume::volume_end_bytes(&first);
    if let (Some(length), Some(end)) = (length_bytes, volume_end_bytes)
        && length < end
    {
        let message = format!("{name} is cut short: of {end} bytes at least, it has {length}");
        return Err(Failure::message(Exit::Refused, message).hint("copy or download it again"));
    }
    Ok(Opened {
        volume_end_bytes,
        reader: Box::new(Cursor::new(first).chain(reader)),
        length_bytes,
        store,
    })
}

/// Looks whether an image was whole, by what has arrived on a device of so many bytes: its own manifest
/// and digests say so. `false` where they are not there, since livestick did not make it.
pub fn is_whole(
    medium: &dyn ReadAt,
    size_bytes: u64,
    progress: &dyn Progress,
) -> Result<bool, BoxError> {
    let opened = OpenedImage::open(medium)?;
    let is_ours = [paths::MANIFEST, paths::CHECKSUMS]
        .iter()
        .any(|path| opened.file(path).is_some());
    if !is_ours {
        return Ok(false);
    }
    let verification = livestick_image::verify(&opened, size_bytes, progress)?;
    let mut findings = verification.findings.iter();
    match findings.find(|finding| finding.severity == Severity::Damaged) {
        Some(finding) => Err(format!("{}: {}", finding.part, finding.problem).into()),
        None => Ok(true),
    }
}

/// The open file, and its length where it has one.
fn input(image: &ImageFile) -> anyhow::Result<(File, Option<u64>)> {
    match image {
        ImageFile::StandardInput => {
            let input = io::stdin().as_fd().try_clone_to_owned();
            Ok((input.context("cannot read standard input")?.into(), None))
        }
        ImageFile::Path(path) => {
            let file = File::open(path);
            let mut file = file.with_context(|| format!("cannot open {}", path.display()))?;
            // Of a device, the metadata do not tell the length; a pipe has none.
            let length = file.seek(SeekFrom::End(0)).ok();
            if length.is_some() {
                file.rewind().context("cannot read the image")?;
            }
            Ok((file, length))
        }
    }
}
