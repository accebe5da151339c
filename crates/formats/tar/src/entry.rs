//! An archive becomes entries: headers of every dialect in one shape.

use crate::ReadError;
use crate::format::{BLOCK_BYTES, typeflag};
use crate::header::{Header, text};
use crate::limit::{FILE_LIMIT_BYTES, PAX_LIMIT_BYTES, TARGET_LIMIT_BYTES};
use crate::pax::{Records, Scope};
use crate::sparse::{Segment, SparseError, SparseMap};
use crate::stream::Stream;
use livestick_blockio::Progress;
use livestick_tree::{Device, Metadata, Xattr};

/// An entry. Its data have been passed.
pub(crate) struct Entry {
    /// Where its header is.
    pub(crate) offset: u64,
    /// As the archive has it.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: EntryKind,
    pub(crate) metadata: Metadata,
    /// Sorted by name, one of each.
    pub(crate) xattrs: Box<[Xattr]>,
    /// It has a POSIX ACL.
    pub(crate) has_acl: bool,
}

pub(crate) enum EntryKind {
    Directory,
    File {
        length_bytes: u64,
        /// Where its first byte can be read again.
        position: u64,
        /// Its data, where it has holes.
        segments: Option<Vec<Segment>>,
    },
    HardLink(Vec<u8>),
    Symlink(Vec<u8>),
    CharacterDevice(Device),
    BlockDevice(Device),
    Fifo,
}

/// The entries of an archive, front to back.
pub(crate) struct Entries<'a, S> {
    stream: S,
    progress: &'a dyn Progress,
    /// What holds for all entries that follow.
    global: Records,
}

/// What was said of the next entry before its header.
#[derive(Default)]
struct Pending {
    /// Where the first of it is.
    offset: Option<u64>,
    records: Option<Records>,
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
}

impl<'a, S: Stream> Entries<'a, S> {
    pub(crate) fn new(stream: S, progress: &'a dyn Progress) -> Self {
        Self {
            stream,
            progress,
            global: Records::default(),
        }
    }

    /// The next entry; `None` at the end mark.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        let mut pending = Pending::default();
        loop {
            let Some(header) = self.header()? else {
                return match pending.offset {
                    Some(offset) => Err(ReadError::Dangling { offset }),
                    None => Ok(None),
                };
            };
            match header.typeflag() {
                typeflag::GNU_VOLUME_LABEL => self.stream.skip(padded(header.size()?))?,
                typeflag::PAX_GLOBAL => {
                    let text = self.payload(&header, "pax header", PAX_LIMIT_BYTES)?;
                    self.global.read(&text, Scope::Global, header.offset)?;
                }
                typeflag::PAX
                | typeflag::PAX_SOLARIS
                | typeflag::GNU_LONG_PATH
                | typeflag::GNU_LONG_LINK => self.prepare(&header, &mut pending)?,
                _ => return self.entry(&header, pending).map(Some),
            }
        }
    }

    /// Passes what comes after the end mark.
    pub(crate) fn finish(&mut self) -> Result<(), ReadError> {
        self.stream.finish()
    }

    /// How many bytes of the archive were passed.
    pub(crate) fn offset(&self) -> u64 {
        self.stream.offset()
    }

    /// The header that comes next; `None` where the end mark, two blocks of zeros, does. Where the
    /// archive ends after the first one, that is fine too: some writers leave it at that.
    fn header(&mut self) -> Result<Option<Header>, ReadError> {
        if self.progress.interrupted() {
            return Err(ReadError::Interrupted);
        }
        let offset = self.stream.offset();
        let mut block = [0; BLOCK_BYTES];
        match self.stream.read(&mut block)? {
            BLOCK_BYTES => {}
            _ if offset == 0 => return Err(ReadError::NotTar),
            _ => {
                return Err(ReadError::Truncated {
                    offset: self.stream.offset(),
                });
            }
        }
        if block != [0; BLOCK_BYTES] {
            return Header::parse(&block, offset).map(Some);
        }
        self.stream.read(&mut block)?;
        if block != [0; BLOCK_BYTES] {
            return Err(ReadError::LoneZeroBlock { offset });
        }
        Ok(None)
    }

    /// Notes what a header says of the entry that follows.
    fn prepare(&mut self, header: &Header, pending: &mut Pending) -> Result<(), ReadError> {
        pending.offset.get_or_insert(header.offset);
        let repeated = match header.typeflag() {
            typeflag::GNU_LONG_PATH => {
                let path = self.long_name(header)?;
                pending.long_path.replace(path).is_some()
            }
            typeflag::GNU_LONG_LINK => {
                let link = self.long_name(header)?;
                pending.long_link.replace(link).is_some()
            }
            _ => {
                let text = self.payload(header, "pax header", PAX_LIMIT_BYTES)?;
                let mut records = self.global.clone();
                records.read(&text, Scope::Entry, header.offset)?;
                pending.records.replace(records).is_some()
            }
        };
        match repeated {
            true => Err(ReadError::Repeated {
                offset: header.offset,
            }),
            false => Ok(()),
        }
    }

    fn long_name(&mut self, header: &Header) -> Result<Vec<u8>, ReadError> {
        // With its NUL.
        let limit_bytes = TARGET_LIMIT_BYTES as u64 + 1;
        let bytes = self.payload(header, "long name", limit_bytes)?;
        Ok(text(&bytes).to_vec())
    }

    /// The data behind a header, whole.
    fn payload(
        &mut self,
        header: &Header,
        what: &'static str,
        limit_bytes: u64,
    ) -> Result<Vec<u8>, ReadError> {
        let too_long = ReadError::TooLong {
            offset: header.offset,
            what,
            limit_bytes,
        };
        let size = header.size()?;
        let length = match usize::try_from(size) {
            Ok(length) if size <= limit_bytes => length,
            _ => return Err(too_long),
        };
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        self.stream.skip(padded(size) - size)?;
        Ok(bytes)
    }

    fn entry(&mut self, header: &Header, pending: Pending) -> Result<Entry, ReadError> {
        let mut records = pending.records.unwrap_or_else(|| self.global.clone());
        let path = records.sparse.path.take().or(records.path.take());
        let path = path.or(pending.long_path).unwrap_or_else(|| header.path());
        let link = records.link.take().or(pending.long_link);
        let link = || link.unwrap_or_else(|| header.link());
        let kind = match header.typeflag() {
            typeflag::OLD_FILE
            | typeflag::FILE
            | typeflag::CONTIGUOUS_FILE
            | typeflag::GNU_SPARSE => self.file(header, &records, &path)?,
            typeflag::HARD_LINK => EntryKind::HardLink(link()),
            typeflag::SYMLINK => EntryKind::Symlink(symlink_target(header, link())?),
            typeflag::CHARACTER_DEVICE => EntryKind::CharacterDevice(device(header, &records)?),
            typeflag::BLOCK_DEVICE => EntryKind::BlockDevice(device(header, &records)?),
            typeflag::DIRECTORY => EntryKind::Directory,
            typeflag::FIFO => EntryKind::Fifo,
            typeflag::GNU_DUMP_DIRECTORY => {
                self.stream.skip(padded(data_bytes(header, &records)?))?;
                EntryKind::Directory
            }
            typeflag::GNU_CONTINUED => return Err(ReadError::MultiVolume { path }),
            typeflag => {
                return Err(ReadError::Type {
                    offset: header.offset,
                    path,
                    typeflag,
                });
            }
        };
        let modified = records
            .modified_seconds
            .map_or_else(|| header.modified_seconds(), Ok)?;
        Ok(Entry {
            offset: header.offset,
            path,
            kind,
            metadata: Metadata {
                permissions: header.permissions()?,
                uid: records.uid.map_or_else(|| header.uid(), Ok)?,
                gid: records.gid.map_or_else(|| header.gid(), Ok)?,
                modified_seconds: modified,
            },
            has_acl: records.has_acl,
            xattrs: unique(records.xattrs),
        })
    }

    fn file(
        &mut self,
        header: &Header,
        records: &Records,
        path: &[u8],
    ) -> Result<EntryKind, ReadError> {
        let size = data_bytes(header, records)?;
        // Before there was a type for it, a slash at the end made a directory.
        if path.ends_with(b"/") && header.typeflag() != typeflag::GNU_SPARSE {
            self.stream.skip(padded(size))?;
            return Ok(EntryKind::Directory);
        }
        let (length_bytes, packed_bytes, segments) = match self.map(header, records, size, path)? {
            Some(map) => (map.length_bytes, map.packed_bytes, Some(map.segments)),
            None => (size, size, None),
        };
        let position = self.stream.keep(packed_bytes)?;
        self.stream.skip(padded(packed_bytes) - packed_bytes)?;
        Ok(EntryKind::File {
            length_bytes,
            position,
            segments,
        })
    }

    /// The map of a file with holes.
    fn map(
        &mut self,
        header: &Header,
        records: &Records,
        size: u64,
        path: &[u8],
    ) -> Result<Option<SparseMap>, ReadError> {
        let sparse = &records.sparse;
        let map = match (header.typeflag(), sparse.is_sparse()) {
            (typeflag::GNU_SPARSE, false) => SparseMap::read_gnu(header, size, &mut self.stream),
            (typeflag::GNU_SPARSE, true) => Err(SparseError::Problem("comes in two ways")),
            (_, true) => SparseMap::read_pax(sparse, size, &mut self.stream),
            (_, false) => return Ok(None),
        };
        map.map(Some).map_err(|error| match error {
            SparseError::Read(error) => error,
            SparseError::Problem(problem) => ReadError::Sparse {
                path: path.to_vec(),
                problem,
            },
        })
    }
}

/// How much data follows a header that can have any.
fn data_bytes(header: &Header, records: &Records) -> Result<u64, ReadError> {
    let size = records.size.map_or_else(|| header.size(), Ok)?;
    match size {
        0..=FILE_LIMIT_BYTES => Ok(size),
        _ => Err(ReadError::Number {
            offset: header.offset,
            field: "size",
        }),
    }
}

/// Up to the next block.
fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK_BYTES as u64)
}

fn device(header: &Header, records: &Records) -> Result<Device, ReadError> {
    let (major, minor) = (records.device_major, records.device_minor);
    Ok(Device {
        major: major.map_or_else(|| header.device_major(), Ok)?,
        minor: minor.map_or_else(|| header.device_minor(), Ok)?,
    })
}

fn symlink_target(header: &Header, target: Vec<u8>) -> Result<Vec<u8>, ReadError> {
    let wrong = |problem| ReadError::Path {
        offset: header.offset,
        path: target.clone(),
        problem,
    };
    match target.len() {
        0 => Err(wrong("is no link target")),
        1..=TARGET_LIMIT_BYTES if target.contains(&0) => Err(wrong("holds a NUL")),
        1..=TARGET_LIMIT_BYTES => Ok(target),
        _ => Err(ReadError::TooLong {
            offset: header.offset,
            what: "link target",
            limit_bytes: TARGET_LIMIT_BYTES as u64,
        }),
    }
}

/// Of attributes with the same name the last one, sorted.
fn unique(mut xattrs: Vec<Xattr>) -> Box<[Xattr]> {
    // The last one comes first, and the sort keeps the order of those with the same name.
    xattrs.reverse();
    xattrs.sort_by(|left, right| left.name.cmp(&right.name));
    xattrs.dedup_by(|later, kept| later.name == kept.name);
    xattrs.into()
}
