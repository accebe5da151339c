//! What `verify` finds, and what it does not mind.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use livestick_blockio::{NoProgress, ReadAt, WriteAt};
use livestick_handoff::{Seal, paths};
use livestick_image::{
    BootCode, Contents, Existing, Facts, Identities, Initrd, Layout, OpenedImage, Output,
    RootImage, Settings, Size, StickFile, Timestamp, Verification, verify,
};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

/// A medium with one bit changed.
struct Flipped<'a> {
    image: &'a File,
    place: u64,
    bit: u8,
}

impl ReadAt for Flipped<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = ReadAt::read_at(self.image, buffer, offset)?;
        let within = self.place.checked_sub(offset);
        let within = within.and_then(|within| usize::try_from(within).ok());
        if let Some(byte) = within.and_then(|within| buffer[..count].get_mut(within)) {
            *byte ^= 1 << self.bit;
        }
        Ok(count)
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.next().to_le_bytes()[3])
            .take(length)
            .collect()
    }

    fn within(&mut self, range: &Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

fn image(path: &Path) -> File {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let file = |path: &str, bytes: Vec<u8>| StickFile {
        path: path.to_owned(),
        bytes,
    };
    let contents = Contents {
        files: vec![
            file("syslinux/ldlinux.sys", random.bytes(59_904)),
            file("EFI/BOOT/BOOTX64.EFI", random.bytes(94_208)),
            file(paths::README, b"A stick.\n".to_vec()),
            file(paths::KERNEL, random.bytes(700_001)),
        ],
        initrd: Initrd {
            bytes: random.bytes(300_000),
            seal_offset: 2 * Seal::LENGTH_BYTES,
        },
        facts: Facts {
            kernel_release: "6.1.0".to_owned(),
            title: "Test".to_owned(),
            stores: vec![],
            workload: livestick_handoff::Workload::Console,
            tool: "livestick 0".to_owned(),
            options: vec![],
            origins: vec![],
        },
    };
    let settings = Settings {
        label: "LIVE".parse().unwrap(),
        timestamp: Timestamp::from_unix_seconds(1_709_210_096),
        identities: Identities::Random,
        boot_code: Some(BootCode {
            mbr: [0x90; 440],
            volume: [0x90; 512],
        }),
    };
    let root = random.bytes(1_200_000);
    let output = Output::create(path, Existing::Refuse).unwrap();
    let layout = Layout::plan(
        contents,
        Size::Fit,
        livestick_handoff::Segments::new(1 << 30, 1 << 30).unwrap(),
    )
    .unwrap();
    let written = layout.write(
        output,
        &settings,
        |place| {
            place.write_all_at(&root, 0)?;
            let mut superblock = [0; 96];
            superblock.copy_from_slice(&root[..96]);
            Ok(RootImage {
                length_bytes: root.len() as u64,
                superblock,
            })
        },
        &NoProgress,
    );
    written.unwrap();
    File::open(path).unwrap()
}

/// What is wrong, one line each.
fn found(medium: &impl ReadAt, length: u64) -> Vec<String> {
    match OpenedImage::open(medium) {
        Ok(opened) => lines(&verify(&opened, length, &NoProgress).unwrap()),
        Err(error) => vec![error.to_string()],
    }
}

fn lines(verification: &Verification) -> Vec<String> {
    verification
        .findings
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// The regions whose every bit matters, by name.
fn regions(opened: &OpenedImage<&File>) -> Vec<(String, Range<u64>)> {
    let parameters = &opened.volume().boot().parameters;
    let start = u64::from(parameters.start_lba) * 512;
    let sector = |number: u64| start + number * 512..start + (number + 1) * 512;
    let fat = start + u64::from(parameters.reserved_sectors) * 512;
    let fat_bytes = u64::from(parameters.fat_sectors) * 512;
    let mut regions = vec![
        ("partition table".to_owned(), 0..512),
        ("boot sector".to_owned(), sector(0)),
        ("backup of the boot sector".to_owned(), sector(6)),
        // Behind the hints about free clusters, which any system may change.
        ("FSInfo".to_owned(), start + 512 + 496..start + 1024),
        ("first FAT".to_owned(), fat..fat + fat_bytes),
        ("first FAT, in use".to_owned(), fat..fat + 2048),
        (
            "second FAT".to_owned(),
            fat + fat_bytes..fat + 2 * fat_bytes,
        ),
    ];
    regions.extend(opened.files().map(|entry| {
        let first = entry.extents[0].start_bytes();
        (entry.path.clone(), first..first + entry.length_bytes)
    }));
    regions
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(&folder.path().join("stick.img"));
    let length = image.metadata().unwrap().len();
    assert_eq!(found(&&image, length), [""; 0]);

    let opened = OpenedImage::open(&image).unwrap();
    let regions = regions(&opened);
    assert!(regions.len() > 14, "{regions:?}");
    let mut random = Random(7);
    for number in 0..regions.len().max(1) * 15 {
        let (name, range) = &regions[number % regions.len()];
        let place = random.within(range);
        let bit = u8::try_from(random.next() % 8).unwrap();
        let flipped = Flipped {
            image: &image,
            place,
            bit,
        };
        let found = found(&flipped, length);
        // Of the state bits: they say that somebody has it mounted.
        assert!(!found.is_empty(), "bit {bit} of byte {place}, {name}");
        let is_file = opened.scan().file(name).is_some();
        let named = found
            .iter()
            .any(|line| line.starts_with(&format!("{name}: ")));
        assert!(
            !is_file || named || name == paths::CHECKSUMS,
            "{name}: {found:?}"
        );
    }
}

#[test]
fn the_name_and_the_place_of_a_file_matter() {
    let folder = tempfile::tempdir().unwrap();
    let image = image(&folder.path().join("stick.img"));
    let length = image.metadata().unwrap().len();
    let opened = OpenedImage::open(&image).unwrap();
    let directory = opened
        .scan()
        .entries
        .iter()
        .find(|entry| entry.path == "live");
    let start = directory.unwrap().extents[0].start_bytes();
    let mut bytes = [0; 512];
    ReadAt::read_exact_at(&image, &mut bytes, start).unwrap();
    let entries = bytes.chunks(32).position(|entry| entry[0] == 0).unwrap();
    // Behind `.` and `..`: names, clusters and lengths; not times and attributes, which nobody minds.
    // Of long names, what comes behind their end matters to nobody either.
    let matters = |within: usize| within < 11 || matches!(within, 20..22 | 26..32);
    let places = (64..entries * 32).filter(|place| matters(place % 32));
    for place in places.filter(|place| bytes[place / 32 * 32 + 11] != 0x0f) {
        let flipped = Flipped {
            image: &image,
            place: start + place as u64,
            bit: 4,
        };
        assert!(!found(&flipped, length).is_empty(), "byte {place}");
    }
}

#[test]
fn what_the_owner_adds_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stick.img");
    let image = image(&path);
    let drive = format!("{}@@1M", path.display());
    let photo = folder.path().join("A holiday, long ago.jpg");
    std::fs::write(&photo, vec![7; 3_000_000]).unwrap();
    let run = |tool: &str, arguments: &[&str]| match Command::new(tool).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{tool}: {output:?}");
            true
        }
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{tool}: {error}");
            eprintln!("skipped: {tool} is missing");
            false
        }
    };
    let added = run("mmd", &["-i", &drive, "::/photos"])
        && run(
            "mcopy",
            &["-i", &drive, photo.to_str().unwrap(), "::/photos/"],
        )
        && run(
            "mcopy",
            &["-i", &drive, photo.to_str().unwrap(), "::/live/"],
        )
        && run("mdel", &["-i", &drive, "::/live/A holiday, long ago.jpg"]);
    if !added {
        return;
    }
    let length = image.metadata().unwrap().len();
    let opened = OpenedImage::open(&image).unwrap();
    let verification = verify(&opened, length, &NoProgress).unwrap();
    assert_eq!(lines(&verification), [""; 0]);
    assert_eq!(verification.added, ["photos/A holiday, long ago.jpg"]);
}

#[test]
fn what_is_missing_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stick.img");
    let image = image(&path);
    let drive = format!("{}@@1M", path.display());
    let deleted = Command::new("mdel")
        .args(["-i", &drive, "::/live/vmlinuz"])
        .status();
    if deleted.is_err() {
        assert!(std::env::var_os("CI").is_none(), "mdel is missing");
        eprintln!("skipped: mdel is missing");
        return;
    }
    let found = found(&&image, image.metadata().unwrap().len());
    assert_eq!(found, ["live/vmlinuz: it is missing"]);
}
