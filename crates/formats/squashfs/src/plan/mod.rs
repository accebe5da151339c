//! What is written in which order, decided from the tree alone: no file is opened for it.

mod class;

use crate::tables::Ids;
use crate::{Options, WriteError};
pub(crate) use class::Class;
use livestick_tree::{Device, Kind, NodeId, Tree};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

/// Longer targets of symbolic links cannot be made anywhere (`PATH_MAX` counts a NUL), and so not be
/// extracted. The kernel's SquashFS rejects those that are longer than a page.
const SYMLINK_LIMIT_BYTES: usize = 4095;
/// The list of a file's blocks is in memory and in its inode: 256 MiB at most, and at blocks of
/// 128 KiB, 8 TiB of file.
const FILE_LIMIT_BLOCKS: u64 = 1 << 26;
/// The end of a large file goes into a fragment if it is shorter than this part of a block;
/// otherwise it is a block of its own, which compresses better and is read without its neighbours.
/// An eighth gave the smallest images of a half, a quarter, a sixteenth and less.
const TAIL_PART: usize = 8;
/// How much a reader takes at once of small files: enough that handing over costs nothing, little
/// enough that the readers stay close together.
const BATCH_LIMIT_BYTES: u64 = 256 << 10;
/// The same for tiny files, where opening them is the work.
const BATCH_LIMIT_FILES: usize = 128;
/// A name that so many files have says more about what is in them than where they lie: licences,
/// the translations of one program. Of 2, 3, 5, 10 and 40, 10 made the smallest image of a Debian
/// system's `/usr/share`, 2.8 % smaller than the order of paths alone.
const COMMON_NAME_LEAST: usize = 10;

/// The order of everything.
pub(crate) struct Plan<'a> {
    pub(crate) tree: &'a Tree,
    /// Every directory, after the one that holds it.
    pub(crate) directories: Vec<NodeId>,
    /// The regular files that have bytes, in the order of their data.
    pub(crate) files: Vec<PlannedFile>,
    /// The lengths of those together.
    pub(crate) content_bytes: u64,
    /// Owners and groups.
    pub(crate) ids: Ids,
}

/// A regular file with bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlannedFile {
    pub(crate) node: NodeId,
    /// Its length when it was scanned.
    pub(crate) length_bytes: u64,
    /// What is in it, by its name.
    pub(crate) class: Class,
    /// Another file has that length: it may be a duplicate.
    pub(crate) collides: bool,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(tree: &'a Tree, options: &Options) -> Result<Self, WriteError> {
        let mut walk = Walk::new(tree, options);
        walk.run()?;
        let mut found = walk.files;
        let names = Tally::of(found.iter().map(|found| found.name));
        let lengths = Tally::of(found.iter().map(|found| found.length_bytes));
        let priority = |node: NodeId| options.priorities.get(&node).copied().unwrap_or_default();
        // Stable: files that are alike stay in the order of their paths.
        found.sort_by_cached_key(|found| {
            let common = names.count(&found.name) >= COMMON_NAME_LEAST;
            let name = common.then_some(found.name);
            (Reverse(priority(found.node)), found.class, name)
        });
        let files: Vec<_> = found
            .into_iter()
            .map(|found| PlannedFile {
                node: found.node,
                length_bytes: found.length_bytes,
                class: found.class,
                collides: lengths.count(&found.length_bytes) > 1,
            })
            .collect();
        Ok(Self {
            tree,
            directories: walk.directories,
            content_bytes: files.iter().map(|file| file.length_bytes).sum(),
            files,
            ids: walk.ids,
        })
    }

    /// Cuts the order of files into what a reader takes at once, as ranges of `files`.
    pub(crate) fn batches(&self) -> Vec<Range<usize>> {
        let mut batches = Vec::new();
        let mut start = 0;
        let mut bytes = 0;
        for (index, file) in self.files.iter().enumerate() {
            let full = bytes + file.length_bytes > BATCH_LIMIT_BYTES;
            if index > start && (full || index - start == BATCH_LIMIT_FILES) {
                batches.push(start..index);
                start = index;
                bytes = 0;
            }
            bytes += file.length_bytes;
        }
        if start < self.files.len() {
            batches.push(start..self.files.len());
        }
        batches
    }
}

/// Whether what follows the whole blocks of a large file is a block, and not part of a fragment.
pub(crate) fn is_own_block(tail_bytes: usize, block_bytes: usize) -> bool {
    tail_bytes >= block_bytes / TAIL_PART
}

/// How long a file may be.
pub(crate) fn file_limit_bytes(options: &Options) -> u64 {
    FILE_LIMIT_BLOCKS * u64::from(options.block_size_bytes)
}

/// A regular file with bytes, as the walk comes by it.
struct Found<'a> {
    node: NodeId,
    /// Its first name.
    name: &'a [u8],
    class: Class,
    length_bytes: u64,
}

/// How often each of some things occurs.
struct Tally<T>(HashMap<T, usize>);

impl<T: Eq + Hash> Tally<T> {
    fn of(things: impl Iterator<Item = T>) -> Self {
        let mut counts = HashMap::new();
        for thing in things {
            *counts.entry(thing).or_default() += 1;
        }
        Self(counts)
    }

    fn count(&self, thing: &T) -> usize {
        self.0.get(thing).copied().unwrap_or_default()
    }
}

/// The way through a tree: directories from the root down, each file once.
struct Walk<'a> {
    tree: &'a Tree,
    file_limit_bytes: u64,
    seen: Vec<bool>,
    directories: Vec<NodeId>,
    files: Vec<Found<'a>>,
    ids: Ids,
}

impl<'a> Walk<'a> {
    fn new(tree: &'a Tree, options: &Options) -> Self {
        Self {
            tree,
            file_limit_bytes: file_limit_bytes(options),
            seen: vec![false; tree.capacity()],
            directories: Vec::new(),
            files: Vec::new(),
            ids: Ids::default(),
        }
    }

    fn run(&mut self) -> Result<(), WriteError> {
        let tree = self.tree;
        let mut waiting: Vec<(&[u8], NodeId)> = vec![(b"", Tree::ROOT)];
        while let Some((name, directory)) = waiting.pop() {
            self.visit(name, name, directory)?;
            self.directories.push(directory);
            let first = waiting.len();
            for (entry, id) in tree.entries(directory) {
                if matches!(tree.node(id).kind, Kind::Directory(_)) {
                    waiting.push((entry, id));
                } else if !std::mem::replace(&mut self.seen[id.index()], true) {
                    self.visit(name, entry, id)?;
                }
            }
            // The first name is taken first.
            waiting[first..].reverse();
        }
        Ok(())
    }

    /// Notes a node that is called `name` in a directory called `parent`.
    fn visit(&mut self, parent: &[u8], name: &'a [u8], id: NodeId) -> Result<(), WriteError> {
        let node = self.tree.node(id);
        self.ids.insert(node.metadata.uid)?;
        self.ids.insert(node.metadata.gid)?;
        match &node.kind {
            Kind::File { length_bytes, .. } => self.file(parent, name, id, *length_bytes),
            Kind::Symlink(target) if !(1..=SYMLINK_LIMIT_BYTES).contains(&target.len()) => {
                Err(WriteError::Symlink {
                    path: self.tree.source_path(id),
                    length_bytes: target.len(),
                })
            }
            Kind::BlockDevice(device) | Kind::CharacterDevice(device) => device_number(*device)
                .map(|_| ())
                .ok_or(WriteError::Device {
                    path: self.tree.source_path(id),
                    major: device.major,
                    minor: device.minor,
                }),
            _ => Ok(()),
        }
    }

    fn file(
        &mut self,
        parent: &[u8],
        name: &'a [u8],
        node: NodeId,
        length_bytes: u64,
    ) -> Result<(), WriteError> {
        if length_bytes > self.file_limit_bytes {
            return Err(WriteError::FileSize {
                path: self.tree.source_path(node),
                length_bytes,
            });
        }
        if length_bytes > 0 {
            self.files.push(Found {
                node,
                name,
                class: Class::guess(parent, name),
                length_bytes,
            });
        }
        Ok(())
    }
}

/// A device number as an inode has it: 12 bits of major and 20 of minor, in the order of Linux's
/// `new_encode_dev`.
pub(crate) fn device_number(device: Device) -> Option<u32> {
    let Device { major, minor } = device;
    (major < 1 << 12 && minor < 1 << 20)
        .then_some((minor & 0xff) | (major << 8) | ((minor & !0xff) << 12))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Compression;
    use livestick_tree::Metadata;

    const METADATA: Metadata = Metadata {
        permissions: 0o644,
        uid: 0,
        gid: 0,
        modified_seconds: 0,
    };

    fn options() -> Options {
        Options::new(Compression::Zstd { level: 3 })
    }

    fn add(tree: &mut Tree, parent: NodeId, name: &str, kind: Kind) -> NodeId {
        tree.add(parent, name.as_bytes(), METADATA, kind, Box::default())
            .unwrap()
    }

    #[test]
    fn alike_files_lie_together_and_links_are_taken_once() {
        let mut tree = Tree::new(METADATA, Box::default());
        let etc = add(&mut tree, Tree::ROOT, "etc", Kind::empty_directory());
        let usr = add(&mut tree, Tree::ROOT, "usr", Kind::empty_directory());
        for (parent, name) in [(usr, "b.py"), (usr, "a.so.1"), (etc, "z.py"), (etc, "x.so")] {
            add(&mut tree, parent, name, Kind::inline_file(*b"12"));
        }
        let linked = tree.lookup(b"etc/z.py").unwrap();
        tree.link(Tree::ROOT, b"first.py", linked).unwrap();
        add(&mut tree, etc, "empty", Kind::inline_file(*b""));
        let plan = Plan::new(&tree, &options()).unwrap();
        let paths: Vec<_> = plan
            .files
            .iter()
            .map(|file| String::from_utf8(tree.source_path(file.node)).unwrap())
            .collect();
        assert_eq!(paths, ["etc/z.py", "usr/b.py", "etc/x.so", "usr/a.so.1"]);
        assert_eq!(plan.content_bytes, 8);
        assert_eq!(plan.directories, [Tree::ROOT, etc, usr]);
        assert_eq!(plan.batches().first(), Some(&(0..4)));
        assert_eq!(plan.batches().len(), 1);
    }

    #[test]
    fn files_of_a_common_name_lie_together_behind_the_others() {
        let mut tree = Tree::new(METADATA, Box::default());
        for number in 0..COMMON_NAME_LEAST {
            let name = format!("package{number}");
            let folder = add(&mut tree, Tree::ROOT, &name, Kind::empty_directory());
            for name in ["copyright", &format!("rare{number}"), "Index"] {
                add(&mut tree, folder, name, Kind::inline_file(*b"12"));
            }
        }
        let plan = Plan::new(&tree, &options()).unwrap();
        let names: Vec<_> = plan
            .files
            .iter()
            .map(|file| String::from_utf8(tree.source_path(file.node)).unwrap())
            .map(|path| path.split('/').next_back().unwrap().to_owned())
            .collect();
        let (rare, common) = names.split_at(COMMON_NAME_LEAST);
        assert!(rare.iter().all(|name| name.starts_with("rare")), "{rare:?}");
        let (index, copyright) = common.split_at(COMMON_NAME_LEAST);
        assert!(index.iter().all(|name| name == "Index"), "{index:?}");
        assert!(copyright.iter().all(|name| name == "copyright"));
    }

    #[test]
    fn files_of_a_higher_priority_come_first() {
        let mut tree = Tree::new(METADATA, Box::default());
        let [low, so, usual, high, edge] = ["a", "b.so", "c", "d", "e"]
            .map(|name| add(&mut tree, Tree::ROOT, name, Kind::inline_file(*b"12")));
        let options = Options {
            priorities: [(low, -1), (high, 1), (edge, i16::MAX)].into(),
            ..options()
        };
        let plan = Plan::new(&tree, &options).unwrap();
        let order: Vec<_> = plan.files.iter().map(|file| file.node).collect();
        assert_eq!(order, [edge, high, usual, so, low]);
    }

    #[test]
    fn batches_end_before_large_files_and_after_many_small_ones() {
        let mut tree = Tree::new(METADATA, Box::default());
        let file = |length_bytes| Kind::File {
            length_bytes,
            content: livestick_tree::Content::Source,
        };
        for number in 0..200 {
            add(&mut tree, Tree::ROOT, &format!("a{number:03}"), file(10));
        }
        for number in 0..3 {
            add(&mut tree, Tree::ROOT, &format!("b{number}"), file(1 << 20));
        }
        add(&mut tree, Tree::ROOT, "c", file(10));
        let plan = Plan::new(&tree, &options()).unwrap();
        let batches = plan.batches();
        let covered: Vec<_> = batches.iter().cloned().flatten().collect();
        assert_eq!(covered, (0..204).collect::<Vec<_>>());
        assert_eq!(batches[..3], [0..128, 128..200, 200..201]);
    }

    #[test]
    fn device_numbers_are_packed_as_linux_does() {
        let number = |major, minor| device_number(Device { major, minor });
        assert_eq!(number(8, 1), Some(0x801));
        assert_eq!(number(0xfff, 0xfffff), Some(0xffff_ffff));
        assert_eq!(number(1, 0x100), Some(0x10_0100));
        assert_eq!(number(0x1000, 0), None);
        assert_eq!(number(0, 1 << 20), None);
    }
}
