//! Volumes that were grown, as `fsck.fat` and mtools see them.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use livestick_blockio::{ReadAt, WriteAt};
use livestick_volume::{
    FinalLength, Length, Options, Plan, PlannedFile, Size, Timestamp, Volume, check, grow,
};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

const MIB: u64 = 1 << 20;
const GB: u64 = 1_000_000_000;

/// A device whose volume is a file of its own, which tools read.
struct Device {
    head: Mutex<Vec<u8>>,
    volume: File,
}

impl Device {
    fn new(volume: &Path) -> Self {
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(true);
        Self {
            head: Mutex::new(vec![0; 1 << 20]),
            volume: options.open(volume).unwrap(),
        }
    }
}

impl ReadAt for Device {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match offset.checked_sub(MIB) {
            Some(offset) => ReadAt::read_at(&self.volume, buffer, offset),
            None => ReadAt::read_at(&self.head.lock().unwrap()[..], buffer, offset),
        }
    }
}

impl WriteAt for Device {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let Some(offset) = offset.checked_sub(MIB) else {
            let start = usize::try_from(offset).unwrap();
            self.head.lock().unwrap()[start..start + bytes.len()].copy_from_slice(bytes);
            return Ok(());
        };
        WriteAt::write_all_at(&self.volume, bytes, offset)
    }
}

/// Files of a stick, and a directory of several clusters.
fn files() -> Vec<(String, Vec<u8>)> {
    let bytes = |length: usize, seed: usize| {
        let bytes = (0..length).map(|index| (index * 7 + index / 251 + seed).to_le_bytes()[0]);
        bytes.collect()
    };
    let own = [
        ("EFI/BOOT/BOOTX64.EFI", 94_208),
        ("syslinux/ldlinux.sys", 59_904),
        ("README.txt", 1000),
        ("empty", 0),
        ("live/vmlinuz", 700_001),
    ];
    let many = (0..400).map(|number| format!("boot/grub/x86_64-efi/module-{number}.mod"));
    let own = own.map(|(path, length)| (path.to_owned(), length));
    let files = own.into_iter().chain(many.map(|path| (path, 300)));
    let files = files.chain([("live/filesystem.squashfs".to_owned(), 3_000_000)]);
    let files = files.enumerate();
    files
        .map(|(number, (path, length))| (path, bytes(length, number)))
        .collect()
}

/// Puts the smallest volume of the files onto the device; says how long it is.
fn put(device: &Device, files: &[(String, Vec<u8>)]) -> u64 {
    let (last, exact) = files.split_last().unwrap();
    let planned = |(path, bytes): &(String, Vec<u8>), length: fn(u64) -> Length| PlannedFile {
        path: path.clone(),
        length: length(bytes.len() as u64),
    };
    let exact = exact.iter().map(|file| planned(file, Length::Exact));
    let most = planned(last, |length| Length::AtMost(length * 400));
    let plan = Plan::new(&exact.chain([most]).collect::<Vec<_>>(), Size::Fit).unwrap();
    for (path, bytes) in files {
        let place = plan.place(path).unwrap();
        device.write_all_at(bytes, place.offset_bytes).unwrap();
    }
    let options = Options {
        label: "LIVE STICK".parse().unwrap(),
        serial: 0x1234_abcd,
        mbr_signature: 0xfeed_f00d,
        timestamp: Timestamp::from_unix_seconds(1_709_210_096),
        boot_code: None,
    };
    let length = FinalLength {
        path: &last.0,
        length_bytes: last.1.len() as u64,
    };
    let finished = plan.finish(&[length], &options).unwrap();
    for write in &finished.writes {
        device
            .write_all_at(&write.bytes, write.offset_bytes)
            .unwrap();
    }
    finished.length_bytes
}

/// Lets the volume take a device of so many bytes, which held something else before.
fn grow_to(device: &Device, device_bytes: u64) -> u64 {
    device.volume.set_len(device_bytes - MIB).unwrap();
    let growth = grow(device, device_bytes).unwrap().unwrap();
    for zeros in growth.zeros {
        let length = usize::try_from(zeros.length_bytes()).unwrap();
        let zeroed = device.write_all_at(&vec![0; length], zeros.start_bytes());
        zeroed.unwrap();
    }
    for write in growth.writes {
        device
            .write_all_at(&write.bytes, write.offset_bytes)
            .unwrap();
    }
    growth.volume_bytes
}

/// Runs a tool and returns what it says; `None` where it is missing.
fn run(tool: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(tool);
    command.args(arguments).env("LC_ALL", "C.UTF-8");
    match command.output() {
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{tool}: {error}");
            eprintln!("skipped: {tool} is missing");
            None
        }
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{tool} {arguments:?}:\n{text}");
            Some(text)
        }
    }
}

fn assert_clean(device: &Device, volume: &Path, device_bytes: u64) {
    let read = Volume::open(device).unwrap();
    let scan = read.scan().unwrap();
    assert_eq!(scan.findings, []);
    assert_eq!(check(&read, &scan, device_bytes).unwrap(), []);
    let path = volume.to_str().unwrap();
    if let Some(text) = run("fsck.fat", &["-n", "-v", path]) {
        for word in ["differ", "rong", "Orphan", "Free cluster", "not match"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn a_volume_takes_all_of_any_stick() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume");
    let files = files();
    // The least that all of them share: a step of clusters at most, and what lies behind the partition.
    for (device_bytes, cluster_bytes) in [
        (512 * MIB, 4096),
        (8 * GB, 4096),
        (16 * GB, 8192),
        (32 * GB, 16_384),
        (64 * GB, 32_768),
        (128 * GB, 32_768),
    ] {
        let device = Device::new(&volume);
        put(&device, &files);
        let grown = grow_to(&device, device_bytes);
        assert!(
            grown < device_bytes && grown > device_bytes - 4 * MIB,
            "{grown}"
        );
        assert_clean(&device, &volume, device_bytes);
        let mut sector = [0; 512];
        device.read_exact_at(&mut sector, MIB).unwrap();
        assert_eq!(u32::from(sector[13]) * 512, cluster_bytes, "{device_bytes}");
        assert!(grow(&device, device_bytes).unwrap().is_none());
        let opened = Volume::open(&device).unwrap();
        let scan = opened.scan().unwrap();
        for (path, bytes) in &files {
            let mut found = vec![0; bytes.len()];
            let file = opened.file(scan.file(path).unwrap());
            file.read_exact_at(&mut found, 0).unwrap();
            assert!(&found == bytes, "{path}");
        }
    }
}

/// On larger sticks, the reserved sectors are used up.
#[test]
fn a_volume_takes_133_gb_of_a_larger_stick() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume");
    let device = Device::new(&volume);
    put(&device, &files());
    let grown = grow_to(&device, 512 * GB);
    assert!((133 * GB..138 * GB).contains(&grown), "{grown}");
    assert_clean(&device, &volume, 512 * GB);
}

/// What the owner put there before lies anywhere, and stays there.
#[test]
fn a_volume_with_more_files_grows_as_far_as_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume");
    let device = Device::new(&volume);
    let length = put(&device, &files());
    device.volume.set_len(length - MIB).unwrap();
    let photo = folder.path().join("photo.jpg");
    fs::write(&photo, vec![7; 300_000]).unwrap();
    let drive = volume.to_str().unwrap();
    let photo_path = photo.to_str().unwrap();
    let put_photo = |to: &str| run("mcopy", &["-i", drive, photo_path, to]);
    if put_photo("::/one.jpg").is_none() {
        return;
    }
    put_photo("::/two.jpg");
    let grown = grow_to(&device, 64 * GB);
    assert!(grown > 17 * GB, "{grown}");
    assert_clean(&device, &volume, 64 * GB);
    let copy: PathBuf = folder.path().join("copy");
    run(
        "mcopy",
        &["-i", drive, "::/two.jpg", copy.to_str().unwrap()],
    );
    assert!(fs::read(copy).unwrap() == vec![7; 300_000]);
}
