//! Where OVMF is.

use crate::Error;
use std::path::{Path, PathBuf};

/// The firmware's code, and the variables that it starts with, by distribution: Debian and Ubuntu,
/// Fedora, Arch, openSUSE, older releases. All of them are without Secure Boot.
const PLACES: [(&str, &str); 6] = [
    (
        "usr/share/OVMF/OVMF_CODE_4M.fd",
        "usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    (
        "usr/share/edk2/ovmf/OVMF_CODE.fd",
        "usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    (
        "usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    (
        "usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
        "usr/share/edk2-ovmf/x64/OVMF_VARS.fd",
    ),
    (
        "usr/share/qemu/ovmf-x86_64-code.bin",
        "usr/share/qemu/ovmf-x86_64-vars.bin",
    ),
    ("usr/share/OVMF/OVMF_CODE.fd", "usr/share/OVMF/OVMF_VARS.fd"),
];

/// OVMF's two files.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ovmf {
    /// Only read.
    pub(crate) code: PathBuf,
    /// A template: every machine needs a copy.
    pub(crate) variables: PathBuf,
}

impl Ovmf {
    pub(crate) fn find(root: &Path) -> Result<Self, Error> {
        let mut pairs = PLACES.iter().map(|(code, variables)| Self {
            code: root.join(code),
            variables: root.join(variables),
        });
        let is_there = |ovmf: &Self| ovmf.code.is_file() && ovmf.variables.is_file();
        pairs.find(is_there).ok_or(Error::NoFirmware)
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
        touch("usr/share/OVMF/OVMF_CODE_4M.fd");
        let error = Ovmf::find(root.path()).unwrap_err();
        assert!(error.hint().unwrap().contains("ovmf (Debian"));
        touch("usr/share/edk2/x64/OVMF_CODE.4m.fd");
        touch("usr/share/edk2/x64/OVMF_VARS.4m.fd");
        let ovmf = Ovmf::find(root.path()).unwrap();
        assert!(ovmf.variables.ends_with("x64/OVMF_VARS.4m.fd"));
    }
}
