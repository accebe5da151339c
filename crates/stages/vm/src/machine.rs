//! The computer that is simulated.

use crate::Bus;
use livestick_handoff::oem;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The firmware of the simulated computer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS, which comes with QEMU.
    Bios,
    /// OVMF without Secure Boot: 64-bit UEFI.
    Uefi,
    /// OVMF for 32-bit UEFI, as in small tablets whose processor is a 64-bit one.
    UefiIa32,
    /// OVMF with Microsoft's keys and Secure Boot switched on: 64-bit UEFI that starts only what is
    /// signed.
    SecureBoot,
}

impl fmt::Display for Firmware {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Bios => "BIOS",
            Self::Uefi => "UEFI",
            Self::UefiIa32 => "32-bit UEFI",
            Self::SecureBoot => "UEFI with Secure Boot",
        })
    }
}

/// What executes the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's translator: slow, and it works everywhere.
    Tcg,
    /// The kernel's virtualisation. It may be there and not work, so nothing chooses it by itself.
    Kvm,
}

/// A disk of the computer beside the stick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// What is on it: an image file or a block device.
    pub image: PathBuf,
    /// What it is plugged into.
    pub bus: Bus,
    /// Whether what the guest writes is kept in the image, as a computer's own disk would keep it. What
    /// a stick would keep goes to a temporary file.
    pub kept: bool,
    /// About how many bytes it gives before it answers no more; `None` where it goes on for ever.
    pub hangs_after_bytes: Option<u64>,
}

impl Disk {
    /// A disk inside: what the guest writes is written.
    #[must_use]
    pub fn internal(image: impl Into<PathBuf>, bus: Bus) -> Self {
        Self {
            image: image.into(),
            bus,
            kept: true,
            hangs_after_bytes: None,
        }
    }

    /// Another stick, on USB 3: the image is only read.
    #[must_use]
    pub fn stick(image: impl Into<PathBuf>) -> Self {
        Self {
            image: image.into(),
            bus: Bus::Xhci,
            kept: false,
            hangs_after_bytes: None,
        }
    }
}

/// A computer with a stick plugged in. Change what [`Machine::new`] sets as needed.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The stick: an image file or a block device. It is only read, unless `keeps_stick` says otherwise.
    pub image: PathBuf,
    /// The firmware.
    pub firmware: Firmware,
    /// Memory, in MiB.
    pub memory_mib: u32,
    /// How many processors it has.
    pub cpus: u32,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// How long the boot may take, by the harness's clock.
    pub timeout: Duration,
    /// What the stick is plugged into.
    pub bus: Bus,
    /// How many bytes a second the stick gives at most; `None` is as many as QEMU can.
    pub stick_bytes_per_second: Option<u64>,
    /// Whether what the guest writes to the stick is kept in the image, as a real stick would keep it. Else
    /// it goes to a temporary file.
    pub keeps_stick: bool,
    /// The computer's other disks.
    pub disks: Vec<Disk>,
    /// Whether it has a screen and a keyboard. The first serial port is always there.
    pub screen: bool,
    /// SMBIOS OEM strings (type 11).
    pub oem_strings: Vec<String>,
    /// More arguments for QEMU, after all others.
    pub extra_arguments: Vec<OsString>,
    /// QEMU itself, where it is not at one of its usual places.
    pub qemu: Option<PathBuf>,
}

impl Machine {
    /// 1 GiB of memory, two processors, and the image as a removable USB 3 stick, for which `/init`
    /// is asked to log and to report on the first serial port; five minutes to boot.
    #[must_use]
    pub fn new(image: impl Into<PathBuf>, firmware: Firmware) -> Self {
        let strings = [oem::LOG, oem::BEACON].map(|key| format!("{key}ttyS0"));
        Self {
            image: image.into(),
            firmware,
            memory_mib: 1024,
            cpus: 2,
            accelerator: Accelerator::Tcg,
            timeout: Duration::from_mins(5),
            bus: Bus::Xhci,
            stick_bytes_per_second: None,
            keeps_stick: false,
            disks: Vec::new(),
            screen: true,
            oem_strings: strings.to_vec(),
            extra_arguments: Vec::new(),
            qemu: None,
        }
    }
}
