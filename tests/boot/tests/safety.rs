//! Real devices, inside a virtual machine: which of them livestick writes, and that it leaves all
//! others as they are.

#![allow(clippy::unwrap_used, reason = "the whole file is tests")]

use livestick_boot_tests::{Stick, storage_root, tool};
use livestick_vm::{Ending, Firmware, Machine, Watch, boot};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Runs in the machine once it is up, before the system counts as running. Every line that matters
/// begins with `safety: `.
const SCRIPT: &str = r#"#!/bin/sh
exec >/dev/ttyS0 2>&1 </dev/null
udevadm settle
usb() { readlink -f /dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_$1-0:0; }
free=/dev/disk/by-id/usb-QEMU_QEMU_HARDDISK_FREE-0:0
ssd=$(usb SSD)
internal=$(readlink -f /dev/disk/by-id/ata-QEMU_HARDDISK_INTERNAL)
mounted=$(usb MOUNTED) lvm=$(usb LVM) raid=$(usb RAID)
own=$(awk '$3 == "vfat" { print $1; exit }' /proc/mounts)
own=/dev/$(lsblk -no PKNAME "$own" | head -n 1)

mkdir -p /tmp/mounted
mount -o ro "$mounted" /tmp/mounted
pvcreate -q -ff -y "$lvm" && vgcreate -q vg "$lvm" && lvcreate -q -y -L 20M -n lv vg
mdadm --create /dev/md0 --run --force --level=1 --raid-devices=1 --metadata=1.2 "$raid"
sync
sleep 3

digests() {
    for disk in "$internal" "$mounted" "$lvm" "$raid" "$own"; do
        blockdev --flushbufs "$disk"
        sha256sum "$disk"
    done
}
digests > /tmp/before
try() {
    name=$1
    shift
    said=$(livestick "$@" 2>&1)
    code=$?
    echo "safety: $name: $code: $(echo $said)"
}
for disk in "internal $internal" "mounted $mounted" "lvm $lvm" "raid $raid" "own $own"; do
    set -- $disk
    case $1 in
    internal) try "$1" restore --yes "$2" ;;
    *) try "$1" restore --yes "$2" --allow-fixed "$2"
       try "$1" write --yes "$own" "$2" --allow-fixed "$2" ;;
    esac
done
try unasked restore "$free"
digests > /tmp/after
cmp /tmp/before /tmp/after && echo "safety: unchanged: $(wc -l < /tmp/after)"
try free restore --yes "$free"
try ssd restore --yes "$ssd" --label SSD
blkid -p -o value -s TYPE "$(usb FREE)-part1" "$(usb FREE)1" | sed 's/^/safety: made: /'
livestick devices
echo "safety: over"
"#;

/// Before the console is somebody else's: a login prompt hangs up on whoever has it.
const UNIT: &str = "[Unit]\nDescription=Tries to write every disk\n\
    Before=serial-getty@ttyS0.service getty@tty1.service\n\n[Service]\nType=oneshot\n\
    ExecStart=/usr/local/sbin/try-every-disk\n";

/// What disks there are beside the stick, by serial number, and their sizes.
const DISKS: [(&str, u64); 6] = [
    ("FREE", 320 * MIB),
    ("SSD", 320 * MIB),
    ("INTERNAL", 64 * MIB),
    ("MOUNTED", 64 * MIB),
    ("LVM", 64 * MIB),
    ("RAID", 64 * MIB),
];

#[test]
fn only_free_usb_disks_are_written() {
    let Some(root) = storage_root() else { return };
    let folder = tempfile::tempdir_in(root.parent().unwrap()).unwrap();
    let stick = Stick::build(
        &prepared_root(&root, folder.path()),
        &["--firmware", "bios", "--menu-timeout", "0"],
        &[],
    );
    let mut machine = Machine::new(stick.image(), Firmware::Bios);
    machine.timeout = Duration::from_mins(15);
    machine.extra_arguments = disks(folder.path()).into_iter().map(Into::into).collect();
    let report = boot(&machine, &Watch::default(), &|| false).unwrap();
    let log = &report.serial_log;
    assert_eq!(report.ending, Ending::Reached, "{log}");

    let said = |name: &str| -> Vec<&str> {
        let lines = log.lines().filter_map(|line| line.split_once("safety: "));
        let lines = lines.filter_map(|(_, line)| line.strip_prefix(name)?.strip_prefix(": "));
        lines.collect()
    };
    for (name, reason, count) in [
        ("internal", "neither USB nor SD/MMC", 1),
        ("mounted", "is mounted at /tmp/mounted", 2),
        ("lvm", "part of the LVM volume", 2),
        ("raid", "part of the RAID array", 2),
        ("own", "is mounted at", 2),
        ("unasked", "--yes", 1),
    ] {
        let tries = said(name);
        assert_eq!(tries.len(), count, "{name}: {log}");
        for tried in tries {
            let refused = tried.starts_with("3: ") && tried.contains(reason);
            assert!(refused, "{name}: {tried}");
        }
    }
    for name in ["free", "ssd"] {
        assert!(said(name)[0].starts_with("0: "), "{name}: {log}");
    }
    assert_eq!(said("unchanged"), ["5"], "{log}");
    assert!(said("made").contains(&"vfat"), "{log}");
}

/// The root, linked, with the program and the script in it.
fn prepared_root(root: &Path, folder: &Path) -> PathBuf {
    let prepared = folder.join("root");
    tool(
        "cp",
        ["-al".as_ref(), root.as_os_str(), prepared.as_os_str()],
    );
    let program = livestick_boot_tests::program();
    let place = prepared.join("usr/local/sbin/livestick");
    fs::copy(program, place).unwrap();
    let script = prepared.join("usr/local/sbin/try-every-disk");
    fs::write(&script, SCRIPT).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let units = prepared.join("etc/systemd/system");
    let wants = units.join("multi-user.target.wants");
    fs::create_dir_all(&wants).unwrap();
    fs::write(units.join("try-every-disk.service"), UNIT).unwrap();
    symlink(
        "../try-every-disk.service",
        wants.join("try-every-disk.service"),
    )
    .unwrap();
    prepared
}

/// QEMU's arguments for all the disks; their images are in the folder.
fn disks(folder: &Path) -> Vec<String> {
    // The first controller has not enough ports.
    let mut arguments = vec![
        "-device".to_owned(),
        "qemu-xhci,id=more,p2=8,p3=8".to_owned(),
    ];
    for (serial, length) in DISKS {
        let image = folder.join(serial);
        File::create(&image).unwrap().set_len(length).unwrap();
        if serial == "MOUNTED" {
            tool(
                "mkfs.ext4",
                ["-q".as_ref(), "-F".as_ref(), image.as_os_str()],
            );
        }
        let image = image.display();
        let device = match serial {
            "INTERNAL" => format!("ide-hd,drive={serial},serial={serial}"),
            "SSD" => format!("usb-storage,bus=more.0,drive={serial},serial={serial},removable=off"),
            _ => format!("usb-storage,bus=more.0,drive={serial},serial={serial},removable=on"),
        };
        let drive = format!("if=none,id={serial},format=raw,file={image}");
        arguments.extend(["-drive".to_owned(), drive, "-device".to_owned(), device]);
    }
    arguments
}
