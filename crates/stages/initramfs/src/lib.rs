//! The archive that the kernel unpacks before anything else: `/init`, the kernel modules that can
//! matter on the way to the stick, and what the builder tells `/init`.
//!
//! [`select_kernel`] chooses a kernel of a root, [`Contents::gather`] collects what its initramfs
//! holds, and [`Contents::write`] makes the archive, which is two:
//!
//! 1. An uncompressed one: the [seal](livestick_handoff::Seal), which is patched when the root image
//!    is written, and CPU microcode, which the kernel looks for before it can unpack anything.
//! 2. A compressed one with the rest.
//!
//! Nothing of the root is executed and nothing is written to it.

mod archive;
mod busybox;
mod codec;
mod contents;
mod error;
#[cfg(test)]
mod fixture;
mod microcode;
mod module_set;
mod modules;
mod packed;
mod select;

pub use archive::{Initramfs, WriteError, WriteOptions};
pub use busybox::static_busybox;
pub use codec::Codec;
pub use contents::{Contents, NamedFile};
pub use error::GatherError;
pub use microcode::Microcode;
pub use select::{KernelFiles, Selection, find_kernels, select_kernel};
