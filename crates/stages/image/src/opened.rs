//! A stick, or an image of one, that is read.

use livestick_blockio::ReadAt;
use livestick_handoff::paths;
use livestick_volume::{Entry, FileReader, ReadError, Scan, Volume};
use std::io;

/// A stick whose volume can be read, however damaged the rest may be.
#[derive(Debug)]
pub struct OpenedImage<R> {
    volume: Volume<R>,
    scan: Scan,
}

/// The root image, its files joined.
#[derive(Clone, Debug)]
pub struct RootReader<R> {
    /// Each with where in the image it begins.
    files: Vec<(u64, FileReader<R>)>,
    length_bytes: u64,
}

impl<R: ReadAt> OpenedImage<R> {
    /// Opens a device or a file, and looks through its directories.
    ///
    /// # Errors
    /// Where there is no volume, or it cannot be read.
    pub fn open(medium: R) -> Result<Self, ReadError> {
        let volume = Volume::open(medium)?;
        let scan = volume.scan()?;
        Ok(Self { volume, scan })
    }

    /// The volume.
    pub fn volume(&self) -> &Volume<R> {
        &self.volume
    }

    /// Every file and directory.
    pub fn scan(&self) -> &Scan {
        &self.scan
    }

    /// Every file.
    pub fn files(&self) -> impl Iterator<Item = &Entry> {
        self.scan.entries.iter().filter(|entry| !entry.is_directory)
    }

    /// A file's bytes; `None` where there is none of this path.
    pub fn file(&self, path: &str) -> Option<FileReader<&R>> {
        Some(self.volume.file(self.scan.file(path)?))
    }

    /// A short file, whole; `None` where there is none of this path.
    ///
    /// # Errors
    /// What reading reports; `FileTooLarge` where it is longer than `limit_bytes`.
    pub fn read(&self, path: &str, limit_bytes: usize) -> io::Result<Option<Vec<u8>>> {
        let Some(file) = self.file(path) else {
            return Ok(None);
        };
        let length = usize::try_from(file.length_bytes()).ok();
        let length = length.filter(|length| *length <= limit_bytes);
        let mut bytes = vec![0; length.ok_or(io::ErrorKind::FileTooLarge)?];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Some(bytes))
    }

    /// The paths of the files that make the root image, as many as are there.
    #[must_use]
    pub fn root_paths(&self) -> Vec<String> {
        let first = std::iter::once(paths::ROOT_IMAGE.to_owned());
        let others = (1..1000).map(|number| format!("{}.{number:03}", paths::ROOT_IMAGE));
        let there = first
            .chain(others)
            .take_while(|path| self.scan.file(path).is_some());
        there.collect()
    }

    /// The root image.
    #[must_use]
    pub fn root(&self) -> RootReader<&R> {
        let mut length_bytes = 0;
        let paths = self.root_paths();
        let files = paths.iter().filter_map(|path| self.file(path));
        let files = files.map(|file| {
            let start = length_bytes;
            length_bytes += file.length_bytes();
            (start, file)
        });
        RootReader {
            files: files.collect(),
            length_bytes,
        }
    }
}

impl<R> RootReader<R> {
    /// How long it is.
    #[must_use]
    pub fn length_bytes(&self) -> u64 {
        self.length_bytes
    }
}

impl<R: ReadAt> ReadAt for RootReader<R> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let behind = self.files.partition_point(|(start, _)| *start <= offset);
        match behind
            .checked_sub(1)
            .and_then(|index| self.files.get(index))
        {
            Some((start, file)) => file.read_at(buffer, offset - start),
            None => Ok(0),
        }
    }
}
