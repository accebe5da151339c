//! Reading everything once before it is measured.

use anyhow::{Context, Result};
use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How much there is in a folder.
#[derive(Clone, Copy)]
pub struct Files {
    /// Of every kind, the names of one file counting each.
    pub count: u64,
    /// What the files hold, holes included.
    pub bytes: u64,
}

/// Reads every file once, so that neither side pays for the disk. A file with several names counts
/// as several files, and its bytes once.
pub fn warm(folder: &Path) -> Result<Files> {
    let mut files = Files { count: 0, bytes: 0 };
    let mut folders: Vec<PathBuf> = vec![folder.to_owned()];
    let mut seen = HashSet::new();
    while let Some(folder) = folders.pop() {
        let context = || format!("cannot read {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(context)? {
            let entry = entry.with_context(context)?;
            let metadata = entry.metadata().with_context(context)?;
            files.count += 1;
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.is_file() && seen.insert(metadata.ino()) {
                let mut file = File::open(entry.path()).with_context(context)?;
                files.bytes += io::copy(&mut file, &mut io::sink()).with_context(context)?;
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_in_a_folder_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), "12345").unwrap();
        fs::hard_link(folder.path().join("a/b"), folder.path().join("b")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("c")).unwrap();
        let files = warm(folder.path()).unwrap();
        assert_eq!((files.count, files.bytes), (4, 5));
    }
}
