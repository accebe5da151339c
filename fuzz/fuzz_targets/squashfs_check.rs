//! Any bytes as an image: checked. What the checker finds nothing wrong with can be read.

#![no_main]

#[path = "../bodies/squashfs_check.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
