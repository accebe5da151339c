//! A directory as a tree: just enough for examples and tests.

use livestick_tree::{Content, Device, Kind, Metadata, NodeId, Tree, Xattr};
use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Scans a directory, without following links.
pub fn scan(root: &Path) -> io::Result<Tree> {
    let mut tree = Tree::new(metadata(&fs::symlink_metadata(root)?), xattrs(root)?);
    let mut links = HashMap::new();
    scan_into(&mut tree, Tree::ROOT, root, &mut links)?;
    Ok(tree)
}

type Links = HashMap<(u64, u64), NodeId>;

fn scan_into(tree: &mut Tree, parent: NodeId, path: &Path, links: &mut Links) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        let found = fs::symlink_metadata(&path)?;
        let key = (found.dev(), found.ino());
        if let Some(node) = links.get(&key) {
            tree.link(parent, name.as_bytes(), *node)
                .map_err(io::Error::other)?;
            continue;
        }
        let kind = kind(&found, &path)?;
        let attributes = xattrs(&path)?;
        let node = tree
            .add(parent, name.as_bytes(), metadata(&found), kind, attributes)
            .map_err(io::Error::other)?;
        if found.is_dir() {
            scan_into(tree, node, &path, links)?;
        } else if found.nlink() > 1 {
            links.insert(key, node);
        }
    }
    Ok(())
}

fn metadata(found: &fs::Metadata) -> Metadata {
    Metadata {
        permissions: u16::try_from(found.mode() & 0o7777).unwrap_or_default(),
        uid: found.uid(),
        gid: found.gid(),
        modified_seconds: found.mtime(),
    }
}

fn kind(found: &fs::Metadata, path: &Path) -> io::Result<Kind> {
    let kind = found.file_type();
    let device = Device {
        major: rustix::fs::major(found.rdev()),
        minor: rustix::fs::minor(found.rdev()),
    };
    Ok(if kind.is_dir() {
        Kind::empty_directory()
    } else if kind.is_symlink() {
        Kind::Symlink(fs::read_link(path)?.into_os_string().into_vec().into())
    } else if kind.is_block_device() {
        Kind::BlockDevice(device)
    } else if kind.is_char_device() {
        Kind::CharacterDevice(device)
    } else if kind.is_fifo() {
        Kind::Fifo
    } else if kind.is_socket() {
        Kind::Socket
    } else {
        Kind::File {
            length_bytes: found.len(),
            content: Content::Source,
        }
    })
}

/// The attributes of a file, sorted by name.
pub fn xattrs(path: &Path) -> io::Result<Box<[Xattr]>> {
    let mut names = match rustix::fs::llistxattr_query(path) {
        Ok(length) => vec![0; length],
        Err(rustix::io::Errno::NOTSUP) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    if names.is_empty() {
        return Ok(Box::default());
    }
    let length = rustix::fs::llistxattr(path, &mut names[..])?;
    let mut xattrs = Vec::new();
    for name in names[..length].split(|byte| *byte == 0) {
        if name.is_empty() {
            continue;
        }
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..])?;
        xattrs.push(Xattr {
            name: name.into(),
            value: value[..length].into(),
        });
    }
    xattrs.sort_unstable();
    Ok(xattrs.into())
}
