//! Where the stages meet.

mod audit;
mod build;
mod built;
pub mod device;
mod failures;
mod loaders;
mod place;
mod plan;
mod source;
pub mod squashfs;
mod stick;
mod warnings;

pub use audit::Secret;
pub use build::build;
pub use built::{Built, FirmwareSupport, Omitted};
pub use place::check_place;
pub use plan::{Plan, plan};
