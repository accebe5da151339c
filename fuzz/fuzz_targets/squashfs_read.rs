//! Any bytes as an image: opened, listed, looked up and read.

#![no_main]

#[path = "../bodies/squashfs_read.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
