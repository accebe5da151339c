//! Reading an archive, wherever it comes from.

use crate::assembly::Assembly;
use crate::compression::Compression;
use crate::contents::{Contents, Medium};
use crate::entry::Entries;
use crate::format::BLOCK_BYTES;
use crate::stream::{InPlace, Spooled, Stream};
use crate::{ReadError, Report};
use livestick_blockio::{Progress, ReadAt, WriteAt};
use livestick_tree::Tree;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};

/// What is read of a compressed archive at a time.
const INPUT_BYTES: usize = 64 << 10;

/// How an archive is read.
#[derive(Clone, Debug)]
pub struct Options {
    /// The most memory that names, attributes and maps of holes may take, about 500 bytes and the
    /// name for a file: a small compressed archive can hold very many. 4 GiB unless told otherwise,
    /// enough for eight million files.
    pub memory_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            memory_bytes: 4 << 30,
        }
    }
}

/// An archive that was read: a tree, and where the contents of its files are.
#[derive(Debug)]
pub struct Archive {
    /// Names and metadata.
    pub tree: Tree,
    /// The contents of the tree's files.
    pub contents: Contents,
    /// What else is to be said.
    pub report: Report,
}

impl Archive {
    /// Reads an archive from an open file, from its cursor on.
    ///
    /// The contents of an uncompressed regular file stay where they are: data is passed over, and
    /// read when somebody wants it. It must not change until then. For a compressed archive, a pipe
    /// or a device `spool` is asked for an empty file, best one without a name (`tempfile_in`),
    /// which then takes the contents of the files, uncompressed.
    ///
    /// `progress` hears of the archive's bytes, compressed ones where it is compressed.
    ///
    /// # Errors
    /// Where the archive is damaged, cut short, or says what cannot be; where reading it or writing
    /// the spool fails.
    pub fn read_file(
        archive: File,
        spool: impl FnOnce() -> io::Result<File>,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Self, ReadError> {
        let input = |source| ReadError::Input { offset: 0, source };
        let metadata = archive.metadata().map_err(input)?;
        if !metadata.is_file() {
            let spool = spool().map_err(ReadError::Spool)?;
            progress.start(STAGE, None);
            return read_stream(&archive, spool, options, progress);
        }
        let start = (&archive).stream_position().map_err(input)?;
        let length_bytes = metadata.len().saturating_sub(start);
        progress.start(STAGE, Some(length_bytes));
        let first = first_block(&archive).map_err(input)?;
        (&archive).seek(SeekFrom::Start(start)).map_err(input)?;
        if Compression::recognise(&first)? != Compression::Stored {
            let spool = spool().map_err(ReadError::Spool)?;
            return read_stream(&archive, spool, options, progress);
        }
        let stream = InPlace::new(&archive, start, length_bytes);
        let assembly = assemble(stream, options, progress, |count| progress.advance(count))?;
        Ok(finish(
            assembly,
            Medium::Archive(archive),
            Compression::Stored,
        ))
    }

    /// Reads an archive, compressed or not, from a stream. The contents of its files go to `spool`,
    /// from its position 0 on. What is not written there must read as zeros, as in an empty file.
    ///
    /// # Errors
    /// As [`Self::read_file`].
    pub fn read_stream<S>(
        archive: impl Read,
        spool: S,
        options: &Options,
        progress: &dyn Progress,
    ) -> Result<Self, ReadError>
    where
        S: ReadAt + WriteAt + Send + Sync + 'static,
    {
        progress.start(STAGE, None);
        read_stream(archive, spool, options, progress)
    }
}

/// What progress calls it.
const STAGE: &str = "archive";

fn read_stream<S>(
    archive: impl Read,
    spool: S,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Archive, ReadError>
where
    S: ReadAt + WriteAt + Send + Sync + 'static,
{
    let input = |source| ReadError::Input { offset: 0, source };
    let mut archive = Watched { archive, progress };
    let first = first_block(&mut archive).map_err(input)?;
    let compression = Compression::recognise(&first)?;
    let whole = Cursor::new(first).chain(archive);
    let decoder = compression
        .decoder(BufReader::with_capacity(INPUT_BYTES, whole))
        .map_err(input)?;
    let stream = Spooled::new(decoder, &spool, progress);
    let assembly = assemble(stream, options, progress, |_| {})?;
    Ok(finish(
        assembly,
        Medium::Spool(Box::new(spool)),
        compression,
    ))
}

/// Reads all entries. `passed` hears how far each led.
fn assemble(
    stream: impl Stream,
    options: &Options,
    progress: &dyn Progress,
    passed: impl Fn(u64),
) -> Result<Assembly, ReadError> {
    let mut assembly = Assembly::new(options.memory_bytes);
    let mut entries = Entries::new(stream, progress);
    let mut at = 0;
    while let Some(entry) = entries.next()? {
        assembly.add(entry)?;
        passed(entries.offset() - at);
        at = entries.offset();
    }
    entries.finish()?;
    passed(entries.offset() - at);
    Ok(assembly)
}

fn finish(assembly: Assembly, medium: Medium, compression: Compression) -> Archive {
    let (tree, places, mut report) = assembly.finish();
    report.compression = compression;
    Archive {
        tree,
        contents: Contents::new(medium, places),
        report,
    }
}

/// By which compression is recognised.
fn first_block(archive: impl Read) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(BLOCK_BYTES);
    archive.take(BLOCK_BYTES as u64).read_to_end(&mut first)?;
    Ok(first)
}

/// A stream whose bytes are counted.
struct Watched<'a, R> {
    archive: R,
    progress: &'a dyn Progress,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.archive.read(buffer)?;
        self.progress.advance(count as u64);
        Ok(count)
    }
}
