//! What takes the space, by directory and by package.

use crate::{Package, Packages};
use livestick_squashfs::Estimate;
use livestick_tree::{Kind, NodeId, Tree};
use serde::Serialize;

/// Entries that are less than this part of everything are put together.
const SMALLEST_PART: u64 = 4000;
/// How many entries of one directory are listed, at most.
const LISTED_ENTRIES: usize = 60;
/// How deep directories are listed.
const LISTED_DEPTH: usize = 24;

/// What takes the space.
#[derive(Clone, Debug, Serialize)]
pub struct Sizes {
    /// The root, and in it what matters.
    pub directories: Entry,
    /// Every package that has files in the tree, the largest on the stick first.
    pub packages: Vec<PackageSize>,
    /// What no package brought.
    pub unowned: PackageSize,
}

/// Something in a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Its name; what is not UTF-8 in it is replaced.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// The lengths of all its files together, each counted once.
    pub bytes: u64,
    /// What they are likely to take on the stick.
    pub stored_bytes: u64,
    /// How many files there are, of any kind; a directory counts itself, but for the root.
    pub files: u64,
    /// What is in it, the largest on the stick first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<Self>,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// A directory.
    #[default]
    Directory,
    /// Anything else.
    File,
    /// Many small ones.
    Rest,
}

/// What a package takes.
#[derive(Clone, Debug, Serialize)]
pub struct PackageSize {
    /// The package.
    #[serde(flatten)]
    pub package: Package,
    /// The lengths of its files together.
    pub bytes: u64,
    /// What they are likely to take on the stick.
    pub stored_bytes: u64,
    /// How many there are.
    pub files: u64,
}

impl Sizes {
    /// Adds up a tree.
    #[must_use]
    pub fn new(tree: &Tree, packages: &Packages, estimate: &Estimate) -> Self {
        let totals = Totals::new(tree, estimate);
        let smallest = totals.of[Tree::ROOT.index()].stored_bytes / SMALLEST_PART;
        let (packages, unowned) = by_package(tree, packages, &totals);
        Self {
            directories: totals.entry(tree, b"", Tree::ROOT, smallest, 0),
            packages,
            unowned,
        }
    }
}

/// What a file or a directory takes.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    bytes: u64,
    stored_bytes: u64,
    files: u64,
}

impl Total {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.stored_bytes += other.stored_bytes;
        self.files += other.files;
    }
}

struct Totals {
    /// By the index of the node.
    of: Vec<Total>,
    /// The directory in which each node has its first name: only there it counts.
    home: Vec<NodeId>,
}

impl Totals {
    fn new(tree: &Tree, estimate: &Estimate) -> Self {
        let mut totals = Self {
            of: vec![Total::default(); tree.capacity()],
            home: vec![Tree::ROOT; tree.capacity()],
        };
        let mut seen = vec![false; tree.capacity()];
        let mut directories = vec![Tree::ROOT];
        let mut next = 0;
        while let Some(directory) = directories.get(next).copied() {
            next += 1;
            for (_, node) in tree.entries(directory) {
                if std::mem::replace(&mut seen[node.index()], true) {
                    continue;
                }
                totals.home[node.index()] = directory;
                let mut total = Total {
                    bytes: 0,
                    stored_bytes: estimate.stored_bytes_of(node),
                    files: 1,
                };
                match tree.node(node).kind {
                    Kind::Directory(_) => directories.push(node),
                    Kind::File { length_bytes, .. } => total.bytes = length_bytes,
                    _ => {}
                }
                totals.of[node.index()] = total;
                totals.of[directory.index()].add(total);
            }
        }
        // Those in it were found after a directory: going back, each is whole when its turn comes.
        for directory in directories.into_iter().skip(1).rev() {
            let mut total = totals.of[directory.index()];
            // Itself is counted already.
            total.files -= 1;
            let home = totals.home[directory.index()];
            totals.of[home.index()].add(total);
        }
        totals
    }

    fn entry(&self, tree: &Tree, name: &[u8], node: NodeId, smallest: u64, depth: usize) -> Entry {
        let Total {
            bytes,
            stored_bytes,
            files,
        } = self.of[node.index()];
        let (kind, entries) = match tree.node(node).kind {
            Kind::Directory(_) if depth < LISTED_DEPTH => (
                EntryKind::Directory,
                self.entries(tree, node, smallest, depth + 1),
            ),
            Kind::Directory(_) => (EntryKind::Directory, Vec::new()),
            _ => (EntryKind::File, Vec::new()),
        };
        Entry {
            name: String::from_utf8_lossy(name).into_owned(),
            kind,
            bytes,
            stored_bytes,
            files,
            entries,
        }
    }

    fn entries(&self, tree: &Tree, directory: NodeId, smallest: u64, depth: usize) -> Vec<Entry> {
        let here = tree.entries(directory);
        let mut here: Vec<_> = here
            .filter(|(_, node)| self.home[node.index()] == directory)
            .collect();
        here.sort_by_key(|(_, node)| std::cmp::Reverse(self.of[node.index()].stored_bytes));
        let large = here.iter().take_while(|(_, node)| {
            let total = self.of[node.index()];
            total.stored_bytes > smallest
        });
        let mut listed = large.count().min(LISTED_ENTRIES);
        // One that is left over is listed, too.
        if here.len() == listed + 1 {
            listed = here.len();
        }
        let (listed, rest) = here.split_at(listed);
        let entries = listed.iter();
        let mut entries: Vec<_> = entries
            .map(|(name, node)| self.entry(tree, name, *node, smallest, depth))
            .collect();
        if !rest.is_empty() {
            let mut total = Total::default();
            for (_, node) in rest {
                total.add(self.of[node.index()]);
            }
            entries.push(Entry {
                name: format!("{} smaller", rest.len()),
                kind: EntryKind::Rest,
                bytes: total.bytes,
                stored_bytes: total.stored_bytes,
                files: total.files,
                entries: Vec::new(),
            });
        }
        entries
    }
}

fn by_package(
    tree: &Tree,
    packages: &Packages,
    totals: &Totals,
) -> (Vec<PackageSize>, PackageSize) {
    let mut sums = vec![Total::default(); packages.list().len()];
    let mut unowned = Total::default();
    let mut seen = vec![false; tree.capacity()];
    crate::walk(tree, |_, node| {
        let is_directory = matches!(tree.node(node).kind, Kind::Directory(_));
        if is_directory || std::mem::replace(&mut seen[node.index()], true) {
            return;
        }
        let sum = packages
            .owner(node)
            .map_or(&mut unowned, |package| &mut sums[package]);
        sum.add(totals.of[node.index()]);
    });
    let size = |package: &Package, sum: Total| PackageSize {
        package: package.clone(),
        bytes: sum.bytes,
        stored_bytes: sum.stored_bytes,
        files: sum.files,
    };
    let nobody = Package {
        name: String::new(),
        version: String::new(),
    };
    let mut list: Vec<_> = packages
        .list()
        .iter()
        .zip(sums)
        .filter(|(_, sum)| sum.files > 0)
        .map(|(package, sum)| size(package, sum))
        .collect();
    list.sort_by(|left, right| {
        let by_size = right.stored_bytes.cmp(&left.stored_bytes);
        by_size.then_with(|| left.package.name.cmp(&right.package.name))
    });
    (list, size(&nobody, unowned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Nothing, tree};
    use livestick_blockio::NoProgress;
    use livestick_squashfs::{Compression, Options};

    fn sizes(tree: &Tree) -> Sizes {
        let options = Options::new(Compression::Zstd { level: 1 });
        let estimate = crate::estimate(tree, &Nothing, &options, &NoProgress).unwrap();
        Sizes::new(tree, &Packages::read(tree, &Nothing), &estimate)
    }

    #[test]
    fn directories_add_up_and_links_count_once() {
        let noise = "0123456789abcdef".repeat(100);
        let mut root = tree(&[("usr/bin/a", &noise), ("usr/lib/b", "12"), ("etc/c", "1")]);
        let linked = root.lookup(b"usr/bin/a").unwrap();
        let lib = root.lookup(b"usr/lib").unwrap();
        root.link(lib, b"z", linked).unwrap();
        let all = sizes(&root).directories;
        assert_eq!((all.bytes, all.files), (1603, 7));
        let usr = &all.entries[0];
        assert_eq!((usr.name.as_str(), usr.bytes, usr.files), ("usr", 1602, 5));
        let below: u64 = all.entries.iter().map(|entry| entry.stored_bytes).sum();
        assert_eq!(all.stored_bytes, below);
    }

    #[test]
    fn many_small_entries_become_one() {
        let files: Vec<_> = (0..200).map(|n| (format!("many/{n}"), "1")).collect();
        let mut files: Vec<_> = files.iter().map(|(path, b)| (path.as_str(), *b)).collect();
        let large = "some words ".repeat(4000);
        files.push(("large", &large));
        let root = sizes(&tree(&files)).directories;
        let many = root
            .entries
            .iter()
            .find(|entry| entry.name == "many")
            .unwrap();
        let rest = many.entries.last().unwrap();
        assert_eq!(rest.kind, EntryKind::Rest);
        let listed = many.entries.len() as u64 - 1;
        assert_eq!(rest.files + listed, 200);
        assert_eq!(many.bytes, 200);
    }

    #[test]
    fn packages_are_sorted_and_the_rest_is_told() {
        let root = tree(&[
            ("var/lib/dpkg/info/small.list", "/usr/small\n"),
            ("var/lib/dpkg/info/large.list", "/usr/large\n"),
            ("var/lib/dpkg/info/gone.list", "/usr/gone\n"),
            ("usr/small", "1"),
            ("usr/large", &"a word ".repeat(100)),
            ("home/me", "123"),
        ]);
        let sizes = sizes(&root);
        let names: Vec<_> = sizes
            .packages
            .iter()
            .map(|p| p.package.name.as_str())
            .collect();
        assert_eq!(names, ["large", "small"]);
        assert_eq!(sizes.packages[0].bytes, 700);
        // The database itself, and what is at home.
        assert_eq!(sizes.unowned.files, 4);
    }
}
