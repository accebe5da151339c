//! Where the stages meet.

mod build;
mod built;
mod source;
mod stick;
mod warnings;

pub use build::build;
pub use built::Built;
