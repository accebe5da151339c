//! Reads any bytes as an EFI program, and as a kernel image.

use livestick_kernel::{EfiProgram, KernelImage};

/// What the target does with some bytes.
pub fn run(bytes: &[u8]) {
    if let Ok(program) = EfiProgram::parse(bytes) {
        // Nothing that lies behind the certificate table matters, and nothing in it can be missing.
        let longer = [bytes, &[0; 16]].concat();
        assert_eq!(EfiProgram::parse(&longer), Ok(program));
    }
    if let Ok(image) = KernelImage::parse(bytes) {
        assert!(image.description.starts_with(&image.release));
    }
}
