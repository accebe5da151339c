//! What the tests share.

// Each test binary has its own use of it.
#![allow(dead_code)]

pub mod everything;
pub mod image;
pub mod plain;
pub mod random;
pub mod reading;
pub mod scan;
