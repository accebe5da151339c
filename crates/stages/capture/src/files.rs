//! The files of a source that lies on one filesystem or on several.

use crate::walk::to_path;
use livestick_tree::{
    Content, ContentSource, Kind, Node, NodeId, RootDirectory, RootFiles, SourceFile, Tree,
};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How many links the kernel follows on the way to a file (`MAXSYMLINKS`).
const LINK_LIMIT: usize = 40;

/// What lets owner, group and others read.
const READABLE: u16 = 0o444;
/// Where a list says more of who may read (`xattr(7)`).
const ACL: &[u8] = b"system.posix_acl_access";

/// The files of a source: those of its own filesystem, and those of the others that are taken along.
/// Each is open by itself and mounted nowhere; here they are put together again.
#[derive(Debug)]
pub struct Files {
    root: RootDirectory,
    /// Where the other filesystems belong. One comes after all that lie deeper.
    mounts: Vec<(PathBuf, RootDirectory)>,
}

impl Files {
    pub(crate) fn new(root: RootDirectory, mut mounts: Vec<(PathBuf, RootDirectory)>) -> Self {
        mounts.sort_by(|(one, _), (other, _)| other.cmp(one));
        Self { root, mounts }
    }

    /// The source's own filesystem.
    pub(crate) fn root(&self) -> &RootDirectory {
        &self.root
    }

    /// The filesystem that belongs to this path.
    pub(crate) fn mount_at(&self, path: &[u8]) -> Option<&RootDirectory> {
        let mut mounts = self.mounts.iter();
        let found = mounts.find(|(point, _)| point.as_os_str().as_bytes() == path);
        found.map(|(_, directory)| directory)
    }

    /// Opens a directory, for a scan: no link on the way is followed.
    pub(crate) fn open_directory(&self, path: &Path) -> io::Result<OwnedFd> {
        let (directory, path) = self.place(path);
        directory.open_directory(path)
    }

    /// Opens a file as the root's own programs would.
    ///
    /// # Errors
    /// As the system call reports.
    pub fn open_in_root(&self, path: &Path) -> io::Result<File> {
        if self.mounts.is_empty() {
            return self.root.open_in_root(path);
        }
        let path = self.resolve(path)?;
        let (directory, path) = self.place(&path);
        directory.open_in_root(path)
    }

    /// Opens a regular file whose contents go into an image: no link on the way is followed.
    pub(crate) fn open_source_file(&self, path: &Path) -> io::Result<Box<dyn SourceFile>> {
        let (directory, path) = self.place(path);
        directory.open_source_file(path)
    }

    /// The regular files of a tree that cannot be opened, sorted, and why. Only those are tried
    /// whose permissions leave somebody out: in a usual root a few of many.
    pub(crate) fn unreadable(&self, tree: &Tree) -> Vec<(PathBuf, io::Error)> {
        let mut candidates = BTreeSet::new();
        let mut directories = vec![Tree::ROOT];
        while let Some(directory) = directories.pop() {
            for (_, id) in tree.entries(directory) {
                match &tree.node(id).kind {
                    Kind::Directory(_) => directories.push(id),
                    Kind::File {
                        content: Content::Source,
                        ..
                    } if leaves_somebody_out(tree.node(id)) => {
                        candidates.insert((tree.source_path(id), id));
                    }
                    _ => {}
                }
            }
        }
        let failures = candidates.into_iter().filter_map(|(path, id)| {
            let error = self.open(tree, id).err()?;
            Some((to_path(&path), error))
        });
        failures.collect()
    }

    /// The filesystem in which a path lies, and its path there.
    fn place<'a>(&self, path: &'a Path) -> (&RootDirectory, &'a Path) {
        let mut mounts = self.mounts.iter();
        let inside = mounts.find_map(|(point, directory)| {
            let rest = path.strip_prefix(point).ok()?;
            Some((directory, rest))
        });
        inside.unwrap_or((&self.root, path))
    }

    /// Follows links, which may lead from one filesystem to another.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let mut at = PathBuf::new();
        let mut names = reversed_names(path.as_os_str().as_bytes());
        let mut links = 0;
        while let Some(name) = names.pop() {
            match &*name {
                b"." => {}
                b".." => {
                    at.pop();
                }
                name => match self.link_target(&at.join(OsStr::from_bytes(name)))? {
                    None => at.push(OsStr::from_bytes(name)),
                    Some(target) => {
                        links += 1;
                        if links > LINK_LIMIT {
                            return Err(rustix::io::Errno::LOOP.into());
                        }
                        if target.starts_with(b"/") {
                            at.clear();
                        }
                        names.extend(reversed_names(&target));
                    }
                },
            }
        }
        Ok(at)
    }

    /// Where a symbolic link leads; `None` for everything else.
    fn link_target(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        let (directory, path) = self.place(path);
        if path.as_os_str().is_empty() {
            return Ok(None);
        }
        directory.read_link(path)
    }
}

/// Whether there may be a user who cannot read a file.
fn leaves_somebody_out(node: &Node) -> bool {
    let has_acl = node.xattrs.iter().any(|xattr| *xattr.name == *ACL);
    node.metadata.permissions & READABLE != READABLE || has_acl
}

fn reversed_names(path: &[u8]) -> Vec<Vec<u8>> {
    let names = path.split(|byte| *byte == b'/').rev();
    names
        .filter(|name| !name.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

impl RootFiles for Files {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        if self.mounts.is_empty() {
            return self.root.read(path);
        }
        let path = self.resolve(Path::new(path))?;
        let (directory, path) = self.place(&path);
        directory.read(text(path)?)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        if self.mounts.is_empty() {
            return self.root.list(path);
        }
        let path = self.resolve(Path::new(path))?;
        let (directory, path) = self.place(&path);
        directory.list(text(path)?)
    }

    fn is_program(&self, path: &str) -> bool {
        if self.mounts.is_empty() {
            return self.root.is_program(path);
        }
        let Ok(path) = self.resolve(Path::new(path)) else {
            return false;
        };
        let (directory, path) = self.place(&path);
        text(path).is_ok_and(|path| directory.is_program(path))
    }
}

fn text(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or(io::ErrorKind::NotFound.into())
}

impl ContentSource for Files {
    fn open(&self, tree: &Tree, node: NodeId) -> io::Result<Box<dyn SourceFile>> {
        self.open_source_file(&to_path(&tree.source_path(node)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_lead_from_one_filesystem_to_another() {
        let (root, usr, var) = (folder(), folder(), folder());
        fs::create_dir_all(root.path().join("etc")).unwrap();
        for point in ["usr", "var"] {
            fs::create_dir(root.path().join(point)).unwrap();
        }
        symlink("usr/lib", root.path().join("lib")).unwrap();
        symlink("../lib/os-release", root.path().join("etc/os-release")).unwrap();
        fs::create_dir(usr.path().join("lib")).unwrap();
        fs::write(usr.path().join("lib/os-release"), "usr").unwrap();
        symlink("/var/../var/data", usr.path().join("lib/data")).unwrap();
        symlink("round", usr.path().join("lib/round")).unwrap();
        fs::write(var.path().join("data"), "var").unwrap();

        let open = |folder: &tempfile::TempDir| RootDirectory::open(folder.path()).unwrap();
        let mounts = vec![("usr".into(), open(&usr)), ("var".into(), open(&var))];
        let files = Files::new(open(&root), mounts);
        assert_eq!(files.read("etc/os-release").unwrap(), b"usr");
        assert_eq!(files.read("/lib/data").unwrap(), b"var");
        assert_eq!(files.list("lib").unwrap(), ["data", "os-release", "round"]);
        assert_eq!(files.list("/").unwrap(), ["etc", "lib", "usr", "var"]);
        assert_eq!(files.list("var").unwrap(), ["data"]);
        assert!(files.read("lib/round").is_err() && files.read("lib/nothing").is_err());
        assert!(files.open_in_root(Path::new("etc/os-release")).is_ok());
    }

    #[test]
    fn the_deepest_filesystem_has_the_file() {
        let (root, var, log) = (folder(), folder(), folder());
        fs::write(log.path().join("x"), "log").unwrap();
        fs::create_dir(var.path().join("log")).unwrap();
        fs::write(var.path().join("log/x"), "hidden").unwrap();
        let open = |folder: &tempfile::TempDir| RootDirectory::open(folder.path()).unwrap();
        let mounts = vec![("var".into(), open(&var)), ("var/log".into(), open(&log))];
        let files = Files::new(open(&root), mounts);
        assert_eq!(files.place(Path::new("var/log/x")).1, Path::new("x"));
        assert!(files.mount_at(b"var/log").is_some() && files.mount_at(b"var/lo").is_none());
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }
}
