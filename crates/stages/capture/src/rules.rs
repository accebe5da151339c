//! What every stick's tree lacks and has: the steps that the procedure by hand takes on a copy.

use crate::{CaptureError, Report, fstab};
use livestick_tree::{Device, Kind, Metadata, NodeId, RootDirectory, RootFiles, Tree};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Directories that the running system fills anew: they stay, what is in them is left out.
const EMPTIED: [&str; 7] = ["proc", "sys", "dev", "run", "tmp", "var/tmp", "var/run"];

/// Directories on which `/init` and the init system mount; made where the source lacks them.
const NEEDED: [(&str, u16); 5] = [
    ("dev", 0o755),
    ("proc", 0o555),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
];

/// Where installers put swap files. One of these names counts only with the signature of swap.
const SWAP_NAMES: [&str; 4] = ["swapfile", "swap.img", "swap/swapfile", "var/swap"];

/// `mkswap` ends the first page, of whatever size, with this word (`union swap_header` in
/// `include/linux/swap.h`).
const SWAP_SIGNATURE: &[u8] = b"SWAPSPACE2";
const PAGE_SIZES: [u64; 3] = [4096, 16384, 65536];

/// The rules, with what they need to know of the source beforehand.
pub(crate) struct Rules<'a> {
    files: &'a RootDirectory,
    swap_files: Vec<Vec<u8>>,
}

impl<'a> Rules<'a> {
    pub(crate) fn new(files: &'a RootDirectory) -> Self {
        let table = files.read("etc/fstab").unwrap_or_default();
        Self {
            files,
            swap_files: fstab::swap_files(&table),
        }
    }

    /// Whether what is below a directory is left out.
    pub(crate) fn empties(&self, directory: &[u8]) -> bool {
        EMPTIED.iter().any(|path| path.as_bytes() == directory)
    }

    /// Whether a regular file holds swap: named in `/etc/fstab`, or in a usual place and signed.
    pub(crate) fn is_swap(&self, path: &[u8]) -> bool {
        self.swap_files.iter().any(|swap| swap == path)
            || SWAP_NAMES.iter().any(|name| name.as_bytes() == path) && self.is_signed(path)
    }

    fn is_signed(&self, path: &[u8]) -> bool {
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        let Ok(file) = self.files.open_in_root(path) else {
            return false;
        };
        PAGE_SIZES.iter().any(|page| {
            let mut word = [0; SWAP_SIGNATURE.len()];
            let at = page - SWAP_SIGNATURE.len() as u64;
            file.read_exact_at(&mut word, at).is_ok() && word == SWAP_SIGNATURE
        })
    }

    /// Adds and replaces what the stick needs.
    pub(crate) fn finish(&self, tree: &mut Tree, report: &mut Report) -> Result<(), CaptureError> {
        add_needed(tree, report).map_err(|source| CaptureError::Tree { source })?;
        self.replace_fstab(tree, report)
            .map_err(|source| CaptureError::Tree { source })
    }

    fn replace_fstab(
        &self,
        tree: &mut Tree,
        report: &mut Report,
    ) -> Result<(), livestick_tree::TreeError> {
        let Some(etc) = tree.lookup(b"etc") else {
            return Ok(());
        };
        let Some(node) = tree.child(etc, b"fstab") else {
            return Ok(());
        };
        let table = match self.files.read("etc/fstab") {
            Ok(table) if matches!(tree.node(node).kind, Kind::File { .. }) => table,
            _ => return Ok(()),
        };
        // A node of its own: the old one may have other names.
        let old = tree.node(node);
        let (metadata, xattrs) = (old.metadata, old.xattrs.clone());
        tree.remove(etc, b"fstab");
        let kind = Kind::inline_file(fstab::without_disks(&table));
        tree.add(etc, b"fstab", metadata, kind, xattrs)?;
        report.replaced.push("etc/fstab".into());
        Ok(())
    }
}

fn add_needed(tree: &mut Tree, report: &mut Report) -> Result<(), livestick_tree::TreeError> {
    let metadata = |tree: &Tree, near: NodeId, permissions| Metadata {
        permissions,
        uid: 0,
        gid: 0,
        modified_seconds: tree.node(near).metadata.modified_seconds,
    };
    for (name, permissions) in NEEDED {
        if tree.child(Tree::ROOT, name.as_bytes()).is_none() {
            let metadata = metadata(tree, Tree::ROOT, permissions);
            let kind = Kind::empty_directory();
            tree.add(Tree::ROOT, name.as_bytes(), metadata, kind, Box::default())?;
            report.added.push(name.into());
        }
    }
    let Some(dev) = tree.child(Tree::ROOT, b"dev") else {
        return Ok(());
    };
    if !matches!(tree.node(dev).kind, Kind::Directory(_)) {
        return Ok(());
    }
    let device = |major, minor| Kind::CharacterDevice(Device { major, minor });
    for (name, permissions, kind) in [
        ("console", 0o600, device(5, 1)),
        ("initctl", 0o600, Kind::Fifo),
        ("null", 0o666, device(1, 3)),
    ] {
        let metadata = metadata(tree, dev, permissions);
        tree.add(dev, name.as_bytes(), metadata, kind, Box::default())?;
        report.added.push(Path::new("dev").join(name));
    }
    Ok(())
}
