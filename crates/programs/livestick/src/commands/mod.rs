//! The commands: one call into the pipeline each, then the report.

pub mod build;
pub mod device;
pub mod plan;
pub mod squashfs;
