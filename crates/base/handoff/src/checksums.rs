//! The file `SHA256SUMS` of the stick, as whoever checks it reads it.

use crate::ParseError;
use crate::fields::parse_hex;

/// What one file of the stick must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// Its path on the stick, without a leading slash.
    pub path: String,
    /// SHA-256 of what is in it.
    pub sha256: [u8; 32],
}

impl Checksum {
    /// The longest `SHA256SUMS` that is read. A stick has some thirty files; 1 MiB is room for many
    /// thousand.
    pub const LIMIT_BYTES: usize = 1 << 20;

    /// Reads every line, in order: 64 digits, two spaces, a path.
    ///
    /// # Errors
    /// Where a line is another one, or its path leads out of the stick.
    pub fn parse_all(bytes: &[u8]) -> Result<Vec<Self>, ParseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ParseError::NotText)?;
        text.lines().map(Self::parse).collect()
    }

    /// Reads one line.
    ///
    /// # Errors
    /// As [`Checksum::parse_all`].
    pub fn parse(line: &str) -> Result<Self, ParseError> {
        let wrong = || ParseError::Value {
            field: "checksum",
            value: line.to_owned(),
        };
        let (digest, path) = line.split_once("  ").ok_or_else(wrong)?;
        let stays_inside = |part: &str| !matches!(part, "" | "." | "..");
        if !path.split('/').all(stays_inside) {
            return Err(wrong());
        }
        Ok(Self {
            path: path.to_owned(),
            sha256: parse_hex("checksum", digest)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sha256sum_prints_is_read() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let text = format!("{digest}  live/vmlinuz\n{digest}  README.txt\n");
        let sums = Checksum::parse_all(text.as_bytes()).unwrap();
        let paths: Vec<_> = sums.iter().map(|sum| sum.path.as_str()).collect();
        assert_eq!(paths, ["live/vmlinuz", "README.txt"]);
        assert_eq!((sums[0].sha256[0], sums[0].sha256[31]), (0xe3, 0x55));
    }

    #[test]
    fn a_line_that_is_damaged_or_leads_elsewhere_is_refused() {
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for path in ["/etc/shadow", "../x", "a//b", "a/./b", ""] {
            let line = format!("{digest}  {path}");
            assert!(Checksum::parse_all(line.as_bytes()).is_err(), "{path}");
        }
        // A wrong bit makes a capital letter of a small one.
        let capital = format!("{}  x", digest.to_uppercase());
        let one_blank = format!("{digest} x");
        for line in ["", "e3b0  x", "one word", &capital, &one_blank] {
            assert!(Checksum::parse_all(format!("{line}\n").as_bytes()).is_err());
        }
        assert!(Checksum::parse_all(&[0xff]).is_err());
    }
}
