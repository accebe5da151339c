//! Where OVMF is, in each of its builds.

use crate::{Error, Firmware};
use std::path::{Path, PathBuf};

/// A build of OVMF as a distribution installs it, with paths relative to the root.
struct Build {
    code: &'static str,
    /// The variables that it starts with.
    variables: &'static str,
    /// Whether its variables can be changed in System Management Mode only.
    needs_smm: bool,
}

/// 64-bit, without Secure Boot: Debian and Ubuntu, Fedora, Arch, openSUSE, older releases.
const UEFI: &[Build] = &[
    plain(
        "usr/share/OVMF/OVMF_CODE_4M.fd",
        "usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    plain(
        "usr/share/edk2/ovmf/OVMF_CODE.fd",
        "usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    plain(
        "usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    plain(
        "usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
        "usr/share/edk2-ovmf/x64/OVMF_VARS.fd",
    ),
    plain(
        "usr/share/qemu/ovmf-x86_64-code.bin",
        "usr/share/qemu/ovmf-x86_64-vars.bin",
    ),
    plain("usr/share/OVMF/OVMF_CODE.fd", "usr/share/OVMF/OVMF_VARS.fd"),
];

/// 32-bit, no keys in it: Debian and Ubuntu, Fedora, Arch, openSUSE.
const UEFI_IA32: &[Build] = &[
    smm(
        "usr/share/OVMF/OVMF32_CODE_4M.secboot.fd",
        "usr/share/OVMF/OVMF32_VARS_4M.fd",
    ),
    plain(
        "usr/share/edk2/ovmf-ia32/OVMF_CODE.fd",
        "usr/share/edk2/ovmf-ia32/OVMF_VARS.fd",
    ),
    plain(
        "usr/share/edk2/ia32/OVMF_CODE.4m.fd",
        "usr/share/edk2/ia32/OVMF_VARS.4m.fd",
    ),
    plain(
        "usr/share/qemu/ovmf-ia32-code.bin",
        "usr/share/qemu/ovmf-ia32-vars.bin",
    ),
];

/// 64-bit, with Microsoft's keys and Secure Boot switched on: Debian and Ubuntu, Fedora, openSUSE,
/// older releases. Arch has no variables with keys.
const SECURE_BOOT: &[Build] = &[
    smm(
        "usr/share/OVMF/OVMF_CODE_4M.ms.fd",
        "usr/share/OVMF/OVMF_VARS_4M.ms.fd",
    ),
    smm(
        "usr/share/edk2/ovmf/OVMF_CODE.secboot.fd",
        "usr/share/edk2/ovmf/OVMF_VARS.secboot.fd",
    ),
    smm(
        "usr/share/qemu/ovmf-x86_64-smm-ms-code.bin",
        "usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin",
    ),
    smm(
        "usr/share/OVMF/OVMF_CODE.ms.fd",
        "usr/share/OVMF/OVMF_VARS.ms.fd",
    ),
];

const fn plain(code: &'static str, variables: &'static str) -> Build {
    Build {
        code,
        variables,
        needs_smm: false,
    }
}

const fn smm(code: &'static str, variables: &'static str) -> Build {
    Build {
        needs_smm: true,
        ..plain(code, variables)
    }
}

/// OVMF's two files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ovmf {
    /// Only read.
    pub(crate) code: PathBuf,
    /// A template: every machine needs a copy.
    pub(crate) variables: PathBuf,
    /// Whether the machine must protect the variables from all but System Management Mode.
    pub(crate) needs_smm: bool,
}

impl Ovmf {
    /// The build that is `firmware`, among what is installed below `root`; `None` for the BIOS, which
    /// is no OVMF.
    pub(crate) fn find(firmware: Firmware, root: &Path) -> Result<Option<Self>, Error> {
        let builds = match firmware {
            Firmware::Bios => return Ok(None),
            Firmware::Uefi => UEFI,
            Firmware::UefiIa32 => UEFI_IA32,
            Firmware::SecureBoot => SECURE_BOOT,
        };
        let mut installed = builds.iter().map(|build| Self {
            code: root.join(build.code),
            variables: root.join(build.variables),
            needs_smm: build.needs_smm,
        });
        let is_there = |ovmf: &Self| ovmf.code.is_file() && ovmf.variables.is_file();
        match installed.find(is_there) {
            Some(ovmf) => Ok(Some(ovmf)),
            None => Err(Error::NoFirmware { firmware }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn code_counts_only_with_its_variables() {
        let root = tempfile::tempdir().unwrap();
        let touch = |path: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        let find = |firmware| Ovmf::find(firmware, root.path());
        touch("usr/share/OVMF/OVMF_CODE_4M.fd");
        let error = find(Firmware::Uefi).unwrap_err();
        assert!(error.hint().unwrap().contains("ovmf (Debian"));
        touch("usr/share/edk2/x64/OVMF_CODE.4m.fd");
        touch("usr/share/edk2/x64/OVMF_VARS.4m.fd");
        let ovmf = find(Firmware::Uefi).unwrap().unwrap();
        assert!(ovmf.variables.ends_with("x64/OVMF_VARS.4m.fd"));
        assert!(!ovmf.needs_smm);
        assert_eq!(find(Firmware::Bios).unwrap(), None);
    }

    #[test]
    fn one_build_does_not_stand_in_for_another() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("usr/share/OVMF");
        fs::create_dir_all(&folder).unwrap();
        for name in ["OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let ia32 = Ovmf::find(Firmware::UefiIa32, root.path()).unwrap_err();
        assert_eq!(
            ia32.to_string(),
            "OVMF for 32-bit UEFI, the firmware for QEMU, is not installed"
        );
        assert!(ia32.hint().unwrap().contains("ovmf-ia32 (Debian"));
        let secure = Ovmf::find(Firmware::SecureBoot, root.path()).unwrap_err();
        assert!(secure.to_string().contains("UEFI with Secure Boot"));
        for name in ["OVMF_CODE_4M.ms.fd", "OVMF_VARS_4M.ms.fd"] {
            fs::write(folder.join(name), "").unwrap();
        }
        let secure = Ovmf::find(Firmware::SecureBoot, root.path());
        assert!(secure.unwrap().unwrap().needs_smm);
    }
}
