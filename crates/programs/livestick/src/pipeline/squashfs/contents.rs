//! What an image is made of.

use crate::failure::{Exit, Failure};
use crate::pipeline::{source, warnings};
use crate::progress::Display;
use crate::settings::Create;
use anyhow::Context;
use livestick_capture::{Exclusions, Options, Source};
use livestick_squashfs::LostXattr;
use livestick_tar::Archive;
use livestick_tree::{ContentSource, NodeId, Tree};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What an ACL is called as an attribute.
const ACL_NAME: &[u8] = b"system.posix_acl_access";

/// A tree, and where its files are read.
pub struct Contents {
    /// The files.
    pub tree: Tree,
    /// Their bytes.
    pub files: Files,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// What is missing.
    pub missing: Missing,
}

/// What the source has, or had, and the tree has not.
#[derive(Debug, Default)]
pub struct Missing {
    /// What could not be read.
    pub unreadable: Vec<PathBuf>,
    /// What was gone when it was looked at.
    pub vanished: Vec<PathBuf>,
    /// The files of an archive that have an ACL, by their paths in it.
    pub acls: Vec<Vec<u8>>,
}

impl Missing {
    /// Adds the ACLs to the attributes that SquashFS cannot hold. An archive may have one in two forms,
    /// the other as an attribute.
    pub fn add_acls(&self, lost: &mut Vec<LostXattr>) {
        let known: HashSet<_> = lost
            .iter()
            .filter(|lost| lost.name.starts_with(b"system.posix_acl_"))
            .map(|lost| lost.path.clone())
            .collect();
        let more = self.acls.iter().filter(|path| !known.contains(*path));
        lost.extend(more.map(|path| LostXattr {
            path: path.clone(),
            name: ACL_NAME.to_vec(),
        }));
    }
}

/// Where files are read.
pub enum Files {
    /// In a directory.
    Directory(Source),
    /// In an archive.
    Archive(livestick_tar::Contents),
}

impl Files {
    /// As the writer wants it.
    pub fn source(&self) -> &dyn ContentSource {
        match self {
            Self::Directory(source) => source.files(),
            Self::Archive(contents) => contents,
        }
    }
}

impl Contents {
    /// Reads a directory, or an archive: from a file, or `-` for standard input.
    pub fn read(
        settings: &mut Create,
        image_names: &[PathBuf],
        display: &Display,
    ) -> Result<Self, Failure> {
        let exclusions = std::mem::take(&mut settings.exclusions);
        let path = &settings.source;
        if path == Path::new("-") || path.is_file() || is_pipe(path) {
            return archive(path, image_names, &exclusions, display);
        }
        let source = Source::open(path).map_err(source::not_captured)?;
        let options = Options {
            exclusions,
            left_out: source::inside(image_names, source.path()),
            unreadable: settings.unreadable,
            ..Options::default()
        };
        let captured = source.scan(&options, display);
        let captured = captured.map_err(source::not_captured)?;
        let mut warnings = warnings::of_capture(&captured.report);
        warnings.extend(warnings::of_exclusions(&options.exclusions));
        Ok(Self {
            tree: captured.tree,
            files: Files::Directory(source),
            warnings,
            missing: Missing {
                unreadable: captured.report.unreadable,
                vanished: captured.report.vanished,
                acls: Vec::new(),
            },
        })
    }
}

fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata()
        .is_ok_and(|metadata| metadata.file_type().is_fifo())
}

fn archive(
    path: &Path,
    image_names: &[PathBuf],
    exclusions: &Exclusions,
    display: &Display,
) -> Result<Contents, Failure> {
    let refused = |error| Failure::new(Exit::Refused, error);
    let file = match path.to_str() {
        Some("-") => std::io::stdin()
            .as_fd()
            .try_clone_to_owned()
            .map(File::from),
        _ => File::open(path),
    };
    let shown = path.display();
    let file = file
        .with_context(|| format!("cannot open {shown}"))
        .map_err(refused)?;
    // Beside the image there is room for it, or there will be none for the image either.
    let beside = image_names.first().and_then(|name| name.parent());
    let beside = beside.filter(|directory| !directory.as_os_str().is_empty());
    let spool = || match beside {
        Some(directory) => tempfile::tempfile_in(directory),
        None => tempfile::tempfile(),
    };
    let read = Archive::read_file(file, spool, &livestick_tar::Options::default(), display);
    let mut archive = match read {
        Err(livestick_tar::ReadError::Interrupted) => return Err(Failure::interrupted()),
        read => read.with_context(|| format!("cannot read {shown} as a tar archive"))?,
    };
    exclude(&mut archive.tree, exclusions);
    Ok(Contents {
        tree: archive.tree,
        files: Files::Archive(archive.contents),
        warnings: warnings::of_exclusions(exclusions),
        missing: Missing {
            acls: archive.report.lost_acls,
            ..Missing::default()
        },
    })
}

/// Leaves out what matches, as the scan of a directory does.
fn exclude(tree: &mut Tree, exclusions: &Exclusions) {
    let mut waiting = vec![(Tree::ROOT, PathBuf::new())];
    while let Some((directory, path)) = waiting.pop() {
        let entries: Vec<(Vec<u8>, NodeId)> = tree
            .entries(directory)
            .map(|(name, id)| (name.to_vec(), id))
            .collect();
        for (name, id) in entries {
            let path = path.join(OsStr::from_bytes(&name));
            if exclusions.excludes(&path) {
                tree.remove(directory, &name);
            } else {
                waiting.push((id, path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestick_tree::{Kind, Metadata};

    #[test]
    fn an_acl_is_lost_once() {
        let missing = Missing {
            acls: vec![b"both".to_vec(), b"record".to_vec()],
            ..Missing::default()
        };
        let attribute = |path: &[u8]| LostXattr {
            path: path.to_vec(),
            name: ACL_NAME.to_vec(),
        };
        let mut lost = vec![attribute(b"both")];
        missing.add_acls(&mut lost);
        assert_eq!(lost, [attribute(b"both"), attribute(b"record")]);
    }

    #[test]
    fn what_matches_is_left_out_with_all_that_is_below() {
        let metadata = Metadata {
            permissions: 0o755,
            uid: 0,
            gid: 0,
            modified_seconds: 0,
        };
        let mut tree = Tree::new(metadata, Box::default());
        for name in ["etc", "var"] {
            let kind = Kind::empty_directory();
            let id = tree.add(Tree::ROOT, name.as_bytes(), metadata, kind, Box::default());
            let id = id.unwrap();
            tree.add(id, b"a.pyc", metadata, Kind::Fifo, Box::default())
                .unwrap();
            tree.add(id, b"b", metadata, Kind::Fifo, Box::default())
                .unwrap();
        }
        let patterns = ["var".to_owned(), "... *.pyc".to_owned()];
        exclude(&mut tree, &Exclusions::new(&patterns).unwrap());
        assert!(tree.lookup(b"etc/b").is_some());
        for gone in ["var", "etc/a.pyc"] {
            assert!(tree.lookup(gone.as_bytes()).is_none(), "{gone}");
        }
    }
}
