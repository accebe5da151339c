//! The compressors. A context belongs to one thread and is used again for every block.

mod levels;
mod lz4;
mod machine;
mod noise;
mod repeats;
mod xz;
mod zstd;

pub(crate) use machine::{CodeBytes, Machine};

use crate::format::{
    COMPRESSOR_GZIP, COMPRESSOR_LZ4, COMPRESSOR_XZ, COMPRESSOR_ZSTD, LZ4_HIGH, LZ4_VERSION,
    METADATA_BLOCK_BYTES, RawGzipOptions, RawLz4Options, RawXzOptions, RawZstdOptions,
};
use crate::{Compression, WriteError};
use libdeflater::{CompressionLvl, Compressor};
use noise::looks_like_noise;
use xz::Xz;
use zerocopy::IntoBytes;
use zstd::Zstd;

/// The format's name for zlib's highest level, with which options need not be stored.
const GZIP_DEFAULT_LEVEL: u32 = 9;
/// zlib's window of 32 KiB; libdeflate knows no other.
const GZIP_WINDOW_LOG: u16 = 15;
/// Up to this level zstd is about as fast as a look at whether it is worth it.
const ZSTD_LEVEL_WITHOUT_PROBE: u32 = 3;
/// Up to this level libdeflate is.
const GZIP_LEVEL_WITHOUT_PROBE: u32 = 1;

/// The number of a compressor in the superblock.
pub(crate) fn compressor_number(compression: Compression) -> u16 {
    match compression {
        Compression::Gzip { .. } => COMPRESSOR_GZIP,
        Compression::Zstd { .. } => COMPRESSOR_ZSTD,
        Compression::Xz { .. } => COMPRESSOR_XZ,
        Compression::Lz4 { .. } => COMPRESSOR_LZ4,
    }
}

/// The compressor options after the superblock, where there are any. Linux needs those of xz for
/// the dictionary and refuses LZ4 without; the others tell `unsquashfs -s` the level.
pub(crate) fn compressor_options(
    compression: Compression,
    block_size_bytes: u32,
) -> Option<Vec<u8>> {
    let bytes = match compression {
        // Tools refuse levels above 9, which are libdeflate's alone.
        Compression::Gzip { level } if level >= GZIP_DEFAULT_LEVEL => return None,
        Compression::Gzip { level } => RawGzipOptions {
            level: level.into(),
            window_log: GZIP_WINDOW_LOG.into(),
            strategies: 0.into(),
        }
        .as_bytes()
        .to_vec(),
        Compression::Zstd { level } => RawZstdOptions {
            level: level.into(),
        }
        .as_bytes()
        .to_vec(),
        Compression::Xz { filter, .. } => RawXzOptions {
            dictionary_bytes: xz::dictionary_bytes(block_size_bytes).into(),
            filters: xz::filter_bits(filter).into(),
        }
        .as_bytes()
        .to_vec(),
        Compression::Lz4 { level } => RawLz4Options {
            version: LZ4_VERSION.into(),
            flags: if lz4::is_high(level) { LZ4_HIGH } else { 0 }.into(),
        }
        .as_bytes()
        .to_vec(),
    };
    Some(bytes)
}

/// Where the fast probe of a block that looks like noise saves less than this part of it, a slow level
/// saves hardly more: music and pictures.
const LITTLE: usize = 40;

/// Compresses blocks.
pub(crate) struct Encoder {
    codec: Codec,
    probe: Option<Zstd>,
}

enum Codec {
    Zstd(Zstd),
    Gzip(Compressor),
    Xz(Xz),
    Lz4(u32),
}

impl Encoder {
    /// An encoder for blocks of data up to a length.
    pub(crate) fn for_data(
        compression: Compression,
        block_size_bytes: u32,
    ) -> Result<Self, WriteError> {
        let probed = match compression {
            Compression::Zstd { level } => level > ZSTD_LEVEL_WITHOUT_PROBE,
            Compression::Gzip { level } => level > GZIP_LEVEL_WITHOUT_PROBE,
            Compression::Xz { .. } => true,
            Compression::Lz4 { level } => lz4::is_high(level),
        };
        let block_bytes = usize::try_from(block_size_bytes).unwrap_or(usize::MAX);
        let probe = probed.then(|| Zstd::new(1, block_bytes)).transpose()?;
        let codec = Codec::new(compression, block_size_bytes)?;
        Ok(Self { codec, probe })
    }

    /// An encoder for metadata blocks.
    pub(crate) fn for_metadata(compression: Compression) -> Result<Self, WriteError> {
        let block_bytes = u32::try_from(METADATA_BLOCK_BYTES).unwrap_or(u32::MAX);
        let codec = Codec::new(compression, block_bytes)?;
        Ok(Self { codec, probe: None })
    }

    /// Compresses into `output`, which is at least as long as the input. `machine` says whose code
    /// it is, where there is any. `None`: it does not get smaller, and is to be stored as it is.
    pub(crate) fn encode(
        &mut self,
        input: &[u8],
        machine: Option<Machine>,
        output: &mut [u8],
    ) -> Result<Option<usize>, WriteError> {
        let output = &mut output[..input.len().saturating_sub(1)];
        if let Some(probe) = &mut self.probe
            && looks_like_noise(input)
        {
            match (probe.encode(input, output)?, &self.codec) {
                (None, _) => return Ok(None),
                // As good as it gets, and there already.
                (Some(length), Codec::Zstd(_)) if input.len() - length < input.len() / LITTLE => {
                    return Ok(Some(length));
                }
                _ => {}
            }
        }
        match &mut self.codec {
            Codec::Zstd(zstd) => zstd.encode(input, output),
            Codec::Gzip(compressor) => Ok(compressor.zlib_compress(input, output).ok()),
            Codec::Xz(xz) => xz.encode(input, machine, output),
            Codec::Lz4(level) => Ok(lz4::encode(*level, input, output)),
        }
    }
}

impl Codec {
    fn new(compression: Compression, block_size_bytes: u32) -> Result<Self, WriteError> {
        Ok(match compression {
            Compression::Zstd { level } => {
                let block_bytes = usize::try_from(block_size_bytes).unwrap_or(usize::MAX);
                Self::Zstd(Zstd::new(level, block_bytes)?)
            }
            Compression::Gzip { level } => {
                let number = i32::try_from(level).unwrap_or(i32::MAX);
                let level = CompressionLvl::new(number)
                    .map_err(|_| WriteError::Compressor("libdeflate has no such level"))?;
                Self::Gzip(Compressor::new(level))
            }
            Compression::Xz { level, filter } => {
                let dictionary_bytes = xz::dictionary_bytes(block_size_bytes);
                Self::Xz(Xz::new(level, filter, dictionary_bytes)?)
            }
            Compression::Lz4 { level } => Self::Lz4(level),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::XzFilter;
    use liblzma::stream::{Action, Status, Stream};

    pub(super) fn noise(length: usize) -> Vec<u8> {
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
    fn base64_of_noise_is_compressed() {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let input: Vec<u8> = noise(131_072)
            .iter()
            .map(|byte| digits[usize::from(byte % 64)])
            .collect();
        let mut output = vec![0; input.len()];
        let mut encoder = Encoder::for_data(Compression::Zstd { level: 15 }, 1 << 17).unwrap();
        let length = encoder.encode(&input, None, &mut output).unwrap().unwrap();
        assert!(length < input.len() * 4 / 5, "{length}");
    }

    #[test]
    fn a_block_that_does_not_shrink_does_not_spoil_the_next() {
        let text = b"some words and some more words ".repeat(5000);
        // Noise has few repeats, text many: at level 3 each is searched in another way.
        let blocks = [noise(131_072), text[..131_072].to_vec()];
        for compression in [
            Compression::Zstd { level: 3 },
            Compression::Zstd { level: 15 },
        ] {
            let mut encoder = Encoder::for_data(compression, 1 << 17).unwrap();
            for input in blocks.iter().chain(&blocks) {
                let mut output = vec![0; input.len()];
                if let Some(length) = encoder.encode(input, None, &mut output).unwrap() {
                    let mut back = vec![0; input.len()];
                    zstd_safe::decompress(&mut back[..], &output[..length]).unwrap();
                    assert_eq!(back, *input);
                }
            }
        }
    }

    #[test]
    fn every_level_of_every_block_size_round_trips() {
        let mut input = b"some words and some more words ".repeat(40);
        input.extend(noise(3000));
        let mut output = vec![0; input.len()];
        for log in 12..=20 {
            for level in 1..=22 {
                let mut encoder = Encoder::for_data(Compression::Zstd { level }, 1 << log).unwrap();
                let length = encoder.encode(&input, None, &mut output).unwrap().unwrap();
                let mut back = vec![0; input.len()];
                zstd_safe::decompress(&mut back[..], &output[..length]).unwrap();
                assert_eq!(back, input, "level {level}, block 2^{log}");
            }
        }
        for level in 1..=12 {
            let mut encoder = Encoder::for_data(Compression::Gzip { level }, 1 << 17).unwrap();
            let length = encoder.encode(&input, None, &mut output).unwrap().unwrap();
            let mut back = vec![0; input.len()];
            libdeflater::Decompressor::new()
                .zlib_decompress(&output[..length], &mut back)
                .unwrap();
            assert_eq!(back, input, "level {level}");
        }
        for level in 1..=12 {
            let mut encoder = Encoder::for_data(Compression::Lz4 { level }, 1 << 17).unwrap();
            let length = encoder.encode(&input, None, &mut output).unwrap().unwrap();
            let mut back = vec![0; input.len()];
            let read = lzzzz::lz4::decompress(&output[..length], &mut back).unwrap();
            assert_eq!((read, &back), (input.len(), &input), "level {level}");
        }
    }

    /// The decoder gets no more memory than the dictionary needs, which is the kernel's rule.
    #[test]
    fn every_level_and_filter_of_xz_round_trips_within_a_block() {
        let mut input = b"\xE8\x10\x20\x00\x00 and \x00\x10\x20\xEB".repeat(500);
        input.extend(noise(300));
        let mut output = vec![0; input.len()];
        let machines = [Machine::X86, Machine::PowerPc, Machine::Arm, Machine::Sparc];
        for log in [12, 17, 20] {
            for level in 0..=9 {
                let filter = XzFilter::Auto;
                let mut encoder =
                    Encoder::for_data(Compression::Xz { level, filter }, 1 << log).unwrap();
                for machine in machines.map(Some).into_iter().chain([None]) {
                    let length = encoder
                        .encode(&input, machine, &mut output)
                        .unwrap()
                        .unwrap();
                    let memory_bytes = (1 << log.max(13)) + (100 << 10);
                    let mut decoder = Stream::new_stream_decoder(memory_bytes, 0).unwrap();
                    let mut back = Vec::with_capacity(input.len() + 1);
                    let status = decoder
                        .process_vec(&output[..length], &mut back, Action::Finish)
                        .unwrap();
                    assert_eq!(status, Status::StreamEnd);
                    assert_eq!(back, input, "level {level}, block 2^{log}, {machine:?}");
                }
            }
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
            Compression::Xz {
                level: 6,
                filter: XzFilter::Auto,
            },
            Compression::Lz4 { level: 1 },
            Compression::Lz4 { level: 12 },
        ] {
            let mut encoder = Encoder::for_data(compression, 1 << 17).unwrap();
            assert_eq!(encoder.encode(&input, None, &mut output).unwrap(), None);
            assert_eq!(
                encoder.encode(&input[..1], None, &mut output).unwrap(),
                None
            );
            assert_eq!(encoder.encode(&[], None, &mut output).unwrap(), None);
        }
    }
}
