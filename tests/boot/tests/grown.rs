//! What `livestick write` has written to a larger stick boots.

#![allow(clippy::unwrap_used, reason = "the whole file is tests")]

use livestick_boot_tests::{Stick, problems, program, test_root, tool};
use livestick_vm::{Firmware, Machine, Watch, boot};
use std::fs::File;
use std::path::Path;
use std::process::Command;

#[test]
fn a_stick_boots_after_growing() {
    let Some(root) = test_root() else { return };
    let stick = Stick::build(&root, &["--menu-timeout", "0"], &[]);
    let folder = tempfile::tempdir_in(stick.image().parent().unwrap()).unwrap();
    // Within and past what the FATs have room for with clusters of 4 KiB: 128 of them a sector, twice,
    // in 32 MiB.
    for (name, length) in [("8 GB", 8_000_000_000), ("64 GB", 64_000_000_000)] {
        let larger = folder.path().join("larger.img");
        File::create(&larger).unwrap().set_len(length).unwrap();
        let Some(disk) = Loop::new(&larger, 0) else {
            return;
        };
        let written = Command::new(program())
            .args(["write", "--quiet", "--yes"])
            .arg(stick.image())
            .args([&disk.0, "--allow-fixed", &disk.0])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&written.stderr);
        assert!(written.status.success(), "{name}: {said}");
        let dump = tool("sfdisk", ["--dump", &disk.0]);
        let dump = String::from_utf8(dump.stdout).unwrap();
        let sectors = dump.split("size=").nth(1).unwrap();
        let sectors: u64 = sectors.split(',').next().unwrap().trim().parse().unwrap();
        assert!(sectors * 512 > length - 4_000_000, "{name}: {dump}");
        drop(disk);
        check_volume(&larger);
        for firmware in [Firmware::Bios, Firmware::Uefi] {
            let machine = Machine::new(&larger, firmware);
            let report = boot(&machine, &Watch::default(), &|| false).unwrap();
            let problems = problems(&report);
            assert!(
                problems.is_empty(),
                "{name}, {firmware:?}: {problems:#?}\n{}",
                report.serial_log
            );
        }
    }
}

/// The volume is as the field's own tools want it.
fn check_volume(stick: &Path) {
    let volume = Loop::new(stick, 1 << 20).unwrap();
    let checked = tool("fsck.fat", ["-n", "-v", &volume.0]);
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(!said.contains("differ") && !said.contains("rong"), "{said}");
}

/// A file as a disk, until this is dropped.
struct Loop(String);

impl Loop {
    fn new(file: &Path, offset: u64) -> Option<Self> {
        let attached = Command::new("losetup")
            .args(["--find", "--show", "--offset", &offset.to_string()])
            .arg(file)
            .output();
        let attached = attached.ok().filter(|output| output.status.success());
        let Some(attached) = attached else {
            assert!(std::env::var_os("CI").is_none(), "no loop device");
            eprintln!("skipped: no loop device");
            return None;
        };
        Some(Self(
            String::from_utf8(attached.stdout)
                .unwrap()
                .trim()
                .to_owned(),
        ))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}
