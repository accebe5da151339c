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
    arch: "systemd",
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
        boot_code: None,
        origins: vec![(LOADER_PATH.to_owned(), origin)],
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

fn configuration(menu: &Menu) -> String {
    let default = menu.entries().first().map_or("", |entry| entry.id);
    let timeout = menu.timeout_seconds();
    format!("timeout {timeout}\ndefault {default}.conf\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_names_kernel_initrd_and_options() {
        let menu = Menu::new("Debian", "a=b", 0).unwrap();
        let files = files(vec![1], &menu);
        let text = |path: &str| {
            let file = files.iter().find(|file| file.path == path).unwrap();
            String::from_utf8(file.bytes.clone()).unwrap()
        };
        assert_eq!(
            text("loader/loader.conf"),
            "timeout 0\ndefault normal.conf\n"
        );
        assert_eq!(
            text("loader/entries/safe.conf"),
            "title    Debian (safe graphics)\n\
             sort-key livestick-01\n\
             linux    /live/vmlinuz\n\
             initrd   /live/initrd.img\n\
             options  quiet nomodeset a=b\n"
        );
    }
}
