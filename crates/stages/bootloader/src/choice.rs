//! Which loaders a stick gets: decided by what was asked for, what the kernel can do, and what is
//! installed.

use crate::host::{Host, Located, Piece};
use crate::request::{Firmware, KernelAbilities, Request, SecureBoot, Support, Wish};
use crate::{Error, grub, syslinux, systemd_boot};

/// Why there is no loader where nobody wants one.
const NOT_ASKED_FOR: &str = "it was not asked for";
/// Why Secure Boot refuses the kernel.
const KERNEL_NOT_SIGNED: &str = "the kernel is not signed";

/// The loaders, located.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) bios: Option<[Located; 4]>,
    pub(crate) uefi: Option<UefiLoader>,
    pub(crate) uefi_ia32: Option<Located>,
    /// A line for each kind of firmware.
    pub(crate) support: Vec<Support>,
}

/// The loader for 64-bit UEFI.
#[derive(Debug)]
pub(crate) enum UefiLoader {
    Signed([Located; 3]),
    SystemdBoot(Located),
}

/// Either what boots, or why nothing does.
type Outcome<T> = Result<T, Obstacle>;

/// What is in the way of a loader.
enum Obstacle {
    NotWanted,
    Kernel { option: &'static str },
    Missing(Vec<&'static Piece>),
}

/// Chooses the loaders.
///
/// # Errors
/// Where something is missing that was asked for, all of it at once, or the kernel cannot do it.
pub(crate) fn choose(request: &Request, host: &Host<'_>) -> Result<Choice, Error> {
    if request.secure_boot == SecureBoot::Yes && !request.kernel.is_signed {
        return Err(Error::KernelNotSigned);
    }
    let bios = bios(request, host);
    let uefi = uefi(request, host);
    let uefi_ia32 = uefi_ia32(request, host);
    refuse(Firmware::Uefi, request.uefi, &uefi)?;
    refuse(Firmware::UefiIa32, request.uefi_ia32, &uefi_ia32)?;
    let mut missing = Missing::default();
    missing.add(Firmware::Bios, &bios);
    missing.add(Firmware::Uefi, &uefi);
    if request.uefi_ia32 == Wish::Named {
        missing.add(Firmware::UefiIa32, &uefi_ia32);
    }
    if !missing.pieces.is_empty() {
        return Err(host.missing(&missing.pieces, missing.way_out(request)));
    }
    let support = vec![
        support(host, Firmware::Bios, bios.as_ref().map(|_| "SYSLINUX")),
        support(host, Firmware::Uefi, uefi.as_ref().map(UefiLoader::name)),
        secure_boot_support(request, host, &uefi),
        support(host, Firmware::UefiIa32, uefi_ia32.as_ref().map(|_| "GRUB")),
    ];
    Ok(Choice {
        bios: bios.ok(),
        uefi: uefi.ok(),
        uefi_ia32: uefi_ia32.ok(),
        support,
    })
}

fn bios(request: &Request, host: &Host<'_>) -> Outcome<[Located; 4]> {
    match request.bios {
        Wish::No => Err(Obstacle::NotWanted),
        Wish::Usual | Wish::Named => host.locate(syslinux::PIECES).map_err(Obstacle::Missing),
    }
}

/// The signed chain also boots where Secure Boot is off. A kernel that is not signed, though, would
/// not boot where it is on; then systemd-boot is the simpler one.
fn uefi(request: &Request, host: &Host<'_>) -> Outcome<UefiLoader> {
    if request.uefi == Wish::No {
        return Err(Obstacle::NotWanted);
    }
    if !request.kernel.efi_stub {
        let option = "CONFIG_EFI_STUB";
        return Err(Obstacle::Kernel { option });
    }
    let signed = || host.locate(grub::SIGNED_PIECES).map(UefiLoader::Signed);
    let systemd_boot = || {
        let located = host.locate([&systemd_boot::LOADER]);
        located.map(|[loader]| UefiLoader::SystemdBoot(loader))
    };
    let loader = match request.secure_boot {
        SecureBoot::Yes => signed(),
        SecureBoot::No => systemd_boot(),
        SecureBoot::Auto => match host.locate(grub::SIGNED_PIECES) {
            Ok(pieces) if grub::are_signed(host, &pieces) => match request.kernel.is_signed {
                true => Ok(UefiLoader::Signed(pieces)),
                false => systemd_boot().or(Ok(UefiLoader::Signed(pieces))),
            },
            _ => systemd_boot(),
        },
    };
    loader.map_err(Obstacle::Missing)
}

fn uefi_ia32(request: &Request, host: &Host<'_>) -> Outcome<Located> {
    if request.uefi_ia32 == Wish::No {
        return Err(Obstacle::NotWanted);
    }
    let KernelAbilities {
        efi_stub,
        efi_mixed,
        ..
    } = request.kernel;
    if !(efi_stub && efi_mixed) {
        let option = "CONFIG_EFI_MIXED";
        return Err(Obstacle::Kernel { option });
    }
    let located = host.locate([&grub::IA32]).map_err(Obstacle::Missing);
    located.map(|[grub]| grub)
}

/// What the kernel cannot do is an error where it was asked for by name.
fn refuse<T>(firmware: Firmware, wish: Wish, outcome: &Outcome<T>) -> Result<(), Error> {
    match outcome {
        Err(Obstacle::Kernel { option }) if wish == Wish::Named => {
            Err(Error::KernelOption { firmware, option })
        }
        _ => Ok(()),
    }
}

impl UefiLoader {
    fn name(&self) -> &'static str {
        match self {
            Self::Signed(_) => "shim and GRUB",
            Self::SystemdBoot(_) => "systemd-boot",
        }
    }
}

fn support(
    host: &Host<'_>,
    firmware: Firmware,
    loader: Result<&'static str, &Obstacle>,
) -> Support {
    let loader = loader.map_err(|obstacle| match obstacle {
        Obstacle::NotWanted => NOT_ASKED_FOR.to_owned(),
        Obstacle::Kernel { option } => format!("the kernel was built without {option}"),
        Obstacle::Missing(pieces) => host.packages(pieces).to_string(),
    });
    Support { firmware, loader }
}

fn secure_boot_support(request: &Request, host: &Host<'_>, uefi: &Outcome<UefiLoader>) -> Support {
    let loader = match uefi {
        Ok(UefiLoader::Signed(_)) if request.kernel.is_signed => Ok("shim and GRUB"),
        Ok(_) => Err(match host.locate(grub::SIGNED_PIECES) {
            _ if request.secure_boot == SecureBoot::No => NOT_ASKED_FOR.to_owned(),
            _ if !request.kernel.is_signed => KERNEL_NOT_SIGNED.to_owned(),
            Err(pieces) => host.packages(&pieces).to_string(),
            Ok(_) => "this machine's shim or GRUB is not signed".to_owned(),
        }),
        Err(obstacle) => return support(host, Firmware::SecureBoot, Err(obstacle)),
    };
    Support {
        firmware: Firmware::SecureBoot,
        loader,
    }
}

/// What is not installed, and for which firmware.
#[derive(Default)]
struct Missing {
    pieces: Vec<&'static Piece>,
    firmware: Vec<Firmware>,
}

impl Missing {
    fn add<T>(&mut self, firmware: Firmware, outcome: &Outcome<T>) {
        if let Err(Obstacle::Missing(pieces)) = outcome {
            self.pieces.extend(pieces);
            self.firmware.push(firmware);
        }
    }

    /// What can be built without them.
    fn way_out(&self, request: &Request) -> Option<String> {
        if request.secure_boot == SecureBoot::Yes && self.firmware.contains(&Firmware::Uefi) {
            return Some("leave Secure Boot out with `--secure-boot auto`".to_owned());
        }
        let wishes = [
            (Firmware::Bios, request.bios, "bios"),
            (Firmware::Uefi, request.uefi, "uefi"),
            (Firmware::UefiIa32, request.uefi_ia32, "uefi32"),
        ];
        let is_wanted = |wish: Wish, firmware| match firmware {
            Firmware::UefiIa32 => wish == Wish::Named,
            _ => wish != Wish::No,
        };
        let others = wishes.iter().filter(|(firmware, wish, _)| {
            is_wanted(*wish, *firmware) && !self.firmware.contains(firmware)
        });
        let others: Vec<_> = others.map(|(_, _, word)| *word).collect();
        if !others.is_empty() {
            let without: Vec<_> = self.firmware.iter().map(ToString::to_string).collect();
            return Some(format!(
                "leave {} out with `--firmware {}`",
                without.join(" and "),
                others.join(",")
            ));
        }
        match self.firmware[..] {
            [Firmware::Bios] => Some("build for UEFI with `--firmware uefi`".to_owned()),
            [Firmware::Uefi] => Some("build for BIOS with `--firmware bios`".to_owned()),
            _ => None,
        }
    }
}
