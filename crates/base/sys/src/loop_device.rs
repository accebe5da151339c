//! A file seen as a block device.

use rustix::io::Errno;
use rustix::ioctl::{Getter, Ioctl, IoctlOutput, Opcode, Setter, ioctl};
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

/// A read-only loop device over a file. The kernel takes it down by itself once nobody has it open or
/// mounted any more, so keep this value until it is mounted.
#[derive(Debug)]
pub struct LoopDevice {
    path: PathBuf,
    _device: File,
}

/// What lies behind a loop device, in the numbers of stat(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopBacking {
    /// The filesystem on which the file is.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
    /// Where the file is a device: which.
    pub rdevice: Option<u64>,
}

/// The file behind a loop device, however it was named when it was attached; `None` of any other
/// device, and of a loop device to which nothing is attached.
///
/// # Errors
/// What the kernel reports.
pub fn loop_backing(device: impl AsFd) -> io::Result<Option<LoopBacking>> {
    // SAFETY: LOOP_GET_STATUS64 writes a `struct loop_info64`, which `LoopInfo64` is.
    match unsafe { ioctl(device, Getter::<LOOP_GET_STATUS64, LoopInfo64>::new()) } {
        // The kernel's encoding of these numbers is that of stat(2) up to 12 bits of major and 20 of
        // minor number, and it has no larger ones: `new_encode_dev` of `linux/kdev_t.h`.
        Ok(info) => Ok(Some(LoopBacking {
            device: info.device,
            inode: info.inode,
            rdevice: (info.rdevice != 0).then_some(info.rdevice),
        })),
        Err(Errno::NOTTY | Errno::INVAL | Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl LoopDevice {
    /// Attaches `image` to a free loop device (`drivers/block/loop.c` of the kernel).
    ///
    /// # Errors
    /// What the kernel reports; `NotFound` where it has no loop driver.
    pub fn attach(image: BorrowedFd<'_>) -> io::Result<Self> {
        Self::attach_by(configure, image)
    }

    /// Has the kernel make a free device, where there is none, so that attaching finds it: making one
    /// takes the kernel a while.
    ///
    /// # Errors
    /// As for [`Self::attach`].
    pub fn prepare() -> io::Result<()> {
        let control = File::open(CONTROL)?;
        free_device(&control).map(drop)
    }

    /// Takes a loop device down, whoever made it. One that is still mounted goes when it no longer
    /// is.
    ///
    /// # Errors
    /// What the kernel reports; `ENXIO` where no file is attached to it.
    pub fn detach(path: &Path) -> io::Result<()> {
        let device = File::open(path)?;
        // SAFETY: LOOP_CLR_FD ignores its argument.
        Ok(unsafe { ioctl(&device, ByValue::<LOOP_CLR_FD>(0)) }?)
    }

    /// Its node, `/dev/loopN`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn attach_by(configure: Configure, image: BorrowedFd<'_>) -> io::Result<Self> {
        let control = File::open(CONTROL)?;
        // Others may take the free device first: then there is another.
        for _ in 0..RACES_LIMIT {
            let path = free_device(&control)?;
            let device = File::open(&path)?;
            match configure(device.as_fd(), image) {
                Ok(()) => {
                    return Ok(Self {
                        path,
                        _device: device,
                    });
                }
                Err(Errno::BUSY) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::BUSY.into())
    }
}

const CONTROL: &str = "/dev/loop-control";

fn free_device(control: &File) -> io::Result<PathBuf> {
    // SAFETY: LOOP_CTL_GET_FREE takes no argument and returns the device's number.
    let number = unsafe { ioctl(control, GetFree) }?;
    Ok(PathBuf::from(format!("/dev/loop{number}")))
}

type Configure = fn(BorrowedFd<'_>, BorrowedFd<'_>) -> Result<(), Errno>;

/// More than anybody can lose in a row by accident.
const RACES_LIMIT: usize = 64;

const LOOP_SET_FD: Opcode = 0x4C00;
const LOOP_CLR_FD: Opcode = 0x4C01;
const LOOP_SET_STATUS64: Opcode = 0x4C04;
const LOOP_GET_STATUS64: Opcode = 0x4C05;
const LOOP_CONFIGURE: Opcode = 0x4C0A;
const LOOP_CTL_GET_FREE: Opcode = 0x4C82;

const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

/// `struct loop_info64` of `linux/loop.h`.
#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

const _: () = assert!(size_of::<LoopInfo64>() == 232);

impl LoopInfo64 {
    fn with_flags(flags: u32) -> Self {
        Self {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags,
            file_name: [0; 64],
            crypt_name: [0; 64],
            encrypt_key: [0; 32],
            init: [0; 2],
        }
    }
}

/// `struct loop_config` of `linux/loop.h`.
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

const _: () = assert!(size_of::<LoopConfig>() == 304);

/// `LOOP_CONFIGURE` does it in one step; kernels before 5.8 know only the two steps.
fn configure(device: BorrowedFd<'_>, image: BorrowedFd<'_>) -> Result<(), Errno> {
    let config = LoopConfig {
        fd: image.as_raw_fd().unsigned_abs(),
        block_size: 0,
        info: LoopInfo64::with_flags(LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR),
        reserved: [0; 8],
    };
    // SAFETY: LOOP_CONFIGURE reads a `struct loop_config`, which `LoopConfig` is. Its descriptor
    // lives as long as the call; the kernel takes its own reference.
    let configured = unsafe { ioctl(device, Setter::<LOOP_CONFIGURE, _>::new(config)) };
    match configured {
        Err(Errno::INVAL | Errno::NOTTY) => configure_in_two_steps(device, image),
        done => done,
    }
}

/// The device was opened read-only, which makes `LOOP_SET_FD` attach the file read-only.
fn configure_in_two_steps(device: BorrowedFd<'_>, image: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: LOOP_SET_FD takes the file's descriptor by value; it lives as long as the call.
    unsafe {
        ioctl(
            device,
            ByValue::<LOOP_SET_FD>(image.as_raw_fd().unsigned_abs()),
        )
    }?;
    let info = LoopInfo64::with_flags(LO_FLAGS_AUTOCLEAR);
    // SAFETY: LOOP_SET_STATUS64 reads a `struct loop_info64`, which `LoopInfo64` is.
    let set = unsafe { ioctl(device, Setter::<LOOP_SET_STATUS64, _>::new(info)) };
    set.inspect_err(|_| {
        // SAFETY: LOOP_CLR_FD ignores its argument. Where it fails there is nothing left to do.
        let _ = unsafe { ioctl(device, ByValue::<LOOP_CLR_FD>(0)) };
    })
}

/// `LOOP_CTL_GET_FREE`: the answer is the call's return value.
struct GetFree;

// SAFETY: the call reads and writes no memory of ours; its return value is the output.
unsafe impl Ioctl for GetFree {
    type Output = u32;

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        LOOP_CTL_GET_FREE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::null_mut()
    }

    unsafe fn output_from_ptr(number: IoctlOutput, _: *mut c_void) -> Result<u32, Errno> {
        u32::try_from(number).map_err(|_| Errno::RANGE)
    }
}

/// An ioctl whose argument is a number.
struct ByValue<const OPCODE: Opcode>(u32);

// SAFETY: used only with opcodes whose argument is a number; nothing is dereferenced.
unsafe impl<const OPCODE: Opcode> Ioctl for ByValue<OPCODE> {
    type Output = ();

    const IS_MUTATING: bool = false;

    fn opcode(&self) -> Opcode {
        OPCODE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::without_provenance_mut(self.0 as usize)
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> Result<(), Errno> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::is_root;
    use std::io::Write;
    use std::time::{Duration, Instant};

    fn image() -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[0x5a; 8192]).unwrap();
        file
    }

    fn backed(path: &Path) -> bool {
        let name = path.file_name().unwrap();
        Path::new("/sys/block").join(name).join("loop").exists()
    }

    #[test]
    fn an_attached_file_reads_back_and_goes_away_by_itself() {
        if !is_root() {
            return;
        }
        let image = image();
        let device = LoopDevice::attach(image.as_fd()).unwrap();
        let path = device.path().to_owned();
        assert_eq!(std::fs::read(&path).unwrap(), [0x5a; 8192]);
        let read_only = std::fs::read_to_string(
            Path::new("/sys/block")
                .join(path.file_name().unwrap())
                .join("ro"),
        );
        assert_eq!(read_only.unwrap().trim(), "1");
        drop(device);
        assert_gone(&path);
    }

    #[test]
    fn the_file_behind_a_device_is_named_by_number() {
        use std::os::unix::fs::MetadataExt;
        let image = image();
        assert_eq!(loop_backing(&image).unwrap(), None);
        if !is_root() {
            return;
        }
        let device = LoopDevice::attach(image.as_fd()).unwrap();
        let backing = loop_backing(File::open(device.path()).unwrap()).unwrap();
        let metadata = image.metadata().unwrap();
        let expected = LoopBacking {
            device: metadata.dev(),
            inode: metadata.ino(),
            rdevice: None,
        };
        assert_eq!(backing, Some(expected));
    }

    fn assert_gone(path: &Path) {
        let deadline = Instant::now() + Duration::from_secs(5);
        while backed(path) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(!backed(path));
    }

    #[test]
    fn anybody_may_take_a_device_down() {
        if !is_root() {
            return;
        }
        let image = image();
        let device = LoopDevice::attach(image.as_fd()).unwrap();
        LoopDevice::detach(device.path()).unwrap();
        let path = device.path().to_owned();
        drop(device);
        assert_gone(&path);
        assert!(LoopDevice::detach(&path).is_err());
    }

    #[test]
    fn the_two_steps_of_older_kernels_work_too() {
        if !is_root() {
            return;
        }
        let image = image();
        let device = LoopDevice::attach_by(configure_in_two_steps, image.as_fd()).unwrap();
        assert_eq!(std::fs::read(device.path()).unwrap(), [0x5a; 8192]);
    }
}
