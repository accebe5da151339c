//! Where bytes are in the end: the same disk has many names.

use crate::Disk;
use rustix::fs::{major, minor};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What holds the bytes of a file or device, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// A whole disk; its partitions are in it.
    Disk {
        /// Its number.
        rdevice: u64,
    },
    /// A file, loop devices over it too.
    File {
        /// Its filesystem.
        device: u64,
        /// Its inode there.
        inode: u64,
    },
}

/// More loop devices over each other than anybody has.
const DEPTH_LIMIT: usize = 16;

impl Store {
    /// Of an open file or device; `None` of what is neither, such as a pipe.
    ///
    /// # Errors
    /// Where the system does not say what a device is.
    pub fn of(file: &File) -> io::Result<Option<Self>> {
        let metadata = file.metadata()?;
        let kind = metadata.file_type();
        if kind.is_block_device() {
            Self::of_device(metadata.rdev()).map(Some)
        } else if kind.is_file() {
            Ok(Some(Self::File {
                device: metadata.dev(),
                inode: metadata.ino(),
            }))
        } else {
            Ok(None)
        }
    }

    fn of_device(mut rdevice: u64) -> io::Result<Self> {
        for _ in 0..DEPTH_LIMIT {
            let (name, number) = whole(Path::new("/"), rdevice)?;
            rdevice = number;
            if !name.starts_with("loop") {
                return Ok(Self::Disk { rdevice });
            }
            let node = Path::new("/dev").join(name);
            match livestick_sys::loop_backing(File::open(node)?)? {
                None => return Ok(Self::Disk { rdevice }),
                Some(backing) => match backing.rdevice {
                    Some(behind) => rdevice = behind,
                    None => {
                        return Ok(Self::File {
                            device: backing.device,
                            inode: backing.inode,
                        });
                    }
                },
            }
        }
        Err(io::Error::other("loop devices without end"))
    }
}

impl Disk {
    /// What holds its bytes.
    ///
    /// # Errors
    /// Where it cannot be opened, or the system does not say.
    pub fn store(&self) -> io::Result<Option<Store>> {
        Store::of(&File::open(self.device.node())?)
    }
}

/// The name and the number of the disk that this is, or is a partition of.
fn whole(root: &Path, rdevice: u64) -> io::Result<(String, u64)> {
    let number = format!("{}:{}", major(rdevice), minor(rdevice));
    let folder = fs::canonicalize(root.join("sys/dev/block").join(number))?;
    let parent = folder.parent();
    let disk = parent.filter(|_| folder.join("partition").exists());
    let disk = disk.unwrap_or(&folder);
    let unclear = || io::Error::other(format!("what is {}?", disk.display()));
    let number = fs::read_to_string(disk.join("dev"))?;
    let (major, minor) = number.trim().split_once(':').ok_or_else(unclear)?;
    let part = |text: &str| text.parse().map_err(|_| unclear());
    let number = rustix::fs::makedev(part(major)?, part(minor)?);
    let name = disk.file_name().and_then(|name| name.to_str());
    Ok((name.ok_or_else(unclear)?.to_owned(), number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use livestick_sys::LoopDevice;
    use std::io::Write;
    use std::os::fd::AsFd;

    fn image() -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[0; 8192]).unwrap();
        file
    }

    #[test]
    fn a_file_is_the_same_under_every_name_and_a_pipe_is_none() {
        let (one, other) = (image(), image());
        let again = one.try_clone().unwrap();
        let of = |file| Store::of(file).unwrap();
        assert_eq!(of(&one), of(&again));
        assert_ne!(of(&one), of(&other));
        assert_eq!(of(&File::open("/dev/null").unwrap()), None);
    }

    #[test]
    fn a_partition_is_its_disk() {
        let fixture = Fixture::new();
        fixture.usb("sda", &["sda1"]);
        fixture.usb("sdb", &["sdb1", "sdb2"]);
        let number = |name: &str| {
            let number = fixture.number(name);
            let (major, minor) = number.split_once(':').unwrap();
            rustix::fs::makedev(major.parse().unwrap(), minor.parse().unwrap())
        };
        for name in ["sdb", "sdb1", "sdb2"] {
            let found = whole(fixture.root(), number(name)).unwrap();
            assert_eq!(found, ("sdb".to_owned(), number("sdb")));
        }
        assert!(whole(fixture.root(), number("sda") + 100).is_err());
    }

    #[test]
    fn a_loop_device_is_the_file_behind_it() {
        if !rustix::process::geteuid().is_root() {
            assert!(std::env::var_os("CI").is_none(), "this test needs root");
            eprintln!("skipped: not root");
            return;
        }
        let image = image();
        let devices = [(); 2].map(|()| LoopDevice::attach(image.as_fd()).unwrap());
        let one = File::open(devices[0].path()).unwrap();
        let above = LoopDevice::attach(one.as_fd()).unwrap();
        let expected = Store::of(&image).unwrap();
        assert!(expected.is_some());
        for path in [devices[0].path(), devices[1].path(), above.path()] {
            assert_eq!(Store::of(&File::open(path).unwrap()).unwrap(), expected);
        }
    }
}
