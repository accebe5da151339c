//! Sticks, booted. A scenario is a row: what stick, in what machine, and what must become of it.

#![allow(clippy::unwrap_used, reason = "the whole file is tests")]

use livestick_boot_tests::{Stick, problems, test_root, tool};
use livestick_handoff::{Identity, Manifest, paths};
use livestick_vm::{Ending, Firmware, Machine, Report, Watch, boot};
use std::fs;
use std::sync::{Mutex, PoisonError};

#[test]
fn it_comes_up_on_bios() {
    let Some(stick) = stick(&[]) else { return };
    comes_up(&Machine::new(stick.image(), Firmware::Bios));
}

#[test]
fn it_comes_up_on_uefi() {
    let Some(stick) = stick(&[]) else { return };
    comes_up(&Machine::new(stick.image(), Firmware::Uefi));
}

#[test]
fn another_livestick_is_not_its_own() {
    let Some(stick) = stick(&["--cmdline", "live-media-timeout=3"]) else {
        return;
    };
    give_another_identity(&stick);
    gives_up(&Machine::new(stick.image(), Firmware::Bios));
}

fn stick(arguments: &[&str]) -> Option<Stick> {
    let at_once = ["--menu-timeout", "0"];
    Some(Stick::build(
        &test_root()?,
        &[&at_once, arguments].concat(),
        &[],
    ))
}

fn comes_up(machine: &Machine) {
    let report = watch(machine);
    let problems = problems(&report);
    assert!(problems.is_empty(), "{problems:#?}\n{}", report.serial_log);
    assert!(report.stick.bytes_read > 0, "{:?}", report.stick);
    for moment in [report.init_started, report.hand_over] {
        assert!(
            moment.and_then(|moment| moment.uptime).is_some(),
            "{}",
            report.serial_log
        );
    }
}

fn gives_up(machine: &Machine) {
    let report = watch(machine);
    let gave_up = matches!(report.ending, Ending::Rescue { .. });
    assert!(gave_up, "{}\n{}", report.ending, report.serial_log);
    assert!(report.hand_over.is_none());
    assert_eq!(report.stick.bytes_written, 0);
}

/// Boots it; one machine at a time, so that none is late because of another.
fn watch(machine: &Machine) -> Report {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = fs::metadata(&machine.image)
        .and_then(|image| image.modified())
        .unwrap();
    let report = boot(machine, &Watch::default(), &|| false).unwrap();
    let after = fs::metadata(&machine.image)
        .and_then(|image| image.modified())
        .unwrap();
    assert_eq!(before, after, "the image itself was written");
    report
}

fn give_another_identity(stick: &Stick) {
    let text = fs::read(stick.extract(paths::MANIFEST)).unwrap();
    let manifest = Manifest::parse(&text).unwrap();
    let other = Manifest {
        identity: Identity([0x5a; 16]),
        ..manifest
    };
    stick.replace(paths::MANIFEST, other.to_string().as_bytes());
    // The directory entry that mtools wrote must still be one that FAT's own checker accepts.
    tool("fsck.fat", ["-n".as_ref(), stick.partition().as_os_str()]);
}
