//! The file `SHA256SUMS`.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Lines for `sha256sum -c`.
#[derive(Debug, Default)]
pub(crate) struct Checksums(String);

/// What a line has besides the path: 64 digits, two spaces and a line feed.
const LINE_BYTES: usize = 64 + 2 + 1;

impl Checksums {
    /// How long the file is for these paths.
    pub(crate) fn length_bytes(paths: impl Iterator<Item: AsRef<str>>) -> usize {
        paths.map(|path| LINE_BYTES + path.as_ref().len()).sum()
    }

    pub(crate) fn add(&mut self, path: &str, bytes: &[u8]) {
        self.add_digest(path, Sha256::digest(bytes).into());
    }

    pub(crate) fn add_digest(&mut self, path: &str, digest: [u8; 32]) {
        // Writing to a String cannot fail.
        for byte in digest {
            let _ = write!(self.0, "{byte:02x}");
        }
        let _ = writeln!(self.0, "  {path}");
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_known_before_the_digests() {
        let mut sums = Checksums::default();
        sums.add("a", b"");
        sums.add_digest("live/b", [0xab; 32]);
        let bytes = sums.into_bytes();
        assert_eq!(
            bytes.len(),
            Checksums::length_bytes(["a", "live/b"].into_iter())
        );
        // From `sha256sum < /dev/null`.
        let empty = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a\nabab";
        assert_eq!(&bytes[..empty.len()], empty);
    }
}
