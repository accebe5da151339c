//! Names and metadata of everything below a root become a tree.

use crate::files::Files;
use crate::filter::{Cause, Filter};
use crate::walk::{Entry, File, Found, Inode, Listings, Saved, Walk, Walked, join, to_path};
use crate::{Capture, CaptureError, Report, Unreadable};
use livestick_blockio::Progress;
use livestick_tree::{Kind, NodeId, Tree};
use std::collections::HashMap;
use std::ffi::CStr;
use std::io;

/// Reads everything below a root that the filter lets in.
pub(crate) fn scan(
    files: &Files,
    filter: &Filter<'_>,
    progress: &dyn Progress,
) -> Result<Capture, CaptureError> {
    let walk = Walk::new(files, filter, progress);
    let (metadata, xattrs) = walk.root().map_err(|source| unreadable(b"", source))?;
    let Walked { listings, saved } = walk.run();
    if progress.interrupted() {
        return Err(CaptureError::Interrupted);
    }
    let mut report = Report::default();
    for (cause, saved) in saved {
        report.omit(cause, saved);
    }
    let scan = Scan {
        files,
        filter,
        listings,
        tree: Tree::new(metadata, xattrs),
        report,
        linked: HashMap::new(),
        pending: vec![(Tree::ROOT, Vec::new())],
    };
    scan.run()
}

/// A tree in the making. It grows in an order of its own, whichever directory was read first.
struct Scan<'a> {
    files: &'a Files,
    filter: &'a Filter<'a>,
    listings: Listings,
    tree: Tree,
    report: Report,
    /// Files with several names, by device and inode.
    linked: HashMap<Inode, NodeId>,
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
        report.vanished.sort();
        Ok(Capture { tree, report })
    }

    /// Names what cannot be read or is gone, or gives up because of it.
    fn tolerate(&mut self, error: CaptureError) -> Result<(), CaptureError> {
        match (error, self.filter.options().unreadable) {
            // A system that runs deletes files: what is gone is no part of it any more.
            (CaptureError::Unreadable { path, source }, _)
                if source.kind() == io::ErrorKind::NotFound =>
            {
                self.report.vanished.push(path);
                Ok(())
            }
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
            Found::Omitted(cause) => self.report.omission(cause).paths.push(to_path(&path)),
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
        mut file: File,
    ) -> Result<(), CaptureError> {
        if let Kind::File { length_bytes, .. } = file.kind {
            if let Some(cause) = self.omits_content(&path) {
                let saved = Saved {
                    files: 1,
                    bytes: length_bytes,
                };
                self.report.omit(cause, saved).paths.push(to_path(&path));
                return Ok(());
            }
            if let Some(cause) = self.filter.blanks(&path).filter(|_| length_bytes > 0) {
                let saved = Saved {
                    files: 0,
                    bytes: length_bytes,
                };
                self.report.omit(cause, saved);
                self.report.replaced.push(to_path(&path));
                file.kind = Kind::inline_file([]);
                // Its other names, if there are any, have another content.
                file.linked = None;
            }
        }
        let known = file.linked.and_then(|inode| self.linked.get(&inode));
        self.report.files += 1;
        if let Some(node) = known {
            let linked = self.tree.link(parent, name.to_bytes(), *node);
            return linked.map_err(|source| CaptureError::Tree { source });
        }
        if let Kind::File { length_bytes, .. } = file.kind {
            self.report.bytes += length_bytes;
        }
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
        match file.emptied {
            Some(cause) => self
                .report
                .omission(cause)
                .paths
                .push(to_path(&join(&path, b""))),
            None if file.is_entered => self.pending.push((node, path)),
            None => {}
        }
        Ok(())
    }

    fn omits_content(&self, path: &[u8]) -> Option<Cause> {
        let open = || self.files.open_in_root(&to_path(path)).ok();
        self.filter.omits_content(path, open)
    }
}

fn unreadable(path: &[u8], source: io::Error) -> CaptureError {
    CaptureError::Unreadable {
        path: to_path(if path.is_empty() { b"." } else { path }),
        source,
    }
}
