//! The whole image.

use crate::codec::{compressor_number, compressor_options};
use crate::format::{
    FLAG_COMPRESSOR_OPTIONS, FLAG_DUPLICATES, FLAG_EXPORTABLE, MAGIC, METADATA_STORED,
    PADDING_BYTES, RawSuperblock, SUPERBLOCK_BYTES, VERSION,
};
use crate::output::Output;
use crate::pipeline::{self, Layout};
use crate::plan::Plan;
use crate::tables::{self, Tables, Tally};
use crate::{Options, Summary, WriteError};
use livestick_blockio::{Progress, WriteAt};
use livestick_tree::{ContentSource, Tree};
use zerocopy::transmute;

/// Writes an image of a tree from position 0 of `output` on. It is never longer than
/// [`limit_bytes`](crate::limit_bytes) says. The caller has to sync.
///
/// Progress is one stage, in bytes of files; all of it is called from several threads.
///
/// # Errors
/// The first that any thread comes upon. Then the image is unfinished and has no superblock.
pub fn write(
    tree: &Tree,
    source: &dyn ContentSource,
    output: &impl WriteAt,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Summary, WriteError> {
    options.check()?;
    let plan = Plan::new(tree, options)?;
    progress.start("root", Some(plan.content_bytes));

    let mut output = Output::new(output);
    output.append(&[0; SUPERBLOCK_BYTES])?;
    let flags = write_compressor_options(options, &mut output)?;
    let layout = pipeline::run(&plan, source, options, progress, &mut output)?;
    let (tables, tally) = tables::write(&plan, &layout, options, &mut output)?;
    let bytes_used = output.position();
    output.pad(PADDING_BYTES)?;
    let length_bytes = output.position();
    if progress.interrupted() {
        return Err(WriteError::Interrupted);
    }
    let superblock = superblock(&tables, &plan, options, flags, bytes_used);
    output.finish(&superblock)?;
    Ok(summary(
        &plan,
        &layout,
        tally,
        superblock,
        bytes_used,
        length_bytes,
    ))
}

/// Writes the compressor's options, if it has any, as a metadata block; returns the flags.
fn write_compressor_options<W: WriteAt>(
    options: &Options,
    output: &mut Output<'_, W>,
) -> Result<u16, WriteError> {
    let flags = FLAG_DUPLICATES | FLAG_EXPORTABLE;
    let Some(bytes) = compressor_options(options.compression, options.block_size_bytes) else {
        return Ok(flags);
    };
    // At most 8 bytes.
    let length = u16::try_from(bytes.len()).unwrap_or_default();
    output.append(&(length | METADATA_STORED).to_le_bytes())?;
    output.append(&bytes)?;
    Ok(flags | FLAG_COMPRESSOR_OPTIONS)
}

fn superblock(
    tables: &Tables,
    plan: &Plan<'_>,
    options: &Options,
    flags: u16,
    bytes_used: u64,
) -> [u8; SUPERBLOCK_BYTES] {
    let block_log = u16::try_from(options.block_size_bytes.ilog2()).unwrap_or_default();
    let (version_major, version_minor) = VERSION;
    transmute!(RawSuperblock {
        magic: MAGIC.into(),
        inodes: tables.inodes.into(),
        created: options.created.into(),
        block_size: options.block_size_bytes.into(),
        fragments: tables.fragments.into(),
        compressor: compressor_number(options.compression).into(),
        block_log: block_log.into(),
        flags: flags.into(),
        ids: plan.ids.count().into(),
        version_major: version_major.into(),
        version_minor: version_minor.into(),
        root_inode: tables.root_inode.into(),
        bytes_used: bytes_used.into(),
        id_table: tables.id_table.into(),
        xattr_table: tables.xattr_table.into(),
        inode_table: tables.inode_table.into(),
        directory_table: tables.directory_table.into(),
        fragment_table: tables.fragment_table.into(),
        export_table: tables.export_table.into(),
    })
}

fn summary(
    plan: &Plan<'_>,
    layout: &Layout,
    tally: Tally,
    superblock: [u8; SUPERBLOCK_BYTES],
    bytes_used: u64,
    length_bytes: u64,
) -> Summary {
    let path = |file: usize| plan.tree.source_path(plan.files[file].node);
    let files = |vanished| {
        let left_out = (0..plan.files.len()).filter(|file| layout.contents(*file).is_none());
        let left_out = left_out.filter(move |file| layout.is_vanished(*file) == vanished);
        left_out.map(path).collect()
    };
    Summary {
        length_bytes,
        bytes_used,
        superblock,
        counts: tally.counts,
        content_bytes: tally.content_bytes,
        stored_bytes: layout.stored_bytes(),
        // A fragment holds a file at least, and there are fewer files than 2^32.
        fragments: u32::try_from(layout.fragments().len()).unwrap_or(u32::MAX),
        duplicate_files: tally.duplicate_files,
        duplicate_bytes: tally.duplicate_bytes,
        sparse_bytes: tally.sparse_bytes,
        clamped_times: tally.clamped_times,
        skipped: files(false),
        vanished: files(true),
        changed: layout.changed().iter().copied().map(path).collect(),
        torn: layout.torn().iter().copied().map(path).collect(),
        lost_xattrs: tally.lost_xattrs,
    }
}
