//! The volume's name.

use std::fmt;
use std::str::FromStr;

/// A volume's label: 1 to 11 characters, upper-case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label([u8; Label::LIMIT_BYTES]);

/// Why FAT cannot hold a label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// There is nothing in it.
    #[error("a volume label needs at least one character")]
    Empty,
    /// It is too long.
    #[error("a volume label holds at most 11 characters, not {length}")]
    TooLong {
        /// How many characters were given.
        length: usize,
    },
    /// One of its characters is not allowed.
    #[error(
        "a volume label cannot hold {character:?}: ASCII letters, digits, spaces and !#$%&'()-@^_`{{}}~ only"
    )]
    Character {
        /// The first such character.
        character: char,
    },
    /// A space at either end, which readers would not tell from padding.
    #[error("a volume label cannot begin or end with a space")]
    OuterSpace,
}

impl Label {
    /// The longest label.
    pub const LIMIT_BYTES: usize = 11;

    /// As the boot sector and the label's directory entry hold it, padded with spaces.
    pub(crate) fn padded(self) -> [u8; Self::LIMIT_BYTES] {
        self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    /// Takes lower-case letters as upper-case ones.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.chars().count();
        if length == 0 {
            return Err(LabelError::Empty);
        }
        if length > Self::LIMIT_BYTES {
            return Err(LabelError::TooLong { length });
        }
        let wrong = |&character: &char| character != ' ' && !crate::name::fits_short(character);
        if let Some(character) = text.chars().find(wrong) {
            return Err(LabelError::Character { character });
        }
        if text.starts_with(' ') || text.ends_with(' ') {
            return Err(LabelError::OuterSpace);
        }
        let mut padded = [b' '; Self::LIMIT_BYTES];
        padded[..length].copy_from_slice(text.to_ascii_uppercase().as_bytes());
        Ok(Self(padded))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = str::from_utf8(&self.0).unwrap_or_default();
        formatter.write_str(text.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_upper_cased_and_padded() {
        let label: Label = "Live 12".parse().unwrap();
        assert_eq!(label.to_string(), "LIVE 12");
        assert_eq!(&label.padded(), b"LIVE 12    ");
    }

    #[test]
    fn what_fat_cannot_hold_is_named() {
        let error = |text: &str| text.parse::<Label>().unwrap_err();
        assert_eq!(error(""), LabelError::Empty);
        assert_eq!(error("ABCDEFGHIJKL"), LabelError::TooLong { length: 12 });
        assert_eq!(error("a.b"), LabelError::Character { character: '.' });
        assert_eq!(error("Käse"), LabelError::Character { character: 'ä' });
        assert_eq!(error("a\n"), LabelError::Character { character: '\n' });
        assert_eq!(error(" a"), LabelError::OuterSpace);
        assert_eq!(error("a "), LabelError::OuterSpace);
    }
}
