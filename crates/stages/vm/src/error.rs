//! Why nothing could be booted.

use crate::Firmware;
use std::io;
use std::path::PathBuf;

/// Why a boot could not be watched. A system that does not come up is no error: see
/// [`Ending`](crate::Ending).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no QEMU.
    #[error("QEMU for x86-64 is not installed")]
    NoQemu,
    /// There is no UEFI firmware of this kind for QEMU.
    #[error("OVMF for {firmware}, the firmware for QEMU, is not installed")]
    NoFirmware {
        /// What it would be.
        firmware: Firmware,
    },
    /// The image cannot be opened.
    #[error("cannot read {path}")]
    Image {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A temporary file or a connection to QEMU cannot be made.
    #[error("cannot prepare the machine's {what}")]
    Prepare {
        /// What it is for.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// QEMU cannot be started.
    #[error("cannot start {path}")]
    Start {
        /// Where QEMU is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// QEMU ended by itself.
    #[error("QEMU ended ({status}): {message}")]
    Died {
        /// How.
        status: String,
        /// What it said.
        message: String,
    },
    /// QEMU does not answer as it should.
    #[error("QEMU did not answer `{command}`: {message}")]
    Protocol {
        /// The command.
        command: &'static str,
        /// What came instead.
        message: String,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl Error {
    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoQemu => Some(
                "install the package qemu-system-x86 (Debian, Ubuntu, Fedora, Arch) \
                 or qemu-x86 (openSUSE)",
            ),
            Self::NoFirmware { firmware } => Some(match firmware {
                Firmware::UefiIa32 => {
                    "install the package ovmf-ia32 (Debian, Ubuntu), edk2-ovmf-ia32 (Fedora), \
                     edk2-ovmf (Arch) or qemu-ovmf-ia32 (openSUSE)"
                }
                Firmware::SecureBoot => {
                    "install the package ovmf (Debian, Ubuntu), edk2-ovmf (Fedora) \
                     or qemu-ovmf-x86_64 (openSUSE)"
                }
                Firmware::Bios | Firmware::Uefi => {
                    "install the package ovmf (Debian, Ubuntu), edk2-ovmf (Fedora, Arch) \
                     or qemu-ovmf-x86_64 (openSUSE)"
                }
            }),
            _ => None,
        }
    }
}
