//! Images from anywhere, compressed or not, whole or not, and sticks that are too small for them.

use crate::disk::{Loop, MIB, image, json, run, succeeds};
use crate::support::{assert_fails, debian, livestick, root_with_kernel, scratch};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn on(disk: &Loop) -> [&str; 3] {
    [&disk.device, "--allow-fixed", &disk.device]
}

fn pack(tool: &str, image: &Path, ending: &str) -> PathBuf {
    let packed = image.with_extension(ending);
    let made = Command::new(tool)
        .args(["-1", "-c"])
        .arg(image)
        .stdout(File::create(&packed).unwrap())
        .status();
    assert!(made.unwrap().success());
    packed
}

/// `livestick write -`, with this file at its standard input.
fn write_from(input: &Path, disk: &Loop) -> Output {
    let mut command = livestick();
    command.args(["write", "--yes", "-"]).args(on(disk));
    let command = command.stdin(Stdio::from(File::open(input).unwrap()));
    command.output().unwrap()
}

#[test]
fn compressed_images_are_unpacked_on_the_way() {
    let folder = scratch();
    let Some((_root, image)) = image(folder.path()) else {
        return;
    };
    let Some(disk) = Loop::new(folder.path(), "disk", 700 * MIB) else {
        return;
    };
    let identity = |path: &str| json(&succeeds(&["inspect", path, "--json"]))["system"].clone();
    let expected = identity(image.to_str().unwrap());
    for (tool, ending) in [("gzip", "gz"), ("xz", "xz"), ("zstd", "zst")] {
        let packed = pack(tool, &image, ending);
        let path = packed.to_str().unwrap();
        succeeds(&[&["write", "--yes", path][..], &on(&disk)].concat());
        succeeds(&["verify", &disk.device]);
        assert_eq!(identity(&disk.device), expected);

        let bytes = fs::read(&packed).unwrap();
        fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
        let cut = match ending {
            "zst" => write_from(&packed, &disk),
            _ => run(&[&["write", "--yes", path][..], &on(&disk)].concat()),
        };
        assert_fails(&cut, 1, &["boots nowhere", "it is not whole"]);
        assert!(disk.read(0, 512) == [0; 512], "{ending}");
        assert_fails(&run(&["verify", &disk.device]), 4, &["is damaged"]);
    }
}

#[test]
fn an_image_that_is_cut_short_is_refused_or_none() {
    let folder = scratch();
    let Some((_root, image)) = image(folder.path()) else {
        return;
    };
    let Some(disk) = Loop::new(folder.path(), "disk", 700 * MIB) else {
        return;
    };
    let length = fs::metadata(&image).unwrap().len();
    let file = File::options().write(true).open(&image).unwrap();
    file.set_len(length - 2 * MIB).unwrap();
    let path = image.to_str().unwrap();
    for more in [&[][..], &["--no-grow"]] {
        let words = [&["write", "--yes", path][..], &on(&disk), more].concat();
        assert_fails(
            &run(&words),
            3,
            &["is cut short", "copy or download it again"],
        );
    }
    assert!(!disk.was_written());
    // Of what comes through a pipe, nobody knows how long it is.
    let mut cat = Command::new("cat")
        .arg(&image)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut command = livestick();
    command.args(["write", "--yes", "-"]).args(on(&disk));
    let piped = command.stdin(cat.stdout.take().unwrap()).output().unwrap();
    assert!(cat.wait().unwrap().success());
    assert_fails(&piped, 1, &["boots nowhere", "it is not whole"]);
    assert!(disk.read(0, 512) == [0; 512]);
}

#[test]
fn a_stick_that_is_too_small_becomes_none() {
    let folder = scratch();
    let Some(debian) = debian() else { return };
    let root = root_with_kernel(&debian);
    // What does not get smaller, and more of it than the stick holds.
    let mut noise = Command::new("openssl");
    noise.args([
        "enc",
        "-aes-128-ctr",
        "-nosalt",
        "-pass",
        "pass:a",
        "-in",
        "/dev/zero",
    ]);
    let mut noise = noise
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut film = File::create(root.path().join("home/me/film")).unwrap();
    let mut some = std::io::Read::take(noise.stdout.take().unwrap(), 400 << 20);
    std::io::copy(&mut some, &mut film).unwrap();
    noise.kill().unwrap();
    noise.wait().unwrap();
    let image = folder.path().join("stick.img");
    let built = crate::support::build(root.path(), &image, &[]);
    assert!(built.status.success());
    let Some(disk) = Loop::new(folder.path(), "disk", 380 * MIB) else {
        return;
    };

    let path = image.to_str().unwrap();
    let refused = run(&[&["write", "--yes", path][..], &on(&disk)].concat());
    assert_fails(&refused, 3, &["take a larger stick"]);
    assert!(!disk.was_written());
    let packed = pack("zstd", &image, "zst");
    // How long it gets is in its first sector.
    let refused = write_from(&packed, &disk);
    assert_fails(&refused, 3, &["take a larger stick"]);
    assert!(!disk.was_written());
    let source = root.path().to_str().unwrap();
    let build = ["build", source, "-z", "zstd:1", "--yes", "--to"];
    let small = run(&[&build[..], &on(&disk)].concat());
    assert_fails(&small, 1, &["take a larger stick", "boots nowhere"]);
    assert!(disk.read(0, 512) == [0; 512]);
    assert_fails(&run(&["verify", &disk.device]), 4, &["is damaged"]);
}

#[test]
fn one_stick_that_fails_stops_no_other_and_the_table_says_which() {
    let folder = scratch();
    let Some((_root, image)) = image(folder.path()) else {
        return;
    };
    let disk = |name, length| Loop::new(folder.path(), name, length);
    let (Some(good), Some(small)) = (disk("good", 700 * MIB), disk("small", 64 * MIB)) else {
        return;
    };
    // Its partition begins where livestick's do not: nobody knows how long it gets.
    let mut bytes = fs::read(&image).unwrap();
    bytes[447] ^= 1;
    fs::write(&image, &bytes).unwrap();
    let packed = pack("zstd", &image, "zst");
    let packed = packed.to_str().unwrap();
    let words = [&["write", "--yes", packed][..], &on(&small), &on(&good)].concat();
    let written = run(&words);
    assert_fails(
        &written,
        1,
        &["1 of 2 sticks are not good", "take a larger stick"],
    );
    let said = String::from_utf8_lossy(&written.stderr).into_owned();
    for (disk, state) in [(&small, "FAILED"), (&good, "good")] {
        let row = |line: &&str| line.starts_with(&disk.device) && line.contains(state);
        assert_eq!(said.lines().filter(row).count(), 1, "{said}");
    }
    assert!(good.read(0, bytes.len()) == bytes);
    assert!(small.read(0, 512) == [0; 512]);
}
