//! What a distribution's kernel files say: which release an image is, whether it is signed, what it
//! was configured with, which modules there are, and which of them must be loaded, in what order.
//!
//! Everything here takes text or bytes and opens no file. Input may come from anywhere: nothing
//! panics, and nothing recurses.
//!
//! Module names are compared as the kernel does it: `-` and `_` are the same.

mod config;
mod efi;
mod format;
mod image;
mod index;
mod modinfo;
mod name;
mod pattern;
mod release;
mod resolve;

pub use config::KernelConfig;
pub use efi::{EfiError, EfiProgram};
pub use image::{ImageError, KernelImage};
pub use index::{IndexError, IndexTexts, ModuleAlias, ModuleIndex};
pub use modinfo::{ModuleError, ModuleInfo, SoftDependencies};
pub use name::{module_name, normalized};
pub use pattern::alias_matches;
pub use release::compare_releases;
pub use resolve::{LoadPlan, MissingModule, PlannedModule, Want};
