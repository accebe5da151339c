//! Reads any bytes as an EFI program, and as a kernel image.

#![no_main]

use libfuzzer_sys::fuzz_target;
use livestick_kernel::{EfiProgram, KernelImage};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(program) = EfiProgram::parse(bytes) {
        // Nothing that lies behind the certificate table matters, and nothing in it can be missing.
        let longer = [bytes, &[0; 16]].concat();
        assert_eq!(EfiProgram::parse(&longer), Ok(program));
    }
    if let Ok(image) = KernelImage::parse(bytes) {
        assert!(image.description.starts_with(&image.release));
    }
});
