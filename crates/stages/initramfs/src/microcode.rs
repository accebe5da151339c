//! CPU microcode.

use crate::GatherError;
use crate::packed::{list, read_unpacked};
use livestick_tree::RootFiles;

const INTEL: &str = "lib/firmware/intel-ucode";
const AMD: &str = "lib/firmware/amd-ucode";

/// Updates for the processors of each maker, all in one file as the kernel wants them. Empty where
/// the root has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Microcode {
    /// `kernel/x86/microcode/GenuineIntel.bin` of the archive.
    pub intel: Vec<u8>,
    /// `kernel/x86/microcode/AuthenticAMD.bin` of the archive.
    pub amd: Vec<u8>,
}

impl Microcode {
    /// The length of both, in bytes.
    pub fn length_bytes(&self) -> usize {
        self.intel.len() + self.amd.len()
    }

    pub(crate) fn read(root: &dyn RootFiles) -> Result<Self, GatherError> {
        Ok(Self {
            intel: concatenate(root, INTEL, is_intel_update)?,
            amd: concatenate(root, AMD, |name| name.contains(".bin"))?,
        })
    }
}

/// Intel's files are named after family, model and stepping: `06-9e-0d`. Debian marks those that only
/// the early loader may use: `06-55-04.initramfs`.
fn is_intel_update(name: &str) -> bool {
    let digits = name.as_bytes().get(..8).unwrap_or_default();
    digits
        .iter()
        .enumerate()
        .all(|(position, byte)| match position {
            2 | 5 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
        && !digits.is_empty()
}

fn concatenate(
    root: &dyn RootFiles,
    folder: &str,
    belongs: impl Fn(&str) -> bool,
) -> Result<Vec<u8>, GatherError> {
    let mut bytes = Vec::new();
    // Signatures lie beside AMD's files.
    for name in list(root, folder)? {
        if belongs(&name) && !name.ends_with(".asc") {
            bytes.extend(read_unpacked(root, &format!("{folder}/{name}"))?);
        }
    }
    Ok(bytes)
}
