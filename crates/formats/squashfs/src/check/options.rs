//! The compressor's options, as the kernel's decompressors look at them.

use super::{CheckReport, Severity};
use crate::format::{METADATA_STORED, SUPERBLOCK_BYTES};
use crate::read::superblock::{Compressor, CompressorOptions, Superblock};
use livestick_blockio::ReadAt;

/// The smallest page that there is.
const PAGE_BYTES: u16 = 4096;
/// The smallest dictionary that xz has.
const XZ_DICTIONARY_LEAST_BYTES: u32 = 8 << 10;

pub(super) fn check(source: &impl ReadAt, superblock: &Superblock, report: &mut CheckReport) {
    let place = ("block of compressor options", 96);
    // `xz_wrapper.c` and `lz4_wrapper.c` look at them, the others only read them.
    let looks = matches!(superblock.compressor, Compressor::Xz | Compressor::Lz4);
    let fails = superblock.flags.has_compressor_options() && !can_be_read(source);
    let severity = if looks || fails {
        Severity::Mount
    } else {
        Severity::Odd
    };
    match CompressorOptions::read(source, superblock) {
        Err(error) => report.error(severity, None, &error),
        Ok((None, _)) if superblock.compressor == Compressor::Lz4 => {
            report.note(severity, place, "lz4 must have options, and there are none");
        }
        Ok((Some(CompressorOptions::Lz4 { version, .. }), _)) if version != 1 => {
            report.note(
                severity,
                place,
                format!("there is no version {version} of lz4"),
            );
        }
        Ok((
            Some(CompressorOptions::Xz {
                dictionary_bytes, ..
            }),
            _,
        )) if !is_dictionary(dictionary_bytes) => {
            let problem = format!("xz cannot have a dictionary of {dictionary_bytes} bytes");
            report.note(severity, place, problem);
        }
        Ok(_) => {}
    }
}

/// Whether the kernel can: they are not compressed, and fit into a page (`get_comp_opts()`).
fn can_be_read(source: &impl ReadAt) -> bool {
    let mut header = [0; 2];
    let read = source.read_exact_at(&mut header, SUPERBLOCK_BYTES as u64);
    let header = u16::from_le_bytes(header);
    let length = header & !METADATA_STORED;
    read.is_ok() && header & METADATA_STORED != 0 && length <= PAGE_BYTES
}

/// A power of two, or one and a half of it.
fn is_dictionary(bytes: u32) -> bool {
    let rest = bytes & bytes.saturating_sub(1);
    bytes >= XZ_DICTIONARY_LEAST_BYTES && (rest == 0 || (bytes - rest) * 2 == rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries() {
        let kib = |kib: u32| is_dictionary(kib << 10);
        assert!(kib(8) && kib(12) && kib(128) && kib(96) && kib(1024));
        assert!(!kib(0) && !kib(4) && !kib(40) && !kib(112) && !is_dictionary(8193));
        assert!(!is_dictionary(u32::MAX));
    }
}
