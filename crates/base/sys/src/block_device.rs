//! What block devices are asked besides reads and writes.

use rustix::io::Errno;
use rustix::ioctl::{Getter, NoArg, Opcode, ioctl};
use std::io;
use std::os::fd::AsFd;

/// Forgets what the kernel has read of the device, so that the next read comes from the medium.
///
/// # Errors
/// What the kernel reports; only root may.
pub fn drop_buffers(device: impl AsFd) -> io::Result<()> {
    // SAFETY: BLKFLSBUF takes no argument.
    let dropped = unsafe { ioctl(device, NoArg::<BLKFLSBUF>::new()) };
    dropped.map_err(io::Error::from)
}

/// Has the kernel read the partition table again.
///
/// # Errors
/// What the kernel reports: `ResourceBusy` while a partition is in use, `InvalidInput` where a device
/// has no partitions.
pub fn reread_partitions(device: impl AsFd) -> io::Result<()> {
    // SAFETY: BLKRRPART takes no argument.
    let read = unsafe { ioctl(device, NoArg::<BLKRRPART>::new()) };
    read.map_err(io::Error::from)
}

/// The number that the medium got when it was plugged in: another stick under the same name has
/// another. `None` before Linux 5.15, which has no such numbers.
///
/// # Errors
/// What the kernel reports.
pub fn disk_sequence(device: impl AsFd) -> io::Result<Option<u64>> {
    // SAFETY: BLKGETDISKSEQ writes a u64.
    match unsafe { ioctl(device, Getter::<BLKGETDISKSEQ, u64>::new()) } {
        Ok(sequence) => Ok(Some(sequence)),
        Err(Errno::NOTTY | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `linux/fs.h`.
const BLKRRPART: Opcode = 0x125F;
const BLKFLSBUF: Opcode = 0x1261;
const BLKGETDISKSEQ: Opcode = 0x8008_1280;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LoopDevice;
    use crate::testing::is_root;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn a_device_answers_and_a_file_does_not() {
        let mut image = tempfile::tempfile().unwrap();
        image.write_all(&[1; 8192]).unwrap();
        assert!(drop_buffers(&image).is_err());
        assert!(reread_partitions(&image).is_err());
        if !is_root() {
            return;
        }
        let device = LoopDevice::attach(image.as_fd()).unwrap();
        let opened = File::open(device.path()).unwrap();
        drop_buffers(&opened).unwrap();
        let name = device.path().file_name().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(format!("/sys/block/{name}/diskseq")).unwrap();
        let sequence = disk_sequence(&opened).unwrap();
        assert_eq!(sequence, text.trim().parse().ok());
    }
}
