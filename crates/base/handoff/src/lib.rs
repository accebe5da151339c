//! What the builder tells `/init`: the seal and the module plan inside the initramfs, the manifest
//! and the paths on the stick, the words of the kernel command line, and the strings with which a
//! test harness speaks to a booted stick.
//!
//! Builder and `/init` never share state in another way: what is not here, neither may assume of
//! the other. Everything is line-based text, so that a person with a shell can read it.

mod break_point;
mod checksums;
mod cmdline;
mod fields;
mod identity;
mod manifest;
mod medium_choice;
mod modules;
pub mod oem;
pub mod paths;
mod ram;
mod seal;
mod segments;

pub use break_point::{BreakPoint, NotABreakPoint};
pub use checksums::Checksum;
pub use cmdline::{CommandLine, ModuleOption, words};
pub use fields::ParseError;
pub use identity::Identity;
pub use manifest::Manifest;
pub use medium_choice::{MediumChoice, NotAMedium};
pub use modules::{Alias, Module, ModulePlan};
pub use ram::{NotASize, RamBudget, RamSize, Workload};
pub use seal::Seal;
pub use segments::{Segment, Segments};
