//! Reads any bytes as an EFI program, and as a kernel image.

#![no_main]

#[path = "../bodies/efi_program.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| body::run(bytes));
