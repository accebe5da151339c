//! Compressed archives: recognised by their first bytes, and unpacked as they are read.

use crate::ReadError;
use crate::header::Header;
use crate::limit::{DECODER_LIMIT_BYTES, ZSTD_WINDOW_LIMIT_LOG};
use flate2::bufread::GzDecoder;
use liblzma::bufread::XzDecoder;
use std::fmt;
use std::io::{self, BufRead, Read};
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, get_error_name};

/// How an archive is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    Stored,
    /// gzip, any number of members.
    Gzip,
    /// xz, any number of streams.
    Xz,
    /// zstd, any number of frames, with a window of at most 128 MiB.
    Zstd,
}

impl Compression {
    /// Tells by the first bytes of an archive. An uncompressed one begins with a file's name, which
    /// may be anything; so it is looked at as a header first.
    pub(crate) fn recognise(start: &[u8]) -> Result<Self, ReadError> {
        let block = start.first_chunk();
        if block.is_some_and(|block| Header::parse(block, 0).is_ok()) {
            return Ok(Self::Stored);
        }
        let known = KNOWN.iter().find(|(magic, _)| start.starts_with(magic));
        match known {
            Some((_, compression)) => compression.map_err(ReadError::Compression),
            None => Ok(Self::Stored),
        }
    }

    /// Tells by the first bytes of any stream, whatever may be in it; `Stored` where it is not
    /// compressed.
    #[must_use]
    pub fn of_magic(start: &[u8]) -> Self {
        let known = KNOWN.iter().find(|(magic, _)| start.starts_with(magic));
        known.map_or(Self::Stored, |(_, compression)| {
            compression.unwrap_or(Self::Stored)
        })
    }

    /// Unpacks a stream. What follows the last member, and is none, is left alone.
    ///
    /// # Errors
    /// Where the memory for it is not there. Not enough input is `UnexpectedEof` when it is read.
    pub fn decoder<'a, R: BufRead + 'a>(self, input: R) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Stored => Box::new(input),
            Self::Gzip => Box::new(Members::<GzDecoder<R>>::new(input)?),
            Self::Xz => Box::new(Members::<XzDecoder<R>>::new(input)?),
            Self::Zstd => Box::new(Members::<ZstdFrame<R>>::new(input)?),
        })
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Stored => "none",
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        })
    }
}

/// What compressed streams begin with, and the names of those that nothing here unpacks.
const KNOWN: [(&[u8], Result<Compression, &str>); 8] = [
    (b"\x1f\x8b", Ok(Compression::Gzip)),
    (b"\xfd7zXZ\0", Ok(Compression::Xz)),
    (b"\x28\xb5\x2f\xfd", Ok(Compression::Zstd)),
    (b"BZh", Err("bzip2")),
    (b"LZIP", Err("lzip")),
    (b"\x04\x22\x4d\x18", Err("lz4")),
    (b"\x89LZO\0", Err("lzop")),
    (b"\x1f\x9d", Err("compress")),
];

/// A part of a compressed stream that could stand alone.
trait Member: Read + Sized {
    type Input: BufRead;

    fn begin(input: Self::Input) -> io::Result<Self>;

    fn into_input(self) -> Self::Input;

    /// Whether one can begin with this byte. Zeros between two of them are passed.
    fn begins_with(byte: u8) -> bool;
}

impl<R: BufRead> Member for GzDecoder<R> {
    type Input = R;

    fn begin(input: R) -> io::Result<Self> {
        Ok(Self::new(input))
    }

    fn into_input(self) -> R {
        self.into_inner()
    }

    fn begins_with(byte: u8) -> bool {
        byte == 0x1f
    }
}

impl<R: BufRead> Member for XzDecoder<R> {
    type Input = R;

    fn begin(input: R) -> io::Result<Self> {
        let stream = liblzma::stream::Stream::new_stream_decoder(DECODER_LIMIT_BYTES, 0)?;
        Ok(Self::new_stream(input, stream))
    }

    fn into_input(self) -> R {
        self.into_inner()
    }

    fn begins_with(byte: u8) -> bool {
        byte == 0xfd
    }
}

/// A frame that zstd unpacks, or one that it skips.
struct ZstdFrame<R> {
    input: R,
    context: DCtx<'static>,
    ended: bool,
}

impl<R: BufRead> Member for ZstdFrame<R> {
    type Input = R;

    fn begin(input: R) -> io::Result<Self> {
        let mut context = DCtx::try_create().ok_or(io::ErrorKind::OutOfMemory)?;
        context
            .set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LIMIT_LOG))
            .map_err(zstd_error)?;
        Ok(Self {
            input,
            context,
            ended: false,
        })
    }

    fn into_input(self) -> R {
        self.input
    }

    fn begins_with(byte: u8) -> bool {
        byte == 0x28 || (0x50..0x60).contains(&byte)
    }
}

impl<R: BufRead> Read for ZstdFrame<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !buffer.is_empty() {
            let bytes = self.input.fill_buf()?;
            let is_end = bytes.is_empty();
            let mut input = InBuffer::around(bytes);
            let mut output = OutBuffer::around(&mut *buffer);
            let hint = self
                .context
                .decompress_stream(&mut output, &mut input)
                .map_err(zstd_error)?;
            let (consumed, produced) = (input.pos(), output.pos());
            self.input.consume(consumed);
            self.ended = hint == 0;
            match produced {
                0 if is_end && !self.ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                0 => {}
                _ => return Ok(produced),
            }
        }
        Ok(0)
    }
}

fn zstd_error(code: usize) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, get_error_name(code))
}

/// Members, one after the other.
struct Members<M> {
    /// None after the last.
    member: Option<M>,
}

impl<M: Member> Members<M> {
    fn new(input: M::Input) -> io::Result<Self> {
        let member = Some(M::begin(input)?);
        Ok(Self { member })
    }
}

impl<M: Member> Read for Members<M> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(mut member) = self.member.take() {
            match member.read(buffer)? {
                0 => self.member = next_member(member.into_input())?,
                count => {
                    self.member = Some(member);
                    return Ok(count);
                }
            }
        }
        Ok(0)
    }
}

/// The member that comes next, behind zeros as tapes have them; `None` where something else does.
fn next_member<M: Member>(mut input: M::Input) -> io::Result<Option<M>> {
    loop {
        let bytes = input.fill_buf()?;
        let length = bytes.len();
        match bytes.iter().position(|byte| *byte != 0) {
            Some(start) if M::begins_with(bytes[start]) => {
                input.consume(start);
                return M::begin(input).map(Some);
            }
            None if length > 0 => input.consume(length),
            _ => return Ok(None),
        }
    }
}
