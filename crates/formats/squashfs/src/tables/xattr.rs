//! Extended attributes: sets of them, which inodes name by number. Equal sets are stored once, and
//! so are equal values.

use super::metadata::{MetadataWriter, Reference, write_indexed};
use crate::format::{NO_TABLE, RawXattr, RawXattrSet, RawXattrTable, XATTR_OUT_OF_LINE};
use crate::output::Output;
use crate::{Compression, WriteError};
use livestick_blockio::WriteAt;
use livestick_tree::Xattr;
use std::collections::HashMap;
use zerocopy::IntoBytes;
use zerocopy::byteorder::little_endian::{U32, U64};

/// The prefixes that SquashFS has numbers for.
const PREFIXES: [(&[u8], u16); 3] = [(b"user.", 0), (b"trusted.", 1), (b"security.", 2)];
/// A value that is stored elsewhere takes this much; shorter ones are repeated.
const REFERENCE_BYTES: usize = 8;

/// The number of an attribute's prefix, and the rest of its name; `None` where SquashFS cannot hold
/// it.
pub(crate) fn split_name(name: &[u8]) -> Option<(u16, &[u8])> {
    PREFIXES.iter().find_map(|(prefix, number)| {
        let rest = name.strip_prefix(*prefix)?;
        (!rest.is_empty()).then_some((*number, rest))
    })
}

/// All sets of attributes.
pub(crate) struct Xattrs<'a> {
    table: MetadataWriter,
    rows: Vec<RawXattrSet>,
    sets: HashMap<Vec<&'a Xattr>, u32>,
    values: HashMap<&'a [u8], Reference>,
}

impl<'a> Xattrs<'a> {
    pub(crate) fn new(compression: Compression) -> Result<Self, WriteError> {
        Ok(Self {
            table: MetadataWriter::new(compression, "attribute table")?,
            rows: Vec::new(),
            sets: HashMap::new(),
            values: HashMap::new(),
        })
    }

    /// The number of the set of those attributes that can be held; `None` where there are none.
    pub(crate) fn insert(&mut self, xattrs: &'a [Xattr]) -> Result<Option<u32>, WriteError> {
        let set: Vec<_> = xattrs
            .iter()
            .filter(|xattr| split_name(&xattr.name).is_some())
            .collect();
        if set.is_empty() {
            return Ok(None);
        }
        if let Some(number) = self.sets.get(&set) {
            return Ok(Some(*number));
        }
        let number = too_large(self.rows.len())?;
        let reference = self.table.position()?;
        let mut bytes = 0;
        for xattr in &set {
            bytes += self.append(xattr)?;
        }
        self.rows.push(RawXattrSet {
            reference: reference.number().into(),
            count: too_large(set.len())?.into(),
            bytes: too_large(bytes)?.into(),
        });
        self.sets.insert(set, number);
        Ok(Some(number))
    }

    /// Writes the table; returns what the superblock names.
    pub(crate) fn write<W: WriteAt>(
        self,
        compression: Compression,
        output: &mut Output<'_, W>,
    ) -> Result<u64, WriteError> {
        if self.rows.is_empty() {
            return Ok(NO_TABLE);
        }
        let (start, _) = self.table.write(output)?;
        let header = RawXattrTable {
            xattrs: start.into(),
            sets: too_large(self.rows.len())?.into(),
            unused: 0.into(),
        };
        let table = MetadataWriter::new(compression, "attribute table")?;
        write_indexed(self.rows, header.as_bytes(), table, output)
    }

    /// Appends one attribute; returns how many bytes that took before compression.
    fn append(&mut self, xattr: &'a Xattr) -> Result<usize, WriteError> {
        let Some((prefix, name)) = split_name(&xattr.name) else {
            return Ok(0);
        };
        let value = &*xattr.value;
        let known = match self.values.get(value) {
            Some(place) if value.len() > REFERENCE_BYTES => Some(*place),
            _ => None,
        };
        let out_of_line = known.map_or(0, |_| XATTR_OUT_OF_LINE);
        let name_bytes =
            u16::try_from(name.len()).map_err(|_| WriteError::TableSize("attribute table"))?;
        let raw = RawXattr {
            prefix: (prefix | out_of_line).into(),
            name_bytes: name_bytes.into(),
        };
        self.table.append(raw.as_bytes())?;
        self.table.append(name)?;
        let place = self.table.position()?;
        let reference = known.map(|place| U64::new(place.number()));
        let stored = reference.as_ref().map_or(value, |known| known.as_bytes());
        self.table
            .append(U32::new(too_large(stored.len())?).as_bytes())?;
        self.table.append(stored)?;
        if known.is_none() {
            self.values.insert(value, place);
        }
        Ok(size_of::<RawXattr>() + name.len() + size_of::<U32>() + stored.len())
    }
}

fn too_large(number: usize) -> Result<u32, WriteError> {
    u32::try_from(number).map_err(|_| WriteError::TableSize("attribute table"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xattr(name: &str, value: &[u8]) -> Xattr {
        Xattr {
            name: name.as_bytes().into(),
            value: value.into(),
        }
    }

    #[test]
    fn equal_sets_are_one_and_foreign_names_are_none() {
        let sets = [
            vec![xattr("security.capability", b"a"), xattr("user.x", b"b")],
            vec![
                xattr("security.capability", b"a"),
                xattr("system.posix_acl_access", b"c"),
                xattr("user.x", b"b"),
            ],
            vec![xattr("system.posix_acl_access", b"c"), xattr("user.", b"")],
            vec![xattr("user.x", b"other")],
        ];
        let mut xattrs = Xattrs::new(Compression::Gzip { level: 6 }).unwrap();
        let numbers = sets.each_ref().map(|set| xattrs.insert(set).unwrap());
        assert_eq!(numbers, [Some(0), Some(0), None, Some(1)]);
    }
}
