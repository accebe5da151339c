//! systemd-boot: the loader of 64-bit UEFI machines.

use crate::host::{Host, Located, Piece, banner};
use crate::{Error, LoaderFile, LoaderFiles, Menu};
use livestick_handoff::paths;

/// The loader. systemd installs it at the same place everywhere.
pub(crate) const LOADER: Piece = Piece {
    name: "systemd-bootx64.efi",
    places: &["usr/lib/systemd/boot/efi/systemd-bootx64.efi"],
    debian: "systemd-boot-efi",
    fedora: "systemd-boot-unsigned",
    arch: Some("systemd"),
    suse: "systemd-boot",
};

/// Where firmware looks for a loader on a medium that it does not know.
const LOADER_PATH: &str = "EFI/BOOT/BOOTX64.EFI";

/// What the loader's name and version stand between, in the loader itself.
const BANNER: (&[u8], u8) = (b"#### LoaderInfo: ", b'#');

/// The loader and its configuration.
pub(crate) fn collect(
    host: &Host<'_>,
    loader: &Located,
    menu: &Menu,
) -> Result<LoaderFiles, Error> {
    let bytes = host.read(loader)?;
    let origin = host.origin(loader, banner(&bytes, BANNER));
    Ok(LoaderFiles {
        files: files(bytes, menu),
        origins: vec![(LOADER_PATH.to_owned(), origin)],
        ..LoaderFiles::default()
    })
}

fn files(loader: Vec<u8>, menu: &Menu) -> Vec<LoaderFile> {
    let mut files = vec![
        LoaderFile {
            path: LOADER_PATH.to_owned(),
            bytes: loader,
        },
        LoaderFile {
            path: "loader/loader.conf".to_owned(),
            bytes: configuration(menu).into_bytes(),
        },
    ];
    // Without a sort key the loader orders entries by name, the last one first.
    for (position, entry) in menu.entries().iter().enumerate() {
        let text = format!(
            "title    {}\nsort-key livestick-{position:02}\nlinux    /{}\ninitrd   /{}\noptions  {}\n",
            entry.title,
            paths::KERNEL,
            paths::INITRD,
            entry.options,
        );
        files.push(LoaderFile {
            path: format!("loader/entries/{}.conf", entry.id),
            bytes: text.into_bytes(),
        });
    }
    files
}

/// Without the last two lines the loader adds entries of its own: other systems that it finds, and the
/// firmware's settings.
fn configuration(menu: &Menu) -> String {
    let default = menu.entries().first().map_or("", |entry| entry.id);
    let timeout = menu.timeout_seconds();
    format!("timeout {timeout}\ndefault {default}.conf\nauto-entries no\nauto-firmware no\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MenuSettings;
    use crate::menu::example;

    #[test]
    fn the_menu_is_what_systemd_boot_reads() {
        let text: String = files(vec![1], &example())
            .iter()
            .filter(|file| file.path != LOADER_PATH)
            .map(|file| format!("{}:\n{}\n", file.path, String::from_utf8_lossy(&file.bytes)))
            .collect();
        let expected = "\
loader/loader.conf:
timeout 2
default normal.conf
auto-entries no
auto-firmware no

loader/entries/normal.conf:
title    Débian's ^x
sort-key livestick-00
linux    /live/vmlinuz
initrd   /live/initrd.img
options  quiet console=tty0 console=ttyS0,115200 a=b

loader/entries/toram.conf:
title    Débian's ^x (to RAM)
sort-key livestick-01
linux    /live/vmlinuz
initrd   /live/initrd.img
options  quiet toram console=tty0 console=ttyS0,115200 a=b

loader/entries/safe.conf:
title    Débian's ^x (safe graphics)
sort-key livestick-02
linux    /live/vmlinuz
initrd   /live/initrd.img
options  quiet nomodeset console=tty0 console=ttyS0,115200 a=b

loader/entries/check.conf:
title    Débian's ^x (check this stick)
sort-key livestick-03
linux    /live/vmlinuz
initrd   /live/initrd.img
options  quiet check-stick console=tty0 console=ttyS0,115200 a=b

loader/entries/verbose.conf:
title    Débian's ^x (verbose, with a rescue shell)
sort-key livestick-04
linux    /live/vmlinuz
initrd   /live/initrd.img
options  debug loglevel=7 break=init console=tty0 console=ttyS0,115200 a=b

";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_timeout_of_0_boots_at_once() {
        let menu = Menu::new(&MenuSettings::default()).unwrap();
        assert!(configuration(&menu).starts_with("timeout 0\n"));
    }
}
