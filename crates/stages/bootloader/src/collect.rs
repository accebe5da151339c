//! All loader files for a stick.

use crate::host::Host;
use crate::{Error, Menu, syslinux, systemd_boot};
use std::path::Path;

/// The firmware that a stick is to boot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS only.
    Bios,
    /// 64-bit UEFI only.
    Uefi,
    /// BIOS and 64-bit UEFI.
    Both,
}

/// A file of a loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoaderFile {
    /// Its path on the stick, without a leading slash.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What BIOS machines execute before any file is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootCode {
    /// The first 440 bytes of the disk, before the disk signature and the partition table.
    pub mbr: [u8; 440],
    /// The first sector of the volume. Its bytes 11 to 89 mean nothing: there the volume's own
    /// parameters go (see [`syslinux::merge_boot_sector`]). [`syslinux::patch`] completes it.
    pub volume_boot_sector: [u8; 512],
}

/// Everything that the loaders put on a stick.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoaderFiles {
    /// The files.
    pub files: Vec<LoaderFile>,
    /// The boot code, where the stick is to boot on BIOS.
    pub boot_code: Option<BootCode>,
    /// Where each came from: its path on the stick (`mbr` for the disk's boot code), then package
    /// and version, or the host's path and what the file says of itself.
    pub origins: Vec<(String, String)>,
}

/// Collects the loader files that `firmware` needs from the packages installed below
/// `root_of_host`, usually `/`, and renders the menu for them.
///
/// SYSLINUX's installer is run on a scratch image. It calls `sync`, so this is best done before much
/// data waits to be written.
///
/// # Errors
/// Where a loader package is missing, unreadable or does not work.
pub fn collect(firmware: Firmware, menu: &Menu, root_of_host: &Path) -> Result<LoaderFiles, Error> {
    let host = Host::new(root_of_host);
    let bios = match firmware {
        Firmware::Bios | Firmware::Both => host.locate(syslinux::PIECES).map(Some),
        Firmware::Uefi => Ok(None),
    };
    let uefi = match firmware {
        Firmware::Uefi | Firmware::Both => host.locate([&systemd_boot::LOADER]).map(Some),
        Firmware::Bios => Ok(None),
    };
    let (bios, uefi) = match (bios, uefi) {
        (Ok(bios), Ok(uefi)) => (bios, uefi),
        (bios, uefi) => {
            let way_out = way_out(firmware, bios.is_err(), uefi.is_err());
            let missing = [bios.err(), uefi.err()].into_iter().flatten().flatten();
            return Err(host.missing(missing.collect(), way_out));
        }
    };
    let mut collected = match bios {
        Some(pieces) => syslinux::collect(&host, &pieces, menu)?,
        None => LoaderFiles::default(),
    };
    if let Some([loader]) = uefi {
        let LoaderFiles { files, origins, .. } = systemd_boot::collect(&host, &loader, menu)?;
        collected.files.extend(files);
        collected.origins.extend(origins);
    }
    Ok(collected)
}

/// What can be built without the loaders that are missing.
fn way_out(firmware: Firmware, no_bios: bool, no_uefi: bool) -> Option<&'static str> {
    match (firmware, no_bios, no_uefi) {
        (Firmware::Both, true, false) => Some("leave BIOS out with `--firmware uefi`"),
        (Firmware::Both, false, true) => Some("leave UEFI out with `--firmware bios`"),
        (Firmware::Bios, ..) => Some("build for UEFI with `--firmware uefi`"),
        (Firmware::Uefi, ..) => Some("build for BIOS with `--firmware bios`"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn menu() -> Menu {
        Menu::new("Debian", "", 2).unwrap()
    }

    /// A machine with these files.
    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        root
    }

    /// The error on a machine with this `os-release` and these empty files.
    fn error(os_release: &str, files: &[&str], firmware: Firmware) -> Error {
        let mut files: Vec<_> = files.iter().map(|path| (*path, "")).collect();
        files.push(("etc/os-release", os_release));
        collect(firmware, &menu(), host(&files).path()).unwrap_err()
    }

    /// The error on a machine whose SYSLINUX installer is this program.
    fn error_with_installer(program: &str) -> Error {
        let root = host(&[
            ("usr/share/syslinux/mbr.bin", "code"),
            ("usr/share/syslinux/menu.c32", ""),
            ("usr/share/syslinux/libutil.c32", ""),
            ("usr/bin/other", ""),
        ]);
        std::os::unix::fs::symlink(program, root.path().join("usr/bin/syslinux")).unwrap();
        collect(Firmware::Bios, &menu(), root.path()).unwrap_err()
    }

    #[test]
    fn an_installer_that_does_not_work_is_named() {
        let failed = error_with_installer("/bin/false");
        assert!(matches!(failed, Error::InstallerFailed { .. }), "{failed}");
        assert!(
            failed
                .to_string()
                .ends_with("usr/bin/syslinux failed: exit status: 1")
        );
        let empty = error_with_installer("/bin/true");
        assert!(
            matches!(
                empty,
                Error::NotInstalled {
                    file: "ldlinux.sys",
                    ..
                }
            ),
            "{empty}"
        );
        let not_a_program = error_with_installer("/etc/passwd");
        assert!(matches!(not_a_program, Error::InstallerStart { .. }));
    }

    #[test]
    fn packages_of_different_versions_are_refused() {
        let root = host(&[
            ("usr/bin/syslinux", ""),
            ("usr/lib/syslinux/mbr/mbr.bin", ""),
            ("usr/lib/syslinux/modules/bios/menu.c32", ""),
            ("usr/lib/syslinux/modules/bios/libutil.c32", ""),
            ("var/lib/dpkg/info/syslinux.list", "/usr/bin/syslinux\n"),
            (
                "var/lib/dpkg/info/syslinux-common.list",
                "/usr/lib/syslinux/mbr/mbr.bin\n",
            ),
            (
                "var/lib/dpkg/status",
                "Package: syslinux\nVersion: 3:6.04-3+b1\n\nPackage: syslinux-common\nVersion: 3:6.03-1\n",
            ),
        ]);
        let error = collect(Firmware::Bios, &menu(), root.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the packages `syslinux 3:6.04-3+b1` and `syslinux-common 3:6.03-1` are of different versions"
        );
    }

    #[test]
    fn one_command_installs_all_that_is_missing() {
        let error = error("ID=debian\n", &["usr/bin/syslinux"], Firmware::Both);
        assert_eq!(
            error.to_string(),
            "mbr.bin, menu.c32, libutil.c32, systemd-bootx64.efi are not installed \
             (packages syslinux-common, systemd-boot-efi)"
        );
        let hint = "`apt-get install syslinux-common systemd-boot-efi`";
        assert_eq!(error.hint().as_deref(), Some(hint));
    }

    #[test]
    fn a_machine_without_syslinux_can_build_for_uefi() {
        let loader = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";
        let error = error("ID=fedora\n", &[loader], Firmware::Both);
        assert_eq!(
            error.hint().as_deref(),
            Some(
                "`dnf install syslinux syslinux-nonlinux`, or leave BIOS out with `--firmware uefi`"
            )
        );
    }

    #[test]
    fn an_unknown_distribution_hears_debians_package() {
        let error = error("ID=alpine\n", &[], Firmware::Uefi);
        assert_eq!(
            error.to_string(),
            "systemd-bootx64.efi is not installed (Debian's package systemd-boot-efi)"
        );
        assert_eq!(
            error.hint().as_deref(),
            Some("build for BIOS with `--firmware bios`")
        );
    }

    #[test]
    fn this_machines_loaders_are_complete_and_known() {
        let collected = match collect(Firmware::Both, &menu(), Path::new("/")) {
            Err(error @ Error::Missing { .. }) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: {error}");
                return;
            }
            result => result.unwrap(),
        };
        let mut paths: Vec<_> = collected
            .files
            .iter()
            .map(|file| file.path.as_str())
            .collect();
        paths.sort_unstable();
        assert_eq!(
            paths,
            [
                "EFI/BOOT/BOOTX64.EFI",
                "loader/entries/normal.conf",
                "loader/entries/safe.conf",
                "loader/entries/verbose.conf",
                "loader/loader.conf",
                "syslinux/ldlinux.c32",
                "syslinux/ldlinux.sys",
                "syslinux/libutil.c32",
                "syslinux/menu.c32",
                "syslinux/syslinux.cfg",
            ]
        );
        let code = collected.boot_code.unwrap();
        assert_eq!(code.volume_boot_sector[510..], [0x55, 0xaa]);
        assert_ne!(code.mbr, [0; 440]);
        for (path, origin) in &collected.origins {
            assert!(path == "mbr" || paths.contains(&path.as_str()), "{path}");
            assert!(
                origin.contains(char::is_numeric),
                "no version in `{origin}`"
            );
        }
    }

    #[test]
    fn a_stick_for_one_firmware_has_nothing_of_the_other() {
        let Ok(uefi) = collect(Firmware::Uefi, &menu(), Path::new("/")) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "systemd-boot is not installed"
            );
            eprintln!("skipped: systemd-boot is not installed");
            return;
        };
        assert_eq!(uefi.boot_code, None);
        assert!(
            uefi.files
                .iter()
                .all(|file| !file.path.starts_with("syslinux"))
        );
    }
}
