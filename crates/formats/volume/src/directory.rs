//! The directories that the files' paths imply.

use crate::format::{self, ENTRY_BYTES};
use crate::name::{self, NameError, ShortName};
use crate::{Label, Timestamp};
use std::collections::HashMap;

/// Every directory; the root comes first, and each before those it holds.
#[derive(Clone, Debug)]
pub(crate) struct Directories(Vec<Directory>);

/// What an entry stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A directory, by its number.
    Directory(usize),
    /// A file, by its number in the caller's list.
    File(usize),
}

/// Where something lies, as its entry says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) cluster: u32,
    pub(crate) length_bytes: u32,
}

/// What is wrong with a path.
#[derive(Debug)]
pub(crate) enum PathError {
    /// A part of it cannot be a name.
    Name(NameError),
    /// Its name, or its directory's, is there already: as something else, or in other letters.
    Taken,
    /// Its directory holds more names than one can.
    Full,
}

#[derive(Clone, Debug, Default)]
struct Directory {
    parent: usize,
    children: Vec<Child>,
    /// Children by their folded names.
    by_name: HashMap<String, usize>,
    length_bytes: usize,
}

#[derive(Clone, Debug)]
struct Child {
    name: String,
    alias: ShortName,
    node: Node,
}

const ROOT: usize = 0;
/// The longest directory: *FAT32 File System Specification*, "FAT Directory Structure".
pub(crate) const DIRECTORY_LIMIT_BYTES: usize = 65_536 * ENTRY_BYTES;

impl Directories {
    /// The directories of these files; otherwise the path that cannot be, and why.
    pub(crate) fn new<'a>(
        paths: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<Self, (&'a str, PathError)> {
        let mut directories = Self(vec![Directory::default()]);
        for (file, path) in paths.clone().enumerate() {
            let inserted = directories.insert(path, file);
            inserted.map_err(|error| (path, error))?;
        }
        for number in 0..directories.0.len() {
            let length_bytes = directories.0[number].settle(number);
            if length_bytes > DIRECTORY_LIMIT_BYTES {
                let path = directories
                    .a_file_in(number)
                    .and_then(|file| paths.clone().nth(file));
                return Err((path.unwrap_or_default(), PathError::Full));
            }
        }
        Ok(directories)
    }

    /// How long each directory is.
    pub(crate) fn lengths_bytes(&self) -> impl Iterator<Item = usize> {
        self.0.iter().map(|directory| directory.length_bytes)
    }

    /// The bytes of a directory. What has no target is not in it.
    pub(crate) fn bytes(
        &self,
        number: usize,
        label: Label,
        timestamp: Timestamp,
        target: impl Fn(Node) -> Option<Target>,
    ) -> Vec<u8> {
        let directory = &self.0[number];
        let mut bytes = Vec::with_capacity(directory.length_bytes);
        if number == ROOT {
            let attribute = format::ATTRIBUTE_LABEL;
            bytes.extend(format::entry(label.padded(), attribute, 0, 0, timestamp));
        } else {
            let cluster = |number| {
                let target = target(Node::Directory(number));
                target.map_or(0, |target| target.cluster)
            };
            let this = cluster(number);
            let parent = match directory.parent {
                ROOT => 0, // How `..` names the root, wherever that lies.
                parent => cluster(parent),
            };
            for (name, cluster) in [(*b".          ", this), (*b"..         ", parent)] {
                let attribute = format::ATTRIBUTE_DIRECTORY;
                bytes.extend(format::entry(name, attribute, cluster, 0, timestamp));
            }
        }
        for child in &directory.children {
            if let Some(target) = target(child.node) {
                child.append_to(&mut bytes, target, timestamp);
            }
        }
        bytes
    }

    fn insert(&mut self, path: &str, file: usize) -> Result<(), PathError> {
        let mut directory = ROOT;
        let mut parts = path.split('/').peekable();
        while let Some(part) = parts.next() {
            name::check(part).map_err(PathError::Name)?;
            match parts.peek() {
                Some(_) => directory = self.enter(directory, part)?,
                None => self.0[directory].add(part, Node::File(file))?,
            }
        }
        Ok(())
    }

    /// The directory of that name in `parent`, made where there is none.
    fn enter(&mut self, parent: usize, name: &str) -> Result<usize, PathError> {
        match self.0[parent].find(name) {
            Some(Child {
                name: there,
                node: Node::Directory(number),
                ..
            }) if there == name => Ok(*number),
            Some(_) => Err(PathError::Taken),
            None => {
                let number = self.0.len();
                self.0[parent].add(name, Node::Directory(number))?;
                self.0.push(Directory {
                    parent,
                    ..Directory::default()
                });
                Ok(number)
            }
        }
    }

    /// Every directory was made for a file in it.
    fn a_file_in(&self, number: usize) -> Option<usize> {
        match self.0[number].children.first()?.node {
            Node::File(file) => Some(file),
            Node::Directory(number) => self.a_file_in(number),
        }
    }
}

impl Directory {
    fn find(&self, name: &str) -> Option<&Child> {
        let index = self.by_name.get(&name::fold(name))?;
        self.children.get(*index)
    }

    fn add(&mut self, name: &str, node: Node) -> Result<(), PathError> {
        let index = self.children.len();
        let there = self.by_name.insert(name::fold(name), index);
        if there.is_some() {
            return Err(PathError::Taken);
        }
        self.children.push(Child {
            name: name.to_owned(),
            alias: ShortName::BLANK,
            node,
        });
        Ok(())
    }

    /// Gives the aliases, once every name is known, and with them the length.
    fn settle(&mut self, number: usize) -> usize {
        let names = self.children.iter().map(|child| child.name.as_str());
        let aliases = name::aliases(names);
        for (child, alias) in self.children.iter_mut().zip(aliases) {
            child.alias = alias;
        }
        // The label in the root, `.` and `..` elsewhere.
        let own = if number == ROOT { 1 } else { 2 };
        let entries: usize = self.children.iter().map(Child::entries).sum();
        self.length_bytes = (own + entries) * ENTRY_BYTES;
        self.length_bytes
    }
}

impl Child {
    fn entries(&self) -> usize {
        if self.alias.shows(&self.name) {
            1
        } else {
            1 + format::long_entries_count(&self.name)
        }
    }

    fn append_to(&self, bytes: &mut Vec<u8>, target: Target, timestamp: Timestamp) {
        if !self.alias.shows(&self.name) {
            let entries = format::long_entries(&self.name, self.alias.checksum());
            bytes.extend(entries.as_flattened());
        }
        let attribute = match self.node {
            Node::Directory(_) => format::ATTRIBUTE_DIRECTORY,
            Node::File(_) => format::ATTRIBUTE_FILE,
        };
        let Target {
            cluster,
            length_bytes,
        } = target;
        let entry = format::entry(self.alias.0, attribute, cluster, length_bytes, timestamp);
        bytes.extend(entry);
    }
}
