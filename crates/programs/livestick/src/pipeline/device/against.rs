//! The root on a stick, held against what it was made of.

use crate::failure::Failure;
use crate::pipeline::source::not_captured;
use crate::progress::Display;
use anyhow::Context;
use livestick_blockio::{Progress, ReadAt};
use livestick_capture::{Exclusions, Options, Source, Unreadable};
use livestick_handoff::Manifest;
use livestick_squashfs::{Image, Inode, InodeKind, Piece, ReadError};
use livestick_tree::{ContentSource, Kind, Metadata, NodeId, Tree, Xattr};
use std::collections::BTreeMap;
use std::path::Path;

/// How many differences are kept; all are counted.
const DIFFERENCES_LIMIT: usize = 1000;
/// The attributes that SquashFS can hold.
const HELD: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];

/// What differs.
#[derive(Debug, Default)]
pub struct Differences {
    /// A path, and how it differs.
    pub found: Vec<(String, String)>,
    /// How many there are in all.
    pub count: u64,
    /// How many files are the same.
    pub same: u64,
}

/// Captures the source as the build did, and compares every file with the image's.
pub fn compare<R: ReadAt>(
    root: R,
    source: &Path,
    manifest: &Manifest,
    display: &Display,
) -> Result<Differences, Failure> {
    let patterns = manifest
        .options
        .iter()
        .filter(|(name, _)| name == "exclude");
    let patterns: Vec<_> = patterns.map(|(_, pattern)| pattern.clone()).collect();
    let options = Options {
        exclusions: Exclusions::new(&patterns).context("the manifest's exclusions are none")?,
        unreadable: Unreadable::Skip,
        ..Options::default()
    };
    let source = Source::open(source).map_err(not_captured)?;
    let capture = source.capture(&options, display).map_err(not_captured)?;
    let image = Image::open(root).context("cannot read the root image")?;
    display.start("compare", Some(capture.report.bytes));
    let mut comparison = Comparison {
        tree: &capture.tree,
        files: source.files(),
        image: &image,
        display,
        differences: Differences::default(),
    };
    let inode = image.root().context("cannot read the root image")?;
    comparison
        .directory(Vec::new(), Tree::ROOT, &inode)
        .context("cannot read the root image")?;
    match display.interrupted() {
        true => Err(Failure::interrupted()),
        false => Ok(comparison.differences),
    }
}

struct Comparison<'a, R> {
    tree: &'a Tree,
    files: &'a dyn ContentSource,
    image: &'a Image<R>,
    display: &'a Display,
    differences: Differences,
}

impl<R: ReadAt> Comparison<'_, R> {
    /// Both are directories of this path.
    fn directory(&mut self, path: Vec<u8>, node: NodeId, inode: &Inode) -> Result<(), ReadError> {
        self.attributes(&path, node, inode)?;
        let mut expected: BTreeMap<&[u8], NodeId> = self.tree.entries(node).collect();
        for entry in self.image.entries(inode)? {
            if self.display.interrupted() {
                return Ok(());
            }
            let entry = entry?;
            let path = [&path[..], b"/", &entry.name[..]].concat();
            match expected.remove(&entry.name[..]) {
                Some(node) => self.node(path, node, &entry.inode)?,
                None => self.differs(&path, "it is on the stick alone"),
            }
        }
        for name in expected.keys() {
            self.differs(
                &[&path[..], b"/", name].concat(),
                "it is missing on the stick",
            );
        }
        Ok(())
    }

    fn node(&mut self, path: Vec<u8>, node: NodeId, inode: &Inode) -> Result<(), ReadError> {
        let same_kind = match (&self.tree.node(node).kind, &inode.kind) {
            (Kind::Directory(_), InodeKind::Directory(_)) => {
                return self.directory(path, node, inode);
            }
            (Kind::File { .. }, InodeKind::File(_)) => {
                self.content(&path, node, inode)?;
                true
            }
            (Kind::Symlink(one), InodeKind::Symlink(other)) => one == other,
            (Kind::BlockDevice(one), InodeKind::BlockDevice(other))
            | (Kind::CharacterDevice(one), InodeKind::CharacterDevice(other)) => one == other,
            (Kind::Fifo, InodeKind::Fifo) | (Kind::Socket, InodeKind::Socket) => true,
            _ => false,
        };
        match same_kind {
            true => self.attributes(&path, node, inode),
            false => {
                self.differs(&path, "it is another file, link or device");
                Ok(())
            }
        }
    }

    fn attributes(&mut self, path: &[u8], node: NodeId, inode: &Inode) -> Result<(), ReadError> {
        let node = self.tree.node(node);
        let created = i64::from(self.image.superblock().created);
        let time = |metadata: &Metadata| metadata.modified_seconds;
        let (one, other) = (&node.metadata, &inode.metadata);
        let same_time = time(one) == time(other)
            // Moved to the ends of what the format holds, or to the time of the build.
            || time(one).clamp(0, i64::from(u32::MAX)).min(created) == time(other);
        let xattrs = self.image.xattrs(inode)?;
        let held = |xattr: &&Xattr| HELD.iter().any(|prefix| xattr.name.starts_with(prefix));
        let problem =
            if (one.permissions, one.uid, one.gid) != (other.permissions, other.uid, other.gid) {
                "it has another owner or other permissions"
            } else if !same_time {
                "it has another time"
            } else if !node.xattrs.iter().filter(held).eq(xattrs.iter()) {
                "it has other extended attributes"
            } else {
                self.differences.same += 1;
                return Ok(());
            };
        self.differs(path, problem);
        Ok(())
    }

    fn content(&mut self, path: &[u8], node: NodeId, inode: &Inode) -> Result<(), ReadError> {
        let file = match self.tree.open(node, self.files) {
            Ok(file) => file,
            Err(error) => {
                self.differs(path, &format!("the source cannot be read: {error}"));
                return Ok(());
            }
        };
        let mut content = self.image.content(inode)?;
        let (mut offset, mut found) = (0, Vec::new());
        let mut zeros = Vec::new();
        while let Some(piece) = content.next_piece()? {
            let bytes = match piece {
                Piece::Data(bytes) => bytes,
                // As long as a block at most.
                Piece::Hole(length) => {
                    zeros.resize(usize::try_from(length).unwrap_or_default(), 0);
                    &zeros[..]
                }
            };
            found.resize(bytes.len(), 0);
            if file.read_exact_at(&mut found, offset).is_err() || found != bytes {
                self.differs(path, "it has another content");
                return Ok(());
            }
            offset += bytes.len() as u64;
            self.display.advance(bytes.len() as u64);
        }
        // The source may go on.
        if !matches!(file.read_at(&mut [0], offset), Ok(0)) {
            self.differs(path, "it has another content");
        }
        Ok(())
    }

    fn differs(&mut self, path: &[u8], how: &str) {
        self.differences.count += 1;
        if self.differences.found.len() < DIFFERENCES_LIMIT {
            let path = String::from_utf8_lossy(path).into_owned();
            self.differences.found.push((path, how.to_owned()));
        }
    }
}
