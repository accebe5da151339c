//! The blocks of all tables.

use super::{CheckReport, Severity};
use crate::ReadError;
use crate::format::METADATA_BLOCK_BYTES;
use crate::read::Image;
use crate::read::layout::{Reference, Rows, Table};
use livestick_blockio::{Progress, ReadAt};

/// The blocks of a table without rows.
pub(super) struct MetadataMap {
    table: Table,
    /// Where each begins in the image, and how many bytes are before it.
    blocks: Vec<(u64, u64)>,
    /// How long the table is before compression: at most, where it is damaged.
    pub(super) bytes: u64,
    /// It was read to its end.
    pub(super) whole: bool,
}

impl MetadataMap {
    fn read<R: ReadAt>(
        image: &Image<R>,
        table: Table,
        report: &mut CheckReport,
        progress: &dyn Progress,
    ) -> Result<Self, ReadError> {
        let mut map = Self {
            table,
            blocks: Vec::new(),
            bytes: 0,
            whole: true,
        };
        let mut at = table.start;
        let mut short = None;
        while at < table.end {
            stop(progress)?;
            let block = match image.stored.metadata(table, at) {
                Ok(block) => block,
                Err(error) => {
                    report.error(Severity::Access, None, &error);
                    map.whole = false;
                    map.bytes = table.limit_bytes();
                    return Ok(map);
                }
            };
            map.blocks.push((at, map.bytes));
            map.bytes += block.bytes.len() as u64;
            if let Some(short) = short {
                let problem = "a block that is not the last one holds less than 8 KiB";
                report.note(Severity::Odd, (table.name, short), problem);
            }
            short = (block.bytes.len() < METADATA_BLOCK_BYTES).then_some(at);
            progress.advance(block.next - at);
            at = block.next;
        }
        Ok(map)
    }

    /// How many bytes of the table are before a place; `None` where no block begins there. Of a
    /// table that is damaged not every block is known.
    pub(super) fn position(&self, reference: Reference) -> Option<u64> {
        let block = self.table.start.saturating_add(reference.block.into());
        let found = self
            .blocks
            .binary_search_by_key(&block, |(start, _)| *start);
        match found {
            Ok(place) => Some(self.blocks[place].1 + u64::from(reference.offset)),
            Err(_) => None,
        }
    }

    /// What is wrong with a place in the table.
    pub(super) fn fault(&self, reference: Reference) -> Option<&'static str> {
        if !self.whole {
            return None;
        }
        match self.position(reference) {
            None => Some("what is named does not begin in a block of the table"),
            Some(position) if position >= self.bytes => {
                Some("what is named lies behind the end of the table")
            }
            // Recent kernels refuse that.
            Some(_) if usize::from(reference.offset) >= METADATA_BLOCK_BYTES => {
                Some("what is named lies behind the end of a block")
            }
            Some(_) => None,
        }
    }
}

/// The blocks of all tables without rows.
pub(super) struct MetadataMaps {
    pub(super) inodes: MetadataMap,
    pub(super) directories: MetadataMap,
    pub(super) xattrs: Option<MetadataMap>,
}

impl MetadataMaps {
    /// Decompresses all tables without rows.
    pub(super) fn read<R: ReadAt>(
        image: &Image<R>,
        report: &mut CheckReport,
        progress: &dyn Progress,
    ) -> Result<Self, ReadError> {
        let mut read = |table| MetadataMap::read(image, table, report, progress);
        Ok(Self {
            inodes: read(image.layout.inodes)?,
            directories: read(image.layout.directories)?,
            xattrs: match &image.layout.xattrs {
                Some(tables) => Some(read(tables.values)?),
                None => None,
            },
        })
    }
}

/// Decompresses all tables of rows.
pub(super) fn check_rows<R: ReadAt>(
    image: &Image<R>,
    report: &mut CheckReport,
    progress: &dyn Progress,
) -> Result<(), ReadError> {
    let layout = &image.layout;
    let sets = layout.xattrs.as_ref().map(|tables| &tables.sets);
    let all = [
        layout.fragments.as_ref(),
        layout.export.as_ref(),
        layout.ids.as_ref(),
        sets,
    ];
    for rows in all.into_iter().flatten() {
        check_row_blocks(image, rows, report, progress)?;
    }
    Ok(())
}

fn check_row_blocks<R: ReadAt>(
    image: &Image<R>,
    rows: &Rows,
    report: &mut CheckReport,
    progress: &dyn Progress,
) -> Result<(), ReadError> {
    let mut left = rows.count * rows.row_bytes as u64;
    let ends = rows.blocks.iter().skip(1).chain([&rows.table.end]);
    for (&start, &end) in rows.blocks.iter().zip(ends) {
        stop(progress)?;
        let wanted = left.min(METADATA_BLOCK_BYTES as u64);
        left -= wanted;
        let place = (rows.table.name, start);
        match image.stored.metadata(rows.table, start) {
            Err(error) => report.error(Severity::Access, None, &error),
            Ok(block) if (block.bytes.len() as u64) < wanted => {
                report.note(Severity::Access, place, "a block has too few rows");
            }
            Ok(block) if block.bytes.len() as u64 > wanted => {
                report.note(Severity::Odd, place, "a block has too many rows");
            }
            Ok(block) if block.next != end => {
                report.note(Severity::Odd, place, "there is a gap behind a block");
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// Stops where the caller wants that.
pub(super) fn stop(progress: &dyn Progress) -> Result<(), ReadError> {
    if progress.interrupted() {
        return Err(ReadError::Interrupted);
    }
    Ok(())
}
