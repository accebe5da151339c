//! USB mass storage whose disk has not shown up yet.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

/// Whether a disk is still to come: there is mass storage on USB behind which there is none so far that
/// `is_known`. The kernel tells of a disk only once it has looked for its partitions.
pub fn is_disk_coming(is_known: impl Fn(&str) -> bool) -> bool {
    is_disk_coming_in(Path::new("/sys"), is_known)
}

/// The kernel makes the interface as soon as it has read the stick's descriptors, and the disk once
/// the driver has talked to it: that takes a second and more.
fn is_disk_coming_in(sysfs: &Path, is_known: impl Fn(&str) -> bool) -> bool {
    let mut interfaces = names(&sysfs.join("bus/usb/devices"));
    interfaces.retain(|name| {
        let class = sysfs.join("bus/usb/devices").join(name);
        let class = fs::read_to_string(class.join("bInterfaceClass"));
        class.is_ok_and(|class| class.trim() == MASS_STORAGE)
    });
    if interfaces.is_empty() {
        return false;
    }
    // The link to a disk's own folder names every device on the way to it.
    let mut disks = names(&sysfs.join("class/block"));
    disks.retain(|name| name.to_str().is_some_and(&is_known));
    let folders = disks
        .iter()
        .filter_map(|name| fs::read_link(sysfs.join("class/block").join(name)).ok());
    for folder in folders {
        for part in &folder {
            interfaces.remove(part);
        }
    }
    !interfaces.is_empty()
}

/// "Defined Class Codes" of the USB Implementers Forum.
const MASS_STORAGE: &str = "08";

fn names(folder: &Path) -> HashSet<OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn mass_storage_without_a_disk_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let sysfs = folder.path();
        let usb = sysfs.join("bus/usb/devices");
        let class = sysfs.join("class/block");
        fs::create_dir_all(&usb).unwrap();
        fs::create_dir_all(&class).unwrap();
        let is_disk_coming = || is_disk_coming_in(sysfs, |name| name != "sdc");
        assert!(!is_disk_coming(), "there is no USB");
        for (name, kind) in [
            ("1-1:1.0", "08\n"),
            ("1-2:1.0", "08\n"),
            ("1-3:1.0", "03\n"),
            ("1-4:1.0", "08\n"),
        ] {
            let device = sysfs.join("devices/usb1").join(name);
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("bInterfaceClass"), kind).unwrap();
            symlink(&device, usb.join(name)).unwrap();
        }
        for (name, interface) in [("sda", "1-1:1.0"), ("sdb", "1-2:1.0"), ("sdc", "1-4:1.0")] {
            assert!(is_disk_coming(), "before {name}");
            let disk = sysfs
                .join("devices/usb1")
                .join(interface)
                .join("block")
                .join(name);
            fs::create_dir_all(&disk).unwrap();
            symlink(&disk, class.join(name)).unwrap();
        }
        assert!(is_disk_coming(), "nobody knows sdc");
        assert!(!is_disk_coming_in(sysfs, |_| true));
    }
}
