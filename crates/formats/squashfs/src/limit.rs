//! How long an image can get.

use crate::format::{
    METADATA_BLOCK_BYTES, PADDING_BYTES, RawDirectoryEntry, RawDirectoryHeader, RawDirectoryIndex,
    RawExtendedDirectory, RawExtendedFile, RawFragment, RawInode, RawSymlink, RawXattr,
    RawXattrSet, RawXattrTable, SUPERBLOCK_BYTES,
};
use crate::{Options, codec};
use livestick_tree::{Kind, Node, NodeId, Tree};

/// An upper bound of an image's length in bytes, padding included: as if nothing could be
/// compressed and nothing were equal. It costs no I/O. It holds as long as the files are as long as
/// the tree says and do not change while they are read.
#[must_use]
pub fn limit_bytes(tree: &Tree, options: &Options) -> u64 {
    let mut limit = Limit::default();
    let mut seen = vec![false; tree.capacity()];
    let mut waiting = vec![Tree::ROOT];
    limit.node(tree, Tree::ROOT, options);
    while let Some(directory) = waiting.pop() {
        for (name, id) in tree.entries(directory) {
            limit.name(name);
            if !std::mem::replace(&mut seen[id.index()], true) {
                limit.node(tree, id, options);
                waiting.push(id);
            }
        }
    }
    let options_bytes = codec::compressor_options(options.compression, options.block_size_bytes)
        .map_or(0, |bytes| bytes.len() + 2);
    (bytes(SUPERBLOCK_BYTES + options_bytes + size_of::<RawXattrTable>())
        + limit.data
        + limit.tables.iter().map(|table| stored(*table)).sum::<u64>())
    .next_multiple_of(PADDING_BYTES)
}

/// Bytes before compression.
#[derive(Default)]
struct Limit {
    data: u64,
    /// Inodes, directories, fragments, export, ids, attributes and their sets.
    tables: [u64; 7],
}

impl Limit {
    fn node(&mut self, tree: &Tree, id: NodeId, options: &Options) {
        let node = tree.node(id);
        let [inodes, _, fragments, export, ids, xattrs, sets] = &mut self.tables;
        *inodes += bytes(size_of::<RawInode>() + size_of::<RawExtendedFile>());
        *export += 8;
        *ids += 8;
        match &node.kind {
            Kind::File { length_bytes, .. } => {
                self.data += length_bytes;
                *fragments += bytes(size_of::<RawFragment>());
                *inodes += 4 * length_bytes.div_ceil(u64::from(options.block_size_bytes));
            }
            Kind::Symlink(target) => *inodes += bytes(size_of::<RawSymlink>() + target.len()),
            Kind::Directory(_) => *inodes += index_limit(tree, id),
            _ => {}
        }
        let held = xattr_bytes(node);
        if held > 0 {
            *xattrs += held;
            *sets += bytes(size_of::<RawXattrSet>());
        }
    }

    /// A name in a directory; at worst each has a header of its own.
    fn name(&mut self, name: &[u8]) {
        self.tables[1] += name_limit(name);
    }
}

fn name_limit(name: &[u8]) -> u64 {
    bytes(size_of::<RawDirectoryHeader>() + size_of::<RawDirectoryEntry>() + name.len())
}

/// The index of a directory: its points are more than half a metadata block apart, since an entry
/// with its header is shorter than that.
fn index_limit(tree: &Tree, directory: NodeId) -> u64 {
    let listing: u64 = tree
        .entries(directory)
        .map(|(name, _)| name_limit(name))
        .sum();
    let points = listing / bytes(METADATA_BLOCK_BYTES / 2);
    bytes(size_of::<RawExtendedDirectory>()) + points * bytes(size_of::<RawDirectoryIndex>() + 255)
}

fn xattr_bytes(node: &Node) -> u64 {
    let each = node.xattrs.iter().map(|xattr| {
        bytes(size_of::<RawXattr>() + xattr.name.len() + 4 + xattr.value.len().max(8))
    });
    each.sum()
}

/// A table as it is stored if no block of it gets smaller: each has a header of two bytes, and a
/// place of eight in the list of blocks.
fn stored(table: u64) -> u64 {
    table + table.div_ceil(bytes(METADATA_BLOCK_BYTES)) * (2 + 8)
}

fn bytes(length: usize) -> u64 {
    length as u64
}
