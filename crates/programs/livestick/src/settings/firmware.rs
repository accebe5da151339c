//! Which firmware a stick is to boot on.

use crate::args;
use anyhow::bail;
use livestick_bootloader::{SecureBoot, Wish};

/// Which firmware a stick is to boot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// BIOS.
    pub bios: Wish,
    /// 64-bit UEFI.
    pub uefi: Wish,
    /// 32-bit UEFI.
    pub uefi_ia32: Wish,
    /// Secure Boot.
    pub secure_boot: SecureBoot,
}

impl Firmware {
    /// Checks what was typed: nothing at all is all that this machine has loaders for.
    pub fn new(kinds: &[args::Firmware], secure_boot: args::SecureBoot) -> anyhow::Result<Self> {
        use args::Firmware::{All, Bios, Both, Uefi, Uefi32};
        let wish = |names: &[args::Firmware]| match kinds {
            [] => Wish::Usual,
            kinds if kinds.iter().any(|kind| names.contains(kind)) => Wish::Named,
            _ => Wish::No,
        };
        let firmware = Self {
            bios: wish(&[Bios, Both, All]),
            uefi: wish(&[Uefi, Both, All]),
            uefi_ia32: wish(&[Uefi32, All]),
            secure_boot: match secure_boot {
                args::SecureBoot::Auto => SecureBoot::Auto,
                args::SecureBoot::Yes => SecureBoot::Yes,
                args::SecureBoot::No => SecureBoot::No,
            },
        };
        if firmware.secure_boot == SecureBoot::Yes && firmware.uefi == Wish::No {
            bail!("--secure-boot yes needs 64-bit UEFI, which --firmware leaves out");
        }
        Ok(firmware)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Firmware::{All, Bios, Both, Uefi, Uefi32};

    fn wishes(kinds: &[args::Firmware]) -> [Wish; 3] {
        let firmware = Firmware::new(kinds, args::SecureBoot::Auto).unwrap();
        [firmware.bios, firmware.uefi, firmware.uefi_ia32]
    }

    #[test]
    fn kinds_add_up() {
        use Wish::{Named, No, Usual};
        assert_eq!(wishes(&[]), [Usual, Usual, Usual]);
        assert_eq!(wishes(&[Both]), [Named, Named, No]);
        assert_eq!(wishes(&[All]), [Named, Named, Named]);
        assert_eq!(wishes(&[Bios, Uefi32]), [Named, No, Named]);
        assert_eq!(wishes(&[Uefi]), [No, Named, No]);
    }

    #[test]
    fn secure_boot_is_a_matter_of_64_bit_uefi() {
        let yes = args::SecureBoot::Yes;
        assert!(Firmware::new(&[Bios, Uefi32], yes).is_err());
        assert!(Firmware::new(&[Bios], args::SecureBoot::No).is_ok());
        assert!(Firmware::new(&[], yes).is_ok());
    }
}
