//! The sets of extended attributes.

use super::tables::{MetadataMap, MetadataMaps, stop};
use super::{CheckReport, Severity};
use crate::ReadError;
use crate::format::{RawXattr, RawXattrSet, XATTR_PREFIXES};
use crate::read::Image;
use crate::read::layout::{Reference, XattrTables};
use crate::read::stored::Cursor;
use crate::read::xattr::{FILE_LIMIT_BYTES, Key, VALUE_LIMIT_BYTES};
use livestick_blockio::{Progress, ReadAt};
use zerocopy::byteorder::little_endian::{U32, U64};

/// Looks at each set once, whoever has it.
pub(super) fn check<R: ReadAt>(
    image: &Image<R>,
    maps: &MetadataMaps,
    report: &mut CheckReport,
    progress: &dyn Progress,
) -> Result<(), ReadError> {
    let (Some(tables), Some(map)) = (&image.layout.xattrs, &maps.xattrs) else {
        return Ok(());
    };
    let mut checker = Checker {
        image,
        tables,
        map,
        // Sets that overlap could be as long as the table each.
        bytes_left: map.bytes,
    };
    for number in 0..tables.sets.count {
        stop(progress)?;
        match checker.set(number) {
            Ok(()) => {}
            Err(ReadError::Damaged { problem, .. }) if problem == OVERLAP => {
                report.note(
                    Severity::Odd,
                    (tables.values.name, tables.values.start),
                    OVERLAP,
                );
                break;
            }
            Err(error) => report.error(Severity::Access, None, &error),
        }
    }
    Ok(())
}

const OVERLAP: &str = "sets of attributes overlap; the rest of them was not looked at";

struct Checker<'a, R> {
    image: &'a Image<R>,
    tables: &'a XattrTables,
    map: &'a MetadataMap,
    bytes_left: u64,
}

impl<R: ReadAt> Checker<'_, R> {
    fn set(&mut self, number: u64) -> Result<(), ReadError> {
        let stored = &self.image.stored;
        let raw: RawXattrSet = stored.row(&self.tables.sets, number)?;
        let mut cursor = Cursor::new(self.tables.values, self.place(raw.reference.get())?);
        if raw.count.get() == 0 {
            return Err(cursor.damaged("a set of attributes is empty"));
        }
        let mut held = 0;
        for _ in 0..raw.count.get() {
            let key = Key::read(&mut cursor, stored)?;
            if usize::from(key.prefix) >= XATTR_PREFIXES.len() {
                return Err(cursor.damaged("the prefix of an attribute has no meaning"));
            }
            if key.name.is_empty() || key.name.contains(&0) {
                return Err(cursor.damaged("the name of an attribute is empty, or has a NUL"));
            }
            let length = cursor.read::<U32, _>(stored)?.get();
            held += self.value(&mut cursor, length, key.out_of_line)?;
            held += size_of::<RawXattr>() + key.name.len();
            if held > FILE_LIMIT_BYTES {
                return Err(cursor.damaged("a set of attributes is longer than 4 MiB"));
            }
            let bytes = 8 + key.name.len() as u64 + u64::from(length);
            let left = self.bytes_left.checked_sub(bytes);
            self.bytes_left = left.ok_or_else(|| cursor.damaged(OVERLAP))?;
        }
        Ok(())
    }

    /// Looks at a value; says how long it is.
    fn value(
        &self,
        cursor: &mut Cursor,
        length: u32,
        out_of_line: bool,
    ) -> Result<usize, ReadError> {
        let stored = &self.image.stored;
        if length > VALUE_LIMIT_BYTES {
            return Err(cursor.damaged("the value of an attribute is longer than 64 KiB"));
        }
        if !out_of_line {
            cursor.skip(stored, length.into())?;
            return Ok(length as usize);
        }
        if length as usize != size_of::<U64>() {
            return Err(cursor.damaged("the place of a value is not 8 bytes long"));
        }
        let place = self.place(cursor.read::<U64, _>(stored)?.get())?;
        let mut there = Cursor::new(self.tables.values, place);
        let length = there.read::<U32, _>(stored)?.get();
        let position = self.map.position(place).unwrap_or_default();
        // It is there without being read: all blocks of the table were.
        if length > VALUE_LIMIT_BYTES || position + 4 + u64::from(length) > self.map.bytes {
            return Err(there.damaged("a value that is named elsewhere is too long"));
        }
        Ok(length as usize)
    }

    fn place(&self, number: u64) -> Result<Reference, ReadError> {
        let place = crate::read::xattr::place(self.tables, number)?;
        match self.map.fault(place) {
            None => Ok(place),
            Some(problem) => Err(self
                .tables
                .values
                .damaged(self.tables.values.start, problem)),
        }
    }
}
