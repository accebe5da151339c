//! The loaders that a stick gets, for the kernel that it boots.

use crate::failure::{Exit, Failure};
use crate::pipeline::built::FirmwareSupport;
use crate::settings;
use livestick_bootloader::{
    Error, KernelAbilities, LoaderFiles, Menu, MenuSettings, Request, Support,
};
use livestick_kernel::{EfiError, EfiProgram, KernelImage};
use std::path::Path;

/// Collects the loaders and the menu from this machine's packages, for the system called `title` and
/// its kernel.
pub fn collect(
    title: &str,
    vmlinuz: &[u8],
    settings: &settings::Stick,
) -> Result<LoaderFiles, Failure> {
    let menu = Menu::new(&MenuSettings {
        title,
        command_line: &settings.cmdline,
        timeout_seconds: settings.menu_timeout_seconds,
        consoles: &settings.consoles,
    })
    .map_err(|e| Failure::new(Exit::Usage, e))?;
    let request = Request {
        bios: settings.firmware.bios,
        uefi: settings.firmware.uefi,
        uefi_ia32: settings.firmware.uefi_ia32,
        secure_boot: settings.firmware.secure_boot,
        kernel: abilities(vmlinuz),
    };
    livestick_bootloader::collect(&request, &menu, Path::new("/")).map_err(no_loaders)
}

/// Which firmware the stick boots on, for the report.
pub fn support(support: &[Support]) -> Vec<FirmwareSupport> {
    let of = |support: &Support| FirmwareSupport {
        firmware: support.firmware.to_string(),
        loader: support.loader.as_ref().ok().copied(),
        why_not: support.loader.as_ref().err().cloned(),
    };
    support.iter().map(of).collect()
}

/// What the kernel's headers say. A kernel that is no EFI program has no headers of one.
fn abilities(vmlinuz: &[u8]) -> KernelAbilities {
    let efi = EfiProgram::parse(vmlinuz);
    let image = KernelImage::parse(vmlinuz);
    KernelAbilities {
        efi_stub: matches!(efi, Ok(_) | Err(EfiError::CertificateTable)),
        is_signed: efi.is_ok_and(|program| program.is_signed),
        efi_mixed: image.is_ok_and(|image| image.starts_on_efi_ia32),
    }
}

fn no_loaders(error: Error) -> Failure {
    let exit = match error {
        Error::GrubCommandLine { .. } => Exit::Usage,
        _ => Exit::Refused,
    };
    let hint = error.hint();
    let failure = Failure::new(exit, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
