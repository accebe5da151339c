//! What a stick is to boot on, and what it will.

use std::fmt;

/// A kind of firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// BIOS, and UEFI that plays one.
    Bios,
    /// 64-bit UEFI whose Secure Boot is off, or that has none.
    Uefi,
    /// 64-bit UEFI with Secure Boot on.
    SecureBoot,
    /// 32-bit UEFI on a 64-bit machine.
    UefiIa32,
}

impl fmt::Display for Firmware {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bios => "BIOS",
            Self::Uefi => "UEFI",
            Self::SecureBoot => "UEFI with Secure Boot",
            Self::UefiIa32 => "32-bit UEFI",
        })
    }
}

/// Whether a stick is to boot on a kind of firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// It is not.
    No,
    /// As sticks usually do: on BIOS and 64-bit UEFI if the kernel can, and on 32-bit UEFI if there is
    /// a loader as well.
    Usual,
    /// It was asked for by name: what is in the way is an error.
    Named,
}

/// Whether a stick is to boot with Secure Boot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecureBoot {
    /// Where this machine has what it takes, and the kernel is signed.
    Auto,
    /// What is in the way is an error.
    Yes,
    /// Never; so the loader for 64-bit UEFI is systemd-boot.
    No,
}

/// What the kernel is able to do, as far as loaders depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelAbilities {
    /// It is an EFI program (`CONFIG_EFI_STUB`).
    pub efi_stub: bool,
    /// It carries a signature.
    pub is_signed: bool,
    /// 32-bit UEFI can start it (`CONFIG_EFI_MIXED`).
    pub efi_mixed: bool,
}

/// What a stick is to boot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// BIOS.
    pub bios: Wish,
    /// 64-bit UEFI.
    pub uefi: Wish,
    /// 32-bit UEFI.
    pub uefi_ia32: Wish,
    /// Secure Boot.
    pub secure_boot: SecureBoot,
    /// What is booted.
    pub kernel: KernelAbilities,
}

/// Whether a stick boots on a kind of firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Support {
    /// The firmware.
    pub firmware: Firmware,
    /// What loads the kernel there, or why nothing does.
    pub loader: Result<&'static str, String>,
}
