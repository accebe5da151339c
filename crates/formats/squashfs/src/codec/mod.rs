//! The compressors. A context belongs to one thread and is used again for every block.

mod levels;

use crate::format::{
    COMPRESSOR_GZIP, COMPRESSOR_ZSTD, METADATA_BLOCK_BYTES, RawGzipOptions, RawZstdOptions,
};
use crate::{Compression, WriteError};
use libdeflater::{CompressionLvl, Compressor};
use zerocopy::IntoBytes;
use zstd_safe::zstd_sys::ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall;
use zstd_safe::{CCtx, CParameter, get_error_name, is_error_kind};

/// The format's name for zlib's highest level, with which options need not be stored.
const GZIP_DEFAULT_LEVEL: u32 = 9;
/// zlib's window of 32 KiB; libdeflate knows no other.
const GZIP_WINDOW_LOG: u16 = 15;
/// Up to this level zstd is about as fast as a look at whether it is worth it.
const ZSTD_LEVEL_WITHOUT_PROBE: u32 = 3;
/// Up to this level libdeflate is.
const GZIP_LEVEL_WITHOUT_PROBE: u32 = 1;
/// How many bytes, spread over a block, tell whether it looks like noise.
const SAMPLE_BYTES: usize = 4096;
/// The sum of squares of the 256 counts in a sample of noise is `n * n / 256 + n` on average, with
/// a deviation of under 2 % of that. Text, code and tables are far above.
const NOISE_LIMIT: usize = (SAMPLE_BYTES * SAMPLE_BYTES / 256 + SAMPLE_BYTES) * 115 / 100;

/// The number of a compressor in the superblock.
pub(crate) fn compressor_number(compression: Compression) -> u16 {
    match compression {
        Compression::Gzip { .. } => COMPRESSOR_GZIP,
        Compression::Zstd { .. } => COMPRESSOR_ZSTD,
    }
}

/// The compressor options after the superblock, where there are any. Linux ignores them; they tell
/// `unsquashfs -s` the level.
pub(crate) fn compressor_options(compression: Compression) -> Option<Vec<u8>> {
    match compression {
        // Tools refuse levels above 9, which are libdeflate's alone.
        Compression::Gzip { level } if level >= GZIP_DEFAULT_LEVEL => None,
        Compression::Gzip { level } => {
            let options = RawGzipOptions {
                level: level.into(),
                window_log: GZIP_WINDOW_LOG.into(),
                strategies: 0.into(),
            };
            Some(options.as_bytes().to_vec())
        }
        Compression::Zstd { level } => {
            let options = RawZstdOptions {
                level: level.into(),
            };
            Some(options.as_bytes().to_vec())
        }
    }
}

/// Compresses blocks.
pub(crate) struct Encoder {
    codec: Codec,
    probe: Option<CCtx<'static>>,
}

enum Codec {
    Zstd(CCtx<'static>),
    Gzip(Compressor),
}

impl Encoder {
    /// An encoder for blocks of data up to a length.
    pub(crate) fn for_data(
        compression: Compression,
        block_bytes: usize,
    ) -> Result<Self, WriteError> {
        let probed = match compression {
            Compression::Zstd { level } => level > ZSTD_LEVEL_WITHOUT_PROBE,
            Compression::Gzip { level } => level > GZIP_LEVEL_WITHOUT_PROBE,
        };
        let probe = probed.then(|| zstd(1, block_bytes)).transpose()?;
        let codec = Codec::new(compression, block_bytes)?;
        Ok(Self { codec, probe })
    }

    /// An encoder for metadata blocks.
    pub(crate) fn for_metadata(compression: Compression) -> Result<Self, WriteError> {
        let codec = Codec::new(compression, METADATA_BLOCK_BYTES)?;
        Ok(Self { codec, probe: None })
    }

    /// Compresses into `output`, which is at least as long as the input. `None`: it does not get
    /// smaller, and is to be stored as it is.
    pub(crate) fn encode(
        &mut self,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<Option<usize>, WriteError> {
        let output = &mut output[..input.len().saturating_sub(1)];
        if let Some(probe) = &mut self.probe
            && looks_like_noise(input)
            && zstd_encode(probe, input, output)?.is_none()
        {
            return Ok(None);
        }
        match &mut self.codec {
            Codec::Zstd(context) => zstd_encode(context, input, output),
            Codec::Gzip(compressor) => Ok(compressor.zlib_compress(input, output).ok()),
        }
    }
}

impl Codec {
    fn new(compression: Compression, block_bytes: usize) -> Result<Self, WriteError> {
        match compression {
            Compression::Zstd { level } => Ok(Self::Zstd(zstd(level, block_bytes)?)),
            Compression::Gzip { level } => {
                let number = i32::try_from(level).unwrap_or(i32::MAX);
                let level = CompressionLvl::new(number)
                    .map_err(|_| WriteError::Level("gzip", level, 12))?;
                Ok(Self::Gzip(Compressor::new(level)))
            }
        }
    }
}

fn zstd(level: u32, block_bytes: usize) -> Result<CCtx<'static>, WriteError> {
    let parameters = levels::parameters(level, block_bytes);
    let mut context = CCtx::try_create().ok_or(WriteError::Compressor("out of memory"))?;
    for parameter in [
        CParameter::WindowLog(parameters.window_log),
        CParameter::ChainLog(parameters.chain_log),
        CParameter::HashLog(parameters.hash_log),
        CParameter::SearchLog(parameters.search_log),
        CParameter::MinMatch(parameters.min_match),
        CParameter::TargetLength(parameters.target_length),
        CParameter::Strategy(parameters.strategy),
    ] {
        context
            .set_parameter(parameter)
            .map_err(|code| WriteError::Compressor(get_error_name(code)))?;
    }
    Ok(context)
}

fn zstd_encode(
    context: &mut CCtx<'static>,
    input: &[u8],
    output: &mut [u8],
) -> Result<Option<usize>, WriteError> {
    match context.compress2(output, input) {
        Ok(length) => Ok(Some(length)),
        Err(code) if is_error_kind(code, ZSTD_error_dstSize_tooSmall) => Ok(None),
        Err(code) => Err(WriteError::Compressor(get_error_name(code))),
    }
}

/// Whether the bytes of a block are spread as evenly as those of compressed data. A look of a
/// microsecond, so that a real try is made only where it may save one.
fn looks_like_noise(block: &[u8]) -> bool {
    if block.len() < SAMPLE_BYTES {
        return false;
    }
    let mut counts = [0_usize; 256];
    let runs = 16;
    for run in block.chunks(block.len() / runs).take(runs) {
        for byte in &run[..SAMPLE_BYTES / runs] {
            counts[usize::from(*byte)] += 1;
        }
    }
    counts.iter().map(|count| count * count).sum::<usize>() < NOISE_LIMIT
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<u8> {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn noise_is_told_from_text() {
        for length in [4096, 5000, 131_072, 1 << 20] {
            assert!(looks_like_noise(&noise(length)), "{length}");
            let text = b"a line of text, then one more; ".repeat(length / 31 + 1);
            assert!(!looks_like_noise(&text[..length]), "{length}");
        }
        assert!(!looks_like_noise(b"short"));
    }

    #[test]
    fn base64_of_noise_is_compressed() {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let input: Vec<u8> = noise(131_072)
            .iter()
            .map(|byte| digits[usize::from(byte % 64)])
            .collect();
        let mut output = vec![0; input.len()];
        let mut encoder = Encoder::for_data(Compression::Zstd { level: 15 }, input.len()).unwrap();
        let length = encoder.encode(&input, &mut output).unwrap().unwrap();
        assert!(length < input.len() * 4 / 5, "{length}");
    }

    #[test]
    fn every_level_of_every_block_size_round_trips() {
        let mut input = b"some words and some more words ".repeat(40);
        input.extend(noise(3000));
        let mut output = vec![0; input.len()];
        for log in 12..=20 {
            for level in 1..=22 {
                let mut encoder = Encoder::for_data(Compression::Zstd { level }, 1 << log).unwrap();
                let length = encoder.encode(&input, &mut output).unwrap().unwrap();
                let mut back = vec![0; input.len()];
                zstd_safe::decompress(&mut back[..], &output[..length]).unwrap();
                assert_eq!(back, input, "level {level}, block 2^{log}");
            }
        }
        for level in 1..=12 {
            let mut encoder = Encoder::for_data(Compression::Gzip { level }, 1 << 17).unwrap();
            let length = encoder.encode(&input, &mut output).unwrap().unwrap();
            let mut back = vec![0; input.len()];
            libdeflater::Decompressor::new()
                .zlib_decompress(&output[..length], &mut back)
                .unwrap();
            assert_eq!(back, input, "level {level}");
        }
    }

    #[test]
    fn what_does_not_shrink_is_left_alone() {
        let input = noise(131_072);
        let mut output = vec![0; input.len()];
        for compression in [
            Compression::Zstd { level: 3 },
            Compression::Zstd { level: 15 },
            Compression::Gzip { level: 6 },
        ] {
            let mut encoder = Encoder::for_data(compression, input.len()).unwrap();
            assert_eq!(encoder.encode(&input, &mut output).unwrap(), None);
            assert_eq!(encoder.encode(&input[..1], &mut output).unwrap(), None);
            assert_eq!(encoder.encode(&[], &mut output).unwrap(), None);
        }
    }
}
