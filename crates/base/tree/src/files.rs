//! A tree that is treated as `/`.

use crate::{ContentSource, Kind, NodeId, RootFiles, Tree};
use std::io;

/// The largest file that is read whole: kernels, modules and firmware stay far below it.
const WHOLE_FILE_LIMIT_BYTES: u64 = 512 << 20;

/// The files of a tree, found as a program that runs in that root would find them.
#[derive(Clone, Copy)]
pub struct TreeFiles<'a> {
    tree: &'a Tree,
    contents: &'a dyn ContentSource,
}

impl<'a> TreeFiles<'a> {
    /// A tree, and where its contents are.
    #[must_use]
    pub fn new(tree: &'a Tree, contents: &'a dyn ContentSource) -> Self {
        Self { tree, contents }
    }

    fn resolve(&self, path: &str) -> io::Result<NodeId> {
        let node = self.tree.resolve(path.as_bytes());
        node.ok_or(io::ErrorKind::NotFound.into())
    }
}

impl std::fmt::Debug for TreeFiles<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TreeFiles").finish_non_exhaustive()
    }
}

impl RootFiles for TreeFiles<'_> {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let node = self.resolve(path)?;
        let file = self.tree.open(node, self.contents)?;
        let length = usize::try_from(file.stamp()?.length_bytes)
            .ok()
            .filter(|length| *length as u64 <= WHOLE_FILE_LIMIT_BYTES)
            .ok_or(io::ErrorKind::FileTooLarge)?;
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let node = self.resolve(path)?;
        if !matches!(self.tree.node(node).kind, Kind::Directory(_)) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let names = self.tree.entries(node);
        let names = names.filter_map(|(name, _)| std::str::from_utf8(name).ok());
        Ok(names.map(str::to_owned).collect())
    }

    fn is_program(&self, path: &str) -> bool {
        self.resolve(path).is_ok_and(|node| {
            let node = self.tree.node(node);
            matches!(node.kind, Kind::File { .. }) && node.metadata.permissions & 0o111 != 0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, Metadata, RootDirectory};

    #[test]
    fn files_are_found_through_links_and_read_from_both_places() {
        let metadata = |permissions| Metadata {
            permissions,
            uid: 0,
            gid: 0,
            modified_seconds: 0,
        };
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("b"), "from the source").unwrap();
        let source = RootDirectory::open(folder.path()).unwrap();
        let mut tree = Tree::new(metadata(0o755), Box::default());
        let kinds = [
            ("a", 0o755, Kind::inline_file(*b"made up")),
            (
                "b",
                0o644,
                Kind::File {
                    length_bytes: 15,
                    content: Content::Source,
                },
            ),
            ("d", 0o755, Kind::empty_directory()),
            ("l", 0o777, Kind::Symlink((*b"/d/../a").into())),
        ];
        for (name, permissions, kind) in kinds {
            tree.add(
                Tree::ROOT,
                name.as_bytes(),
                metadata(permissions),
                kind,
                Box::default(),
            )
            .unwrap();
        }
        let files = TreeFiles::new(&tree, &source);
        assert_eq!(files.read("/l").unwrap(), b"made up");
        assert_eq!(files.read("b").unwrap(), b"from the source");
        assert_eq!(files.list("").unwrap(), ["a", "b", "d", "l"]);
        assert!(files.is_program("l") && !files.is_program("b") && !files.is_program("d"));
        assert_eq!(
            files.read("d").unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
        assert_eq!(
            files.list("a").unwrap_err().kind(),
            io::ErrorKind::NotADirectory
        );
    }
}
