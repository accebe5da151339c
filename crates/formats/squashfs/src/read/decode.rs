//! The decompressors. A context belongs to one thread and is used again for every block.

use super::superblock::Compressor;
use libdeflater::Decompressor;
use liblzma::stream::{Action, Status, Stream};
use zstd_safe::DCtx;

/// What an xz stream may take for its dictionary: liblzma's default is 8 MiB, and no block is longer
/// than 1 MiB. A hostile header could ask for 4 GiB.
const XZ_LIMIT_BYTES: u64 = 32 << 20;

/// Why a block cannot be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken;

/// Decompresses blocks.
pub(crate) enum Decoder {
    Gzip(Decompressor),
    Xz,
    Lz4,
    Zstd(DCtx<'static>),
}

impl Decoder {
    pub(crate) fn new(compressor: Compressor) -> Self {
        match compressor {
            Compressor::Gzip => Self::Gzip(Decompressor::new()),
            Compressor::Xz => Self::Xz,
            Compressor::Lz4 => Self::Lz4,
            Compressor::Zstd => Self::Zstd(DCtx::create()),
        }
    }

    /// Decompresses a whole block; says how long it is. One that is longer than `output` is broken.
    pub(crate) fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<usize, Broken> {
        let decoded = match self {
            Self::Gzip(decompressor) => decompressor.zlib_decompress(input, output).ok(),
            Self::Xz => xz(input, output),
            Self::Lz4 => lzzzz::lz4::decompress(input, output).ok(),
            Self::Zstd(context) => context.decompress(output, input).ok(),
        };
        decoded
            .filter(|length| *length <= output.len())
            .ok_or(Broken)
    }
}

fn xz(input: &[u8], output: &mut [u8]) -> Option<usize> {
    let mut stream = Stream::new_stream_decoder(XZ_LIMIT_BYTES, 0).ok()?;
    match stream.process(input, output, Action::Finish) {
        Ok(Status::StreamEnd) => usize::try_from(stream.total_out()).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_the_output_or_cut_off_is_broken() {
        let text = b"the same words and the same words and the same words".repeat(50);
        let mut stored = vec![0; 8192];
        let length = libdeflater::Compressor::default()
            .zlib_compress(&text, &mut stored)
            .unwrap();
        let zstd_length = {
            let mut memory = vec![0; 8192];
            let length = zstd_safe::compress(&mut memory[..], &text, 3).unwrap();
            memory.truncate(length);
            memory
        };
        let mut xz_stored = Vec::new();
        let options = liblzma::stream::LzmaOptions::new_preset(6).unwrap();
        let mut filters = liblzma::stream::Filters::new();
        filters.x86().lzma2(&options);
        let mut stream =
            Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32).unwrap();
        xz_stored.reserve(8192);
        stream
            .process_vec(&text, &mut xz_stored, Action::Finish)
            .unwrap();
        let mut lz4_stored = Vec::new();
        lzzzz::lz4::compress_to_vec(&text, &mut lz4_stored, 1).unwrap();

        for (compressor, bytes) in [
            (Compressor::Gzip, &stored[..length]),
            (Compressor::Zstd, &zstd_length),
            (Compressor::Xz, &xz_stored),
            (Compressor::Lz4, &lz4_stored),
        ] {
            let mut decoder = Decoder::new(compressor);
            let mut output = vec![0; text.len() + 7];
            let length = decoder.decode(bytes, &mut output).unwrap();
            assert_eq!(&output[..length], text, "{compressor}");
            let mut small = vec![0; text.len() - 1];
            assert_eq!(
                decoder.decode(bytes, &mut small),
                Err(Broken),
                "{compressor}"
            );
            let cut = &bytes[..bytes.len() - 1];
            assert_eq!(
                decoder.decode(cut, &mut output),
                Err(Broken),
                "{compressor}"
            );
        }
    }

    #[test]
    fn a_dictionary_of_gigabytes_is_not_allocated() {
        let options = {
            let mut options = liblzma::stream::LzmaOptions::new_preset(1).unwrap();
            options.dict_size(1 << 30);
            options
        };
        let mut filters = liblzma::stream::Filters::new();
        filters.lzma2(&options);
        let mut stored = Vec::with_capacity(8192);
        Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc32)
            .unwrap()
            .process_vec(b"short", &mut stored, Action::Finish)
            .unwrap();
        let mut output = [0; 64];
        let mut decoder = Decoder::new(Compressor::Xz);
        assert_eq!(decoder.decode(&stored, &mut output), Err(Broken));
    }
}
