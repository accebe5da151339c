//! Loader files, menus and patches for each firmware.
//!
//! [`collect`] takes the loaders that the host's packages brought and adds one [`Menu`], rendered for
//! each of them: SYSLINUX for BIOS, the signed shim and GRUB or else systemd-boot for 64-bit UEFI, GRUB
//! for 32-bit UEFI. It fetches and writes nothing: what it returns are bytes with their paths on the
//! stick. Once the volume is planned and it is known where `ldlinux.sys` lies, [`syslinux::patch`]
//! completes the BIOS side.
//!
//! Sources: SYSLINUX 6.04 (`libinstaller/`, `com32/elflink/ldlinux/`), the manual page
//! `loader.conf(5)`, the Boot Loader Specification, GRUB 2.06 (its manual, and Debian's
//! `build-efi-images`), and shim 15 (`README.md`).

mod choice;
mod collect;
mod console;
mod error;
mod grub;
mod host;
mod menu;
mod packages;
mod request;
pub mod syslinux;
mod systemd_boot;

pub use collect::{BootCode, LoaderFile, LoaderFiles, collect};
pub use console::{Console, NotAConsole, SerialPort};
pub use error::{Error, Missing, MissingFiles};
pub use menu::{Entry, Menu, MenuError, MenuSettings};
pub use request::{Firmware, KernelAbilities, Request, SecureBoot, Support, Wish};
