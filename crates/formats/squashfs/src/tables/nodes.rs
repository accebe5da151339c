//! The inode table and the directory table, which refer to each other.
//!
//! A directory is taken after everything below it. Then all its entries' inodes are written side by
//! side, then its listing; its own inode comes with its siblings', when its parent is taken. So a
//! listing mostly needs one header only, and reading a directory touches few blocks.

use super::directory::{Entry, Listing};
use super::inode::{Body, Inode, kind_number};
use super::metadata::{MetadataWriter, Reference};
use super::xattr::{Xattrs, split_name};
use crate::pipeline::{Contents, Layout};
use crate::plan::{Plan, device_number};
use crate::summary::{Counts, LostXattr};
use crate::{Options, WriteError};
use livestick_tree::{Kind, Node, NodeId, Tree};
use std::collections::HashMap;

/// Both tables, finished but not written.
pub(super) struct Nodes<'a> {
    pub(super) inodes: MetadataWriter,
    pub(super) directories: MetadataWriter,
    pub(super) xattrs: Xattrs<'a>,
    /// Where each inode is, by its number less 1.
    pub(super) references: Vec<Option<Reference>>,
    /// Where the root's inode is.
    pub(super) root: Reference,
    pub(super) tally: Tally,
}

/// What is in the tree, and what could not be put in.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) content_bytes: u64,
    pub(crate) sparse_bytes: u64,
    pub(crate) duplicate_files: u64,
    pub(crate) duplicate_bytes: u64,
    pub(crate) clamped_times: Vec<Vec<u8>>,
    pub(crate) lost_xattrs: Vec<LostXattr>,
}

/// The number of a node that has none.
const NO_NUMBER: u32 = 0;
/// The number of the root's inode.
const ROOT_NUMBER: u32 = 1;

impl<'a> Nodes<'a> {
    pub(super) fn build(
        plan: &'a Plan<'a>,
        layout: &'a Layout,
        options: &'a Options,
    ) -> Result<Self, WriteError> {
        let census = Census::take(plan, layout)?;
        let mut builder = Builder {
            plan,
            options,
            nodes: Self {
                inodes: MetadataWriter::new(options.compression, "inode table")?,
                directories: MetadataWriter::new(options.compression, "directory table")?,
                xattrs: Xattrs::new(options.compression)?,
                references: vec![None; census.count],
                root: Reference::default(),
                tally: Tally::default(),
            },
            census,
            listings: HashMap::new(),
            memory: Vec::new(),
        };
        for directory in plan.directories.iter().rev() {
            builder.directory(*directory)?;
        }
        // The root has no parent: by convention, one after the last inode.
        let parent = u32::try_from(builder.census.count + 1)
            .map_err(|_| WriteError::TableSize("inode table"))?;
        builder.nodes.root = builder.inode(Tree::ROOT, ROOT_NUMBER, parent)?;
        Ok(builder.nodes)
    }
}

/// Which nodes are in the image, and their numbers.
struct Census<'a> {
    layout: &'a Layout,
    /// The inode number of each node.
    numbers: Vec<u32>,
    /// The place in the plan of each file, where it has one.
    files: Vec<Option<u32>>,
    count: usize,
}

impl<'a> Census<'a> {
    /// The entries of a directory are numbered in a row, which keeps differences small.
    fn take(plan: &Plan<'_>, layout: &'a Layout) -> Result<Self, WriteError> {
        let tree = plan.tree;
        let too_large = |_| WriteError::TableSize("inode table");
        let mut census = Self {
            layout,
            numbers: vec![NO_NUMBER; tree.capacity()],
            files: vec![None; tree.capacity()],
            count: 1,
        };
        census.numbers[Tree::ROOT.index()] = ROOT_NUMBER;
        for (place, file) in plan.files.iter().enumerate() {
            let place = u32::try_from(place).map_err(too_large)?;
            census.files[file.node.index()] = Some(place);
        }
        for directory in &plan.directories {
            for (_, id) in tree.entries(*directory) {
                if census.numbers[id.index()] == NO_NUMBER && census.has(id) {
                    census.count += 1;
                    let number = u32::try_from(census.count).map_err(too_large)?;
                    census.numbers[id.index()] = number;
                }
            }
        }
        Ok(census)
    }

    fn number(&self, id: NodeId) -> u32 {
        self.numbers[id.index()]
    }

    /// The contents of a regular file; `None` where it is empty or was left out.
    fn contents(&self, id: NodeId) -> Option<Contents<'a>> {
        let file = self.files[id.index()]?;
        self.layout.contents(usize::try_from(file).ok()?)
    }

    /// Whether a node is in the image: all are but files that were left out.
    fn has(&self, id: NodeId) -> bool {
        self.files[id.index()].is_none() || self.contents(id).is_some()
    }
}

struct Builder<'a> {
    plan: &'a Plan<'a>,
    options: &'a Options,
    nodes: Nodes<'a>,
    census: Census<'a>,
    /// Directories that were taken, but whose inodes are not written.
    listings: HashMap<NodeId, Listing<'a>>,
    /// For encoding.
    memory: Vec<u8>,
}

impl<'a> Builder<'a> {
    /// Writes the inodes of a directory's entries, and its listing.
    fn directory(&mut self, directory: NodeId) -> Result<(), WriteError> {
        let tree = self.plan.tree;
        let own_number = self.census.number(directory);
        let mut subdirectories = 0;
        let mut entries = Vec::with_capacity(tree.entries(directory).len());
        for (name, id) in tree.entries(directory) {
            let number = self.census.number(id);
            if number == NO_NUMBER {
                continue;
            }
            let kind = &tree.node(id).kind;
            if matches!(kind, Kind::Directory(_)) {
                subdirectories += 1;
            }
            entries.push(Entry {
                name,
                inode: self.inode(id, number, own_number)?,
                number,
                kind: kind_number(kind),
            });
        }
        let listing = Listing::append(&entries, subdirectories, &mut self.nodes.directories)?;
        self.listings.insert(directory, listing);
        Ok(())
    }

    /// Where a node's inode is; writes it if it is not there yet.
    fn inode(&mut self, id: NodeId, number: u32, parent: u32) -> Result<Reference, WriteError> {
        let place = number_index(number);
        if let Some(written) = self.nodes.references[place] {
            self.nodes.tally.counts.hard_links += 1;
            return Ok(written);
        }
        let node = self.plan.tree.node(id);
        let inode = Inode {
            kind: kind_number(&node.kind),
            permissions: node.metadata.permissions,
            uid_index: self.plan.ids.index(node.metadata.uid),
            gid_index: self.plan.ids.index(node.metadata.gid),
            modified: self.modified(id, node),
            number,
            links: node.links(),
            xattrs: self.xattrs(id, node)?,
            body: self.body(id, node, parent),
        };
        self.memory.clear();
        inode.encode(&mut self.memory)?;
        let reference = self.nodes.inodes.position()?;
        self.nodes.inodes.append(&self.memory)?;
        self.nodes.references[place] = Some(reference);
        Ok(reference)
    }

    fn body(&mut self, id: NodeId, node: &'a Node, parent: u32) -> Body<'a> {
        let counts = &mut self.nodes.tally.counts;
        match &node.kind {
            Kind::Directory(_) => {
                counts.directories += 1;
                // It was taken before its parent, so its listing is there.
                let listing = self.listings.remove(&id).unwrap_or_default();
                Body::Directory { listing, parent }
            }
            Kind::File { .. } => {
                counts.files += 1;
                self.file(id)
            }
            Kind::Symlink(target) => {
                counts.symlinks += 1;
                Body::Symlink(target)
            }
            Kind::BlockDevice(device) => {
                counts.block_devices += 1;
                // The plan has only devices whose numbers fit.
                Body::Device(device_number(*device).unwrap_or_default())
            }
            Kind::CharacterDevice(device) => {
                counts.character_devices += 1;
                Body::Device(device_number(*device).unwrap_or_default())
            }
            Kind::Fifo => {
                counts.fifos += 1;
                Body::Ipc
            }
            Kind::Socket => {
                counts.sockets += 1;
                Body::Ipc
            }
        }
    }

    fn file(&mut self, id: NodeId) -> Body<'a> {
        let contents = self.census.contents(id).unwrap_or_default();
        let block_bytes = u64::from(self.options.block_size_bytes);
        let sparse_bytes = contents.sparse_bytes(block_bytes);
        let tally = &mut self.nodes.tally;
        tally.content_bytes += contents.length_bytes;
        tally.sparse_bytes += sparse_bytes;
        if contents.duplicate {
            tally.duplicate_files += 1;
            tally.duplicate_bytes += contents.length_bytes;
        }
        Body::File {
            contents,
            sparse_bytes,
        }
    }

    fn xattrs(&mut self, id: NodeId, node: &'a Node) -> Result<Option<u32>, WriteError> {
        let lost = node.xattrs.iter().map(|xattr| &xattr.name);
        for name in lost.filter(|name| split_name(name).is_none()) {
            self.nodes.tally.lost_xattrs.push(LostXattr {
                path: self.plan.tree.source_path(id),
                name: name.to_vec(),
            });
        }
        self.nodes.xattrs.insert(&node.xattrs)
    }

    /// The time of a file: 32 bits without a sign, seconds since 1970.
    fn modified(&mut self, id: NodeId, node: &Node) -> u32 {
        let clamp = self.options.clamp.unwrap_or(i64::MAX);
        let seconds = node.metadata.modified_seconds.min(clamp);
        u32::try_from(seconds).unwrap_or_else(|_| {
            let path = self.plan.tree.source_path(id);
            self.nodes.tally.clamped_times.push(path);
            if seconds < 0 { 0 } else { u32::MAX }
        })
    }
}

/// The place of an inode number in a list: numbers begin with 1.
fn number_index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX) - 1
}
