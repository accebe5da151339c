//! Several block devices seen as one.

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, ioctl};
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A block device, and how much of it is used.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// Its node.
    pub device: &'a Path,
    /// How much of it, from its start: whole sectors.
    pub length_bytes: u64,
}

/// A read-only block device made of others, one behind the other (device-mapper's `linear` target).
/// It is taken down when this value is dropped, or at the latest by whoever has it mounted: the kernel
/// does that once nobody has it open any more.
#[derive(Debug)]
pub struct JoinedDevice {
    path: PathBuf,
    name: String,
    control: File,
}

impl JoinedDevice {
    /// Joins the parts under a name that no other such device has
    /// (`Documentation/admin-guide/device-mapper/linear.rst` of the kernel).
    ///
    /// # Errors
    /// What the kernel reports; `NotFound` where it has no device-mapper, `InvalidInput` where a part
    /// is no whole number of sectors or the name is too long.
    pub fn join(name: &str, parts: &[Part<'_>]) -> io::Result<Self> {
        let control = File::open(CONTROL)?;
        let table = table(parts)?;
        let mut created = Request::new(name, READ_ONLY)?;
        created.send::<DEV_CREATE>(&control)?;
        let minor = rustix::fs::minor(created.device());
        // From here on, what goes wrong takes it down again.
        let joined = Self {
            path: PathBuf::from(format!("/dev/dm-{minor}")),
            name: name.to_owned(),
            control,
        };
        let load = Request::new(name, READ_ONLY)?;
        load.with_table(&table)?
            .send::<TABLE_LOAD>(&joined.control)?;
        // Without the flag that suspends, this resumes: the table takes effect.
        Request::new(name, READ_ONLY)?.send::<DEV_SUSPEND>(&joined.control)?;
        Ok(joined)
    }

    /// Its node, `/dev/dm-N`.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for JoinedDevice {
    fn drop(&mut self) {
        let request = Request::new(&self.name, DEFERRED_REMOVE);
        // Where it cannot be taken down it stays, and nothing else depends on it.
        let _ = request.and_then(|mut request| request.send::<DEV_REMOVE>(&self.control));
    }
}

const CONTROL: &str = "/dev/mapper/control";
const SECTOR_BYTES: u64 = 512;

/// `struct dm_ioctl` of `linux/dm-ioctl.h`: where its fields lie, and how long it is.
const VERSION: usize = 0;
const DATA_SIZE: usize = 12;
const DATA_START: usize = 16;
const TARGET_COUNT: usize = 20;
const FLAGS: usize = 28;
const DEVICE: usize = 40;
const NAME: usize = 48;
const NAME_BYTES: usize = 128;
const HEADER_BYTES: usize = 312;
const HEADER_BYTES_SHORT: u32 = 312;

/// The first version of the interface with deferred removal (Linux 3.13).
const INTERFACE: [u32; 3] = [4, 27, 0];

const READ_ONLY: u32 = 1;
const DEFERRED_REMOVE: u32 = 1 << 17;

const DEV_CREATE: Opcode = opcode(3);
const DEV_REMOVE: Opcode = opcode(4);
const DEV_SUSPEND: Opcode = opcode(6);
const TABLE_LOAD: Opcode = opcode(9);

/// `_IOWR(0xfd, number, struct dm_ioctl)`.
const fn opcode(number: Opcode) -> Opcode {
    (3 << 30) | (HEADER_BYTES_SHORT << 16) | (0xfd << 8) | number
}

/// `struct dm_target_spec` without the parameters that follow it.
const SPEC_BYTES: usize = 40;
const SPEC_TYPE_BYTES: usize = 16;
const SPEC_ALIGNMENT_BYTES: usize = 8;

/// What a table's targets are in the kernel's binary form.
struct Table {
    bytes: Vec<u8>,
    targets: u32,
}

fn table(parts: &[Part<'_>]) -> io::Result<Table> {
    let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text);
    let mut bytes = Vec::new();
    let mut start_sector = 0_u64;
    for part in parts {
        if part.length_bytes % SECTOR_BYTES != 0 {
            return Err(invalid("a part does not end on a sector boundary"));
        }
        let length_sectors = part.length_bytes / SECTOR_BYTES;
        let mut parameters = format!("{} 0\0", part.device.display()).into_bytes();
        let length = (SPEC_BYTES + parameters.len()).next_multiple_of(SPEC_ALIGNMENT_BYTES);
        parameters.resize(length - SPEC_BYTES, 0);
        let next = u32::try_from(length).map_err(|_| invalid("a device's name is too long"))?;
        let kind = *b"linear\0\0\0\0\0\0\0\0\0\0";
        bytes.extend(start_sector.to_ne_bytes());
        bytes.extend(length_sectors.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(next.to_ne_bytes());
        bytes.extend(kind);
        bytes.extend(parameters);
        start_sector += length_sectors;
    }
    let targets = u32::try_from(parts.len()).map_err(|_| invalid("there are too many parts"))?;
    Ok(Table { bytes, targets })
}

const _: () = assert!(SPEC_BYTES == 8 + 8 + 4 + 4 + SPEC_TYPE_BYTES);

/// A `struct dm_ioctl`, and what follows it.
struct Request(Vec<u8>);

impl Request {
    fn new(name: &str, flags: u32) -> io::Result<Self> {
        if name.is_empty() || name.len() >= NAME_BYTES || name.contains(['/', '\0']) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut request = Self(vec![0; HEADER_BYTES]);
        for (index, number) in INTERFACE.into_iter().enumerate() {
            request.put(VERSION + 4 * index, number);
        }
        request.put(FLAGS, flags);
        request.0[NAME..NAME + name.len()].copy_from_slice(name.as_bytes());
        request.measure()?;
        Ok(request)
    }

    fn with_table(mut self, table: &Table) -> io::Result<Self> {
        self.put(TARGET_COUNT, table.targets);
        self.0.extend(&table.bytes);
        self.measure()?;
        Ok(self)
    }

    /// What the kernel says of the device, in the encoding of user space.
    fn device(&self) -> u64 {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.0[DEVICE..DEVICE + 8]);
        u64::from_ne_bytes(bytes)
    }

    fn send<const OPCODE: Opcode>(&mut self, control: &File) -> io::Result<()> {
        // SAFETY: `Buffer` hands over a `struct dm_ioctl` that says how long it is with what follows,
        // and the kernel reads and writes no more than that (`copy_params` of `dm-ioctl.c`).
        let sent = unsafe { ioctl(control, Buffer::<OPCODE>(&mut self.0)) };
        sent.map_err(Into::into)
    }

    /// How long it is, and where what follows begins.
    fn measure(&mut self) -> io::Result<()> {
        let length = u32::try_from(self.0.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.put(DATA_SIZE, length);
        self.put(DATA_START, HEADER_BYTES_SHORT);
        Ok(())
    }

    fn put(&mut self, offset: usize, number: u32) {
        self.0[offset..offset + 4].copy_from_slice(&number.to_ne_bytes());
    }
}

/// An ioctl whose argument is a buffer that says itself how long it is.
struct Buffer<'a, const OPCODE: Opcode>(&'a mut Vec<u8>);

// SAFETY: used only with device-mapper's opcodes; what they take and give is in the buffer.
unsafe impl<const OPCODE: Opcode> Ioctl for Buffer<'_, OPCODE> {
    type Output = ();

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        OPCODE
    }

    fn as_ptr(&mut self) -> *mut c_void {
        self.0.as_mut_ptr().cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> Result<(), Errno> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opcodes_are_those_of_the_header() {
        // As `printf("%#lx", DM_DEV_CREATE)` and so on print them.
        assert_eq!(DEV_CREATE, 0xc138_fd03);
        assert_eq!(DEV_REMOVE, 0xc138_fd04);
        assert_eq!(DEV_SUSPEND, 0xc138_fd06);
        assert_eq!(TABLE_LOAD, 0xc138_fd09);
    }

    #[test]
    fn parts_follow_each_other() {
        let part = |device, length_bytes| Part {
            device: Path::new(device),
            length_bytes,
        };
        let table = table(&[part("/dev/loop0", 1 << 20), part("/dev/loop12", 4096)]).unwrap();
        assert_eq!(table.targets, 2);
        let second = usize::try_from(u32::from_ne_bytes(table.bytes[20..24].try_into().unwrap()));
        let second = second.unwrap();
        assert_eq!(second % SPEC_ALIGNMENT_BYTES, 0);
        let number =
            |offset: usize| u64::from_ne_bytes(table.bytes[offset..offset + 8].try_into().unwrap());
        assert_eq!((number(0), number(8)), (0, 2048));
        assert_eq!((number(second), number(second + 8)), (2048, 8));
        assert!(table.bytes[24..].starts_with(b"linear\0"));
        assert!(table.bytes[second + SPEC_BYTES..].starts_with(b"/dev/loop12 0\0"));
        assert!(super::table(&[part("/dev/loop0", 4095)]).is_err());
    }

    #[test]
    fn a_request_says_how_long_it_is() {
        let request = Request::new("root", READ_ONLY).unwrap();
        let table = Table {
            bytes: vec![0x5a; 64],
            targets: 1,
        };
        let request = request.with_table(&table).unwrap();
        assert_eq!(request.0.len(), HEADER_BYTES + 64);
        assert_eq!(request.0[DATA_SIZE..DATA_START], 376_u32.to_ne_bytes());
        assert_eq!(&request.0[NAME..NAME + 5], b"root\0");
        for name in ["", "a/b", "a\0", &"x".repeat(NAME_BYTES)] {
            assert!(Request::new(name, 0).is_err(), "{name}");
        }
    }
}
