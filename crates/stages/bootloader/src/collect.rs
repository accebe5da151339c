//! All loader files for a stick.

use crate::choice::{UefiLoader, choose};
use crate::host::Host;
use crate::{Error, Menu, Request, Support, grub, syslinux, systemd_boot};
use std::path::Path;

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
    /// Which firmware the stick boots on with them, a line for each kind.
    pub support: Vec<Support>,
}

/// Collects the loader files that were asked for from the packages installed below `root_of_host`,
/// usually `/`, and renders the menu for them.
///
/// SYSLINUX's installer is run on a scratch image. It calls `sync`, so this is best done before much
/// data waits to be written.
///
/// # Errors
/// Where a loader package is missing, unreadable or does not work, or the kernel cannot be started
/// where it was asked for.
pub fn collect(request: &Request, menu: &Menu, root_of_host: &Path) -> Result<LoaderFiles, Error> {
    let host = Host::new(root_of_host);
    let choice = choose(request, &host)?;
    let mut collected = match &choice.bios {
        Some(pieces) => syslinux::collect(&host, pieces, menu)?,
        None => LoaderFiles::default(),
    };
    match &choice.uefi {
        Some(UefiLoader::Signed(pieces)) => collected.add(grub::collect_signed(&host, pieces)?),
        Some(UefiLoader::SystemdBoot(loader)) => {
            collected.add(systemd_boot::collect(&host, loader, menu)?);
        }
        None => {}
    }
    if let Some(loader) = &choice.uefi_ia32 {
        collected.add(grub::collect_ia32(&host, loader)?);
    }
    if matches!(choice.uefi, Some(UefiLoader::Signed(_))) || choice.uefi_ia32.is_some() {
        collected.files.extend(grub::configuration(menu)?);
    }
    collected.support = choice.support;
    Ok(collected)
}

impl LoaderFiles {
    fn add(&mut self, other: Self) {
        self.files.extend(other.files);
        self.origins.extend(other.origins);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Firmware, KernelAbilities, MenuSettings, SecureBoot, Wish};
    use std::fs;

    const SYSTEMD_BOOT: &str = "usr/lib/systemd/boot/efi/systemd-bootx64.efi";
    const SHIM: &str = "usr/lib/shim/shimx64.efi.signed";
    const MOK_MANAGER: &str = "usr/lib/shim/mmx64.efi.signed";
    const SIGNED_GRUB: &str = "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed";
    const GRUB_IA32: &str = "usr/lib/grub/i386-efi/monolithic/gcdia32.efi";

    /// For all that there is.
    const ALL: Request = Request {
        bios: Wish::Usual,
        uefi: Wish::Usual,
        uefi_ia32: Wish::Usual,
        secure_boot: SecureBoot::Auto,
        kernel: KernelAbilities {
            efi_stub: true,
            is_signed: true,
            efi_mixed: true,
        },
    };
    const BIOS: Request = Request {
        bios: Wish::Named,
        uefi: Wish::No,
        uefi_ia32: Wish::No,
        ..ALL
    };
    const UEFI: Request = Request {
        bios: Wish::No,
        uefi: Wish::Named,
        uefi_ia32: Wish::No,
        ..ALL
    };
    /// What can be collected without SYSLINUX, whose installer would have to work.
    const BOTH_UEFI: Request = Request {
        bios: Wish::No,
        ..ALL
    };

    fn menu() -> Menu {
        Menu::new(&MenuSettings::default()).unwrap()
    }

    /// A machine with these files.
    fn host(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        root
    }

    /// What is collected on a machine with this `os-release` and these files: the loaders for Secure
    /// Boot are signed, the others are empty.
    fn collected(
        os_release: &str,
        files: &[&str],
        request: &Request,
    ) -> Result<LoaderFiles, Error> {
        let signed = signed_program();
        let content = |path: &str| match path.contains("signed") {
            true => signed.as_slice(),
            false => &[],
        };
        let mut files: Vec<_> = files.iter().map(|path| (*path, content(path))).collect();
        files.push(("etc/os-release", os_release.as_bytes()));
        collect(request, &menu(), host(&files).path())
    }

    fn error(os_release: &str, files: &[&str], request: &Request) -> Error {
        collected(os_release, files, request).unwrap_err()
    }

    /// The headers of a 64-bit EFI program, and a certificate table.
    fn signed_program() -> Vec<u8> {
        let mut bytes = vec![0; 0x210];
        let mut put = |offset: usize, value: &[u8]| {
            bytes[offset..offset + value.len()].copy_from_slice(value);
        };
        put(0, b"MZ");
        put(0x3c, &[0x40]);
        put(0x40, b"PE\0\0\x64\x86");
        put(0x54, &[0xf0]);
        put(0x58, &[0x0b, 0x02]);
        put(0x58 + 108, &[6]);
        put(0x58 + 112 + 32, &[0, 2, 0, 0, 16]);
        put(0x200, &[16, 0, 0, 0, 0, 2, 2, 0, 0x30]);
        bytes
    }

    /// The error on a machine whose SYSLINUX installer is this program.
    fn error_with_installer(program: &str) -> Error {
        let root = host(&[
            ("usr/share/syslinux/mbr.bin", b"code"),
            ("usr/share/syslinux/menu.c32", b""),
            ("usr/share/syslinux/libutil.c32", b""),
            ("usr/bin/other", b""),
        ]);
        std::os::unix::fs::symlink(program, root.path().join("usr/bin/syslinux")).unwrap();
        collect(&BIOS, &menu(), root.path()).unwrap_err()
    }

    fn paths(collected: &LoaderFiles) -> Vec<&str> {
        let mut paths: Vec<_> = collected.files.iter().map(|f| f.path.as_str()).collect();
        paths.sort_unstable();
        paths
    }

    fn why_not(collected: &LoaderFiles, firmware: Firmware) -> Option<&str> {
        let mut support = collected.support.iter();
        let support = support
            .find(|support| support.firmware == firmware)
            .unwrap();
        support.loader.as_ref().err().map(String::as_str)
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
            ("usr/bin/syslinux", b""),
            ("usr/lib/syslinux/mbr/mbr.bin", b""),
            ("usr/lib/syslinux/modules/bios/menu.c32", b""),
            ("usr/lib/syslinux/modules/bios/libutil.c32", b""),
            ("var/lib/dpkg/info/syslinux.list", b"/usr/bin/syslinux\n"),
            (
                "var/lib/dpkg/info/syslinux-common.list",
                b"/usr/lib/syslinux/mbr/mbr.bin\n",
            ),
            (
                "var/lib/dpkg/status",
                b"Package: syslinux\nVersion: 3:6.04-3+b1\n\nPackage: syslinux-common\nVersion: 3:6.03-1\n",
            ),
        ]);
        let error = collect(&BIOS, &menu(), root.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the packages `syslinux 3:6.04-3+b1` and `syslinux-common 3:6.03-1` are of different versions"
        );
    }

    #[test]
    fn one_command_installs_all_that_is_missing() {
        let error = error("ID=debian\n", &["usr/bin/syslinux"], &ALL);
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
        let error = error("ID=fedora\n", &[SYSTEMD_BOOT], &ALL);
        assert_eq!(
            error.hint().as_deref(),
            Some(
                "`dnf install syslinux syslinux-nonlinux`, or leave BIOS out with `--firmware uefi`"
            )
        );
    }

    #[test]
    fn an_unknown_distribution_hears_debians_package() {
        let error = error("ID=alpine\n", &[], &UEFI);
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
    fn a_loader_that_nobody_asked_for_by_name_may_be_missing() {
        let collected = collected("ID=debian\n", &[SYSTEMD_BOOT], &BOTH_UEFI).unwrap();
        assert_eq!(why_not(&collected, Firmware::Uefi), None);
        assert_eq!(
            why_not(&collected, Firmware::UefiIa32),
            Some("gcdia32.efi is not installed (package grub-efi-ia32-bin)")
        );
        assert_eq!(
            why_not(&collected, Firmware::Bios),
            Some("it was not asked for")
        );
        let named = Request {
            uefi_ia32: Wish::Named,
            ..BOTH_UEFI
        };
        let error = error("ID=debian\n", &[SYSTEMD_BOOT], &named);
        assert_eq!(
            error.hint().as_deref(),
            Some(
                "`apt-get install grub-efi-ia32-bin`, \
                 or leave 32-bit UEFI out with `--firmware uefi`"
            )
        );
    }

    #[test]
    fn the_signed_chain_comes_first() {
        let all = [SYSTEMD_BOOT, SHIM, MOK_MANAGER, SIGNED_GRUB, GRUB_IA32];
        let collected = collected("ID=debian\n", &all, &BOTH_UEFI).unwrap();
        assert_eq!(
            paths(&collected),
            [
                "EFI/BOOT/BOOTIA32.EFI",
                "EFI/BOOT/BOOTX64.EFI",
                "EFI/BOOT/grub.cfg",
                "EFI/BOOT/grubx64.efi",
                "EFI/BOOT/mmx64.efi",
                "boot/grub/grub.cfg",
            ]
        );
        assert_eq!(why_not(&collected, Firmware::SecureBoot), None);
        assert_eq!(why_not(&collected, Firmware::UefiIa32), None);
    }

    #[test]
    fn without_all_of_the_chain_it_is_systemd_boot() {
        let without = |files: &[&str], request: &Request| {
            let files = [&[SYSTEMD_BOOT], files].concat();
            let collected = collected("ID=debian\n", &files, request).unwrap();
            assert!(paths(&collected).contains(&"loader/loader.conf"));
            assert_eq!(why_not(&collected, Firmware::Uefi), None);
            let why_not = why_not(&collected, Firmware::SecureBoot);
            why_not.unwrap().to_owned()
        };
        assert_eq!(
            without(&[SIGNED_GRUB], &BOTH_UEFI),
            "shimx64.efi, mmx64.efi are not installed (package shim-signed)"
        );
        let unsigned = "usr/lib/shim/mmx64.efi";
        assert_eq!(
            without(&[SHIM, SIGNED_GRUB, unsigned], &BOTH_UEFI),
            "this machine's shim or GRUB is not signed"
        );
        let chain = [SHIM, MOK_MANAGER, SIGNED_GRUB];
        let not_wanted = Request {
            secure_boot: SecureBoot::No,
            ..BOTH_UEFI
        };
        assert_eq!(without(&chain, &not_wanted), "it was not asked for");
        let kernel = KernelAbilities {
            is_signed: false,
            ..ALL.kernel
        };
        let own_kernel = Request {
            kernel,
            ..BOTH_UEFI
        };
        assert_eq!(without(&chain, &own_kernel), "the kernel is not signed");
    }

    #[test]
    fn secure_boot_that_was_asked_for_and_cannot_be_is_refused() {
        let request = Request {
            secure_boot: SecureBoot::Yes,
            ..UEFI
        };
        let missing = error("ID=debian\n", &[SYSTEMD_BOOT], &request);
        assert_eq!(
            missing.hint().as_deref(),
            Some(
                "`apt-get install shim-signed grub-efi-amd64-signed`, \
                 or leave Secure Boot out with `--secure-boot auto`"
            )
        );
        let arch = error("ID=arch\n", &[SYSTEMD_BOOT], &request);
        assert_eq!(
            arch.to_string(),
            "shimx64.efi, mmx64.efi, gcdx64.efi.signed are not installed, \
             and this distribution does not package them"
        );
        let kernel = KernelAbilities {
            is_signed: false,
            ..ALL.kernel
        };
        let chain = [SHIM, MOK_MANAGER, SIGNED_GRUB];
        let own_kernel = error("ID=debian\n", &chain, &Request { kernel, ..request });
        assert!(matches!(own_kernel, Error::KernelNotSigned));
        let empty_grub = [SHIM, MOK_MANAGER, "boot/efi/EFI/fedora/gcdx64.efi"];
        let error = error("ID=fedora\n", &empty_grub, &request);
        assert!(
            error
                .to_string()
                .ends_with("gcdx64.efi is not a loader for UEFI"),
            "{error}"
        );
    }

    #[test]
    fn a_kernel_that_uefi_cannot_start_is_refused_where_uefi_was_asked_for() {
        let all = [SYSTEMD_BOOT, GRUB_IA32];
        let kernel = KernelAbilities {
            efi_mixed: false,
            ..ALL.kernel
        };
        let request = Request {
            kernel,
            ..BOTH_UEFI
        };
        let collected = collected("ID=debian\n", &all, &request).unwrap();
        let why = "the kernel was built without CONFIG_EFI_MIXED";
        assert_eq!(why_not(&collected, Firmware::UefiIa32), Some(why));
        let named = Request {
            uefi_ia32: Wish::Named,
            ..request
        };
        assert_eq!(
            error("ID=debian\n", &all, &named).to_string(),
            "the kernel does not start on 32-bit UEFI: it was built without CONFIG_EFI_MIXED"
        );
        let kernel = KernelAbilities {
            efi_stub: false,
            ..kernel
        };
        let error = error("ID=debian\n", &all, &Request { kernel, ..UEFI });
        assert!(error.to_string().contains("CONFIG_EFI_STUB"), "{error}");
    }

    #[test]
    fn this_machines_loaders_are_complete_and_known() {
        let request = Request {
            uefi_ia32: Wish::Named,
            secure_boot: SecureBoot::Yes,
            ..ALL
        };
        let Some(collected) = of_this_machine(&request) else {
            return;
        };
        let paths = paths(&collected);
        assert_eq!(
            paths,
            [
                "EFI/BOOT/BOOTIA32.EFI",
                "EFI/BOOT/BOOTX64.EFI",
                "EFI/BOOT/grub.cfg",
                "EFI/BOOT/grubx64.efi",
                "EFI/BOOT/mmx64.efi",
                "boot/grub/grub.cfg",
                "syslinux/ldlinux.c32",
                "syslinux/ldlinux.sys",
                "syslinux/libutil.c32",
                "syslinux/menu.c32",
                "syslinux/syslinux.cfg",
            ]
        );
        let code = collected.boot_code.as_ref().unwrap();
        assert_eq!(code.volume_boot_sector[510..], [0x55, 0xaa]);
        assert_ne!(code.mbr, [0; 440]);
        assert_eq!(collected.origins.len(), 5 + 4);
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
        let request = Request {
            secure_boot: SecureBoot::No,
            ..UEFI
        };
        let Some(collected) = of_this_machine(&request) else {
            return;
        };
        assert_eq!(collected.boot_code, None);
        assert_eq!(
            paths(&collected),
            [
                "EFI/BOOT/BOOTX64.EFI",
                "loader/entries/check.conf",
                "loader/entries/normal.conf",
                "loader/entries/safe.conf",
                "loader/entries/toram.conf",
                "loader/entries/verbose.conf",
                "loader/loader.conf",
            ]
        );
    }

    /// `None`, said visibly, where a loader is missing and this is not CI.
    fn of_this_machine(request: &Request) -> Option<LoaderFiles> {
        match collect(request, &menu(), Path::new("/")) {
            Err(error @ Error::Missing { .. }) if std::env::var_os("CI").is_none() => {
                eprintln!("skipped: {error}");
                None
            }
            result => Some(result.unwrap()),
        }
    }
}
