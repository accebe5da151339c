//! Runs the installer, and takes what it installs.

use super::floppy;
use crate::Error;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What the installer holds. The core and the boot sector are patched for the scratch image.
pub(super) struct Installed {
    pub(super) ldlinux_sys: Vec<u8>,
    pub(super) ldlinux_c32: Vec<u8>,
    pub(super) boot_sector: [u8; 512],
}

/// Runs the installer at `path` on a scratch image.
pub(super) fn run(path: &Path) -> Result<Installed, Error> {
    let scratch = |source| Error::Scratch { source };
    let folder = tempfile::tempdir().map_err(scratch)?;
    let image = folder.path().join("floppy.img");
    fs::write(&image, floppy::blank()).map_err(scratch)?;
    let mut command = Command::new(path);
    command.arg("--install").arg(&image);
    // It flushes all disks of the computer, and would wait for one that is slow, or never answers.
    let output = livestick_sys::ignore_sync(&mut command).output();
    let output = output.map_err(|source| Error::InstallerStart {
        path: path.to_owned(),
        source,
    })?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let message = message.trim().replace('\n', "; ");
        return Err(Error::InstallerFailed {
            path: path.to_owned(),
            message: if message.is_empty() {
                output.status.to_string()
            } else {
                message
            },
        });
    }
    let image = fs::read(&image).map_err(scratch)?;
    let read = |name, file| {
        floppy::read_file(&image, name).ok_or_else(|| Error::NotInstalled {
            path: path.to_owned(),
            file,
        })
    };
    Ok(Installed {
        ldlinux_sys: read(b"LDLINUX SYS", "ldlinux.sys")?,
        ldlinux_c32: read(b"LDLINUX C32", "ldlinux.c32")?,
        boot_sector: *image.first_chunk().ok_or_else(|| Error::NotInstalled {
            path: path.to_owned(),
            file: "boot sector",
        })?,
    })
}
