//! GRUB: the loader of 64-bit UEFI machines with Secure Boot, behind shim, and of 32-bit ones.
//!
//! shim carries Microsoft's signature, which the firmware knows, and starts only what the
//! distribution, or the machine's owner, has signed: GRUB, which has it look at the kernel. Neither
//! looks at the initramfs. All of it starts on firmware without Secure Boot as well.

mod configuration;

use crate::host::{Host, Located, Piece, banner};
use crate::{Error, LoaderFile, LoaderFiles, Menu};
use livestick_kernel::EfiProgram;

/// What must be installed for Secure Boot, in the order of [`collect_signed`]'s argument.
pub(crate) const SIGNED_PIECES: [&Piece; 3] = [&SHIM, &MOK_MANAGER, &SIGNED_GRUB];

/// Fedora and its relatives keep what is signed on the EFI system partition only.
const SHIM: Piece = Piece {
    name: "shimx64.efi",
    places: &[
        "usr/lib/shim/shimx64.efi.signed",
        "boot/efi/EFI/fedora/shimx64.efi",
        "boot/efi/EFI/redhat/shimx64.efi",
        "boot/efi/EFI/centos/shimx64.efi",
        "boot/efi/EFI/rocky/shimx64.efi",
        "boot/efi/EFI/almalinux/shimx64.efi",
        "usr/share/efi/x86_64/shim.efi",
    ],
    debian: "shim-signed",
    fedora: "shim-x64",
    arch: None,
    suse: "shim",
};
/// Enrols keys of the machine's owner. Ubuntu's is signed under the name that Debian's is not.
const MOK_MANAGER: Piece = Piece {
    name: "mmx64.efi",
    places: &[
        "usr/lib/shim/mmx64.efi.signed",
        "usr/lib/shim/mmx64.efi",
        "boot/efi/EFI/fedora/mmx64.efi",
        "boot/efi/EFI/redhat/mmx64.efi",
        "boot/efi/EFI/centos/mmx64.efi",
        "boot/efi/EFI/rocky/mmx64.efi",
        "boot/efi/EFI/almalinux/mmx64.efi",
        "usr/share/efi/x86_64/MokManager.efi",
    ],
    ..SHIM
};
/// Of each distribution the image for removable media: the other looks for its configuration in a
/// folder that is named after the distribution.
const SIGNED_GRUB: Piece = Piece {
    name: "gcdx64.efi.signed",
    places: &[
        "usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
        "boot/efi/EFI/fedora/gcdx64.efi",
        "boot/efi/EFI/redhat/gcdx64.efi",
        "boot/efi/EFI/centos/gcdx64.efi",
        "boot/efi/EFI/rocky/gcdx64.efi",
        "boot/efi/EFI/almalinux/gcdx64.efi",
        "usr/share/efi/x86_64/grub.efi",
    ],
    debian: "grub-efi-amd64-signed",
    fedora: "grub2-efi-x64-cdboot",
    arch: None,
    suse: "grub2-x86_64-efi",
};
/// Not signed: 32-bit firmware with Secure Boot that cannot be switched off is next to unknown, and
/// Debian has its shim for 32-bit machines only.
pub(crate) const IA32: Piece = Piece {
    name: "gcdia32.efi",
    places: &[
        "usr/lib/grub/i386-efi/monolithic/gcdia32.efi",
        "boot/efi/EFI/fedora/gcdia32.efi",
        "usr/share/grub2/i386-efi/grub.efi",
    ],
    debian: "grub-efi-ia32-bin",
    fedora: "grub2-efi-ia32-cdboot",
    arch: None,
    suse: "grub2-i386-efi",
};

/// Where 64-bit firmware looks for a loader on a medium that it does not know.
const X64_PATH: &str = "EFI/BOOT/BOOTX64.EFI";
/// The same for 32-bit firmware.
const IA32_PATH: &str = "EFI/BOOT/BOOTIA32.EFI";

/// What each shim starts, and what it enrols keys with: files beside itself.
const SECOND_STAGES: [(&str, &str); 2] =
    [("grubx64.efi", "mmx64.efi"), ("grub.efi", "MokManager.efi")];

/// What the versions stand between, in shim and MokManager, and in GRUB.
const SHIM_BANNER: (&[u8], u8) = (b"$Version: ", b'$');
const GRUB_BANNER: (&[u8], u8) = (b"Free Software Foundation,grub,", b',');

/// shim, MokManager and GRUB, as files of the stick.
///
/// # Errors
/// Where one of them carries no signature, besides those of reading.
pub(crate) fn collect_signed(
    host: &Host<'_>,
    [shim, mok_manager, grub]: &[Located; 3],
) -> Result<LoaderFiles, Error> {
    let mut collected = LoaderFiles::default();
    let shim_bytes = signed(host, shim)?;
    let (grub_name, mok_manager_name) = second_stage(&shim_bytes);
    let mut add = |path: String, located, bytes: Vec<u8>, mark| {
        let origin = host.origin(located, banner(&bytes, mark));
        collected.origins.push((path.clone(), origin));
        collected.files.push(LoaderFile { path, bytes });
    };
    add(X64_PATH.to_owned(), shim, shim_bytes, SHIM_BANNER);
    let beside = |name: &str| format!("EFI/BOOT/{name}");
    add(beside(grub_name), grub, signed(host, grub)?, GRUB_BANNER);
    let bytes = signed(host, mok_manager)?;
    add(beside(mok_manager_name), mok_manager, bytes, SHIM_BANNER);
    Ok(collected)
}

/// GRUB for 32-bit UEFI.
pub(crate) fn collect_ia32(host: &Host<'_>, grub: &Located) -> Result<LoaderFiles, Error> {
    let bytes = host.read(grub)?;
    let origin = host.origin(grub, banner(&bytes, GRUB_BANNER));
    let path = IA32_PATH.to_owned();
    Ok(LoaderFiles {
        origins: vec![(path.clone(), origin)],
        files: vec![LoaderFile { path, bytes }],
        ..LoaderFiles::default()
    })
}

/// The configuration, which all of them read.
pub(crate) fn configuration(menu: &Menu) -> Result<Vec<LoaderFile>, Error> {
    let file = |path: &str, text: String| LoaderFile {
        path: path.to_owned(),
        bytes: text.into_bytes(),
    };
    Ok(vec![
        file(configuration::MENU_PATH, configuration::menu(menu)?),
        file(configuration::BESIDE_PATH, configuration::beside()),
    ])
}

/// Whether all of them can be read and carry signatures.
pub(crate) fn are_signed(host: &Host<'_>, pieces: &[Located; 3]) -> bool {
    pieces.iter().all(|piece| signed(host, piece).is_ok())
}

fn signed(host: &Host<'_>, located: &Located) -> Result<Vec<u8>, Error> {
    let bytes = host.read(located)?;
    let path = || host.path(located);
    match EfiProgram::parse(&bytes) {
        Ok(program) if program.is_signed => Ok(bytes),
        Ok(_) => Err(Error::NotSigned { path: path() }),
        Err(source) => Err(Error::NotALoader {
            path: path(),
            source,
        }),
    }
}

/// The names that shim has for what it starts, which it holds in UTF-16.
fn second_stage(shim: &[u8]) -> (&'static str, &'static str) {
    let holds = |name: &str| {
        let path = format!("\\{name}");
        let path: Vec<u8> = path.encode_utf16().flat_map(u16::to_le_bytes).collect();
        shim.windows(path.len()).any(|window| window == path)
    };
    let known = SECOND_STAGES.into_iter().find(|(name, _)| holds(name));
    known.unwrap_or(SECOND_STAGES[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shim_says_what_it_starts() {
        let shim = |name: &str| -> Vec<u8> {
            let path = format!("??\\{name}");
            path.encode_utf16().flat_map(u16::to_le_bytes).collect()
        };
        assert_eq!(second_stage(&shim("grub.efi")).1, "MokManager.efi");
        assert_eq!(second_stage(&shim("grubx64.efi")).1, "mmx64.efi");
        assert_eq!(second_stage(b"").0, "grubx64.efi");
    }
}
