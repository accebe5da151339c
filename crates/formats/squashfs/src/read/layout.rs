//! Where the tables are. The rules are those by which the kernel mounts: `fs/squashfs/super.c`,
//! `id.c`, `export.c`, `fragment.c` and `xattr_id.c`.

use super::source::{read_exact, read_positions};
use super::superblock::Superblock;
use crate::ReadError;
use crate::format::{
    METADATA_BLOCK_BYTES, RawFragment, RawXattrSet, RawXattrTable, SUPERBLOCK_BYTES,
};
use livestick_blockio::ReadAt;

/// The most that a metadata block takes: its header, and bytes that did not get smaller.
pub(crate) const STORED_BLOCK_LIMIT_BYTES: u64 = 2 + METADATA_BLOCK_BYTES as u64;

/// A place in a table: where its block begins, counted from the table's first byte, and how far
/// into that block's uncompressed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Reference {
    pub(crate) block: u32,
    pub(crate) offset: u16,
}

impl Reference {
    /// From one number, the way inodes are named; `None` where the block is out of reach.
    pub(crate) fn from_number(number: u64) -> Option<Self> {
        Some(Self {
            block: u32::try_from(number >> 16).ok()?,
            offset: u16::try_from(number & 0xFFFF).ok()?,
        })
    }
}

/// A run of metadata blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    /// What it is called in errors.
    pub(crate) name: &'static str,
    /// Where its first block begins in the image.
    pub(crate) start: u64,
    /// Where its last block ends at the latest.
    pub(crate) end: u64,
}

impl Table {
    pub(crate) fn damaged(self, offset: u64, problem: &'static str) -> ReadError {
        ReadError::Damaged {
            table: self.name,
            offset,
            problem,
        }
    }

    /// How long it can be before compression: no block takes less than three bytes.
    pub(crate) fn limit_bytes(self) -> u64 {
        let blocks = self.end.saturating_sub(self.start) / 3;
        blocks.saturating_mul(METADATA_BLOCK_BYTES as u64)
    }
}

/// A table of equal rows, with a list of its blocks.
#[derive(Clone, Debug)]
pub(crate) struct Rows {
    pub(crate) table: Table,
    /// Where each block begins in the image.
    pub(crate) blocks: Vec<u64>,
    /// How many rows.
    pub(crate) count: u64,
    /// The length of a row, a divisor of a block's.
    pub(crate) row_bytes: usize,
}

/// What is known of a table of rows before it is looked at.
struct Claim {
    name: &'static str,
    /// Where its blocks end: a header may be between them and their list.
    end: u64,
    /// Where the list of its blocks begins.
    list: u64,
    count: u64,
    row_bytes: usize,
    /// Where the next table begins; `None` where that is damaged itself.
    next: Option<u64>,
    /// The list must end exactly there, and the blocks follow each other closely.
    exact: bool,
}

impl Rows {
    fn read(source: &impl ReadAt, claim: &Claim, bytes_used: u64) -> Result<Self, ReadError> {
        let damaged = |problem| ReadError::Damaged {
            table: claim.name,
            offset: claim.list,
            problem,
        };
        if claim.count == 0 {
            return Err(damaged("it has no rows"));
        }
        let bytes = claim.count.saturating_mul(claim.row_bytes as u64);
        let count = bytes.div_ceil(METADATA_BLOCK_BYTES as u64);
        let end = claim.list.saturating_add(count.saturating_mul(8));
        if end > bytes_used || claim.next.is_some_and(|next| end > next) {
            return Err(damaged("the list of its blocks runs into the next table"));
        }
        if claim.exact && claim.next.is_some_and(|next| end < next) {
            return Err(damaged(
                "the list of its blocks does not reach the next table",
            ));
        }
        let blocks = read_positions(source, claim.list, count)?;
        if blocks.iter().any(|block| *block >= claim.end) {
            return Err(damaged("a block of it lies behind the list of its blocks"));
        }
        let ends = blocks.iter().skip(1).chain([&claim.end]);
        let close =
            |(start, end): (&u64, &u64)| start < end && end - start <= STORED_BLOCK_LIMIT_BYTES;
        let follow = blocks.iter().zip(ends).all(close);
        if claim.exact && !follow {
            return Err(damaged("its blocks do not follow each other"));
        }
        Ok(Self {
            table: Table {
                name: claim.name,
                start: blocks.iter().copied().min().unwrap_or_default(),
                end: claim.end,
            },
            blocks,
            count: claim.count,
            row_bytes: claim.row_bytes,
        })
    }

    /// Where a row is: the position of its block in the image, and how far into it.
    pub(crate) fn place(&self, row: u64) -> Option<(u64, usize)> {
        if row >= self.count {
            return None;
        }
        let rows_in_block = (METADATA_BLOCK_BYTES / self.row_bytes) as u64;
        let block = usize::try_from(row / rows_in_block).ok()?;
        let within = usize::try_from(row % rows_in_block).ok()?;
        Some((*self.blocks.get(block)?, within * self.row_bytes))
    }

    fn first(&self) -> Option<u64> {
        self.blocks.first().copied()
    }
}

/// The attributes and the sets that name them.
#[derive(Clone, Debug)]
pub(crate) struct XattrTables {
    pub(crate) values: Table,
    pub(crate) sets: Rows,
}

/// Where everything is.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) inodes: Table,
    pub(crate) directories: Table,
    pub(crate) fragments: Option<Rows>,
    pub(crate) export: Option<Rows>,
    pub(crate) ids: Option<Rows>,
    pub(crate) xattrs: Option<XattrTables>,
}

impl Layout {
    /// Finds the tables, from the last to the first as the kernel does, and says what is wrong with
    /// them. A table with which something is wrong is left out.
    pub(crate) fn read(source: &impl ReadAt, superblock: &Superblock) -> (Self, Vec<ReadError>) {
        let mut finder = Finder {
            source,
            superblock,
            next: Some(superblock.bytes_used),
            faults: Vec::new(),
        };
        let xattrs = finder.xattrs();
        let ids = finder.rows("id table", superblock.id_table, superblock.ids.into(), 4);
        let export = superblock.export_table.and_then(|list| {
            let count = superblock.inodes.into();
            finder.rows("export table", list, count, 8)
        });
        let fragments = finder.fragments();
        let (inodes, directories) = finder.main();
        let layout = Self {
            inodes,
            directories,
            fragments,
            export,
            ids,
            xattrs,
        };
        (layout, finder.faults)
    }
}

struct Finder<'a, R> {
    source: &'a R,
    superblock: &'a Superblock,
    /// Where the table after the one looked at begins.
    next: Option<u64>,
    faults: Vec<ReadError>,
}

impl<R: ReadAt> Finder<'_, R> {
    fn rows(
        &mut self,
        name: &'static str,
        list: u64,
        count: u64,
        row_bytes: usize,
    ) -> Option<Rows> {
        let claim = Claim {
            name,
            end: list,
            list,
            count,
            row_bytes,
            next: self.next,
            exact: true,
        };
        self.claim(&claim)
    }

    fn claim(&mut self, claim: &Claim) -> Option<Rows> {
        let rows = Rows::read(self.source, claim, self.superblock.bytes_used);
        match rows {
            Ok(rows) => {
                self.next = rows.first();
                Some(rows)
            }
            Err(fault) => {
                self.next = None;
                self.faults.push(fault);
                None
            }
        }
    }

    fn fragments(&mut self) -> Option<Rows> {
        if self.superblock.fragments == 0 {
            return None;
        }
        let Some(list) = self.superblock.fragment_table else {
            self.next = None;
            self.faults.push(ReadError::Damaged {
                table: "superblock",
                offset: 0,
                problem: "it counts fragments, and says that there is no table of them",
            });
            return None;
        };
        let claim = Claim {
            name: "fragment table",
            end: list,
            list,
            count: self.superblock.fragments.into(),
            row_bytes: size_of::<RawFragment>(),
            next: self.next,
            exact: false,
        };
        self.claim(&claim)
    }

    fn xattrs(&mut self) -> Option<XattrTables> {
        let start = self.superblock.xattr_table?;
        let mut bytes = [0; size_of::<RawXattrTable>()];
        let list = start.saturating_add(bytes.len() as u64);
        if let Err(fault) = read_exact(self.source, &mut bytes, start) {
            self.faults.push(fault);
            self.next = None;
            return None;
        }
        let raw: RawXattrTable = zerocopy::transmute!(bytes);
        let claim = Claim {
            name: "attribute set table",
            end: start,
            list,
            count: raw.sets.get().into(),
            row_bytes: size_of::<RawXattrSet>(),
            next: self.next,
            exact: true,
        };
        let sets = self.claim(&claim)?;
        let values = Table {
            name: "attribute table",
            start: raw.xattrs.get(),
            end: sets.table.start,
        };
        if values.start >= values.end {
            let problem = "it begins behind the sets that name its rows";
            self.faults.push(values.damaged(values.start, problem));
            self.next = None;
            return None;
        }
        self.next = Some(values.start);
        Some(XattrTables { values, sets })
    }

    /// The inode table and the directory table, which have no lists.
    fn main(&mut self) -> (Table, Table) {
        let Superblock {
            inode_table,
            directory_table,
            bytes_used,
            ..
        } = *self.superblock;
        let end = self.next.unwrap_or(bytes_used);
        let inodes = Table {
            name: "inode table",
            start: inode_table,
            end: directory_table,
        };
        let directories = Table {
            name: "directory table",
            start: directory_table,
            end,
        };
        if directory_table > end {
            let problem = "it begins behind the table that follows it";
            self.faults
                .push(directories.damaged(directory_table, problem));
        }
        if inode_table >= directory_table || inode_table < SUPERBLOCK_BYTES as u64 {
            let problem = "it does not lie between superblock and directory table";
            self.faults.push(inodes.damaged(inode_table, problem));
        }
        (inodes, directories)
    }
}
