//! Where the stages meet.

mod audit;
mod build;
mod built;
mod failures;
mod plan;
mod source;
pub mod squashfs;
mod stick;
mod warnings;

pub use audit::Secret;
pub use build::build;
pub use built::Built;
pub use plan::{Plan, plan};
