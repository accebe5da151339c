//! Names and metadata of everything below a root become a tree.

use crate::rules::Rules;
use crate::walk::{Entry, File, Found, Listings, Walk, join, to_path};
use crate::{Capture, CaptureError, Options, Report, Unreadable};
use livestick_blockio::Progress;
use livestick_tree::{Kind, NodeId, RootDirectory, Tree};
use std::collections::HashMap;
use std::ffi::CStr;
use std::io;

/// Reads everything below a root. Without rules it is taken as it is.
pub(crate) fn scan(
    files: &RootDirectory,
    rules: Option<&Rules<'_>>,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Capture, CaptureError> {
    let walk = Walk::new(files, rules, options, progress);
    let (metadata, xattrs) = walk.root().map_err(|source| unreadable(b"", source))?;
    let listings = walk.run();
    if progress.interrupted() {
        return Err(CaptureError::Interrupted);
    }
    let scan = Scan {
        rules,
        options,
        listings,
        tree: Tree::new(metadata, xattrs),
        report: Report::default(),
        linked: HashMap::new(),
        pending: vec![(Tree::ROOT, Vec::new())],
    };
    scan.run()
}

/// A tree in the making. It grows in an order of its own, whichever directory was read first.
struct Scan<'a> {
    rules: Option<&'a Rules<'a>>,
    options: &'a Options,
    listings: Listings,
    tree: Tree,
    report: Report,
    /// Files with several names, by device and inode.
    linked: HashMap<(u32, u32, u64), NodeId>,
    /// Directories still to be filled, with their paths.
    pending: Vec<(NodeId, Vec<u8>)>,
}

impl Scan<'_> {
    fn run(mut self) -> Result<Capture, CaptureError> {
        while let Some((directory, path)) = self.pending.pop() {
            if let Err(error) = self.directory(directory, &path) {
                self.tolerate(error)?;
            }
        }
        let Self {
            tree, mut report, ..
        } = self;
        report.unreadable.sort();
        Ok(Capture { tree, report })
    }

    /// Names what cannot be read, or gives up because of it.
    fn tolerate(&mut self, error: CaptureError) -> Result<(), CaptureError> {
        match (error, self.options.unreadable) {
            (CaptureError::Unreadable { path, .. }, Unreadable::Skip) => {
                self.report.unreadable.push(path);
                Ok(())
            }
            (error, _) => Err(error),
        }
    }

    fn directory(&mut self, parent: NodeId, path: &[u8]) -> Result<(), CaptureError> {
        // Every directory that is entered was read.
        let listing = self.listings.remove(path).unwrap_or(Ok(Vec::new()));
        for Entry { name, found } in listing.map_err(|source| unreadable(path, source))? {
            let path = join(path, name.to_bytes());
            if let Err(error) = self.entry(parent, &name, path, found) {
                self.tolerate(error)?;
            }
        }
        Ok(())
    }

    fn entry(
        &mut self,
        parent: NodeId,
        name: &CStr,
        path: Vec<u8>,
        found: Found,
    ) -> Result<(), CaptureError> {
        match found {
            Found::Excluded => self.report.excluded.push(to_path(&path)),
            Found::LeftOut => self.report.left_out.push(to_path(&path)),
            Found::File(file) => {
                let file = file.map_err(|source| unreadable(&path, source))?;
                self.file(parent, name, path, *file)?;
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        parent: NodeId,
        name: &CStr,
        path: Vec<u8>,
        file: File,
    ) -> Result<(), CaptureError> {
        let known = file.linked.and_then(|inode| self.linked.get(&inode));
        if let Some(node) = known {
            let linked = self.tree.link(parent, name.to_bytes(), *node);
            self.report.files += 1;
            return linked.map_err(|source| CaptureError::Tree { source });
        }
        if let Kind::File { length_bytes, .. } = file.kind {
            if self.rules.is_some_and(|rules| rules.is_swap(&path)) {
                self.report.left_out.push(to_path(&path));
                return Ok(());
            }
            self.report.bytes += length_bytes;
        }
        self.report.files += 1;
        let node = self
            .tree
            .add(
                parent,
                name.to_bytes(),
                file.metadata,
                file.kind,
                file.xattrs,
            )
            .map_err(|source| CaptureError::Tree { source })?;
        if let Some(inode) = file.linked {
            self.linked.insert(inode, node);
        }
        if file.is_emptied {
            self.report.emptied.push(to_path(&path));
        } else if file.is_entered {
            self.pending.push((node, path));
        }
        Ok(())
    }
}

fn unreadable(path: &[u8], source: io::Error) -> CaptureError {
    CaptureError::Unreadable {
        path: to_path(if path.is_empty() { b"." } else { path }),
        source,
    }
}
