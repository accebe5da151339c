//! The first file of the initramfs.

use crate::fields::{Fields, hex};
use crate::{Identity, ParseError, Segments};

const HEADING: &str = "livestick-seal 1";

/// What `/init` must find on a medium to accept it as its own. The image's length and first bytes
/// are known only after the initramfs was written, so the seal has a fixed length, lies uncompressed
/// in the initramfs and is patched in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The stick's identity, which its manifest must repeat.
    pub identity: Identity,
    /// The exact length of the root image, and of the files that make it.
    pub segments: Segments,
    /// SHA-256 of the image's first 96 bytes, its superblock.
    pub superblock_sha256: [u8; 32],
    /// The kernel that the modules in this initramfs are for, as `uname -r` prints it.
    pub kernel_release: String,
}

impl Seal {
    /// The length of the seal in the initramfs, padded with line feeds.
    pub const LENGTH_BYTES: usize = 512;
    /// The longest kernel release there can be: the kernel's `__NEW_UTS_LEN`.
    pub const KERNEL_RELEASE_LIMIT_BYTES: usize = 64;

    /// The seal as it lies in the initramfs.
    ///
    /// # Errors
    /// `Value` where the kernel release is longer than [`Self::KERNEL_RELEASE_LIMIT_BYTES`] or holds
    /// a line feed.
    pub fn to_bytes(&self) -> Result<[u8; Self::LENGTH_BYTES], ParseError> {
        let release = &self.kernel_release;
        if release.len() > Self::KERNEL_RELEASE_LIMIT_BYTES || release.contains('\n') {
            return Err(ParseError::Value {
                field: "kernel-release",
                value: release.clone(),
            });
        }
        let text = format!(
            "{HEADING}\nidentity={}\nimage-bytes={}\nsegment-bytes={}\nsuperblock-sha256={}\n\
             kernel-release={release}\n",
            self.identity,
            self.segments.image_bytes(),
            self.segments.segment_bytes(),
            hex(&self.superblock_sha256),
        );
        let mut bytes = [b'\n'; Self::LENGTH_BYTES];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(bytes)
    }

    /// Reads it back.
    ///
    /// # Errors
    /// Where it is not a seal, or a field is missing or wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ParseError::NotText)?;
        let fields = Fields::parse(HEADING, text)?;
        Ok(Self {
            identity: fields.value("identity")?,
            segments: fields.segments()?,
            superblock_sha256: fields.hex("superblock-sha256")?,
            kernel_release: fields.text("kernel-release")?.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(kernel_release: &str) -> Seal {
        Seal {
            identity: Identity([0xab; 16]),
            segments: Segments::new(4_000_000_000_000, Segments::LONGEST_BYTES).unwrap(),
            superblock_sha256: [0x5a; 32],
            kernel_release: kernel_release.to_owned(),
        }
    }

    #[test]
    fn the_longest_seal_reads_back() {
        let seal = seal(&"x".repeat(Seal::KERNEL_RELEASE_LIMIT_BYTES));
        assert_eq!(Seal::parse(&seal.to_bytes().unwrap()), Ok(seal));
    }

    #[test]
    fn a_release_that_does_not_fit_is_an_error() {
        assert!(seal(&"x".repeat(65)).to_bytes().is_err());
        assert!(seal("6.1\nimage-bytes=0").to_bytes().is_err());
    }

    #[test]
    fn what_is_not_a_seal_is_refused() {
        let good = seal("6.1.0").to_bytes().unwrap();
        assert!(Seal::parse(&good[1..]).is_err());
        assert!(Seal::parse(&[0xff; 512]).is_err());
        assert_eq!(
            Seal::parse(b"livestick-seal 1\nidentity=12\n"),
            Err(ParseError::Value {
                field: "identity",
                value: "12".to_owned()
            })
        );
    }
}
