//! The program, killed while it writes a device. It has no moment to clean up, and what is left is
//! never taken for a stick.

use crate::disk::{Loop, MIB, image, json, run, succeeds};
use crate::support::{assert_fails, livestick, scratch};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

/// How the device looked, in bytes: read and written since the program began.
type Figures = [u64; 2];

/// Runs the program until the device has seen so much, and then kills it. It may have ended before.
fn kill_at(words: &[&str], disk: &Loop, is_reached: impl Fn(Figures) -> bool) -> ExitStatus {
    let before = disk.figures();
    let mut command = livestick();
    command.args(words).args(["--yes", "--quiet"]);
    let command = command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        let now = disk.figures();
        if is_reached([now[0] - before[0], now[1] - before[1]]) {
            child.kill().unwrap();
            return child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// Puts another stick onto the disk, as much of it as makes it one.
fn put_old_stick(old: &Path, disk: &Loop) {
    let mut bytes = vec![0; 64 << 20];
    File::open(old).unwrap().read_exact(&mut bytes).unwrap();
    let mut file = File::options().write(true).open(&disk.file).unwrap();
    file.write_all(&bytes).unwrap();
    let flushed = Command::new("blockdev")
        .args(["--flushbufs", &disk.device])
        .status();
    assert!(flushed.unwrap().success());
}

/// What the disk says that it is.
fn identity(disk: &str) -> String {
    let inspected = json(&succeeds(&["inspect", disk, "--json"]));
    inspected["system"]["identity"].as_str().unwrap().to_owned()
}

/// Kills the program with these words at ten points of its writing and three of its reading back,
/// each time on a disk that holds another stick.
fn kill_at_every_point(words: &[&str], old: &Path, disk: &Loop) {
    let old_identity = identity(old.to_str().unwrap());
    put_old_stick(old, disk);
    let before = disk.figures();
    succeeds(&[words, &["--yes", "--quiet"]].concat());
    let after = disk.figures();
    let [read, written] = [after[0] - before[0], after[1] - before[1]];
    assert!(read > 50 * MIB && written > 50 * MIB, "{read} {written}");

    let writing = (0..10).map(|tenth| [0, written / 10 * tenth + 1]);
    let reading = (1..4).map(|quarter| [read / 4 * quarter, written * 9 / 10]);
    let mut killed = 0;
    for point in writing.chain(reading) {
        put_old_stick(old, disk);
        assert_eq!(identity(&disk.device), old_identity);
        let status = kill_at(words, disk, |now| now[0] >= point[0] && now[1] >= point[1]);
        if status.signal().is_none() {
            // It was too fast for this, and whole.
            assert!(status.success());
            succeeds(&["verify", &disk.device]);
            continue;
        }
        killed += 1;
        assert!(
            disk.read(0, 512) == [0; 512],
            "it boots, cut off at {point:?}"
        );
        assert!(disk.read(disk.size() - 512, 512) == [0; 512], "a GPT");
        let verified = run(&["verify", &disk.device]);
        assert_fails(&verified, 4, &["is damaged", "write it again"]);
        let said = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(said.contains("its writing was cut off"), "{said}");
        let inspected = run(&["inspect", &disk.device]);
        assert_fails(&inspected, 3, &["its writing was cut off"]);
    }
    assert!(killed >= 11, "{killed} of 13 were killed");
    succeeds(&[words, &["--yes", "--quiet"]].concat());
    succeeds(&["verify", &disk.device]);
    assert_ne!(identity(&disk.device), old_identity);
}

#[test]
fn a_stick_whose_writing_was_killed_is_none() {
    let folder = scratch();
    let Some((root, old)) = image(folder.path()) else {
        return;
    };
    let Some(disk) = Loop::new(folder.path(), "disk", 700 * MIB) else {
        return;
    };
    let new = folder.path().join("new.img");
    let built = crate::support::build(root.path(), &new, &[]);
    assert!(built.status.success());
    let fixed = ["--allow-fixed", &disk.device];
    let new = new.to_str().unwrap();
    kill_at_every_point(
        &[&["write", new, &disk.device][..], &fixed].concat(),
        &old,
        &disk,
    );
}

#[test]
fn a_stick_whose_building_was_killed_is_none() {
    let folder = scratch();
    let Some((root, old)) = image(folder.path()) else {
        return;
    };
    let Some(disk) = Loop::new(folder.path(), "disk", 700 * MIB) else {
        return;
    };
    let fixed = ["--allow-fixed", &disk.device];
    let root = root.path().to_str().unwrap();
    let build = ["build", root, "-z", "zstd:1", "--to", &disk.device];
    kill_at_every_point(&[&build[..], &fixed].concat(), &old, &disk);
}
