//! The commands for devices, on loop devices.

use crate::disk::{Loop, MIB, at_terminal, image, json, run, succeeds, write};
use crate::support::{
    assert_fails, bare_root, debian, is_root, livestick, root_with_kernel, scratch,
};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::process::{Command, Stdio};

#[test]
fn every_disk_is_listed_with_its_verdict() {
    let folder = scratch();
    let Some(disk) = Loop::new(folder.path(), "disk", 64 * MIB) else {
        return;
    };
    let listed = json(&succeeds(&["devices", "--all", "--json"]));
    let rows = listed["devices"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["path"] == disk.device[..])
        .unwrap();
    assert_eq!(
        (&row["usable"], &row["fixed"]),
        (&Value::Bool(false), &Value::Bool(true))
    );
    assert_eq!(row["bytes"], 64 * MIB);
    let hardware = json(&succeeds(&["devices", "--json"]));
    let hardware = hardware["devices"].as_array().unwrap();
    assert!(hardware.iter().all(|row| row["path"] != disk.device[..]));
}

#[test]
fn what_is_not_to_be_written_is_refused_untouched() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let image = path("image");
    let mut sector = vec![0; 8 << 20];
    sector[510..512].copy_from_slice(b"\x55\xaa");
    fs::write(&image, &sector).unwrap();
    fs::write(path("no-image"), vec![1; 4096]).unwrap();
    let Some(disk) = Loop::new(folder.path(), "disk", 64 * MIB) else {
        return;
    };
    let device = &disk.device[..];
    let fixed = ["--allow-fixed", device];
    let with = |words: &[&str], more: &[&str]| run(&[words, more].concat());

    let unnamed = run(&["write", "--yes", &image, device]);
    assert_fails(&unnamed, 3, &["neither USB nor SD/MMC", "--allow-fixed"]);
    assert_fails(&with(&["write", &image, device], &fixed), 3, &["--yes"]);
    let no_image = with(&["write", "--yes", &path("no-image"), device], &fixed);
    assert_fails(&no_image, 3, &["not the image of a disk"]);
    assert_fails(
        &run(&["write", "--yes", &image, &image]),
        3,
        &["is not a device"],
    );
    assert_fails(
        &run(&["write", "--yes", &image, "/dev/no-such"]),
        3,
        &["cannot find"],
    );
    let twice = with(&["write", "--yes", &image, device, device], &fixed);
    assert_fails(&twice, 2, &["named twice"]);
    assert!(disk.read(0, 4096) == [0; 4096], "it was written");

    let long = path("long");
    File::create(&long).unwrap().set_len(65 * MIB).unwrap();
    File::options()
        .write(true)
        .open(&long)
        .unwrap()
        .write_all(&sector)
        .unwrap();
    let small = with(&["write", "--yes", &long, device], &fixed);
    assert_fails(&small, 3, &["take a larger stick"]);

    let made = Command::new("mkfs.ext4").args(["-q", device]).status();
    let at = path("mounted");
    fs::create_dir(&at).unwrap();
    let mounted = Command::new("mount").args([device, &at]).status();
    assert!(made.unwrap().success() && mounted.unwrap().success());
    let before = fs::read(&disk.file).unwrap();
    let refusals = ["write", "restore"].map(|command| match command {
        "write" => with(&["write", "--yes", &image, device], &fixed),
        _ => with(&["restore", "--yes", device], &fixed),
    });
    let unchanged = fs::read(&disk.file).unwrap() == before;
    assert!(Command::new("umount").arg(&at).status().unwrap().success());
    for refused in &refusals {
        assert_fails(refused, 3, &["is mounted at", "umount"]);
    }
    assert!(unchanged, "a mounted disk was written");
}

/// A stick that is its own source would pass for good: what was put there to find counterfeits is
/// read as the image.
#[test]
fn an_image_that_lies_on_its_target_is_refused_untouched() {
    let folder = scratch();
    let Some(disk) = Loop::new(folder.path(), "disk", 64 * MIB) else {
        return;
    };
    let mut sector = [0; 512];
    sector[510..].copy_from_slice(b"\x55\xaa");
    let mut file = File::options().write(true).open(&disk.file).unwrap();
    file.write_all(&sector).unwrap();
    let (Some(other), Some(above)) = (
        Loop::attach(disk.file.clone(), &["--read-only"]),
        Loop::new(folder.path(), "above", 64 * MIB),
    ) else {
        return;
    };
    let link = folder.path().join("link");
    fs::hard_link(&disk.file, &link).unwrap();
    let paths = [&disk.file, &link].map(|path| path.to_str().unwrap());
    let images = [&disk.device[..], &other.device, paths[0], paths[1]];
    for image in images {
        for more in [&["--no-grow"][..], &["--dry-run"]] {
            let refused = write(image, &[&above, &disk], more);
            assert_fails(&refused, 3, &["is not written", "the bytes of the image"]);
        }
    }
    let mut command = livestick();
    command.args([
        "write",
        "--yes",
        "-",
        &disk.device,
        "--allow-fixed",
        &disk.device,
    ]);
    let refused = command.stdin(File::open(&disk.device).unwrap()).output();
    assert_fails(&refused.unwrap(), 3, &["the bytes of the image"]);
    assert!(!disk.was_written() && !above.was_written());

    // The same of two sticks that are one.
    let again = Loop::attach(disk.file.clone(), &[]).unwrap();
    let image = folder.path().join("image");
    fs::write(&image, sector).unwrap();
    let twice = write(image.to_str().unwrap(), &[&disk, &again], &[]);
    assert_fails(&twice, 3, &["is not written", "the bytes of loop"]);
    assert!(!disk.was_written());
}

/// Nobody has looked: such a stick is neither good nor bad.
#[test]
fn a_dry_run_writes_nothing_and_calls_nothing_good() {
    let folder = scratch();
    let Some(disk) = Loop::new(folder.path(), "disk", 64 * MIB) else {
        return;
    };
    let image = folder.path().join("image");
    let mut sector = vec![0; 8 << 20];
    sector[510..512].copy_from_slice(b"\x55\xaa");
    fs::write(&image, sector).unwrap();
    let planned = write(image.to_str().unwrap(), &[&disk], &["--dry-run", "--json"]);
    let said = String::from_utf8_lossy(&planned.stderr).into_owned();
    assert!(planned.status.success(), "{said}");
    assert!(said.contains("would be overwritten"), "{said}");
    assert_eq!(json(&planned)["sticks"][0]["good"], Value::Null);
    assert!(!disk.was_written());
}

#[test]
fn ctrl_c_at_the_prompt_wipes_nothing() {
    let folder = scratch();
    let root = bare_root();
    let Some(disk) = Loop::new(folder.path(), "disk", 64 * MIB) else {
        return;
    };
    let image = folder.path().join("image");
    let mut sector = vec![0; 8 << 20];
    sector[510..512].copy_from_slice(b"\x55\xaa");
    fs::write(&image, sector).unwrap();
    let device = &disk.device[..];
    let name = device.trim_start_matches("/dev/");
    let write = ["write", image.to_str().unwrap(), device];
    let restore = ["restore", device];
    let build = ["build", root.path().to_str().unwrap(), "--to", device];
    for words in [&write[..], &restore, &build] {
        let words = [words, &["--allow-fixed", device]].concat();
        for typed in ["\x03", &format!("{name}\x03")] {
            let Some((code, said)) = at_terminal(&words, typed) else {
                return;
            };
            assert_eq!(code, Some(130), "{said}");
            assert!(said.contains("nothing was written"), "{said}");
        }
        let (code, said) = at_terminal(&words, "sda\n").unwrap();
        assert_eq!(code, Some(3), "{said}");
    }
    assert!(!disk.was_written());
    let words = [&write[..], &["--allow-fixed", device]].concat();
    let (code, said) = at_terminal(&words, &format!("{name}\n")).unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(disk.was_written());
}

/// How long a compressed image gets is in its first sector.
#[test]
fn a_compressed_image_that_does_not_fit_wipes_nothing() {
    let folder = scratch();
    let Some(disk) = Loop::new(folder.path(), "disk", 64 * MIB) else {
        return;
    };
    let restored = Loop::new(folder.path(), "image", 512 * MIB).unwrap();
    let device = &restored.device[..];
    succeeds(&["restore", "--yes", device, "--allow-fixed", device]);
    let packed = folder.path().join("image.gz");
    let mut start = Command::new("gzip");
    let start = start
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut start = start.unwrap();
    let bytes = restored.read(0, 4 << 20);
    start.stdin.take().unwrap().write_all(&bytes).unwrap();
    fs::write(&packed, start.wait_with_output().unwrap().stdout).unwrap();
    let refused = write(packed.to_str().unwrap(), &[&disk], &[]);
    assert_fails(&refused, 3, &["bytes are needed", "take a larger stick"]);
    assert!(!disk.was_written());
}

/// A RAID that nobody has assembled: its superblock lies at the end.
#[test]
fn an_idle_member_of_a_raid_is_refused_untouched() {
    let folder = scratch();
    let Some(disk) = Loop::new(folder.path(), "disk", 64 * MIB) else {
        return;
    };
    let image = folder.path().join("image");
    let mut sector = vec![0; 8 << 20];
    sector[510..512].copy_from_slice(b"\x55\xaa");
    fs::write(&image, sector).unwrap();
    let mut file = File::options().write(true).open(&disk.file).unwrap();
    file.seek(SeekFrom::Start(64 * MIB - 8192)).unwrap();
    file.write_all(b"\xfc\x4e\x2b\xa9\x01\0\0\0").unwrap();
    let refused = write(image.to_str().unwrap(), &[&disk], &[]);
    assert_fails(&refused, 3, &["part of a RAID", "wipefs"]);
    assert!(!disk.was_written());
}

#[test]
fn large_sectors_are_refused() {
    let folder = scratch();
    if !is_root() {
        return;
    }
    let file = folder.path().join("disk");
    File::create(&file).unwrap().set_len(64 * MIB).unwrap();
    let Some(disk) = Loop::attach(file, &["--sector-size", "4096"]) else {
        return;
    };
    let image = folder.path().join("image");
    let mut sector = vec![0; 8 << 20];
    sector[510..512].copy_from_slice(b"\x55\xaa");
    fs::write(&image, sector).unwrap();
    let device = &disk.device[..];
    for words in [
        &["restore", device][..],
        &["write", image.to_str().unwrap(), device],
        &["build", folder.path().to_str().unwrap(), "--to", device],
    ] {
        let refused = run(&[words, &["--yes", "--allow-fixed", device]].concat());
        assert_fails(&refused, 3, &["4096", "SYSLINUX"]);
    }
    assert!(!disk.was_written());
}

#[test]
fn an_image_goes_onto_many_sticks_from_anywhere_and_verifies() {
    let folder = scratch();
    let Some((root, image)) = image(folder.path()) else {
        return;
    };
    let length = fs::metadata(&image).unwrap().len();
    let sticks = [
        ("one", length + 300 * MIB),
        ("two", length),
        ("three", 4096 * MIB),
    ];
    let sticks = sticks.map(|(name, length)| Loop::new(folder.path(), name, length));
    let [Some(one), Some(two), Some(three)] = sticks else {
        return;
    };
    let path = image.to_str().unwrap();
    let written = write(path, &[&one, &two, &three], &["--json"]);
    assert!(
        written.status.success(),
        "{}",
        String::from_utf8_lossy(&written.stderr)
    );
    let report = json(&written);
    let volume = |index: usize| report["sticks"][index]["volume_bytes"].as_u64();
    assert!(volume(0).unwrap() > length + 290 * MIB);
    assert_eq!(volume(1), None);
    assert!(volume(2).unwrap() > 4090 * MIB);
    for stick in [&one, &two, &three] {
        stick.check_volume();
        let source = root.path().to_str().unwrap();
        let verified = succeeds(&["verify", &stick.device, "--against", source, "--json"]);
        let verified = json(&verified);
        assert_eq!(verified["good"], true);
        assert_eq!(verified["against"]["differences"], 0);
    }
    let inspected = json(&succeeds(&["inspect", &three.device, "--json"]));
    assert_eq!(inspected["system"]["title"], "Test 1");

    // The same, compressed, through a pipe.
    let mut zstd = Command::new("zstd");
    let packed = zstd
        .args(["-q", "-1", "-c", path])
        .stdout(Stdio::piped())
        .spawn();
    let mut packed = packed.unwrap();
    let mut command = livestick();
    command.args(["write", "--yes", "--no-grow", "-", &one.device]);
    command.args(["--allow-fixed", &one.device]);
    let output = command
        .stdin(packed.stdout.take().unwrap())
        .output()
        .unwrap();
    assert!(packed.wait().unwrap().success());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(one.read(0, 4 << 20) == fs::read(&image).unwrap()[..4 << 20]);
    succeeds(&["verify", &one.device]);

    let fixed = [
        "restore",
        "--yes",
        &one.device,
        "--allow-fixed",
        &one.device,
    ];
    succeeds(&fixed);
    one.check_volume();
    let plain = json(&succeeds(&["inspect", &one.device, "--json"]));
    assert_eq!(
        (&plain["system"], plain["files"].as_array().unwrap().len()),
        (&Value::Null, 0)
    );
    assert_fails(&run(&["verify", &one.device]), 4, &["is damaged"]);
}

/// It arrives as it is; but it is not good.
#[test]
fn an_image_that_is_damaged_is_on_no_stick() {
    let folder = scratch();
    let Some((_root, image)) = image(folder.path()) else {
        return;
    };
    let length = fs::metadata(&image).unwrap().len();
    let Some(stick) = Loop::new(folder.path(), "stick", length + 300 * MIB) else {
        return;
    };
    // In the middle of the root image.
    let mut bytes = fs::read(&image).unwrap();
    let root = bytes
        .chunks(512)
        .position(|sector| sector.starts_with(b"hsqs"));
    let place = root.unwrap() * 512 + 100_000;
    bytes[place] ^= 1;
    bytes[place + 1] ^= 1;
    fs::write(&image, &bytes).unwrap();
    for more in [&[][..], &["--no-grow"]] {
        let written = write(image.to_str().unwrap(), &[&stick], more);
        assert_fails(
            &written,
            4,
            &["the image is damaged", "filesystem.squashfs"],
        );
        assert_eq!(stick.read(0, 512), [0; 512]);
    }
}

#[test]
fn a_stick_is_built_without_an_image() {
    let folder = scratch();
    let Some(debian) = debian() else { return };
    let root = root_with_kernel(&debian);
    let Some(stick) = Loop::new(folder.path(), "stick", 1024 * MIB) else {
        return;
    };
    let source = root.path().to_str().unwrap();
    let built = succeeds(&[
        "build",
        source,
        "--to",
        &stick.device,
        "--yes",
        "--allow-fixed",
        &stick.device,
        "-z",
        "zstd:1",
        "--json",
    ]);
    let built = json(&built);
    assert_eq!(built["image"]["is_device"], true);
    succeeds(&["verify", &stick.device, "--against", source]);
    fs::write(root.path().join("etc/hostname"), "changed").unwrap();
    let changed = run(&["verify", &stick.device, "--against", source]);
    assert_fails(&changed, 4, &["not what the source is"]);
    let said = String::from_utf8_lossy(&changed.stdout).into_owned();
    assert!(said.contains("/etc/hostname"), "{said}");
}

#[test]
fn damage_is_named_by_file() {
    let folder = scratch();
    let Some((_root, image)) = image(folder.path()) else {
        return;
    };
    let path = image.to_str().unwrap();
    let inspected = json(&succeeds(&["inspect", path, "--json"]));
    assert_eq!(inspected["volume"]["label"], "LIVESTICK");
    succeeds(&["verify", path]);
    // What each file begins with is found in the image, and changed there.
    let whole = fs::read(&image).unwrap();
    for file in [
        "live/filesystem.squashfs",
        "syslinux/ldlinux.sys",
        "live/manifest",
    ] {
        let extracted = folder.path().join("extracted");
        let _ = fs::remove_file(&extracted);
        let drive = format!("{path}@@1M");
        let copied = Command::new("mcopy")
            .args([
                "-n",
                "-i",
                &drive,
                &format!("::/{file}"),
                extracted.to_str().unwrap(),
            ])
            .status();
        assert!(copied.unwrap().success());
        let start = &fs::read(&extracted).unwrap()[..64];
        let place = whole.windows(64).position(|bytes| bytes == start).unwrap() + 40;
        let mut damaged = File::options().write(true).open(&image).unwrap();
        let mut put = |byte: u8| {
            damaged.seek(SeekFrom::Start(place as u64)).unwrap();
            damaged.write_all(&[byte]).unwrap();
        };
        put(whole[place] ^ 1);
        let verified = run(&["verify", path]);
        put(whole[place]);
        assert_fails(&verified, 4, &["is damaged"]);
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(said.contains(file), "{file}: {said}");
    }
    succeeds(&["verify", path]);
}
