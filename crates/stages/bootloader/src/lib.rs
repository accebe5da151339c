//! Loader files, menus and patches for each firmware.
//!
//! [`collect`] takes the loaders that the host's packages brought and adds one [`Menu`], rendered for
//! each of them: SYSLINUX for BIOS, systemd-boot for 64-bit UEFI. It fetches and writes nothing: what
//! it returns are bytes with their paths on the stick. Once the volume is planned and it is known
//! where `ldlinux.sys` lies, [`syslinux::patch`] completes the BIOS side.
//!
//! Sources: SYSLINUX 6.04 (`libinstaller/`, `com32/elflink/ldlinux/`), the manual page
//! `loader.conf(5)`, and the Boot Loader Specification.

mod collect;
mod dpkg;
mod error;
mod host;
mod menu;
pub mod syslinux;
mod systemd_boot;

pub use collect::{BootCode, Firmware, LoaderFile, LoaderFiles, collect};
pub use error::{Error, Missing};
pub use menu::{Entry, Menu, MenuError};
