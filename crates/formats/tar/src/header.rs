//! A header, checked and taken apart.

use crate::ReadError;
use crate::format::{
    BLOCK_BYTES, CHECKSUM_OFFSET, MAGIC_GNU, MAGIC_POSIX, RawGnuRest, RawHeader, RawPosixRest,
};
use crate::number::parse_field;
use zerocopy::{FromBytes, transmute_ref};

/// A header whose checksum is right.
pub(crate) struct Header {
    /// Where it is in the archive.
    pub(crate) offset: u64,
    raw: RawHeader,
}

impl Header {
    /// Takes a block for a header.
    pub(crate) fn parse(block: &[u8; BLOCK_BYTES], offset: u64) -> Result<Self, ReadError> {
        let raw = RawHeader::read_from_bytes(block).map_err(|_| ReadError::Checksum { offset })?;
        if !has_checksum(block, parse_field(&raw.checksum)) {
            return Err(match offset {
                0 => ReadError::NotTar,
                _ => ReadError::Checksum { offset },
            });
        }
        Ok(Self { offset, raw })
    }

    pub(crate) fn typeflag(&self) -> u8 {
        self.raw.typeflag
    }

    /// The path, where nothing before the header says another one.
    pub(crate) fn path(&self) -> Vec<u8> {
        let path = text(&self.raw.path);
        let rest: &RawPosixRest = transmute_ref!(&self.raw.rest);
        match text(&rest.prefix) {
            prefix if self.raw.magic.starts_with(MAGIC_POSIX) && !prefix.is_empty() => {
                [prefix, path].join(&b'/')
            }
            _ => path.to_vec(),
        }
    }

    /// The link target, where nothing before the header says another one.
    pub(crate) fn link(&self) -> Vec<u8> {
        text(&self.raw.link).to_vec()
    }

    /// How much data follows.
    pub(crate) fn size(&self) -> Result<u64, ReadError> {
        self.number(&self.raw.size, "size")
    }

    /// The low 12 bits of the mode. Old writers have the kind of file in the others.
    pub(crate) fn permissions(&self) -> Result<u16, ReadError> {
        let mode = parse_field(&self.raw.mode);
        self.convert(mode.map(|mode| mode & 0o7777), "mode")
    }

    pub(crate) fn uid(&self) -> Result<u32, ReadError> {
        self.number(&self.raw.uid, "owner")
    }

    pub(crate) fn gid(&self) -> Result<u32, ReadError> {
        self.number(&self.raw.gid, "group")
    }

    pub(crate) fn modified_seconds(&self) -> Result<i64, ReadError> {
        self.number(&self.raw.modified, "modification time")
    }

    pub(crate) fn device_major(&self) -> Result<u32, ReadError> {
        self.number(&self.raw.device_major, "device number")
    }

    pub(crate) fn device_minor(&self) -> Result<u32, ReadError> {
        self.number(&self.raw.device_minor, "device number")
    }

    /// What GNU headers have after the fields that all have; `None` in other dialects.
    pub(crate) fn gnu(&self) -> Option<&RawGnuRest> {
        (self.raw.magic == *MAGIC_GNU).then(|| transmute_ref!(&self.raw.rest))
    }

    /// A field as a number of any type.
    pub(crate) fn number<T: TryFrom<i64>>(
        &self,
        field: &[u8],
        name: &'static str,
    ) -> Result<T, ReadError> {
        self.convert(parse_field(field), name)
    }

    fn convert<T: TryFrom<i64>>(
        &self,
        value: Option<i64>,
        name: &'static str,
    ) -> Result<T, ReadError> {
        let value = value.and_then(|value| T::try_from(value).ok());
        value.ok_or(ReadError::Number {
            offset: self.offset,
            field: name,
        })
    }
}

/// Up to the first NUL, or all of it.
pub(crate) fn text(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == 0);
    &field[..end.unwrap_or(field.len())]
}

/// The sum of all bytes, those of the checksum taken as spaces. Old writers on machines where `char`
/// is signed added signed bytes.
fn has_checksum(block: &[u8; BLOCK_BYTES], expected: Option<i64>) -> bool {
    let field = CHECKSUM_OFFSET..CHECKSUM_OFFSET + 8;
    let bytes = block.iter().enumerate().map(|(at, byte)| match at {
        at if field.contains(&at) => b' ',
        _ => *byte,
    });
    let unsigned: i64 = bytes.clone().map(i64::from).sum();
    let signed: i64 = bytes.map(|byte| i64::from(byte.cast_signed())).sum();
    expected == Some(unsigned) || expected == Some(signed)
}
