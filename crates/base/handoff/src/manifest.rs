//! What is on the stick, in words.

use crate::fields::{Fields, hex};
use crate::{Identity, ParseError, RamBudget, Segments};
use std::fmt;

const HEADING: &str = "livestick-manifest 1";

/// The file `/live/manifest`: which stick this is, what its root image must look like, and what it
/// was built from. `to_string` gives the file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The stick's identity, as in the initramfs's seal.
    pub identity: Identity,
    /// The exact length of the root image, and of the files that make it.
    pub segments: Segments,
    /// SHA-256 of the root image, all segments together.
    pub image_sha256: [u8; 32],
    /// SHA-256 of boot code and partition table, as the volume's reader takes them together.
    pub boot_sha256: Option<[u8; 32]>,
    /// How much RAM it needs.
    pub ram: RamBudget,
    /// Folders of the root, relative to it, that get a tmpfs of their own: they are empty, and what
    /// containers put there cannot lie on an overlay.
    pub stores: Vec<String>,
    /// The kernel's release.
    pub kernel_release: String,
    /// The name of the system on the stick, from its `os-release`.
    pub title: String,
    /// The program that made the stick, with its version.
    pub tool: String,
    /// What was chosen: `compression` = `zstd:15`, …
    pub options: Vec<(String, String)>,
    /// Where each loader file came from: `syslinux/ldlinux.sys` = `syslinux 3:6.04-…`.
    pub origins: Vec<(String, String)>,
}

impl Manifest {
    /// The longest manifest that is read or written. `/init` reads it from whatever medium is
    /// plugged in, so it must not be led to read without end.
    pub const LIMIT_BYTES: usize = 16 * 1024;

    /// Reads it back.
    ///
    /// # Errors
    /// Where it is not a manifest, or a field is missing or wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ParseError::NotText)?;
        let fields = Fields::parse(HEADING, text)?;
        Ok(Self {
            identity: fields.value("identity")?,
            segments: fields.segments()?,
            image_sha256: fields.hex("image-sha256")?,
            boot_sha256: fields.hex("boot-sha256").ok(),
            ram: RamBudget {
                least_bytes: fields.value("ram-least-bytes")?,
                to_ram_bytes: fields.value("ram-toram-bytes")?,
            },
            stores: fields.every("store"),
            kernel_release: fields.text("kernel-release")?.to_owned(),
            title: fields.text("title")?.to_owned(),
            tool: fields.text("tool")?.to_owned(),
            options: fields.group("option."),
            origins: fields.group("origin."),
        })
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{HEADING}")?;
        writeln!(formatter, "identity={}", self.identity)?;
        writeln!(formatter, "image-bytes={}", self.segments.image_bytes())?;
        let segment_bytes = self.segments.segment_bytes();
        writeln!(formatter, "segment-bytes={segment_bytes}")?;
        writeln!(formatter, "image-sha256={}", hex(&self.image_sha256))?;
        if let Some(digest) = &self.boot_sha256 {
            writeln!(formatter, "boot-sha256={}", hex(digest))?;
        }
        writeln!(formatter, "ram-least-bytes={}", self.ram.least_bytes)?;
        writeln!(formatter, "ram-toram-bytes={}", self.ram.to_ram_bytes)?;
        for store in &self.stores {
            writeln!(formatter, "store={}", line(store))?;
        }
        writeln!(formatter, "kernel-release={}", line(&self.kernel_release))?;
        writeln!(formatter, "title={}", line(&self.title))?;
        writeln!(formatter, "tool={}", line(&self.tool))?;
        for (name, value) in &self.options {
            writeln!(formatter, "option.{}={}", line(name), line(value))?;
        }
        for (name, value) in &self.origins {
            writeln!(formatter, "origin.{}={}", line(name), line(value))?;
        }
        Ok(())
    }
}

/// A value on one line: what was typed or read from the source cannot add fields.
fn line(value: &str) -> String {
    value.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(title: &str) -> Manifest {
        Manifest {
            identity: Identity([7; 16]),
            segments: Segments::new(4096, Segments::LONGEST_BYTES).unwrap(),
            image_sha256: [9; 32],
            boot_sha256: Some([8; 32]),
            ram: RamBudget::new(crate::Workload::Console, 4096),
            stores: vec!["var/lib/docker".to_owned(), "var/lib/a=b".to_owned()],
            kernel_release: "6.1.0-50-amd64".to_owned(),
            title: title.to_owned(),
            tool: "livestick 0.1.0".to_owned(),
            options: vec![("cmdline".to_owned(), "a=b c".to_owned())],
            origins: vec![("syslinux/ldlinux.sys".to_owned(), "syslinux 3:6".to_owned())],
        }
    }

    #[test]
    fn a_manifest_reads_back() {
        let manifest = manifest("Debian GNU/Linux 12 (bookworm)");
        let text = manifest.to_string();
        assert_eq!(Manifest::parse(text.as_bytes()), Ok(manifest));
    }

    #[test]
    fn a_title_cannot_add_a_field() {
        let text = manifest("x\nidentity=00").to_string();
        let read = Manifest::parse(text.as_bytes()).unwrap();
        assert_eq!(read.title, "x identity=00");
        assert_eq!(read.identity, Identity([7; 16]));
    }
}
