//! An EFI program, as a kernel with an EFI stub and every loader for UEFI is one: what it is for, and
//! whether it carries a signature.

use crate::format::{
    CERTIFICATE_REVISION, CERTIFICATE_TYPE, CERTIFICATE_UNIT, DER_SEQUENCE, DOS_MAGIC,
    OPTIONAL_MAGIC_32, OPTIONAL_MAGIC_64, PE_MAGIC, RawCertificate, RawDataDirectory, RawDosHeader,
    RawOptionalHeader32, RawOptionalHeader64, RawPeHeader, SECURITY_DIRECTORY,
};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Why a file is not an EFI program, or not a whole one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EfiError {
    /// It lacks the signatures of a portable executable.
    #[error("it is not an EFI program")]
    NotAnEfiProgram,
    /// A header is not in the file, or is of another kind.
    #[error("its {part} is damaged")]
    Header {
        /// Which one.
        part: &'static str,
    },
    /// The certificate table is not in the file, or is not one of signatures.
    #[error("its signature is damaged")]
    CertificateTable,
}

/// What the headers of an EFI program say. Whose signature it is, and whether it is valid, is for the
/// firmware, or shim, to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EfiProgram {
    /// The machine it is for: 0x8664 is x86-64, 0x14c is 32-bit x86.
    pub machine: u16,
    /// Whether it carries an Authenticode signature.
    pub is_signed: bool,
}

impl EfiProgram {
    /// Reads the headers and the certificate table of a whole file: Microsoft, "PE Format".
    ///
    /// # Errors
    /// Where it is not an EFI program, or what its headers point to is not in it.
    pub fn parse(bytes: &[u8]) -> Result<Self, EfiError> {
        let dos: &RawDosHeader = at(bytes, 0).ok_or(EfiError::NotAnEfiProgram)?;
        if dos.magic != DOS_MAGIC {
            return Err(EfiError::NotAnEfiProgram);
        }
        let pe_offset = position(dos.pe_offset.get());
        let pe: &RawPeHeader = at(bytes, pe_offset).ok_or(EfiError::NotAnEfiProgram)?;
        if pe.magic != PE_MAGIC {
            return Err(EfiError::NotAnEfiProgram);
        }
        let optional = pe_offset
            .checked_add(size_of::<RawPeHeader>())
            .and_then(|start| bytes.get(start..))
            .and_then(|rest| rest.get(..usize::from(pe.optional_header_bytes.get())))
            .ok_or(EfiError::Header {
                part: "optional header",
            })?;
        let is_signed = match certificate_table(optional)? {
            Some(table) => holds_signature(bytes, table)?,
            None => false,
        };
        Ok(Self {
            machine: pe.machine.get(),
            is_signed,
        })
    }
}

/// The entry for the certificate table, where the header has as many entries.
fn certificate_table(optional: &[u8]) -> Result<Option<&RawDataDirectory>, EfiError> {
    let damaged = EfiError::Header {
        part: "optional header",
    };
    let magic = optional
        .first_chunk()
        .map(|magic| u16::from_le_bytes(*magic));
    let header = match magic {
        Some(OPTIONAL_MAGIC_32) => RawOptionalHeader32::ref_from_prefix(optional)
            .map(|(header, rest)| (header.data_directories.get(), rest))
            .ok(),
        Some(OPTIONAL_MAGIC_64) => RawOptionalHeader64::ref_from_prefix(optional)
            .map(|(header, rest)| (header.data_directories.get(), rest))
            .ok(),
        _ => None,
    };
    let Some((count, directories)) = header else {
        return Err(damaged);
    };
    if position(count) <= SECURITY_DIRECTORY {
        return Ok(None);
    }
    let offset = SECURITY_DIRECTORY * size_of::<RawDataDirectory>();
    let table: &RawDataDirectory = at(directories, offset).ok_or(damaged)?;
    Ok((table.length_bytes.get() != 0).then_some(table))
}

/// Whether the certificate table's first entry is a signature. Unlike the other tables, this one is
/// named by its place in the file.
fn holds_signature(bytes: &[u8], table: &RawDataDirectory) -> Result<bool, EfiError> {
    let start = position(table.address.get());
    let table = start
        .checked_add(position(table.length_bytes.get()))
        .and_then(|end| bytes.get(start..end))
        .filter(|_| start.is_multiple_of(CERTIFICATE_UNIT))
        .ok_or(EfiError::CertificateTable)?;
    let (header, content) =
        RawCertificate::ref_from_prefix(table).map_err(|_| EfiError::CertificateTable)?;
    let content = position(header.length_bytes.get())
        .checked_sub(size_of::<RawCertificate>())
        .and_then(|length| content.get(..length))
        .ok_or(EfiError::CertificateTable)?;
    Ok(header.revision.get() == CERTIFICATE_REVISION
        && header.certificate_type.get() == CERTIFICATE_TYPE
        && content.first() == Some(&DER_SEQUENCE))
}

fn at<T>(bytes: &[u8], offset: usize) -> Option<&T>
where
    T: FromBytes + Immutable + KnownLayout + Unaligned,
{
    let (value, _) = T::ref_from_prefix(bytes.get(offset..)?).ok()?;
    Some(value)
}

/// An offset or a length of a file. Where the address space is smaller, nothing is there.
fn position(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};
    use std::path::Path;

    const PE: usize = 0x40;
    const OPTIONAL: usize = PE + 24;
    const TABLE: usize = 0x200;

    /// A program of headers only, with a certificate table of 16 bytes at its end.
    fn program(machine: u16, magic: u16) -> Vec<u8> {
        let mut bytes = vec![0; TABLE + 16];
        let mut put = |offset: usize, value: &[u8]| {
            bytes[offset..offset + value.len()].copy_from_slice(value);
        };
        put(0, b"MZ");
        put(0x3c, &0x40u32.to_le_bytes());
        put(PE, b"PE\0\0");
        put(PE + 4, &machine.to_le_bytes());
        put(PE + 20, &0xf0u16.to_le_bytes());
        put(OPTIONAL, &magic.to_le_bytes());
        let directories = OPTIONAL + if magic == OPTIONAL_MAGIC_64 { 112 } else { 96 };
        put(directories - 4, &6u32.to_le_bytes());
        put(directories + 32, &0x200u32.to_le_bytes());
        put(directories + 36, &16u32.to_le_bytes());
        put(TABLE, b"\x10\0\0\0\0\x02\x02\0\x30\x82");
        bytes
    }

    #[test]
    fn a_signature_is_seen_in_both_widths() {
        for (machine, magic) in [(0x8664, OPTIONAL_MAGIC_64), (0x14c, OPTIONAL_MAGIC_32)] {
            let mut bytes = program(machine, magic);
            let signed = EfiProgram {
                machine,
                is_signed: true,
            };
            assert_eq!(EfiProgram::parse(&bytes), Ok(signed));
            let directories = OPTIONAL + if magic == OPTIONAL_MAGIC_64 { 112 } else { 96 };
            bytes[directories + 36] = 0;
            assert!(!EfiProgram::parse(&bytes).unwrap().is_signed);
        }
    }

    #[test]
    fn what_has_no_certificate_table_is_not_signed() {
        let mut bytes = program(0x8664, OPTIONAL_MAGIC_64);
        bytes[OPTIONAL + 108] = 4;
        assert!(!EfiProgram::parse(&bytes).unwrap().is_signed);
        let mut other_type = program(0x8664, OPTIONAL_MAGIC_64);
        other_type[TABLE + 6] = 1;
        assert!(!EfiProgram::parse(&other_type).unwrap().is_signed);
    }

    #[test]
    fn what_is_damaged_is_told_from_what_is_something_else() {
        let good = program(0x8664, OPTIONAL_MAGIC_64);
        let refused = |bytes: &[u8]| EfiProgram::parse(bytes).unwrap_err();
        assert_eq!(refused(b""), EfiError::NotAnEfiProgram);
        assert_eq!(refused(&[0; 0x300]), EfiError::NotAnEfiProgram);
        assert_eq!(refused(&good[..PE + 23]), EfiError::NotAnEfiProgram);
        let header = EfiError::Header {
            part: "optional header",
        };
        assert_eq!(refused(&good[..OPTIONAL + 0xef]), header);
        assert_eq!(refused(&good[..TABLE + 15]), EfiError::CertificateTable);
        let changed = |offset: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[offset] = value;
            refused(&bytes)
        };
        assert_eq!(changed(OPTIONAL, 0x0c), header);
        assert_eq!(changed(PE + 20, 0x80), header);
        assert_eq!(changed(0x3f, 0xff), EfiError::NotAnEfiProgram);
        assert_eq!(changed(TABLE, 0x11), EfiError::CertificateTable);
        assert_eq!(changed(TABLE, 7), EfiError::CertificateTable);
        assert_eq!(changed(OPTIONAL + 112 + 32, 1), EfiError::CertificateTable);
        assert_eq!(
            changed(OPTIONAL + 112 + 35, 0xff),
            EfiError::CertificateTable
        );
    }

    #[test]
    fn the_loaders_of_this_machine_are_what_their_names_say() {
        let programs = [
            ("/usr/lib/shim/shimx64.efi.signed", 0x8664, true),
            (
                "/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed",
                0x8664,
                true,
            ),
            (
                "/usr/lib/grub/i386-efi/monolithic/gcdia32.efi",
                0x14c,
                false,
            ),
            (
                "/usr/lib/systemd/boot/efi/systemd-bootx64.efi",
                0x8664,
                false,
            ),
        ];
        for (path, machine, is_signed) in programs {
            if !Path::new(path).is_file() {
                assert!(std::env::var_os("CI").is_none(), "{path} is missing");
                eprintln!("skipped: {path} is not installed");
                continue;
            }
            let program = EfiProgram { machine, is_signed };
            assert_eq!(
                EfiProgram::parse(&std::fs::read(path).unwrap()),
                Ok(program),
                "{path}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_header_panics(
            changes in proptest::collection::vec((0usize..TABLE + 16, any::<u8>()), 0..9),
            length in 0usize..=TABLE + 16,
        ) {
            let mut bytes = program(0x8664, OPTIONAL_MAGIC_64);
            for (position, value) in changes {
                bytes[position] = value;
            }
            let _ = EfiProgram::parse(&bytes[..length]);
        }
    }
}
