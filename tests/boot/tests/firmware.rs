//! One and the same stick, on every firmware.

#![allow(clippy::unwrap_used, reason = "the whole file is tests")]

use livestick_boot_tests::{Stick, problems, test_root};
use livestick_vm::{Firmware, Machine, Report, Watch, boot};

/// What the kernel says where Secure Boot is on and where it is off.
const SECURE_BOOT_ON: &str = "secureboot: Secure boot enabled";
const SECURE_BOOT_OFF: &str = "secureboot: Secure boot disabled";
const LOCKED_DOWN: &str = "Kernel is locked down from EFI Secure Boot";

#[test]
fn one_stick_comes_up_on_every_firmware() {
    let Some(root) = test_root() else { return };
    let stick = Stick::build(
        &root,
        &[
            "--firmware=all",
            "--secure-boot=yes",
            "--menu-timeout=1",
            "--console=ttyS0,115200",
            "--cmdline=loglevel=7",
        ],
        &[],
    );
    let bios = comes_up(&stick, Firmware::Bios);
    assert!(!bios.contains(SECURE_BOOT_ON), "{bios}");
    let uefi = comes_up(&stick, Firmware::Uefi);
    assert!(uefi.contains(SECURE_BOOT_OFF), "{uefi}");
    assert!(!uefi.contains(LOCKED_DOWN), "{uefi}");
    let ia32 = comes_up(&stick, Firmware::UefiIa32);
    assert!(!ia32.contains(LOCKED_DOWN), "{ia32}");
    let secure = comes_up(&stick, Firmware::SecureBoot);
    assert!(secure.contains(SECURE_BOOT_ON), "{secure}");
    assert!(secure.contains(LOCKED_DOWN), "{secure}");
}

/// The serial console of a boot in which the menu showed and the system came up.
fn comes_up(stick: &Stick, firmware: Firmware) -> String {
    let machine = Machine::new(stick.image(), firmware);
    let report: Report = boot(&machine, &Watch::default(), &|| false).unwrap();
    let problems = problems(&report);
    let log = report.serial_log;
    assert!(problems.is_empty(), "{firmware}: {problems:#?}\n{log}");
    assert!(
        log.contains("(safe graphics)"),
        "{firmware}: no menu\n{log}"
    );
    log
}
