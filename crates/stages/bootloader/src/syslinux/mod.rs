//! SYSLINUX: the loader of BIOS machines.
//!
//! Its core, `ldlinux.sys`, and the boot sector that loads it ship only inside its installer, which
//! is therefore run once, on a scratch image in a temporary folder. The core finds its own sectors
//! and its folder in a list inside itself: [`patch`] writes it, as the installer would have done on
//! the real volume.

mod configuration;
mod floppy;
mod format;
mod installer;
mod patch;

pub use patch::{PatchError, merge_boot_sector, patch};

use crate::host::{Host, Located, Piece, banner};
use crate::{BootCode, Error, LoaderFile, LoaderFiles, Menu};

/// The folder on the stick with SYSLINUX's files, as [`patch`] wants it.
pub const DIRECTORY: &str = "/syslinux";
/// The path on the stick of the file that [`patch`] completes.
pub const LDLINUX_SYS: &str = "syslinux/ldlinux.sys";

/// What must be installed, in the order of [`collect`]'s argument.
pub(crate) const PIECES: [&Piece; 4] = [&INSTALLER, &MBR, &MENU, &LIBUTIL];

const INSTALLER: Piece = Piece {
    name: "syslinux",
    places: &["usr/bin/syslinux"],
    debian: "syslinux",
    fedora: "syslinux",
    arch: Some("syslinux"),
    suse: "syslinux",
};
const MBR: Piece = Piece {
    places: &[
        "usr/lib/syslinux/mbr/mbr.bin",
        "usr/share/syslinux/mbr.bin",
        "usr/lib/syslinux/bios/mbr.bin",
    ],
    ..module("mbr.bin", &[])
};
const MENU: Piece = module(
    "menu.c32",
    &[
        "usr/lib/syslinux/modules/bios/menu.c32",
        "usr/share/syslinux/menu.c32",
        "usr/lib/syslinux/bios/menu.c32",
    ],
);
const LIBUTIL: Piece = module(
    "libutil.c32",
    &[
        "usr/lib/syslinux/modules/bios/libutil.c32",
        "usr/share/syslinux/libutil.c32",
        "usr/lib/syslinux/bios/libutil.c32",
    ],
);

/// What `ldlinux.sys` begins with, its version after it.
const BANNER: (&[u8], u8) = (b"\r\nSYSLINUX ", 0);

const fn module(name: &'static str, places: &'static [&'static str]) -> Piece {
    Piece {
        name,
        places,
        debian: "syslinux-common",
        fedora: "syslinux-nonlinux",
        arch: Some("syslinux"),
        suse: "syslinux",
    }
}

/// The files, the configuration and the boot code.
pub(crate) fn collect(
    host: &Host<'_>,
    [installer, mbr, menu_c32, libutil]: &[Located; 4],
    menu: &Menu,
) -> Result<LoaderFiles, Error> {
    for module in [mbr, menu_c32, libutil] {
        check_versions(host, installer, module)?;
    }
    let installed = installer::run(&host.path(installer))?;
    let version = banner(&installed.ldlinux_sys, BANNER);
    let version = version.map(|version| format!("SYSLINUX {version}"));
    let origin = |located| host.origin(located, version.clone());
    // `ldlinux.c32` exists in both packages; the core and it call each other, so it is the installer's.
    let pieces = [
        ("ldlinux.sys", installed.ldlinux_sys, installer),
        ("ldlinux.c32", installed.ldlinux_c32, installer),
        ("menu.c32", host.read(menu_c32)?, menu_c32),
        ("libutil.c32", host.read(libutil)?, libutil),
    ];
    let mut collected = LoaderFiles {
        boot_code: Some(BootCode {
            mbr: mbr_code(host, mbr)?,
            volume_boot_sector: installed.boot_sector,
        }),
        files: vec![LoaderFile {
            path: "syslinux/syslinux.cfg".to_owned(),
            bytes: configuration::render(menu).into_bytes(),
        }],
        origins: vec![("mbr".to_owned(), origin(mbr))],
        ..LoaderFiles::default()
    };
    for (name, bytes, located) in pieces {
        let path = format!("syslinux/{name}");
        collected.origins.push((path.clone(), origin(located)));
        collected.files.push(LoaderFile { path, bytes });
    }
    Ok(collected)
}

/// Modules link against the core at run time, so both must come from one release. Where dpkg does
/// not know the files, there is no saying.
fn check_versions(host: &Host<'_>, installer: &Located, module: &Located) -> Result<(), Error> {
    match (host.package_of(installer), host.package_of(module)) {
        (Some(installer), Some(module))
            if installer.source_version() != module.source_version() =>
        {
            Err(Error::VersionsDiffer {
                installer: installer.to_string(),
                modules: module.to_string(),
            })
        }
        _ => Ok(()),
    }
}

fn mbr_code(host: &Host<'_>, mbr: &Located) -> Result<[u8; 440], Error> {
    let bytes = host.read(mbr)?;
    let mut code = [0; 440];
    match code.get_mut(..bytes.len()) {
        Some(start) if !bytes.is_empty() => start.copy_from_slice(&bytes),
        _ => {
            return Err(Error::BootCodeLength {
                path: host.path(mbr),
                length_bytes: bytes.len(),
            });
        }
    }
    Ok(code)
}
