//! Which disk is meant.

use crate::Disk;
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Why a path is no disk.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// There is nothing, or it may not be looked at.
    #[error("cannot find {path}")]
    Missing {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is something else.
    #[error("{path} is not a device")]
    NotADevice {
        /// The path.
        path: PathBuf,
    },
    /// It is a part of a disk, and sticks are written whole.
    #[error("{path} is a partition of {disk}, and a stick is written as a whole")]
    Partition {
        /// The path.
        path: PathBuf,
        /// The disk.
        disk: String,
    },
    /// The system knows of no such disk.
    #[error("{path} is not a disk of this machine")]
    Unknown {
        /// The path.
        path: PathBuf,
    },
}

/// The disk that a path means: its node, or any link to it, as in `/dev/disk/by-id`.
///
/// # Errors
/// Where it is missing, not a device, or a partition.
pub fn find<'a>(disks: &'a [Disk], path: &Path) -> Result<&'a Disk, TargetError> {
    let path = || path.to_owned();
    let metadata = fs::metadata(path()).map_err(|source| TargetError::Missing {
        path: path(),
        source,
    })?;
    if !metadata.file_type().is_block_device() {
        return Err(TargetError::NotADevice { path: path() });
    }
    let number = metadata.rdev();
    let number = format!(
        "{}:{}",
        rustix::fs::major(number),
        rustix::fs::minor(number)
    );
    for disk in disks {
        if disk.number == number {
            return Ok(disk);
        }
        if disk.partitions.iter().any(|part| part.number == number) {
            return Err(TargetError::Partition {
                path: path(),
                disk: disk.device.name.clone(),
            });
        }
    }
    Err(TargetError::Unknown { path: path() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_disk_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| find(&[], path).unwrap_err();
        let missing = error(&folder.path().join("sdz"));
        assert!(matches!(missing, TargetError::Missing { .. }));
        for path in [folder.path(), Path::new("/dev/null")] {
            assert!(matches!(error(path), TargetError::NotADevice { .. }));
        }
    }
}
