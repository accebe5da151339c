//! Everything after the data: inodes, directories, and the tables that they refer to.

mod directory;
mod ids;
mod inode;
mod metadata;
mod nodes;
mod xattr;

pub(crate) use ids::Ids;

use crate::format::{NO_TABLE, RawFragment};
use crate::output::Output;
use crate::pipeline::Layout;
use crate::plan::Plan;
use crate::{Options, WriteError};
use livestick_blockio::WriteAt;
use metadata::{MetadataWriter, Reference, write_indexed};
use nodes::Nodes;
pub(crate) use nodes::Tally;
use zerocopy::byteorder::little_endian::{U32, U64};

/// Where the tables are, as the superblock has it.
pub(crate) struct Tables {
    pub(crate) inodes: u32,
    pub(crate) fragments: u32,
    pub(crate) root_inode: u64,
    pub(crate) inode_table: u64,
    pub(crate) directory_table: u64,
    pub(crate) fragment_table: u64,
    pub(crate) export_table: u64,
    pub(crate) id_table: u64,
    pub(crate) xattr_table: u64,
}

/// Writes all tables, in the order that the format prescribes, and says what is in the tree.
pub(crate) fn write<W: WriteAt>(
    plan: &Plan<'_>,
    layout: &Layout,
    options: &Options,
    output: &mut Output<'_, W>,
) -> Result<(Tables, Tally), WriteError> {
    let nodes = Nodes::build(plan, layout, options)?;
    let new_table = |name| MetadataWriter::new(options.compression, name);

    let (inode_table, _) = nodes.inodes.write(output)?;
    let (directory_table, _) = nodes.directories.write(output)?;

    let fragments = u32::try_from(layout.fragments().len())
        .map_err(|_| WriteError::TableSize("fragment table"))?;
    let fragment_table = if fragments == 0 {
        NO_TABLE
    } else {
        let rows = layout.fragments().iter().map(|fragment| RawFragment {
            start: fragment.start.into(),
            size: fragment.size.into(),
            unused: 0.into(),
        });
        write_indexed(rows, &[], new_table("fragment table")?, output)?
    };

    let inodes =
        u32::try_from(nodes.references.len()).map_err(|_| WriteError::TableSize("inode table"))?;
    // Every inode was written, or the tree would hold a node that no directory names.
    let number = |inode: &Option<Reference>| inode.map_or(0, Reference::number);
    let rows = nodes.references.iter().map(|inode| U64::new(number(inode)));
    let export_table = write_indexed(rows, &[], new_table("export table")?, output)?;

    let rows = plan.ids.list().iter().map(|id| U32::new(*id));
    let id_table = write_indexed(rows, &[], new_table("id table")?, output)?;

    let xattr_table = nodes.xattrs.write(options.compression, output)?;
    let tables = Tables {
        inodes,
        fragments,
        root_inode: nodes.root.number(),
        inode_table,
        directory_table,
        fragment_table,
        export_table,
        id_table,
        xattr_table,
    };
    Ok((tables, nodes.tally))
}
