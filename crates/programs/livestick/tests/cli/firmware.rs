//! Which firmware a stick boots on, and what is said of it before it is made.

use crate::support::{
    assert_empty, assert_fails, build, debian, livestick, release, root_with_kernel, scratch,
};
use std::fs;
use std::path::Path;

/// Where the PE header's entry of the certificate table is: its length is the second field.
const CERTIFICATE_TABLE_LENGTH: usize = 4 + 20 + 112 + 4 * 8 + 4;

#[test]
fn a_stick_boots_on_all_that_this_machine_has_loaders_for() {
    let Some(debian) = debian() else { return };
    if is_missing("/usr/lib/shim/shimx64.efi.signed") || is_missing("/usr/lib/grub/i386-efi") {
        return;
    }
    let (root, out) = (root_with_kernel(&debian), scratch());
    let said = dry_run(root.path(), out.path(), &[]);
    let boots = "boots on   BIOS (SYSLINUX), UEFI (shim and GRUB), \
                 UEFI with Secure Boot (shim and GRUB), 32-bit UEFI (GRUB)";
    assert!(said.contains(boots) && !said.contains("not on"), "{said}");
    let said = dry_run(root.path(), out.path(), &["--secure-boot", "no"]);
    assert!(said.contains("UEFI (systemd-boot)"), "{said}");
    let not = "not on     UEFI with Secure Boot: it was not asked for";
    assert!(said.contains(not), "{said}");
    let said = dry_run(root.path(), out.path(), &["--firmware", "both"]);
    let not = "not on     32-bit UEFI: it was not asked for";
    assert!(said.contains(not), "{said}");
    assert_empty(out.path());
}

#[test]
fn what_a_stick_boots_on_is_in_the_report_for_scripts() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let run = livestick()
        .arg("build")
        .arg(root.path())
        .arg("-o")
        .arg(out.path().join("s.img"))
        .args(["--dry-run", "--json", "--firmware", "bios"])
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let firmware = &report["firmware"];
    assert_eq!(firmware[0]["firmware"], "BIOS");
    assert_eq!(firmware[0]["loader"], "SYSLINUX");
    assert_eq!(firmware[1]["firmware"], "UEFI");
    assert_eq!(firmware[1]["why_not"], "it was not asked for");
    assert_eq!(firmware.as_array().unwrap().len(), 4);
}

#[test]
fn a_kernel_that_is_not_signed_is_refused_where_secure_boot_must_be() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let kernel = root
        .path()
        .join(format!("boot/vmlinuz-{}", release(&debian)));
    let mut bytes = fs::read(&kernel).unwrap();
    let header = u32::from_le_bytes(*bytes[0x3c..].first_chunk().unwrap());
    let at = usize::try_from(header).unwrap() + CERTIFICATE_TABLE_LENGTH;
    assert_ne!(bytes[at..at + 4], [0; 4], "the kernel was signed");
    bytes[at..at + 4].fill(0);
    // The file is a link to the Debian root's own.
    fs::remove_file(&kernel).unwrap();
    fs::write(&kernel, bytes).unwrap();
    let image = out.path().join("s.img");
    let run = build(root.path(), &image, &["--secure-boot", "yes"]);
    let words = ["the kernel is not signed", "hint: ", "--secure-boot auto"];
    assert_fails(&run, 3, &words);
    let said = dry_run(root.path(), out.path(), &[]);
    let not = "not on     UEFI with Secure Boot: the kernel is not signed";
    assert!(said.contains(not), "{said}");
    assert_empty(out.path());
}

/// What a dry run says.
fn dry_run(root: &Path, out: &Path, more: &[&str]) -> String {
    let more = [&["--dry-run"], more].concat();
    let run = build(root, &out.join("s.img"), &more);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{said}");
    said
}

fn is_missing(path: &str) -> bool {
    let missing = !Path::new(path).exists();
    if missing {
        assert!(std::env::var_os("CI").is_none(), "{path} is missing");
        eprintln!("skipped: {path} is not there");
    }
    missing
}
