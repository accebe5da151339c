//! Volumes as the field's own tools see them: `fsck.fat`, mtools, `sfdisk`, `sgdisk`.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use livestick_blockio::SECTOR_BYTES;
use livestick_volume::{
    BootCode, FILE_LIMIT_BYTES, FinalLength, Finished, Length, Options, Plan, PlanError,
    PlannedFile, Size, Timestamp, VOLUME_START_LBA,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::{Command, Stdio};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A file for a volume. With `spare`, so many bytes more than needed are reserved for it.
#[derive(Clone, Debug)]
struct Content {
    path: String,
    bytes: Vec<u8>,
    spare: Option<u64>,
}

fn content(path: &str, length: usize, spare: Option<u64>) -> Content {
    let bytes = (0..length).map(|index| (index * 7 + index / 251).to_le_bytes()[0]);
    Content {
        path: path.to_owned(),
        bytes: bytes.collect(),
        spare,
    }
}

fn planned(files: &[Content]) -> Vec<PlannedFile> {
    let planned = files.iter().map(|file| PlannedFile {
        path: file.path.clone(),
        length: match file.spare {
            Some(spare) => Length::AtMost(file.bytes.len() as u64 + spare),
            None => Length::Exact(file.bytes.len() as u64),
        },
    });
    planned.collect()
}

fn plan(files: &[Content], size: Size) -> Plan {
    Plan::new(&planned(files), size).unwrap()
}

fn finish(plan: &Plan, files: &[Content]) -> Finished {
    let reserved = files.iter().filter(|file| file.spare.is_some());
    let lengths = reserved.map(|file| FinalLength {
        path: &file.path,
        length_bytes: file.bytes.len() as u64,
    });
    let options = Options {
        label: "LIVE STICK".parse().unwrap(),
        serial: 0x1234_abcd,
        mbr_signature: 0xfeed_f00d,
        timestamp: Timestamp::from_unix_seconds(1_709_210_096),
        boot_code: Some(BootCode {
            mbr: [0x90; 440],
            volume: [0x90; 512],
        }),
    };
    plan.finish(&lengths.collect::<Vec<_>>(), &options).unwrap()
}

/// Writes the image; what lies before `from` is left out.
fn write(image: &Path, from: u64, plan: &Plan, finished: &Finished, files: &[Content]) {
    let image = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(image)
        .unwrap();
    image.set_len(finished.length_bytes - from).unwrap();
    let put = |bytes: &[u8], offset: u64| {
        if let Some(offset) = offset.checked_sub(from) {
            image.write_all_at(bytes, offset).unwrap();
        }
    };
    for file in files {
        let place = plan.place(&file.path).unwrap();
        assert!(file.bytes.len() as u64 <= place.limit_bytes);
        put(&file.bytes, place.offset_bytes);
    }
    for write in &finished.writes {
        put(&write.bytes, write.offset_bytes);
    }
}

/// Runs a tool and returns what it says; it must succeed. `None` where the tool is missing, which
/// is an error where everything is installed.
fn run(tool: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(tool);
    command
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .env_remove("MTOOLS_SKIP_CHECK");
    match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("CI").is_none(), "{tool} is missing");
            eprintln!("skipped: {tool} is missing");
            None
        }
        Err(error) => panic!("{tool}: {error}"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{tool} {arguments:?}:\n{text}");
            Some(text)
        }
    }
}

fn check_volume(directory: &Path, plan: &Plan, finished: &Finished, files: &[Content]) {
    let volume = directory.join("volume");
    let _ = fs::remove_file(&volume);
    let from = u64::from(VOLUME_START_LBA) * SECTOR_BYTES;
    write(&volume, from, plan, finished, files);
    if let Some(text) = run("fsck.fat", &["-n", "-v", volume.to_str().unwrap()]) {
        let clean = !text.contains("differ") && !text.contains("rong") && !text.contains("Orphan");
        assert!(clean && text.contains("reserved sectors"), "{text}");
    }
}

/// Every file of the image, by its path.
fn read_back(directory: &Path, image: &Path) -> Option<BTreeMap<String, Vec<u8>>> {
    let target = directory.join("read-back");
    let _ = fs::remove_dir_all(&target);
    fs::create_dir(&target).unwrap();
    let drive = format!("{}@@1M", image.display());
    run(
        "mcopy",
        &["-s", "-n", "-i", &drive, "::/", target.to_str().unwrap()],
    )?;
    let mut found = BTreeMap::new();
    collect(&target, &target, &mut found);
    Some(found)
}

fn collect(top: &Path, directory: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(top, &path, found);
        } else {
            let name = path.strip_prefix(top).unwrap().to_str().unwrap().to_owned();
            found.insert(name, fs::read(&path).unwrap());
        }
    }
}

fn check_everything(files: &[Content], size: Size) -> Finished {
    let directory = tempfile::tempdir().unwrap();
    let plan = plan(files, size);
    let finished = finish(&plan, files);
    check_volume(directory.path(), &plan, &finished, files);
    let image = directory.path().join("image");
    write(&image, 0, &plan, &finished, files);
    if let Some(found) = read_back(directory.path(), &image) {
        let expected = files
            .iter()
            .map(|file| (file.path.clone(), file.bytes.clone()));
        assert_eq!(found, expected.collect());
    }
    let path = image.to_str().unwrap();
    if let Some(text) = run("sfdisk", &["--verify", path]) {
        assert!(text.contains("No errors detected"), "{text}");
    }
    if let Some(text) = run("sfdisk", &["--dump", path]) {
        assert!(
            text.contains("start=        2048") && text.contains("type=c, bootable"),
            "{text}"
        );
    }
    if let Some(text) = run("sgdisk", &["-v", path]) {
        assert!(text.contains("No problems found"), "{text}");
    }
    finished
}

fn stick() -> Vec<Content> {
    vec![
        content("EFI/BOOT/BOOTX64.EFI", 94_208, None),
        content("syslinux/ldlinux.sys", 59_904, None),
        content("syslinux/ldlinux.c32", 118_712, None),
        content("loader/entries/live.conf", 200, None),
        content("README.txt", 1000, None),
        content("live/manifest", 700, Some(15_000)),
        content("SHA256SUMS", 900, Some(3000)),
        content("live/vmlinuz", 700_001, None),
        content(
            "live/filesystem.squashfs",
            40_960,
            Some(FILE_LIMIT_BYTES - 40_960),
        ),
    ]
}

#[test]
fn a_stick_that_fits_its_files() {
    let finished = check_everything(&stick(), Size::Fit);
    assert_eq!(finished.length_bytes % MIB, 0);
    assert!(
        finished.length_bytes < 310 * MIB,
        "{}",
        finished.length_bytes
    );
}

#[test]
fn sticks_of_fixed_sizes() {
    for size_bytes in [
        300 * MIB,
        GIB + 12_345 * SECTOR_BYTES,
        12 * GIB,
        20 * GIB,
        300 * GIB,
    ] {
        let finished = check_everything(&stick(), Size::Fixed(size_bytes));
        assert_eq!(finished.length_bytes, size_bytes);
    }
}

#[test]
fn a_volume_without_files() {
    check_everything(&[], Size::Fit);
}

/// A last file of 400 MiB needs more than the smallest volume, and less than its reservation.
#[test]
fn a_volume_shrinks_to_its_last_file() {
    let files = [
        content("a", 5000, None),
        content("b", 400 << 20, Some(3 * GIB)),
    ];
    let finished = check_everything(&files, Size::Fit);
    assert!(
        finished.length_bytes < 445 * MIB,
        "{}",
        finished.length_bytes
    );
}

#[test]
fn only_what_is_used_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let (files, image) = (stick(), directory.path().join("image"));
    let plan = plan(&files, Size::Fit);
    let finished = finish(&plan, &files);
    write(&image, 0, &plan, &finished, &files);
    let metadata: usize = finished.writes.iter().map(|write| write.bytes.len()).sum();
    assert!(metadata < 64 << 10, "{metadata}");
    let allocated = fs::metadata(&image).unwrap().blocks() * 512;
    assert!(allocated < 2 * MIB, "{allocated}");
}

/// A device holds what was on it before; only `zeros` and `writes` may be relied on.
#[test]
fn nothing_of_a_device_s_past_shows_through() {
    let directory = tempfile::tempdir().unwrap();
    let files = stick();
    let plan = plan(&files, Size::Fixed(512 * MIB));
    let finished = finish(&plan, &files);
    let volume = directory.path().join("volume");
    let past = File::create(&volume).unwrap();
    for mib in 0..64 {
        past.write_all_at(&vec![0xff; 1 << 20], mib * MIB).unwrap();
    }
    let from = u64::from(VOLUME_START_LBA) * SECTOR_BYTES;
    for zeros in &finished.zeros {
        if let Some(offset) = zeros.start_bytes().checked_sub(from) {
            let bytes = vec![0; usize::try_from(zeros.length_bytes()).unwrap()];
            past.write_all_at(&bytes, offset).unwrap();
        }
    }
    write(&volume, from, &plan, &finished, &files);
    run("fsck.fat", &["-n", volume.to_str().unwrap()]);
}

fn contents() -> impl Strategy<Value = Vec<Content>> {
    let name = prop_oneof![
        "[a-zA-Z0-9_~]{1,8}(\\.[a-z]{1,3})?",
        "[A-Z]{1,8}\\.[A-Z]{3}",
        "[a-z .+,;=äßжλ漢-]{0,40}[a-z]",
        "samelongname[0-9]{3}\\.config",
    ];
    let path = proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let spare = proptest::option::of(0..100_000_u64);
    let file = (path, prop_oneof![Just(0), 1..20_000_usize], spare);
    let file = file.prop_map(|(path, length, spare)| content(&path, length, spare));
    proptest::collection::vec(file, 0..40).prop_map(distinct)
}

/// Leaves out what cannot be in one volume together.
fn distinct(files: Vec<Content>) -> Vec<Content> {
    let mut kept = Vec::new();
    for file in files {
        kept.push(file);
        match Plan::new(&planned(&kept), Size::Fit) {
            Ok(_) => {}
            Err(PlanError::Taken { .. }) => drop(kept.pop()),
            Err(error) => panic!("{error}"),
        }
    }
    kept
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_files_read_back(files in contents()) {
        check_everything(&files, Size::Fit);
    }
}
