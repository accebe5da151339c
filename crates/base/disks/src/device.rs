//! Block devices, from sysfs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

/// A disk or a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDevice {
    /// Its kernel name: `sda1`.
    pub name: String,
    /// The disk's name, where this is a partition.
    pub disk: Option<String>,
    /// Its size in bytes; 0 where no medium is in the drive.
    pub size_bytes: u64,
    /// Whether the kernel says that the medium can be taken out. True for most USB sticks, but not
    /// for USB disks.
    pub removable: bool,
    /// How the disk is connected.
    pub transport: Transport,
    /// Vendor and model, as far as the disk says; else empty.
    pub model: String,
}

/// How a disk is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// USB, with any driver.
    Usb,
    /// An SD card or eMMC.
    Mmc,
    /// NVMe.
    Nvme,
    /// SATA or PATA.
    Ata,
    /// A virtual machine's own disk.
    Virtio,
    /// Another bus.
    Other,
    /// No hardware at all: loop, RAM, device-mapper and others that the kernel made up.
    Virtual,
}

impl BlockDevice {
    /// Every block device of this machine, in the order of their names.
    ///
    /// # Errors
    /// Where sysfs cannot be read.
    pub fn list() -> io::Result<Vec<Self>> {
        Ok(Self::list_in(Path::new(CLASS))?
            .into_iter()
            .map(|(device, _)| device)
            .collect())
    }

    /// Every block device of a folder like `/sys/class/block`, in the order of their names, each with
    /// its own folder below `/sys/devices`.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn list_in(class: &Path) -> io::Result<Vec<(Self, PathBuf)>> {
        let mut devices = Vec::new();
        for entry in fs::read_dir(class)? {
            // One that went away in between is not there.
            let folder = fs::canonicalize(entry?.path()).ok();
            devices.extend(folder.and_then(|folder| Some((Self::read_folder(&folder)?, folder))));
        }
        devices.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name));
        Ok(devices)
    }

    /// The block device of this kernel name, or `None` where there is none.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        let folder = fs::canonicalize(Path::new(CLASS).join(name)).ok()?;
        Self::read_folder(&folder)
    }

    /// The partitions of this disk, in no order; none of a partition.
    #[must_use]
    pub fn partitions(&self) -> Vec<Self> {
        let entries = fs::read_dir(Path::new(CLASS).join(&self.name));
        let entries = entries.into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let within = names.filter(|name| name.starts_with(&self.name));
        within.filter_map(|name| Self::read(&name)).collect()
    }

    /// Its node in `/dev`.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        // The kernel writes `!` for a slash in a name: `cciss!c0d0`.
        Path::new("/dev").join(self.name.replace('!', "/"))
    }

    fn read_folder(folder: &Path) -> Option<Self> {
        let sectors = attribute(folder, "size")?.parse::<u64>().ok()?;
        let partition = folder.join("partition").exists();
        let disk = if partition { folder.parent()? } else { folder };
        let hardware = disk.join("device");
        let words =
            ["vendor", "model", "name"].map(|name| attribute(&hardware, name).unwrap_or_default());
        Some(Self {
            name: file_name(folder)?,
            disk: if partition { file_name(disk) } else { None },
            size_bytes: sectors.saturating_mul(SECTOR_BYTES),
            removable: attribute(disk, "removable").is_some_and(|value| value == "1"),
            transport: Transport::of(folder),
            model: words.join(" ").trim().to_owned(),
        })
    }
}

impl Transport {
    /// From the device's folder below `/sys/devices`, which names every bus on the way to it.
    fn of(folder: &Path) -> Self {
        let names = || folder.iter().filter_map(OsStr::to_str);
        let numbered = |prefix: &str| {
            names().any(|name| {
                let rest = name.strip_prefix(prefix);
                rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
            })
        };
        if names().any(|name| name == "virtual") && !numbered("nvme") {
            Self::Virtual
        } else if numbered("usb") {
            Self::Usb
        } else if numbered("mmc") {
            Self::Mmc
        } else if numbered("nvme") {
            Self::Nvme
        } else if numbered("ata") {
            Self::Ata
        } else if numbered("virtio") {
            Self::Virtio
        } else {
            Self::Other
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Usb => "USB",
            Self::Mmc => "SD/MMC",
            Self::Nvme => "NVMe",
            Self::Ata => "ATA",
            Self::Virtio => "virtio",
            Self::Other => "other",
            Self::Virtual => "virtual",
        })
    }
}

const CLASS: &str = "/sys/class/block";
/// The unit of `size` in sysfs, whatever the device's own sector size.
const SECTOR_BYTES: u64 = 512;

fn attribute(folder: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(name)).ok()?;
    Some(text.trim().to_owned())
}

fn file_name(folder: &Path) -> Option<String> {
    Some(folder.file_name()?.to_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, files: &[(&str, &str)]) {
        fs::create_dir_all(folder).unwrap();
        for (name, text) in files {
            fs::write(folder.join(name), text).unwrap();
        }
    }

    #[test]
    fn a_partition_has_its_disks_bus_and_model() {
        let root = tempfile::tempdir().unwrap();
        let bus = "devices/pci0000:00/0000:00:04.0/usb1/1-1/1-1:1.0/host0/target0:0:0/0:0:0:0";
        let disk = root.path().join(bus).join("block/sda");
        write(&disk, &[("size", "2048\n"), ("removable", "1\n")]);
        write(
            &disk.join("device"),
            &[("vendor", "QEMU    \n"), ("model", "QEMU HARDDISK   \n")],
        );
        let part = disk.join("sda1");
        write(&part, &[("size", "2040\n"), ("partition", "1\n")]);
        let read = BlockDevice::read_folder(&part).unwrap();
        let expected = BlockDevice {
            name: "sda1".to_owned(),
            disk: Some("sda".to_owned()),
            size_bytes: 2040 * 512,
            removable: true,
            transport: Transport::Usb,
            model: "QEMU QEMU HARDDISK".to_owned(),
        };
        assert_eq!(read, expected);
        assert_eq!(read.node(), Path::new("/dev/sda1"));
        assert_eq!(BlockDevice::read_folder(&disk).unwrap().disk, None);
    }

    #[test]
    fn the_bus_is_told_by_the_path() {
        let cases = [
            ("/sys/devices/virtual/block/loop0", Transport::Virtual),
            (
                "/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1",
                Transport::Nvme,
            ),
            (
                "/sys/devices/pci0000:00/0000:00:01.1/ata1/host0/block/sda",
                Transport::Ata,
            ),
            (
                "/sys/devices/pci0000:00/0000:00:03.0/virtio1/block/vda",
                Transport::Virtio,
            ),
            (
                "/sys/devices/pci0000:00/0000:00:05.0/mmc_host/mmc0/mmc0:4567/block/mmcblk0",
                Transport::Mmc,
            ),
            ("/sys/devices/vbd-51712/block/xvda", Transport::Other),
        ];
        for (path, expected) in cases {
            assert_eq!(Transport::of(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn this_machines_devices_can_be_listed() {
        let devices = BlockDevice::list().unwrap();
        assert!(devices.iter().all(|device| !device.name.is_empty()));
        assert!(devices.is_sorted_by(|a, b| a.name < b.name));
        for disk in &devices {
            let of_disk = |device: &&BlockDevice| device.disk.as_ref() == Some(&disk.name);
            assert_eq!(
                disk.partitions().len(),
                devices.iter().filter(of_disk).count()
            );
        }
        assert_eq!(BlockDevice::read("there-is-none"), None);
    }
}
