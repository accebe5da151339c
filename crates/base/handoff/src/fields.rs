//! `key=value` lines, which seal and manifest are made of.

use crate::Segments;
use std::fmt::{self, Write as _};
use std::str::FromStr;

/// Why a seal, a manifest or a module plan cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It does not begin with the line that names its kind and version.
    #[error("the first line is not `{expected}`")]
    Heading {
        /// The line that was expected.
        expected: &'static str,
    },
    /// A field that must be there is not.
    #[error("the field `{field}` is missing")]
    Missing {
        /// Its key.
        field: &'static str,
    },
    /// A field holds something else than it should.
    #[error("the field `{field}` holds `{value}`")]
    Value {
        /// Its key.
        field: &'static str,
        /// What was found.
        value: String,
    },
    /// The bytes are not text.
    #[error("it is not text")]
    NotText,
}

/// The fields of a text that begins with a heading line.
pub(crate) struct Fields<'a> {
    lines: Vec<(&'a str, &'a str)>,
}

impl<'a> Fields<'a> {
    pub(crate) fn parse(heading: &'static str, text: &'a str) -> Result<Self, ParseError> {
        let mut lines = text.lines();
        if lines.next() != Some(heading) {
            return Err(ParseError::Heading { expected: heading });
        }
        Ok(Self {
            lines: lines.filter_map(|line| line.split_once('=')).collect(),
        })
    }

    pub(crate) fn text(&self, field: &'static str) -> Result<&'a str, ParseError> {
        let found = self.lines.iter().find(|(key, _)| *key == field);
        found
            .map(|(_, value)| *value)
            .ok_or(ParseError::Missing { field })
    }

    pub(crate) fn value<T: FromStr>(&self, field: &'static str) -> Result<T, ParseError> {
        let value = self.text(field)?;
        value.parse().map_err(|_| ParseError::Value {
            field,
            value: value.to_owned(),
        })
    }

    pub(crate) fn hex<const N: usize>(&self, field: &'static str) -> Result<[u8; N], ParseError> {
        parse_hex(field, self.text(field)?)
    }

    pub(crate) fn segments(&self) -> Result<Segments, ParseError> {
        let (image_bytes, field) = (self.value("image-bytes")?, "segment-bytes");
        let segments = Segments::new(image_bytes, self.value(field)?);
        segments.ok_or_else(|| ParseError::Value {
            field,
            value: self.text(field).unwrap_or_default().to_owned(),
        })
    }

    /// The values of every field of that name, in order.
    pub(crate) fn every(&self, field: &str) -> Vec<String> {
        let found = self.lines.iter().filter(|(key, _)| *key == field);
        found.map(|(_, value)| (*value).to_owned()).collect()
    }

    /// Every `prefix` + `name` = `value`, as (name, value), in order.
    pub(crate) fn group(&self, prefix: &str) -> Vec<(String, String)> {
        let members = self.lines.iter().filter_map(|(key, value)| {
            Some((key.strip_prefix(prefix)?.to_owned(), (*value).to_owned()))
        });
        members.collect()
    }
}

pub(crate) fn parse_hex<const N: usize>(
    field: &'static str,
    text: &str,
) -> Result<[u8; N], ParseError> {
    let wrong = || ParseError::Value {
        field,
        value: text.to_owned(),
    };
    // As they are written: one wrong bit makes a capital letter of a small one.
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != 2 * N || !text.bytes().all(is_digit) {
        return Err(wrong());
    }
    let mut bytes = [0; N];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
    }
    Ok(bytes)
}

pub(crate) fn write_hex(target: &mut impl fmt::Write, bytes: &[u8]) -> fmt::Result {
    bytes
        .iter()
        .try_for_each(|byte| write!(target, "{byte:02x}"))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
