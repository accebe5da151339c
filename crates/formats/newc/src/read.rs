//! An archive becomes entries.

use crate::format::{
    ALIGNMENT, HEADER_BYTES, Header, PATH_LIMIT_BYTES, TRAILER, TYPE_CHARACTER_DEVICE,
    TYPE_DIRECTORY, TYPE_FILE, TYPE_MASK, TYPE_SYMLINK,
};
use crate::{Entry, Kind};

/// Why an archive cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no header where one should be.
    #[error("there is no cpio header at byte {offset}")]
    Header {
        /// The offset from the start of the archive, in bytes.
        offset: usize,
    },
    /// The archive ends within an entry.
    #[error("the archive ends within the entry at byte {offset}")]
    Truncated {
        /// The offset of the entry's header from the start of the archive, in bytes.
        offset: usize,
    },
    /// A path or a link target is not text, or longer than the kernel reads.
    #[error("the entry at byte {offset} has an invalid path or link target")]
    Path {
        /// The offset of the entry's header from the start of the archive, in bytes.
        offset: usize,
    },
    /// An entry is neither folder, file, symbolic link nor character device.
    #[error("`{path}` has the unexpected mode {mode:o}")]
    Mode {
        /// The entry's path.
        path: String,
        /// Its file type and permissions.
        mode: u32,
    },
}

/// Reads the entries of an archive, one after the other, without copying their data. Ends at the
/// trailer or after the first error.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    ended: bool,
}

impl<'a> Reader<'a> {
    /// A reader of the archive at the start of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            ended: false,
        }
    }

    /// How many bytes were read. After the last entry, also those of the trailer and of the zeros
    /// behind it: an initramfs can go on with another archive there.
    pub fn offset(&self) -> usize {
        self.offset
    }

    fn read(&mut self) -> Result<Option<Entry<'a>>, ReadError> {
        let offset = self.offset;
        let truncated = || ReadError::Truncated { offset };
        let header = self
            .bytes
            .get(offset..)
            .and_then(Header::parse)
            .ok_or(ReadError::Header { offset })?;
        self.offset += HEADER_BYTES;
        let path = self.take(header.path_bytes).ok_or_else(truncated)?;
        let path = text(path).ok_or(ReadError::Path { offset })?;
        let data = self.take(header.data_bytes).ok_or_else(truncated)?;
        if path == TRAILER {
            self.skip_zeros();
            return Ok(None);
        }
        let kind = match header.mode & TYPE_MASK {
            TYPE_DIRECTORY => Kind::Directory,
            TYPE_FILE => Kind::File(data),
            TYPE_SYMLINK => Kind::Symlink(text(data).ok_or(ReadError::Path { offset })?),
            TYPE_CHARACTER_DEVICE => Kind::CharacterDevice {
                major: header.device_major,
                minor: header.device_minor,
            },
            _ => return Err(mode_error(path, header.mode)),
        };
        let permissions =
            u16::try_from(header.mode & !TYPE_MASK).map_err(|_| mode_error(path, header.mode))?;
        Ok(Some(Entry {
            path,
            permissions,
            kind,
        }))
    }

    /// The next bytes, and past their padding. The padding of the last file may be cut off.
    fn take(&mut self, length_bytes: u32) -> Option<&'a [u8]> {
        let end = self
            .offset
            .checked_add(usize::try_from(length_bytes).ok()?)?;
        let taken = self.bytes.get(self.offset..end)?;
        self.offset = end.next_multiple_of(ALIGNMENT).min(self.bytes.len());
        Some(taken)
    }

    fn skip_zeros(&mut self) {
        let rest = &self.bytes[self.offset..];
        self.offset += rest.iter().take_while(|byte| **byte == 0).count();
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<Entry<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let entry = self.read().transpose();
        self.ended = !matches!(entry, Some(Ok(_)));
        entry
    }
}

/// A path or a link target: up to the first NUL.
fn text(bytes: &[u8]) -> Option<&str> {
    let length = bytes.iter().position(|byte| *byte == 0);
    let text = std::str::from_utf8(&bytes[..length.unwrap_or(bytes.len())]).ok()?;
    (!text.is_empty() && bytes.len() <= PATH_LIMIT_BYTES).then_some(text)
}

fn mode_error(path: &str, mode: u32) -> ReadError {
    ReadError::Mode {
        path: path.to_owned(),
        mode,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

    #[derive(Clone, Debug)]
    enum OwnedKind {
        Directory,
        File(Vec<u8>),
        Symlink(String),
        CharacterDevice(u32, u32),
    }

    fn kinds() -> impl Strategy<Value = OwnedKind> {
        prop_oneof![
            Just(OwnedKind::Directory),
            proptest::collection::vec(any::<u8>(), 0..70).prop_map(OwnedKind::File),
            "[a-zä/]{1,20}".prop_map(OwnedKind::Symlink),
            any::<(u32, u32)>().prop_map(|(major, minor)| OwnedKind::CharacterDevice(major, minor)),
        ]
    }

    fn entry<'a>(path: &'a str, permissions: u16, kind: &'a OwnedKind) -> Entry<'a> {
        let kind = match kind {
            OwnedKind::Directory => Kind::Directory,
            OwnedKind::File(data) => Kind::File(data),
            OwnedKind::Symlink(target) => Kind::Symlink(target),
            OwnedKind::CharacterDevice(major, minor) => Kind::CharacterDevice {
                major: *major,
                minor: *minor,
            },
        };
        Entry {
            path,
            permissions,
            kind,
        }
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back(
            owned in proptest::collection::vec(("[a-zö.]{1,30}", 0u16..0o10000, kinds(), 0u32..6), 0..20),
            modified in any::<u32>(),
        ) {
            let mut writer = Writer::new(modified);
            let mut entries = Vec::new();
            for (path, permissions, kind, alignment) in &owned {
                let entry = entry(path, *permissions, kind);
                writer.add_aligned(&entry, 1 << alignment).unwrap();
                entries.push(entry);
            }
            let mut bytes = writer.finish();
            let length = bytes.len();
            bytes.extend_from_slice(b"\0\0\0\0next");
            let mut reader = Reader::new(&bytes);
            let read: Vec<_> = reader.by_ref().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read, entries);
            prop_assert_eq!(reader.offset(), length + 4);
        }

        #[test]
        fn no_input_is_read_without_end(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), flip in any::<(usize, u8)>()) {
            assert!(Reader::new(&bytes).count() <= 300);
            let mut writer = Writer::new(0);
            for path in ["a", "b"] {
                writer.add(&Entry { path, permissions: 0, kind: Kind::File(&bytes) }).unwrap();
            }
            bytes = writer.finish();
            let position = flip.0 % bytes.len();
            bytes[position] = flip.1;
            assert!(Reader::new(&bytes).count() <= 3);
        }
    }

    #[test]
    fn damage_is_named() {
        let mut writer = Writer::new(0);
        let kind = Kind::File(b"0123456789");
        writer
            .add(&Entry {
                path: "file",
                permissions: 0o644,
                kind,
            })
            .unwrap();
        let good = writer.finish();
        let first = |bytes: &[u8]| Reader::new(bytes).next().unwrap().map(|_| ());

        assert_eq!(first(&good), Ok(()));
        assert_eq!(first(&good[1..]), Err(ReadError::Header { offset: 0 }));
        assert_eq!(first(&good[..120]), Err(ReadError::Truncated { offset: 0 }));
        let mut socket = good.clone();
        socket[14..22].copy_from_slice(b"0000c1a4");
        assert_eq!(
            first(&socket),
            Err(ReadError::Mode {
                path: "file".to_owned(),
                mode: 0o140_644
            })
        );
        let mut reader = Reader::new(&good[..126]);
        assert!(reader.next().unwrap().is_ok());
        assert_eq!(reader.next(), Some(Err(ReadError::Header { offset: 126 })));
        assert_eq!(reader.next(), None);
    }
}
