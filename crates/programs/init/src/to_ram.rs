//! `toram`: the root image goes to RAM, and the stick may go.

use crate::failure::Failure;
use crate::medium::{MOUNT_POINT, Medium};
use crate::meter::Meter;
use crate::pieces;
use crate::report::Report;
use crate::search::size;
use crate::setup::make_folder;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use sha2::{Digest, Sha256};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Copies the image to RAM, comparing it with its digest, and lets go of the stick. Where RAM does not
/// suffice, it says so, and the boot goes on from the stick.
pub fn copy(medium: Medium, report: &Report) -> Result<Medium, Failure> {
    let bytes = medium.manifest.segments.image_bytes();
    let available = available_bytes(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
    if let Some(available) = available
        && bytes.saturating_add(RESERVE_BYTES) > available
    {
        say_shortage(report, bytes, available);
        return Ok(medium);
    }
    match copy_checked(&medium, report) {
        Ok(()) => {}
        Err(CopyError::Damaged(failure)) => {
            release();
            return Err(failure);
        }
        Err(CopyError::NoRoom(error)) => {
            release();
            let text = "the system cannot be copied to RAM";
            report.announce(&format!("{text} ({error}): it runs from the stick"));
            return Ok(medium);
        }
    }
    let image = File::open(IMAGE).map_err(|source| Failure::Mount {
        what: "the copy in RAM",
        source,
    })?;
    let Medium {
        device,
        manifest,
        image: on_stick,
    } = medium;
    // What is open cannot be unmounted.
    drop(on_stick);
    match unmount(MOUNT_POINT, UnmountFlags::empty()) {
        Ok(()) => report.announce(&format!(
            "the system is in RAM: the stick ({}) may be removed",
            device.name
        )),
        Err(error) => report.announce(&format!("the stick is still in use ({error})")),
    }
    Ok(Medium {
        device,
        manifest,
        image: vec![image],
    })
}

/// How much of the image is in RAM.
pub fn in_ram_bytes() -> u64 {
    fs::metadata(IMAGE).map_or(0, |image| image.len())
}

/// Takes down what a failed attempt left.
pub fn release() {
    // Where nothing is mounted, that is as wished.
    let _ = unmount(FOLDER, UnmountFlags::DETACH);
}

const FOLDER: &str = "/run/initramfs/ram";
const IMAGE: &str = "/run/initramfs/ram/filesystem.squashfs";
/// What the system needs besides, at the least.
const RESERVE_BYTES: u64 = 256 << 20;
/// What tmpfs rounds up, for the file and its folder.
const SLACK_BYTES: u64 = 64 << 10;

enum CopyError {
    /// The stick's fault: it must not be used like this.
    Damaged(Failure),
    /// RAM's fault: the stick is as good as before.
    NoRoom(io::Error),
}

/// What comes from the stick.
impl From<io::Error> for CopyError {
    fn from(source: io::Error) -> Self {
        Self::Damaged(Failure::ImageUnreadable { source })
    }
}

fn say_shortage(report: &Report, bytes: u64, available: u64) {
    report.announce(&format!(
        "not enough RAM for `toram`: it takes {} for the system and {} to work with, and {} are \
         free; the system runs from the stick, which must stay plugged in",
        size(bytes),
        size(RESERVE_BYTES),
        size(available)
    ));
}

fn copy_checked(medium: &Medium, report: &Report) -> Result<(), CopyError> {
    let bytes = medium.manifest.segments.image_bytes();
    let mut copy = make_room(bytes).map_err(CopyError::NoRoom)?;
    let mut meter = Meter::start("Copying the system to RAM", bytes, report.ports());
    let mut digest = Sha256::new();
    let mut segments = medium.image.iter();
    let copied = segments.try_for_each(|segment| {
        pieces::read_all::<CopyError>(segment, |piece| {
            copy.write_all(piece).map_err(CopyError::NoRoom)?;
            digest.update(piece);
            meter.advance(piece.len());
            Ok(())
        })
    });
    let text = meter.finish();
    copied?;
    if digest.finalize().as_slice() != medium.manifest.image_sha256 {
        return Err(CopyError::Damaged(Failure::Damaged));
    }
    report.step(&format!("copied to RAM: {text}"));
    Ok(())
}

/// A file on a tmpfs of its own: `/run` is too small.
fn make_room(bytes: u64) -> io::Result<File> {
    make_folder(FOLDER, 0o755)?;
    let options = CString::new(format!("mode=0700,size={}", bytes + SLACK_BYTES))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("tmpfs", FOLDER, "tmpfs", flags, options.as_c_str())?;
    File::create_new(Path::new(IMAGE))
}

/// What the kernel says can be had without swapping.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let text = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = text.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_what_the_kernel_calls_available() {
        let text = "MemTotal:        1003428 kB\nMemFree:          734004 kB\n\
            MemAvailable:     812345 kB\nBuffers:               0 kB\n";
        assert_eq!(available_bytes(text), Some(812_345 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
        assert_eq!(available_bytes("MemAvailable: lots\n"), None);
    }
}
