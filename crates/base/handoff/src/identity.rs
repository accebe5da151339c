//! Which stick is meant.

use std::fmt;
use std::str::FromStr;

/// A stick's random 128-bit identity: in its initramfs's seal and in its manifest. It is how
/// `/init` knows its own stick from any other. Written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity(pub [u8; 16]);

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::fields::write_hex(formatter, &self.0)
    }
}

impl FromStr for Identity {
    type Err = crate::ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        crate::fields::parse_hex("identity", text).map(Self)
    }
}
