//! Reads any bytes as a tar archive, and a little of every file that it is said to have.

#![no_main]

#[path = "../bodies/tar.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
