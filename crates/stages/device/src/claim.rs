//! A disk that belongs to this process alone.

use crate::buffer::{Buffer, is_aligned};
use crate::snapshot::{Disk, Fixed};
use crate::{ClaimError, Medium};
use livestick_blockio::{ReadAt, SECTOR_BYTES, WriteAt};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// A disk that is held open: as long as it is, nobody can mount it or make anything of it.
#[derive(Debug)]
pub struct Claimed {
    file: File,
    size_bytes: u64,
    number: String,
    sequence: Option<u64>,
}

/// What is copied to aligned memory in one go, where the caller's is not.
const BOUNCE_BYTES: usize = 1 << 20;

/// Takes a disk. It must still be the one that was looked at, and still not refused.
///
/// # Errors
/// Where somebody uses it, it was exchanged or unplugged, or it is refused; nothing was written then.
pub fn claim(disk: &Disk, fixed: Fixed) -> Result<Claimed, ClaimError> {
    if let Some(refusal) = disk.refusals(fixed).into_iter().next() {
        return Err(ClaimError::Refused { refusal });
    }
    // A plain open would succeed on a mounted device: open(2), `O_EXCL`.
    let flags = OFlags::RDWR | OFlags::EXCL | OFlags::DIRECT | OFlags::CLOEXEC;
    let file = rustix::fs::open(disk.device.node(), flags, Mode::empty());
    let mut file = File::from(file.map_err(|error| match error {
        Errno::BUSY => ClaimError::Busy,
        Errno::NOMEDIUM | Errno::NXIO | Errno::NODEV | Errno::NOENT => ClaimError::Exchanged,
        error => ClaimError::Open {
            source: error.into(),
        },
    })?);
    let failed = |source| ClaimError::Open { source };
    let size_bytes = file.seek(SeekFrom::End(0)).map_err(failed)?;
    let rdev = file.metadata().map_err(failed)?.rdev();
    let number = format!("{}:{}", rustix::fs::major(rdev), rustix::fs::minor(rdev));
    let sequence = livestick_sys::disk_sequence(&file).map_err(failed)?;
    let sector_bytes = rustix::fs::ioctl_blksszget(&file).map_err(|error| failed(error.into()))?;
    let is_same = number == disk.number
        && size_bytes == disk.device.size_bytes
        && u64::from(sector_bytes) == disk.sector_bytes
        && (sequence.is_none() || disk.sequence.is_none() || sequence == disk.sequence);
    if !is_same {
        return Err(ClaimError::Exchanged);
    }
    // What came into use between looking and taking; from now on nothing can.
    let disks = Disk::list().map_err(failed)?;
    let now = disks.into_iter().find(|now| now.number == disk.number);
    let mut now = now.ok_or(ClaimError::Exchanged)?;
    // From the medium, and not from memory.
    livestick_sys::drop_buffers(&file).map_err(failed)?;
    now.look();
    match now.refusals(fixed).into_iter().next() {
        Some(refusal) => Err(ClaimError::Refused { refusal }),
        None => Ok(Claimed {
            file,
            size_bytes,
            number,
            sequence,
        }),
    }
}

impl Medium for Claimed {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn is_there(&self) -> bool {
        // The open file outlives the disk; sysfs forgets it, or has another under its number.
        let folder = Path::new("/sys/dev/block").join(&self.number);
        let attribute = |name: &str| {
            let text = fs::read_to_string(folder.join(name)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        let is_same = self.sequence.is_none() || attribute("diskseq") == self.sequence;
        is_same && attribute("size").is_some_and(|sectors| sectors > 0)
    }

    fn flush(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn forget(&self) -> io::Result<()> {
        livestick_sys::drop_buffers(&self.file)
    }

    fn announce(&self) -> io::Result<()> {
        livestick_sys::reread_partitions(&self.file)
    }
}

impl ReadAt for Claimed {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.size_bytes.saturating_sub(offset);
        let length = usize::try_from(rest).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        let buffer = &mut buffer[..length];
        if buffer.is_empty() {
            return Ok(0);
        }
        if is_aligned(buffer) && is_whole(buffer.len()) && offset.is_multiple_of(SECTOR_BYTES) {
            return FileExt::read_at(&self.file, buffer, offset);
        }
        let within = offset % SECTOR_BYTES;
        let skipped = usize::try_from(within).unwrap_or_default();
        let wanted = (skipped + buffer.len())
            .next_multiple_of(sector())
            .min(BOUNCE_BYTES);
        let mut bounce = Buffer::zeros(wanted);
        let read = FileExt::read_at(&self.file, &mut bounce, offset - within)?;
        let count = read.saturating_sub(skipped).min(buffer.len());
        buffer[..count].copy_from_slice(&bounce[skipped..skipped + count]);
        Ok(count)
    }
}

impl WriteAt for Claimed {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if !is_whole(bytes.len()) || !offset.is_multiple_of(SECTOR_BYTES) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        if is_aligned(bytes) {
            return FileExt::write_all_at(&self.file, bytes, offset);
        }
        let mut offset = offset;
        for piece in bytes.chunks(BOUNCE_BYTES) {
            FileExt::write_all_at(&self.file, &Buffer::of(piece), offset)?;
            offset += piece.len() as u64;
        }
        Ok(())
    }
}

fn sector() -> usize {
    usize::try_from(SECTOR_BYTES).unwrap_or(512)
}

fn is_whole(length: usize) -> bool {
    length.is_multiple_of(sector())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Refusal;
    use livestick_sys::LoopDevice;
    use std::io::Write;
    use std::os::fd::AsFd;

    /// Somebody makes a group of it while the owner types its name.
    #[test]
    fn what_came_onto_a_disk_since_it_was_looked_at_is_refused() {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "this test needs root");
            eprintln!("skipped: not root");
            return;
        }
        let mut image = tempfile::tempfile().unwrap();
        image.set_len(1 << 20).unwrap();
        let device = LoopDevice::attach(image.as_fd()).unwrap();
        let disks = Disk::list().unwrap();
        let disk = disks
            .iter()
            .find(|disk| disk.device.node() == device.path());
        let mut disk = disk.unwrap().clone();
        // The device of this test may only be read.
        disk.read_only = false;
        disk.look();
        assert_eq!(disk.refusals(Fixed::Allow), []);
        image.write_all(b"LUKS\xba\xbe").unwrap();
        let error = claim(&disk, Fixed::Allow).unwrap_err();
        let refusal = match error {
            ClaimError::Refused { refusal } => refusal,
            error => panic!("{error:?}"),
        };
        assert!(matches!(refusal, Refusal::Belongs { .. }), "{refusal}");
    }
}
