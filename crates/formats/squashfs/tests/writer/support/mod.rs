//! What the tests share.

pub mod image;
pub mod scan;
