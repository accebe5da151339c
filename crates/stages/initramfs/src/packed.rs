//! Files of the root that may be compressed there.

use crate::GatherError;
use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use livestick_tree::RootFiles;
use std::io::{self, ErrorKind, Read};
use zstd_safe::{DCtx, InBuffer, OutBuffer, get_error_name};

/// The most that a file is unpacked to. The largest module of a distribution, a graphics driver with
/// its debug information, has about 30 MB.
const UNPACKED_LIMIT_BYTES: usize = 256 << 20;

/// What distributions append to the names of compressed modules and firmware.
const SUFFIXES: [&str; 4] = ["", ".zst", ".xz", ".gz"];

/// Reads a file and unpacks it where its name says that it is compressed.
pub(crate) fn read_unpacked(root: &dyn RootFiles, path: &str) -> Result<Vec<u8>, GatherError> {
    let bytes = root.read(path).map_err(|source| GatherError::Read {
        path: path.to_owned(),
        source,
    })?;
    unpack(path, bytes).map_err(|source| GatherError::Unpack {
        path: path.to_owned(),
        source,
    })
}

/// Reads the first of the files that is there, under its own name or compressed.
pub(crate) fn read_any_form(
    root: &dyn RootFiles,
    paths: &[String],
) -> Result<Option<Vec<u8>>, GatherError> {
    for path in paths {
        for suffix in SUFFIXES {
            let path = format!("{path}{suffix}");
            match read_unpacked(root, &path) {
                Err(GatherError::Read { source, .. }) if is_absent(&source) => {}
                result => return result.map(Some),
            }
        }
    }
    Ok(None)
}

/// Reads a text file; `None` where it is not there.
pub(crate) fn read_text(root: &dyn RootFiles, path: &str) -> Result<Option<String>, GatherError> {
    match root.read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(GatherError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// The names in a folder; none where it is not there.
pub(crate) fn list(root: &dyn RootFiles, path: &str) -> Result<Vec<String>, GatherError> {
    match root.list(path) {
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        result => result.map_err(|source| GatherError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Not there, or something else than what was looked for.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput
    )
}

fn unpack(path: &str, bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    match path.rsplit_once('.').map(|(_, suffix)| suffix) {
        Some("gz") => read_limited(MultiGzDecoder::new(&*bytes)),
        Some("xz") => read_limited(XzDecoder::new_multi_decoder(&*bytes)),
        Some("zst") => unpack_zstd(&bytes),
        _ => Ok(bytes),
    }
}

fn read_limited(source: impl Read) -> io::Result<Vec<u8>> {
    let limit = UNPACKED_LIMIT_BYTES as u64 + 1;
    let mut unpacked = Vec::new();
    source.take(limit).read_to_end(&mut unpacked)?;
    if unpacked.len() > UNPACKED_LIMIT_BYTES {
        return Err(ErrorKind::FileTooLarge.into());
    }
    Ok(unpacked)
}

fn unpack_zstd(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut context = DCtx::try_create().ok_or(ErrorKind::OutOfMemory)?;
    let mut input = InBuffer::around(bytes);
    let mut unpacked = Vec::new();
    let mut block = vec![0; DCtx::out_size()];
    loop {
        let mut output = OutBuffer::around(&mut *block);
        let more = context
            .decompress_stream(&mut output, &mut input)
            .map_err(|code| io::Error::new(ErrorKind::InvalidData, get_error_name(code)))?;
        let produced = output.as_slice();
        unpacked.extend_from_slice(produced);
        let all_read = input.pos() == bytes.len();
        if unpacked.len() > UNPACKED_LIMIT_BYTES {
            return Err(ErrorKind::FileTooLarge.into());
        }
        if all_read && more == 0 {
            return Ok(unpacked);
        }
        if all_read && produced.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn packed(suffix: &str, bytes: &[u8]) -> Vec<u8> {
        match suffix {
            "gz" => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            "xz" => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            "zst" => {
                let mut packed = Vec::with_capacity(zstd_safe::compress_bound(bytes.len()));
                zstd_safe::compress(&mut packed, bytes, 1).unwrap();
                packed
            }
            _ => bytes.to_vec(),
        }
    }

    #[test]
    fn every_form_is_unpacked_and_a_truncated_one_refused() {
        let bytes: Vec<u8> = (0..400_000u32).flat_map(u32::to_le_bytes).collect();
        for suffix in ["ko", "gz", "xz", "zst"] {
            let path = format!("m.ko.{suffix}");
            let packed = packed(suffix, &bytes);
            assert_eq!(unpack(&path, packed.clone()).unwrap(), bytes, "{suffix}");
            if suffix != "ko" {
                let half = packed[..packed.len() / 2].to_vec();
                assert!(unpack(&path, half).is_err(), "{suffix}");
                assert!(unpack(&path, b"nothing of the kind".to_vec()).is_err());
            }
        }
    }
}
