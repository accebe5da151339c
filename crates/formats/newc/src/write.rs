//! Entries become an archive.

use crate::format::{
    ALIGNMENT, HEADER_BYTES, Header, PATH_LIMIT_BYTES, TRAILER, TRAILER_PATH_BYTES,
    TYPE_CHARACTER_DEVICE, TYPE_DIRECTORY, TYPE_FILE, TYPE_SYMLINK,
};
use crate::{Entry, Kind};

/// What GNU cpio pads an archive to.
const ARCHIVE_ALIGNMENT: usize = 512;

/// Why an entry cannot be written.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// Its path is empty, absolute, holds a NUL, or is the trailer's.
    #[error("`{path}` cannot be a path in an archive")]
    Path {
        /// The path.
        path: String,
    },
    /// Its path or its link target is longer than the kernel reads.
    #[error("the path or the link target of `{path}` is longer than {limit_bytes} bytes")]
    TooLong {
        /// The path.
        path: String,
        /// The most there can be, in bytes.
        limit_bytes: usize,
    },
    /// Its permissions are more than permission bits.
    #[error("`{path}` has the permissions {permissions:o}")]
    Permissions {
        /// The path.
        path: String,
        /// The permissions.
        permissions: u16,
    },
    /// It has 4 GiB or more.
    #[error("`{path}` has {bytes} bytes, more than an archive can hold in one file")]
    TooLarge {
        /// The path.
        path: String,
        /// Its length in bytes.
        bytes: usize,
    },
    /// The inode numbers are used up.
    #[error("`{path}` is one entry too many")]
    TooMany {
        /// The path.
        path: String,
    },
}

/// Writes an archive into memory.
#[derive(Debug)]
pub struct Writer {
    bytes: Vec<u8>,
    modified: u32,
    inode: u32,
}

impl Writer {
    /// An archive whose entries were all modified at `modified`, in seconds since 1970.
    pub fn new(modified: u32) -> Self {
        Self {
            bytes: Vec::new(),
            modified,
            inode: 0,
        }
    }

    /// Adds an entry, and gives the offset of its data from the start of the archive, in bytes.
    ///
    /// # Errors
    /// Where the entry cannot be stored.
    pub fn add(&mut self, entry: &Entry<'_>) -> Result<usize, WriteError> {
        self.add_aligned(entry, ALIGNMENT)
    }

    /// Adds an entry whose data begin at a multiple of `alignment` bytes, a power of two. The path
    /// is lengthened with NULs, as `iucode_tool` does it: both readers in the kernel stop at the
    /// first.
    ///
    /// # Errors
    /// Where the entry cannot be stored.
    pub fn add_aligned(
        &mut self,
        entry: &Entry<'_>,
        alignment: usize,
    ) -> Result<usize, WriteError> {
        check(entry)?;
        let path = || entry.path.to_owned();
        let (file_type, data) = content(&entry.kind);
        let (device_major, device_minor) = match entry.kind {
            Kind::CharacterDevice { major, minor } => (major, minor),
            _ => (0, 0),
        };
        let path_bytes = self.padded_path_bytes(entry.path, alignment.max(ALIGNMENT));
        if path_bytes > PATH_LIMIT_BYTES {
            return Err(too_long(entry.path));
        }
        self.inode = self
            .inode
            .checked_add(1)
            .ok_or_else(|| WriteError::TooMany { path: path() })?;
        let header = Header {
            inode: self.inode,
            mode: file_type | u32::from(entry.permissions),
            links: if entry.kind == Kind::Directory { 2 } else { 1 },
            modified: self.modified,
            data_bytes: u32::try_from(data.len()).map_err(|_| WriteError::TooLarge {
                path: path(),
                bytes: data.len(),
            })?,
            device_major,
            device_minor,
            path_bytes: u32::try_from(path_bytes).map_err(|_| too_long(entry.path))?,
        };
        self.append(&header, entry.path, path_bytes);
        let offset = self.bytes.len();
        self.bytes.extend_from_slice(data);
        pad(&mut self.bytes, ALIGNMENT);
        Ok(offset)
    }

    /// The archive, with its trailer, padded to 512 bytes.
    pub fn finish(mut self) -> Vec<u8> {
        let header = Header {
            links: 1,
            path_bytes: TRAILER_PATH_BYTES,
            ..Header::default()
        };
        self.append(&header, TRAILER, TRAILER.len() + 1);
        pad(&mut self.bytes, ARCHIVE_ALIGNMENT);
        self.bytes
    }

    /// The length of a path with the NULs that let the data behind it begin at the alignment. The
    /// usual padding is not part of the path.
    fn padded_path_bytes(&self, path: &str, alignment: usize) -> usize {
        let path_start = self.bytes.len() + HEADER_BYTES;
        let path_end = path_start + path.len() + 1;
        match alignment {
            ALIGNMENT => path_end - path_start,
            _ => path_end.next_multiple_of(alignment) - path_start,
        }
    }

    fn append(&mut self, header: &Header, path: &str, path_bytes: usize) {
        self.bytes.extend_from_slice(&header.to_bytes());
        let path_end = self.bytes.len() + path_bytes;
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.resize(path_end, 0);
        pad(&mut self.bytes, ALIGNMENT);
    }
}

fn check(entry: &Entry<'_>) -> Result<(), WriteError> {
    let path = entry.path;
    let absolute = path.starts_with('/');
    if path.is_empty() || absolute || path.contains('\0') || path == TRAILER {
        return Err(WriteError::Path {
            path: path.to_owned(),
        });
    }
    if let Kind::Symlink(target) = entry.kind
        && target.len() >= PATH_LIMIT_BYTES
    {
        return Err(too_long(path));
    }
    if entry.permissions > 0o7777 {
        return Err(WriteError::Permissions {
            path: path.to_owned(),
            permissions: entry.permissions,
        });
    }
    Ok(())
}

fn too_long(path: &str) -> WriteError {
    WriteError::TooLong {
        path: path.to_owned(),
        limit_bytes: PATH_LIMIT_BYTES - 1,
    }
}

fn content<'a>(kind: &Kind<'a>) -> (u32, &'a [u8]) {
    match *kind {
        Kind::Directory => (TYPE_DIRECTORY, &[]),
        Kind::File(data) => (TYPE_FILE, data),
        Kind::Symlink(target) => (TYPE_SYMLINK, target.as_bytes()),
        Kind::CharacterDevice { .. } => (TYPE_CHARACTER_DEVICE, &[]),
    }
}

fn pad(bytes: &mut Vec<u8>, alignment: usize) {
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn file(path: &str) -> Entry<'_> {
        Entry {
            path,
            permissions: 0o644,
            kind: Kind::File(b"text"),
        }
    }

    #[test]
    fn data_begin_where_the_caller_wants_them() {
        for prefix in 1..40 {
            let mut writer = Writer::new(0);
            writer.add(&file(&"x".repeat(prefix))).unwrap();
            let offset = writer.add_aligned(&file("microcode"), 16).unwrap();
            assert_eq!(offset % 16, 0);
            let bytes = writer.finish();
            assert_eq!(&bytes[offset..offset + 4], b"text");
        }
    }

    #[test]
    fn what_the_kernel_would_skip_is_an_error() {
        let mut writer = Writer::new(0);
        for path in ["", "/init", "a\0b", TRAILER] {
            let path = path.to_owned();
            assert_eq!(writer.add(&file(&path)), Err(WriteError::Path { path }));
        }
        let longest = "x".repeat(PATH_LIMIT_BYTES - 1);
        assert!(writer.add(&file(&longest)).is_ok());
        let too_long = format!("{longest}x");
        let link = |target| Entry {
            kind: Kind::Symlink(target),
            ..file("link")
        };
        assert!(matches!(
            writer.add(&file(&too_long)),
            Err(WriteError::TooLong { .. })
        ));
        assert!(writer.add(&link(&longest)).is_ok());
        assert!(matches!(
            writer.add(&link(&too_long)),
            Err(WriteError::TooLong { .. })
        ));
        let whole_mode = Entry {
            permissions: 0o10_644,
            ..file("a")
        };
        assert!(matches!(
            writer.add(&whole_mode),
            Err(WriteError::Permissions { .. })
        ));
    }

    #[test]
    fn cpio_lists_what_was_written() {
        let mut writer = Writer::new(1_700_000_000);
        let entries = [
            ("dev", 0o755, Kind::Directory),
            (
                "dev/console",
                0o600,
                Kind::CharacterDevice { major: 5, minor: 1 },
            ),
            ("init", 0o755, Kind::File(b"#!/bin/sh\n")),
            ("sbin", 0o755, Kind::Directory),
            ("sbin/modprobe", 0o777, Kind::Symlink("/init")),
        ];
        for (path, permissions, kind) in entries {
            let entry = Entry {
                path,
                permissions,
                kind,
            };
            writer.add_aligned(&entry, 16).unwrap();
        }
        let Some(listing) = list_with_cpio(&writer.finish()) else {
            return;
        };
        let lines: Vec<Vec<&str>> = listing
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines.len(), entries.len());
        assert_eq!(lines[0][..4], ["drwxr-xr-x", "2", "0", "0"]);
        assert_eq!(lines[1][..6], ["crw-------", "1", "0", "0", "5,", "1"]);
        assert_eq!(lines[2][..5], ["-rwxr-xr-x", "1", "0", "0", "10"]);
        assert_eq!(lines[2][5..], ["Nov", "14", "2023", "init"]);
        assert_eq!(lines[4][8..], ["sbin/modprobe", "->", "/init"]);
    }

    /// `None` where this machine has no `cpio`.
    fn list_with_cpio(archive: &[u8]) -> Option<String> {
        let child = Command::new("cpio")
            .args(["--list", "--verbose", "--numeric-uid-gid", "--quiet"])
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(error) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: cpio: {error}");
                return None;
            }
            Err(error) => panic!("cpio: {error}"),
        };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), archive).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        Some(String::from_utf8(output.stdout).unwrap())
    }
}
