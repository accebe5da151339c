//! An image file that appears when it is whole, and not before.

use crate::OutputError;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tempfile::{Builder, TempPath};

/// What to do where something has the image's name already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing, and say so.
    Refuse,
    /// Replace it, once the image is whole.
    Replace,
}

/// An image file in the making. It has no name until it is whole, so that nothing half-made is left
/// however the work ends; only a filesystem that cannot hold files without names shows it, as
/// `.NAME.….partial`, which is removed on any end but `SIGKILL`. Only its owner may read it: FAT
/// keeps no permissions, and a clone holds its owner's files.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    existing: Existing,
    file: File,
    partial: Option<TempPath>,
}

const PARTIAL: &str = ".partial";

impl Output {
    /// Makes the file. Best done before any other work, since what stands against it shows here.
    ///
    /// # Errors
    /// Where something has the name already and may not or cannot be replaced, or where no file can
    /// be made in that directory.
    pub fn create(path: &Path, existing: Existing) -> Result<Self, OutputError> {
        let path = resolve(path, existing)?;
        let directory = directory_of(&path);
        let (file, partial) = match unnamed_file(directory) {
            Ok(file) => Ok((file, None)),
            // What filesystems answer that have no files without names, and old kernels.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => named_file(&path),
            Err(error) => Err(error.into()),
        }
        .map_err(|source| OutputError::Create {
            directory: directory.to_owned(),
            source,
        })?;
        Ok(Self {
            path,
            existing,
            file,
            partial,
        })
    }

    /// Where the image will be.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What must not be read as part of a source that the image is made from: its final name, and
    /// that which it has meanwhile.
    pub fn names(&self) -> impl Iterator<Item = &Path> {
        [Some(self.path.as_path()), self.partial.as_deref()]
            .into_iter()
            .flatten()
    }

    /// The file, to be written.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// How many bytes the filesystem still has room for.
    ///
    /// # Errors
    /// What the kernel reports.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let filesystem = rustix::fs::fstatvfs(&self.file)?;
        Ok(filesystem.f_bavail.saturating_mul(filesystem.f_frsize))
    }

    /// Gives the whole image its name. What must outlive a power cut has been synced before, and the
    /// directory that is returned is synced after.
    ///
    /// # Errors
    /// Where something took the name meanwhile, or it cannot be given.
    pub fn publish(self) -> Result<PathBuf, OutputError> {
        let Self {
            path,
            existing,
            file,
            partial,
        } = self;
        let published = match (partial, existing) {
            (Some(partial), Existing::Refuse) => {
                partial.persist_noclobber(&path).map_err(io::Error::from)
            }
            (Some(partial), Existing::Replace) => partial.persist(&path).map_err(io::Error::from),
            (None, Existing::Refuse) => link(&file, &path),
            (None, Existing::Replace) => link_over(&file, &path),
        };
        published.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => OutputError::Exists { path: path.clone() },
            _ => OutputError::Publish {
                path: path.clone(),
                source,
            },
        })?;
        Ok(directory_of(&path).to_owned())
    }
}

/// The name to publish: what it links to, where that is to be replaced.
fn resolve(path: &Path, existing: Existing) -> Result<PathBuf, OutputError> {
    let not_a_file = || OutputError::NotAFile {
        path: path.to_owned(),
    };
    // `name/` and `name/.` stand for a directory, and `file_name` does not show it.
    let bytes = path.as_os_str().as_bytes();
    if path.file_name().is_none() || bytes.ends_with(b"/") || bytes.ends_with(b"/.") {
        return Err(not_a_file());
    }
    match fs::symlink_metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path.to_owned()),
        // A name that is too long, or one that may not be looked up, cannot be given at the end.
        Err(source) => {
            return Err(OutputError::Create {
                directory: directory_of(path).to_owned(),
                source,
            });
        }
    }
    let resolved = fs::canonicalize(path).map_err(|_| not_a_file())?;
    if !resolved.is_file() {
        return Err(not_a_file());
    }
    match existing {
        Existing::Replace => Ok(resolved),
        Existing::Refuse => Err(OutputError::Exists {
            path: path.to_owned(),
        }),
    }
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn unnamed_file(directory: &Path) -> Result<File, Errno> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

fn named_file(path: &Path) -> io::Result<(File, Option<TempPath>)> {
    let prefix = partial_prefix(path);
    let mut name = Builder::new();
    let file = name
        .prefix(&prefix)
        .suffix(PARTIAL)
        .tempfile_in(directory_of(path))?;
    let (file, partial) = file.into_parts();
    Ok((file, Some(partial)))
}

/// Takes the place of whatever has the name.
fn link_over(file: &File, path: &Path) -> io::Result<()> {
    let prefix = partial_prefix(path);
    let mut name = Builder::new();
    let name = name.prefix(&prefix).suffix(PARTIAL);
    let partial = name.make_in(directory_of(path), |partial| link(file, partial))?;
    Ok(partial.into_temp_path().persist(path)?)
}

/// Names a file that has no name: open(2), `O_TMPFILE`.
fn link(file: &File, path: &Path) -> io::Result<()> {
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, unnamed, CWD, path, AtFlags::SYMLINK_FOLLOW)?;
    Ok(())
}

/// Temporary names are `.NAME.RANDOM.partial`.
fn partial_prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry).into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// As on a filesystem that cannot hold files without names.
    fn named(path: &Path, existing: Existing) -> Output {
        let (file, partial) = named_file(path).unwrap();
        Output {
            path: path.to_owned(),
            existing,
            file,
            partial,
        }
    }

    fn unnamed(path: &Path, existing: Existing) -> Output {
        Output::create(path, existing).unwrap()
    }

    #[test]
    fn a_file_appears_when_it_is_whole() {
        for create in [named, unnamed] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("stick.img");
            let output = create(&path, Existing::Refuse);
            assert!(!path.exists());
            output.file().write_all(b"whole").unwrap();
            output.publish().unwrap();
            assert_eq!(names(directory.path()), ["stick.img"]);
            assert_eq!(fs::read(&path).unwrap(), b"whole");
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);

            let output = create(&path, Existing::Replace);
            output.file().write_all(b"another").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"whole");
            output.publish().unwrap();
            assert_eq!(names(directory.path()), ["stick.img"]);
            assert_eq!(fs::read(&path).unwrap(), b"another");
        }
    }

    #[test]
    fn nothing_is_left_of_what_was_not_finished() {
        for create in [named, unnamed] {
            let directory = tempfile::tempdir().unwrap();
            drop(create(
                &directory.path().join("stick.img"),
                Existing::Refuse,
            ));
            assert!(names(directory.path()).is_empty());
        }
    }

    #[test]
    fn what_appeared_meanwhile_is_not_overwritten() {
        for create in [named, unnamed] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("stick.img");
            let output = create(&path, Existing::Refuse);
            fs::write(&path, "mine").unwrap();
            let error = output.publish().unwrap_err();
            assert!(matches!(error, OutputError::Exists { .. }), "{error}");
            assert_eq!(fs::read(&path).unwrap(), b"mine");
            assert_eq!(names(directory.path()), ["stick.img"]);
        }
    }

    #[test]
    fn what_stands_against_the_file_shows_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let error = |name: &str, existing| Output::create(&at(name), existing).unwrap_err();
        fs::write(at("file"), "").unwrap();
        symlink(at("nowhere"), at("broken")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        let refused = error("file", Existing::Refuse);
        assert!(matches!(refused, OutputError::Exists { .. }), "{refused}");
        for name in ["broken", "directory", "directory/.."] {
            for existing in [Existing::Refuse, Existing::Replace] {
                let refused = error(name, existing);
                assert!(matches!(refused, OutputError::NotAFile { .. }), "{refused}");
            }
        }
        for name in ["new/", "new/.", "file/"] {
            let refused = error(name, Existing::Refuse);
            assert!(matches!(refused, OutputError::NotAFile { .. }), "{refused}");
        }
        for name in ["missing/file", "file/below", &"n".repeat(256)] {
            let refused = error(name, Existing::Refuse);
            assert!(matches!(refused, OutputError::Create { .. }), "{refused}");
        }
    }

    #[test]
    fn a_link_stays_and_its_file_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let (file, path) = (directory.path().join("file"), directory.path().join("link"));
        fs::write(&file, "before").unwrap();
        symlink(&file, &path).unwrap();
        let output = Output::create(&path, Existing::Replace).unwrap();
        output.file().write_all(b"after").unwrap();
        output.publish().unwrap();
        assert_eq!(fs::read_link(&path).unwrap(), file);
        assert_eq!(fs::read(&file).unwrap(), b"after");
    }
}
