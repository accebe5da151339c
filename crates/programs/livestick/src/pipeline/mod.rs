//! Where the stages meet.

mod build;
mod built;
mod failures;
mod source;
pub mod squashfs;
mod stick;
mod warnings;

pub use build::build;
pub use built::Built;
