//! Which package brought a file, from the databases of package managers.

mod apk;
mod dpkg;
mod pacman;

use livestick_tree::{ContentSource, Kind, NodeId, Tree};
use serde::Serialize;
use std::collections::HashMap;

/// A package list is read whole.
const LIST_LIMIT_BYTES: usize = 64 << 20;

/// A package that is installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, where the database says.
    pub version: String,
}

/// The installed packages, and what they brought.
#[derive(Debug, Default)]
pub struct Packages {
    /// Whose database was read.
    pub manager: Option<&'static str>,
    /// A database that is there and was not read, and why.
    pub unread: Option<&'static str>,
    list: Vec<Package>,
    owners: HashMap<NodeId, Owner>,
}

/// Enters what a database says, where there is one.
type ReadDatabase = fn(&mut Reader<'_>);

/// Who brought a file, and how it was then.
#[derive(Clone, Copy, Debug)]
struct Owner {
    package: usize,
    original: Original,
}

/// What a file was when its package brought it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Original {
    /// As it is: nobody but the package manager changes it.
    Same,
    /// Something to be edited, with this MD5 digest at first.
    Digest([u8; 16]),
    /// Something to be edited.
    Unknown,
}

impl Packages {
    /// Reads the databases that a tree holds.
    #[must_use]
    pub fn read(tree: &Tree, source: &dyn ContentSource) -> Self {
        let mut reader = Reader::new(tree, source);
        let managers: [(&str, ReadDatabase); 3] = [
            ("dpkg", dpkg::read),
            ("pacman", pacman::read),
            ("apk", apk::read),
        ];
        for (name, read) in managers {
            read(&mut reader);
            if !reader.packages.list.is_empty() {
                reader.packages.manager = Some(name);
                break;
            }
        }
        reader.packages
    }

    /// All packages, by their index.
    #[must_use]
    pub fn list(&self) -> &[Package] {
        &self.list
    }

    /// The index of the package that brought a file.
    #[must_use]
    pub fn owner(&self, node: NodeId) -> Option<usize> {
        self.owners.get(&node).map(|owner| owner.package)
    }

    /// What a file was at first. Where there is no database, what lies in `usr`, but for `usr/local`,
    /// counts as brought by one that knows it all.
    pub(crate) fn original(&self, path: &[u8], node: NodeId) -> Original {
        match (self.owners.get(&node), self.manager) {
            (Some(owner), _) => owner.original,
            (None, None) if path.starts_with(b"usr/") && !path.starts_with(b"usr/local/") => {
                Original::Same
            }
            (None, _) => Original::Unknown,
        }
    }
}

/// Reads files of a tree and enters what packages say of it.
struct Reader<'a> {
    tree: &'a Tree,
    source: &'a dyn ContentSource,
    packages: Packages,
    /// Directories as packages name them: `/bin` may be a link.
    directories: HashMap<Vec<u8>, Option<NodeId>>,
}

impl<'a> Reader<'a> {
    fn new(tree: &'a Tree, source: &'a dyn ContentSource) -> Self {
        Self {
            tree,
            source,
            packages: Packages::default(),
            directories: HashMap::new(),
        }
    }

    /// A file's text; what is not UTF-8 is replaced. Empty where it cannot be read.
    fn text(&self, path: &str) -> String {
        let bytes = crate::read_file(self.tree, self.source, path.as_bytes(), LIST_LIMIT_BYTES);
        match String::from_utf8(bytes.unwrap_or_default()) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }
    }

    /// The names in a directory.
    fn names(&self, path: &str) -> Vec<String> {
        let directory = self.tree.resolve(path.as_bytes());
        let entries = directory.map(|directory| self.tree.entries(directory));
        let names = entries.into_iter().flatten();
        names
            .filter_map(|(name, _)| std::str::from_utf8(name).ok().map(str::to_owned))
            .collect()
    }

    /// Enters a package, and says its index.
    fn package(&mut self, name: &str, version: &str) -> usize {
        let clean = |text: &str| text.chars().filter(|c| !c.is_control()).collect();
        self.packages.list.push(Package {
            name: clean(name),
            version: clean(version),
        });
        self.packages.list.len() - 1
    }

    /// Enters that a package brought a path. Directories belong to all who name them, so to none.
    fn file(&mut self, package: usize, path: &str, original: Original) {
        let path = path.trim_matches('/');
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let node = match self.directories.get(directory.as_bytes()) {
            Some(known) => *known,
            None => {
                let found = self.tree.resolve(directory.as_bytes());
                self.directories
                    .insert(directory.as_bytes().to_vec(), found);
                found
            }
        };
        let found = node.and_then(|node| self.tree.child(node, name.as_bytes()));
        let file = found.filter(|node| !matches!(self.tree.node(*node).kind, Kind::Directory(_)));
        if let Some(node) = file {
            let owner = Owner { package, original };
            self.packages.owners.entry(node).or_insert(owner);
        }
    }
}

/// An MD5 digest as databases write it.
fn digest(text: &str) -> Original {
    let pair = |index: usize| u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok();
    let mut digest = [0; 16];
    for (index, byte) in digest.iter_mut().enumerate() {
        match pair(index) {
            Some(value) => *byte = value,
            None => return Original::Unknown,
        }
    }
    Original::Digest(digest)
}
