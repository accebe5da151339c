//! A machine made of files: what sysfs and procfs would say of it.

use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// `sys` and `proc` of a machine without disks, to which they are added.
pub(crate) struct Fixture {
    folder: TempDir,
    minor: Cell<u32>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for path in ["sys/class/block", "sys/dev/block", "proc/self", "dev"] {
            fs::create_dir_all(folder.path().join(path)).unwrap();
        }
        fs::write(folder.path().join("proc/self/mountinfo"), "").unwrap();
        fs::write(folder.path().join("proc/swaps"), "Filename Type\n").unwrap();
        Self {
            folder,
            minor: Cell::new(0),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// A disk in a folder below `sys/devices`, with partitions.
    pub(crate) fn disk(&self, name: &str, bus: &str, partitions: &[&str]) {
        let folder = self.root().join("sys/devices").join(bus).join(name);
        self.device(name, &folder);
        self.attribute(name, "queue/logical_block_size", "512");
        fs::create_dir_all(folder.join("holders")).unwrap();
        for (number, partition) in (1..).zip(partitions) {
            self.device(partition, &folder.join(partition));
            self.attribute(partition, "partition", &number.to_string());
        }
    }

    /// A USB stick with a serial number.
    pub(crate) fn usb(&self, name: &str, partitions: &[&str]) {
        let device = format!("pci0000:00/usb1/1-{name}");
        self.disk(name, &format!("{device}/1-1:1.0/host0/block"), partitions);
        let device = self.root().join("sys/devices").join(device);
        fs::write(device.join("idVendor"), "1234").unwrap();
        fs::write(device.join("serial"), format!("SERIAL-{name}\n")).unwrap();
    }

    /// A device without hardware, with an attribute.
    pub(crate) fn virtual_disk(&self, name: &str, attribute: Option<(&str, &str)>) {
        self.disk(name, "virtual/block", &[]);
        if let Some((attribute, value)) = attribute {
            self.attribute(name, attribute, value);
        }
    }

    /// A device that is made of another one.
    pub(crate) fn above(&self, name: &str, of: &str, attribute: Option<(&str, &str)>) {
        self.virtual_disk(name, attribute);
        let holders = self.class(of).join("holders");
        fs::create_dir_all(&holders).unwrap();
        fs::write(holders.join(name), "").unwrap();
    }

    pub(crate) fn attribute(&self, name: &str, attribute: &str, value: &str) {
        let path = self.class(name).join(attribute);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{value}\n")).unwrap();
    }

    pub(crate) fn number(&self, name: &str) -> String {
        let number = fs::read_to_string(self.class(name).join("dev")).unwrap();
        number.trim().to_owned()
    }

    pub(crate) fn mount(&self, number: &str, at: &str, source: &str) {
        self.append(
            "proc/self/mountinfo",
            &format!("36 35 {number} / {at} rw,noatime shared:1 - vfat {source} rw\n"),
        );
    }

    pub(crate) fn swap(&self, path: &str) {
        self.append("proc/swaps", &format!("{path} partition 1024 0 -2\n"));
    }

    pub(crate) fn btrfs(&self, id: &str, devices: &[&str]) {
        let folder = self.root().join("sys/fs/btrfs").join(id).join("devices");
        fs::create_dir_all(&folder).unwrap();
        for device in devices {
            fs::write(folder.join(device), "").unwrap();
        }
    }

    fn device(&self, name: &str, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        symlink(folder, self.class(name)).unwrap();
        let minor = self.minor.replace(self.minor.get() + 1);
        let numbers = self.root().join("sys/dev/block");
        symlink(folder, numbers.join(format!("8:{minor}"))).unwrap();
        for (attribute, value) in [
            ("dev", &format!("8:{minor}")[..]),
            ("size", "2048"),
            ("ro", "0"),
            ("removable", "1"),
        ] {
            self.attribute(name, attribute, value);
        }
    }

    fn class(&self, name: &str) -> PathBuf {
        self.root().join("sys/class/block").join(name)
    }

    fn append(&self, path: &str, line: &str) {
        let file = fs::File::options()
            .append(true)
            .open(self.root().join(path));
        file.unwrap().write_all(line.as_bytes()).unwrap();
    }
}
