//! Extended attributes.

use super::layout::{Reference, XattrTables};
use super::stored::{Cursor, Stored};
use crate::ReadError;
use crate::format::{RawXattr, RawXattrSet, XATTR_OUT_OF_LINE, XATTR_PREFIX, XATTR_PREFIXES};
use livestick_blockio::ReadAt;
use livestick_tree::Xattr;
use zerocopy::byteorder::little_endian::{U32, U64};

/// The longest value: the kernel's `XATTR_SIZE_MAX`.
pub(crate) const VALUE_LIMIT_BYTES: u32 = 64 << 10;
/// What names and values of one file may take together. The kernel lists 64 KiB of names at most,
/// and filesystems hold far less than this.
pub(crate) const FILE_LIMIT_BYTES: usize = 4 << 20;

/// An attribute as it is stored, before its value.
pub(crate) struct Key {
    /// The number of the prefix.
    pub(crate) prefix: u16,
    /// The value is somewhere else.
    pub(crate) out_of_line: bool,
    /// The name without the prefix.
    pub(crate) name: Vec<u8>,
}

impl Key {
    pub(crate) fn read<R: ReadAt>(
        cursor: &mut Cursor,
        stored: &Stored<R>,
    ) -> Result<Self, ReadError> {
        let raw: RawXattr = cursor.read(stored)?;
        let kind = raw.prefix.get();
        Ok(Self {
            prefix: kind & XATTR_PREFIX,
            out_of_line: kind & XATTR_OUT_OF_LINE != 0,
            name: cursor.bytes(stored, raw.name_bytes.get().into())?,
        })
    }
}

/// The attributes of a set, sorted by name. Those whose prefix has no meaning are left out, as the
/// kernel does.
pub(super) fn read<R: ReadAt>(
    stored: &Stored<R>,
    tables: &XattrTables,
    set: u32,
) -> Result<Vec<Xattr>, ReadError> {
    let raw: RawXattrSet = stored.row(&tables.sets, set.into())?;
    let mut cursor = Cursor::new(tables.values, place(tables, raw.reference.get())?);
    let mut xattrs = Vec::new();
    let mut held = 0;
    for _ in 0..raw.count.get() {
        let key = Key::read(&mut cursor, stored)?;
        let value = value(stored, tables, &mut cursor, key.out_of_line)?;
        held += size_of::<RawXattr>() + key.name.len() + value.len();
        if held > FILE_LIMIT_BYTES {
            return Err(cursor.damaged("a file has more than 4 MiB of attributes"));
        }
        if let Some(prefix) = XATTR_PREFIXES.get(usize::from(key.prefix)) {
            xattrs.push(Xattr {
                name: [prefix, &*key.name].concat().into(),
                value: value.into(),
            });
        }
    }
    xattrs.sort_unstable();
    Ok(xattrs)
}

fn value<R: ReadAt>(
    stored: &Stored<R>,
    tables: &XattrTables,
    cursor: &mut Cursor,
    out_of_line: bool,
) -> Result<Vec<u8>, ReadError> {
    let length = cursor.read::<U32, _>(stored)?.get();
    if !out_of_line {
        return value_bytes(stored, cursor, length);
    }
    if length as usize != size_of::<U64>() {
        return Err(cursor.damaged("the place of a value is not 8 bytes long"));
    }
    let number = cursor.read::<U64, _>(stored)?.get();
    let mut cursor = Cursor::new(tables.values, place(tables, number)?);
    let length = cursor.read::<U32, _>(stored)?.get();
    value_bytes(stored, &mut cursor, length)
}

fn value_bytes<R: ReadAt>(
    stored: &Stored<R>,
    cursor: &mut Cursor,
    length: u32,
) -> Result<Vec<u8>, ReadError> {
    if length > VALUE_LIMIT_BYTES {
        return Err(cursor.damaged("the value of an attribute is longer than 64 KiB"));
    }
    cursor.bytes(stored, length as usize)
}

pub(crate) fn place(tables: &XattrTables, number: u64) -> Result<Reference, ReadError> {
    Reference::from_number(number).ok_or_else(|| {
        let start = tables.values.start;
        tables
            .values
            .damaged(start, "a place is named that it lacks")
    })
}
