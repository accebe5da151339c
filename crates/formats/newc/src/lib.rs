//! The cpio archive format of initramfs images, "newc": a [`Writer`] and a [`Reader`], both in memory.
//!
//! An archive is a row of entries and a trailer. Each entry is a header of 110 ASCII characters, the
//! path, and the data, both padded to 4 bytes. The same entries give the same bytes: inode numbers
//! count up, the time is the caller's, everything belongs to root.
//!
//! Source: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst` and
//! `init/initramfs.c`.

mod entry;
mod format;
mod read;
mod write;

pub use entry::{Entry, Kind};
pub use read::{ReadError, Reader};
pub use write::{WriteError, Writer};
