//! A kernel image: which release it is.

use crate::format::{
    BOOT_FLAG, DEFAULT_SETUP_SECTORS, EFI_HANDOVER_32, EXTRA_LOAD_FLAGS_OFFSET,
    EXTRA_LOAD_FLAGS_PROTOCOL, RawSetupHeader, SECTOR_BYTES, SETUP_HEADER_OFFSET, SETUP_MAGIC,
    VERSION_BASE,
};
use zerocopy::FromBytes;

/// The longest release there can be: the kernel's `__NEW_UTS_LEN`.
const RELEASE_LIMIT_BYTES: usize = 64;

/// Why a file is not a kernel image that can be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// It lacks the signatures of an x86 kernel.
    #[error("it is not a Linux kernel for x86")]
    NotAKernel,
    /// It says nothing about its version, or its version is outside of the file or not text.
    #[error("the kernel does not say which version it is")]
    NoVersion,
}

/// What the setup header of an x86 kernel image (`bzImage`) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelImage {
    /// Its release, as `uname -r` prints it: also the name of its folder of modules.
    pub release: String,
    /// The whole version string: release, who built it, when.
    pub description: String,
    /// Whether a loader on 32-bit EFI can start it: a 64-bit kernel needs `CONFIG_EFI_MIXED` for that.
    pub starts_on_efi_ia32: bool,
}

impl KernelImage {
    /// Reads the header. The first 64 KiB of the image are enough.
    ///
    /// # Errors
    /// Where these are not the bytes of a kernel image, or it does not say its version.
    pub fn parse(bytes: &[u8]) -> Result<Self, ImageError> {
        let header = bytes
            .get(SETUP_HEADER_OFFSET..)
            .and_then(|rest| RawSetupHeader::ref_from_prefix(rest).ok())
            .map(|(header, _)| header)
            .filter(|header| header.boot_flag == BOOT_FLAG && header.magic == SETUP_MAGIC)
            .ok_or(ImageError::NotAKernel)?;
        let description = version_string(bytes, header).ok_or(ImageError::NoVersion)?;
        let release = description.split(' ').next().unwrap_or_default();
        if !is_release(release) {
            return Err(ImageError::NoVersion);
        }
        Ok(Self {
            release: release.to_owned(),
            description: description.to_owned(),
            starts_on_efi_ia32: extra_load_flags(bytes, header) & EFI_HANDOVER_32 != 0,
        })
    }
}

fn extra_load_flags(bytes: &[u8], header: &RawSetupHeader) -> u16 {
    let flags = bytes.get(EXTRA_LOAD_FLAGS_OFFSET..EXTRA_LOAD_FLAGS_OFFSET + 2);
    match flags {
        Some([low, high]) if header.protocol.get() >= EXTRA_LOAD_FLAGS_PROTOCOL => {
            u16::from_le_bytes([*low, *high])
        }
        _ => 0,
    }
}

/// The version lies in the setup code, which comes after the first sector.
fn version_string<'a>(bytes: &'a [u8], header: &RawSetupHeader) -> Option<&'a str> {
    let sectors = match header.setup_sectors {
        0 => DEFAULT_SETUP_SECTORS,
        sectors => sectors,
    };
    let setup_end = (usize::from(sectors) + 1) * SECTOR_BYTES;
    let offset = usize::from(header.version_offset.get());
    let setup = &bytes[..setup_end.min(bytes.len())];
    let text = setup.get(VERSION_BASE + offset..).filter(|_| offset != 0)?;
    let length = text.iter().position(|byte| *byte == 0)?;
    std::str::from_utf8(&text[..length]).ok()
}

/// A release becomes part of paths.
fn is_release(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+~".contains(&byte);
    text.starts_with(|first: char| first.is_ascii_digit())
        && text.len() <= RELEASE_LIMIT_BYTES
        && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn image(version: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 3 * SECTOR_BYTES];
        bytes[0x1f1] = 2;
        bytes[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        bytes[0x202..0x206].copy_from_slice(b"HdrS");
        bytes[0x20e..0x210].copy_from_slice(&0x100u16.to_le_bytes());
        bytes[0x300..0x300 + version.len()].copy_from_slice(version);
        bytes
    }

    #[test]
    fn the_release_is_the_first_word() {
        let bytes = image(b"6.1.0-50-amd64 (debian-kernel@lists.debian.org) #1 SMP");
        let image = KernelImage::parse(&bytes).unwrap();
        assert_eq!(image.release, "6.1.0-50-amd64");
        assert!(image.description.ends_with("#1 SMP"));
        assert!(!image.starts_on_efi_ia32);
    }

    #[test]
    fn a_flag_counts_from_the_protocol_on_that_has_it() {
        let mut bytes = image(b"6.1.0");
        bytes[0x236] = 0x7f;
        bytes[0x206..0x208].copy_from_slice(&0x20bu16.to_le_bytes());
        assert!(!KernelImage::parse(&bytes).unwrap().starts_on_efi_ia32);
        bytes[0x206] = 0x0f;
        assert!(KernelImage::parse(&bytes).unwrap().starts_on_efi_ia32);
        bytes[0x236] = 0x7b;
        assert!(!KernelImage::parse(&bytes).unwrap().starts_on_efi_ia32);
    }

    #[test]
    fn what_is_not_a_kernel_is_refused() {
        let good = image(b"6.1.0");
        let refused = |bytes: &[u8]| KernelImage::parse(bytes).unwrap_err();
        assert_eq!(refused(b""), ImageError::NotAKernel);
        assert_eq!(refused(b"\x7fELF\x02\x01"), ImageError::NotAKernel);
        assert_eq!(refused(&good[..0x20f]), ImageError::NotAKernel);
        assert_eq!(refused(&good[..0x301]), ImageError::NoVersion);
        assert_eq!(refused(&image(b"../../etc")), ImageError::NoVersion);
        assert_eq!(refused(&image(b"6.1/../x")), ImageError::NoVersion);
        assert_eq!(refused(&image(&[b'6'; 65])), ImageError::NoVersion);
        let mut outside_of_setup = good.clone();
        outside_of_setup[0x20f] = 0x04;
        assert_eq!(refused(&outside_of_setup), ImageError::NoVersion);
        let mut without_version = good;
        without_version[0x20f] = 0;
        assert_eq!(refused(&without_version), ImageError::NoVersion);
    }

    proptest! {
        #[test]
        fn no_header_panics(changes in proptest::collection::vec((0x1f1usize..0x210, any::<u8>()), 0..9)) {
            let mut bytes = image(b"6.1.0");
            for (position, value) in changes {
                bytes[position] = value;
            }
            let _ = KernelImage::parse(&bytes);
        }
    }
}
