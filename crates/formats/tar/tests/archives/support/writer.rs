//! Makes archives, those too that no tool would make.

use std::ops::Range;

pub const BLOCK: usize = 512;

pub const NAME: Range<usize> = 0..100;
pub const MODE: Range<usize> = 100..108;
pub const UID: Range<usize> = 108..116;
pub const GID: Range<usize> = 116..124;
pub const SIZE: Range<usize> = 124..136;
pub const MTIME: Range<usize> = 136..148;
pub const CHECKSUM: Range<usize> = 148..156;
pub const TYPEFLAG: Range<usize> = 156..157;
pub const LINK: Range<usize> = 157..257;
pub const MAGIC: Range<usize> = 257..265;
pub const MAJOR: Range<usize> = 329..337;
pub const MINOR: Range<usize> = 337..345;
pub const PREFIX: Range<usize> = 345..500;
/// The first of GNU's four segments: offset and length, 12 bytes each.
pub const GNU_SEGMENTS: usize = 386;
pub const GNU_EXTENDED: usize = 482;
pub const GNU_REAL_SIZE: Range<usize> = 483..495;

/// A header in the making.
#[derive(Clone)]
pub struct Header(pub [u8; BLOCK]);

impl Header {
    pub fn new(path: &str, typeflag: u8) -> Self {
        let header = Self([0; BLOCK])
            .text(NAME, path.as_bytes())
            .text(TYPEFLAG, &[typeflag])
            .text(MAGIC, b"ustar\x0000");
        header.octal(MODE, 0o644).octal(SIZE, 0)
    }

    pub fn gnu(path: &str, typeflag: u8) -> Self {
        Self::new(path, typeflag).text(MAGIC, b"ustar  \0")
    }

    pub fn text(mut self, field: Range<usize>, text: &[u8]) -> Self {
        self.0[field.clone()].fill(0);
        self.0[field.start..field.start + text.len()].copy_from_slice(text);
        self
    }

    pub fn octal(self, field: Range<usize>, value: u64) -> Self {
        let digits = field.len() - 1;
        self.text(field, format!("{value:0digits$o}").as_bytes())
    }

    /// GNU's form for numbers that have no place in the field, or are negative.
    pub fn base256(mut self, field: Range<usize>, value: i64) -> Self {
        let sign = if value < 0 { 0xff } else { 0 };
        self.0[field.clone()].fill(sign);
        self.0[field.start] |= 0x80;
        let bytes = value.to_be_bytes();
        let bytes = &bytes[8usize.saturating_sub(field.len() - 1)..];
        self.0[field.end - bytes.len()..field.end].copy_from_slice(bytes);
        self
    }

    /// With the checksum, and data up to the next block.
    pub fn with(self, data: &[u8]) -> Vec<u8> {
        let header = self.octal(SIZE, data.len() as u64);
        [header.bytes(), padded(data)].concat()
    }

    /// With the checksum.
    pub fn bytes(mut self) -> Vec<u8> {
        self.0[CHECKSUM].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.octal(CHECKSUM, sum.into()).0.to_vec()
    }
}

pub fn padded(data: &[u8]) -> Vec<u8> {
    let mut padded = data.to_vec();
    padded.resize(data.len().next_multiple_of(BLOCK), 0);
    padded
}

/// A record of a pax header.
pub fn record(keyword: &str, value: &[u8]) -> Vec<u8> {
    let body = keyword.len() + value.len() + 3;
    let length = (1..9)
        .map(|digits| body + digits)
        .find(|length| length.to_string().len() + body == *length)
        .unwrap();
    [format!("{length} {keyword}=").as_bytes(), value, b"\n"].concat()
}

/// A pax header.
pub fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let records = records
        .iter()
        .map(|(keyword, value)| record(keyword, value));
    let text: Vec<u8> = records.flatten().collect();
    Header::new("PaxHeaders/x", b'x').with(&text)
}

/// A file with a few bytes.
pub fn file(path: &str) -> Vec<u8> {
    Header::new(path, b'0').with(path.as_bytes())
}

pub fn directory(path: &str) -> Vec<u8> {
    Header::new(path, b'5').octal(MODE, 0o755).bytes()
}

pub fn link(typeflag: u8, path: &str, target: &str) -> Vec<u8> {
    Header::new(path, typeflag)
        .text(LINK, target.as_bytes())
        .bytes()
}

/// All parts, and the end mark.
pub fn archive(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut archive = parts.concat();
    archive.extend([0; 2 * BLOCK]);
    archive
}
