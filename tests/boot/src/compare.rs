//! Compares the root on a stick, or any tree in an image, with what it was made of, path by path.

use rustix::fs::{lgetxattr, llistxattr, makedev};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{CStr, CString};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What is in these is left out; they themselves stay.
pub const EMPTIED: [&str; 7] = [
    "dev",
    "proc",
    "run",
    "sys",
    "tmp",
    "var/tmp",
    "var/lib/apt/lists",
];
/// What every stick has in `dev`: its kind, and major and minor number.
pub const ADDED: [(&str, &str, u32, u32); 3] = [
    ("dev/console", "character device", 5, 1),
    ("dev/initctl", "FIFO", 0, 0),
    ("dev/null", "character device", 1, 3),
];
/// Has another content, so another length and time.
pub const REPLACED: [&str; 1] = ["etc/fstab"];
/// Swap files, which the test root's `/etc/fstab` names.
pub const LEFT_OUT: [&str; 1] = ["swapfile"];
/// Units of a small Debian that cannot work from a stick, and are masked.
pub const MASKED: [&str; 8] = [
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.service",
    "fstrim.timer",
    "systemd-hibernate-resume@.service",
    "systemd-repart.service",
];
/// Extended attributes that SquashFS cannot hold: POSIX access control lists.
pub const NOT_HELD: &str = "system.";

/// How the root on the stick differs from its source, beyond the documented changes: a line for
/// each difference.
///
/// # Errors
/// Where one of them cannot be read.
pub fn differences(source: &Path, stick: &Path) -> io::Result<Vec<String>> {
    let mut expected = scan(source)?;
    expected.retain(|path, _| !is_left_out(path));
    let mut found = scan(stick)?;
    let mut differences = Vec::new();
    for (path, kind, major, minor) in ADDED {
        let added = found.remove(Path::new(path));
        if !added.is_some_and(|added| added.kind == kind && added.device == makedev(major, minor)) {
            differences.push(format!(
                "\"{path}\" is missing or no {kind} {major}:{minor}"
            ));
        }
    }
    for unit in MASKED {
        let masked = found.remove(&Path::new("etc/systemd/system").join(unit));
        let is_mask = masked.is_some_and(|mask| mask.symlink == Some("/dev/null".into()));
        if is_mask != source.join("lib/systemd/system").join(unit).exists() {
            differences.push(format!("the unit {unit:?} is masked: {is_mask}"));
        }
    }
    differences.extend(
        Trees {
            source,
            image: stick,
        }
        .differences(expected, found, &REPLACED)?,
    );
    Ok(differences)
}

/// How a tree in an image differs from its source, where nothing at all may have changed but the
/// access control lists that SquashFS cannot hold: a line for each difference.
///
/// # Errors
/// Where one of them cannot be read.
pub fn exact_differences(source: &Path, image: &Path) -> io::Result<Vec<String>> {
    let (expected, found) = (scan(source)?, scan(image)?);
    Trees { source, image }.differences(expected, found, &[])
}

/// Everything about a file but its content.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    /// Whole seconds: SquashFS has no more.
    mtime_seconds: i64,
    links: u64,
    /// The first path that is the same file.
    first_path: PathBuf,
    device: u64,
    /// Of files and symbolic links.
    length_bytes: u64,
    symlink: Option<PathBuf>,
    xattrs: BTreeMap<CString, Vec<u8>>,
}

fn is_left_out(path: &Path) -> bool {
    let below = |folder: &str| path.starts_with(folder) && path != Path::new(folder);
    EMPTIED.iter().any(|folder| below(folder))
        || LEFT_OUT.iter().any(|file| path == Path::new(file))
}

/// All of a root's entries by their path below it, in one filesystem.
fn scan(root: &Path) -> io::Result<BTreeMap<PathBuf, Entry>> {
    let mut metadata = BTreeMap::from([(PathBuf::new(), fs::symlink_metadata(root)?)]);
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for child in fs::read_dir(root.join(&folder))? {
            let path = folder.join(child?.file_name());
            let of_child = fs::symlink_metadata(root.join(&path))?;
            if of_child.is_dir() {
                folders.push(path.clone());
            }
            metadata.insert(path, of_child);
        }
    }
    let mut first_paths = HashMap::new();
    for (path, metadata) in &metadata {
        first_paths
            .entry(metadata.ino())
            .or_insert_with(|| path.clone());
    }
    let entries = metadata.iter().map(|(path, metadata)| {
        let first_path = first_paths[&metadata.ino()].clone();
        Ok((path.clone(), entry(&root.join(path), metadata, first_path)?))
    });
    entries.collect()
}

fn entry(path: &Path, metadata: &Metadata, first_path: PathBuf) -> io::Result<Entry> {
    let file_type = metadata.file_type();
    let has_length = file_type.is_file() || file_type.is_symlink();
    Ok(Entry {
        kind: kind(file_type),
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        mtime_seconds: metadata.mtime(),
        links: metadata.nlink(),
        first_path,
        device: metadata.rdev(),
        length_bytes: if has_length { metadata.len() } else { 0 },
        symlink: file_type
            .is_symlink()
            .then(|| fs::read_link(path))
            .transpose()?,
        xattrs: xattrs(path)?,
    })
}

fn kind(file_type: fs::FileType) -> &'static str {
    match () {
        () if file_type.is_dir() => "directory",
        () if file_type.is_file() => "file",
        () if file_type.is_symlink() => "symbolic link",
        () if file_type.is_block_device() => "block device",
        () if file_type.is_char_device() => "character device",
        () if file_type.is_fifo() => "FIFO",
        () => "socket",
    }
}

fn xattrs(path: &Path) -> io::Result<BTreeMap<CString, Vec<u8>>> {
    // The kernel's own limits on a list and on a value are 64 KiB (XATTR_LIST_MAX, XATTR_SIZE_MAX).
    let mut buffer = vec![0; 64 << 10];
    let length = match llistxattr(path, &mut buffer) {
        // An image without any has no place for them either.
        Err(Errno::NOTSUP) => 0,
        length => length?,
    };
    let names = buffer[..length]
        .split_inclusive(|byte| *byte == 0)
        .map(CStr::from_bytes_with_nul);
    let names: Vec<_> = names.filter_map(Result::ok).map(CStr::to_owned).collect();
    let mut xattrs = BTreeMap::new();
    for name in names {
        if !name.to_bytes().starts_with(NOT_HELD.as_bytes()) {
            let length = lgetxattr(path, &name, &mut buffer)?;
            xattrs.insert(name, buffer[..length].to_vec());
        }
    }
    Ok(xattrs)
}

/// A directory's link count is two and one for each directory in it. It is counted here: some
/// filesystems do not, and directories that were left out do not count.
fn count_directories(entries: &mut BTreeMap<PathBuf, Entry>) {
    let directories = entries
        .iter()
        .filter(|(_, entry)| entry.kind == "directory");
    let mut below: HashMap<PathBuf, u64> = HashMap::new();
    for (path, _) in directories {
        if let Some(parent) = path.parent() {
            *below.entry(parent.to_owned()).or_default() += 1;
        }
    }
    for (path, entry) in entries
        .iter_mut()
        .filter(|(_, entry)| entry.kind == "directory")
    {
        entry.links = 2 + below.get(path).copied().unwrap_or(0);
    }
}

/// Where the two trees are.
struct Trees<'a> {
    source: &'a Path,
    image: &'a Path,
}

impl Trees<'_> {
    /// A line for each path at which what was expected is not what was found.
    fn differences(
        &self,
        mut expected: BTreeMap<PathBuf, Entry>,
        mut found: BTreeMap<PathBuf, Entry>,
        replaced: &[&str],
    ) -> io::Result<Vec<String>> {
        count_directories(&mut expected);
        count_directories(&mut found);
        let mut differences = Vec::new();
        let paths: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
        for path in paths {
            let replaced = replaced.iter().any(|name| path == Path::new(name));
            match (expected.get(path), found.get(path)) {
                (Some(expected), Some(found)) => {
                    differences.extend(self.difference(path, expected, found, replaced)?);
                }
                (Some(_), None) => differences.push(format!("{path:?} is missing")),
                (None, _) => differences.push(format!("{path:?} was added")),
            }
        }
        Ok(differences)
    }

    fn difference(
        &self,
        path: &Path,
        expected: &Entry,
        found: &Entry,
        replaced: bool,
    ) -> io::Result<Option<String>> {
        let same = if replaced {
            (expected.kind, expected.mode, expected.owner) == (found.kind, found.mode, found.owner)
        } else {
            expected == found
        };
        if !same {
            return Ok(Some(format!("{path:?} was {expected:?} and is {found:?}")));
        }
        let is_file = expected.kind == "file" && !replaced;
        if is_file && !same_content(&self.source.join(path), &self.image.join(path))? {
            return Ok(Some(format!("{path:?} has another content")));
        }
        Ok(None)
    }
}

/// Whether two files of one length have the same bytes.
fn same_content(one: &Path, other: &Path) -> io::Result<bool> {
    let (mut one, mut other) = (File::open(one)?, File::open(other)?);
    let (mut left, mut right) = (vec![0; 256 << 10], vec![0; 256 << 10]);
    loop {
        let count = one.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        other.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tempfile::TempDir;

    /// A source and a faithful copy of it, as far as somebody without rights can make one: without
    /// the added devices.
    fn roots() -> (TempDir, TempDir) {
        let make = || {
            let root = TempDir::new().unwrap();
            let path = |name: &str| root.path().join(name);
            for folder in ["dev", "tmp", "etc", "a/b"] {
                fs::create_dir_all(path(folder)).unwrap();
            }
            fs::write(path("etc/fstab"), "x").unwrap();
            fs::write(path("a/file"), "content").unwrap();
            fs::hard_link(path("a/file"), path("a/same-file")).unwrap();
            symlink("file", path("a/link")).unwrap();
            root
        };
        let (source, stick) = (make(), make());
        fs::write(source.path().join("swapfile"), "").unwrap();
        fs::write(source.path().join("tmp/left-over"), "").unwrap();
        fs::write(stick.path().join("etc/fstab"), "replaced").unwrap();
        (source, stick)
    }

    fn found(source: &TempDir, stick: &TempDir) -> Vec<String> {
        let differences = differences(source.path(), stick.path()).unwrap();
        let (devices, others): (Vec<_>, Vec<_>) = differences
            .into_iter()
            .partition(|line| line.starts_with("\"dev/"));
        assert_eq!(devices.len(), ADDED.len(), "{devices:?}");
        others
    }

    #[test]
    fn documented_changes_are_no_differences() {
        let (source, stick) = roots();
        assert_eq!(found(&source, &stick), [""; 0]);
    }

    #[test]
    fn every_other_change_is_one() {
        type Change = fn(&Path);
        let changes: [(&str, Change); 9] = [
            ("a/file", |root| {
                fs::write(root.join("a/file"), "CONTENT").unwrap()
            }),
            ("a/file", |root| {
                fs::write(root.join("a/file"), "longer content").unwrap()
            }),
            ("a/link", |root| {
                fs::remove_file(root.join("a/link")).unwrap();
                symlink("elsewhere", root.join("a/link")).unwrap();
            }),
            ("a/same-file", |root| {
                fs::remove_file(root.join("a/same-file")).unwrap();
                fs::write(root.join("a/same-file"), "content").unwrap();
            }),
            ("a/b", |root| {
                fs::set_permissions(root.join("a/b"), fs::Permissions::from_mode(0o700)).unwrap();
            }),
            ("a", |root| fs::create_dir(root.join("a/c")).unwrap()),
            ("a/b", |root| fs::remove_dir(root.join("a/b")).unwrap()),
            ("tmp/x", |root| fs::write(root.join("tmp/x"), "").unwrap()),
            ("etc/fstab", |root| {
                fs::remove_file(root.join("etc/fstab")).unwrap()
            }),
        ];
        for (path, change) in changes {
            let (source, stick) = roots();
            change(stick.path());
            let differences = found(&source, &stick);
            let named = differences
                .iter()
                .any(|line| line.starts_with(&format!("{path:?} ")));
            assert!(named, "{path}: {differences:?}");
        }
    }

    #[test]
    fn an_exact_copy_has_not_even_the_documented_changes() {
        let (source, _) = roots();
        assert_eq!(
            exact_differences(source.path(), source.path()).unwrap(),
            [""; 0]
        );
        let (_, other) = roots();
        let names: Vec<_> = exact_differences(source.path(), other.path())
            .unwrap()
            .into_iter()
            .filter_map(|line| Some(line.split_once(' ')?.0.to_owned()))
            .collect();
        for name in ["\"etc/fstab\"", "\"swapfile\"", "\"tmp/left-over\""] {
            assert!(names.iter().any(|found| found == name), "{name}: {names:?}");
        }
    }

    #[test]
    fn another_time_or_attribute_is_a_difference() {
        let (source, stick) = roots();
        let file = File::open(stick.path().join("a/file")).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(found(&source, &stick).len(), 2, "both names of the file");

        let (source, stick) = roots();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(stick.path().join("a/file"), c"user.note", b"x", flags).unwrap();
        assert_eq!(found(&source, &stick).len(), 2, "both names of the file");
    }
}
