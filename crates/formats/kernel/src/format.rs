//! Structures as they lie in a kernel image, in an EFI program and in a kernel module.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

/// Where the setup header begins in a kernel image.
pub(crate) const SETUP_HEADER_OFFSET: usize = 0x1f1;
/// `boot_flag` of the setup header.
pub(crate) const BOOT_FLAG: u16 = 0xaa55;
/// `magic` of the setup header.
pub(crate) const SETUP_MAGIC: [u8; 4] = *b"HdrS";
/// The offset in `version_offset` counts from here.
pub(crate) const VERSION_BASE: usize = 0x200;
/// The unit of `setup_sectors`.
pub(crate) const SECTOR_BYTES: usize = 512;
/// What `setup_sectors` means where it is 0.
pub(crate) const DEFAULT_SETUP_SECTORS: u8 = 4;

/// The start of the setup header: the kernel's `Documentation/arch/x86/boot.rst`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawSetupHeader {
    pub setup_sectors: u8,
    pub root_flags: U16,
    pub system_paragraphs: U32,
    pub ram_size: U16,
    pub video_mode: U16,
    pub root_device: U16,
    pub boot_flag: U16,

    pub jump: U16,
    pub magic: [u8; 4],
    pub protocol: U16,
    pub real_mode_switch: U32,
    pub start_system_segment: U16,
    pub version_offset: U16,
}

const _: () = assert!(size_of::<RawSetupHeader>() == 0x210 - SETUP_HEADER_OFFSET);

/// Where `xloadflags` lie in a kernel image: a part of the setup header's later fields.
pub(crate) const EXTRA_LOAD_FLAGS_OFFSET: usize = 0x236;
/// The first protocol whose setup header has `xloadflags`.
pub(crate) const EXTRA_LOAD_FLAGS_PROTOCOL: u16 = 0x20c;
/// `XLF_EFI_HANDOVER_32`.
pub(crate) const EFI_HANDOVER_32: u16 = 1 << 2;

/// `e_ident` of a 64-bit little-endian ELF file, as far as it is fixed.
pub(crate) const ELF64_LITTLE_ENDIAN: [u8; 6] = *b"\x7fELF\x02\x01";

/// `Elf64_Ehdr`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawElfHeader {
    pub identification: [u8; 16],

    pub file_type: U16,
    pub machine: U16,
    pub version: U32,
    pub entry: U64,

    pub program_headers_offset: U64,
    pub section_headers_offset: U64,

    pub flags: U32,
    pub header_bytes: U16,
    pub program_header_bytes: U16,
    pub program_headers: U16,
    pub section_header_bytes: U16,
    pub section_headers: U16,
    pub name_section: U16,
}

const _: () = assert!(size_of::<RawElfHeader>() == 64);

/// `Elf64_Shdr`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawSectionHeader {
    pub name_offset: U32,
    pub section_type: U32,
    pub flags: U64,

    pub address: U64,
    pub offset: U64,

    pub length_bytes: U64,
    pub link: U32,
    pub info: U32,

    pub alignment: U64,
    pub entry_bytes: U64,
}

const _: () = assert!(size_of::<RawSectionHeader>() == 64);

/// `e_magic` of the DOS header.
pub(crate) const DOS_MAGIC: [u8; 2] = *b"MZ";
/// What the PE header begins with.
pub(crate) const PE_MAGIC: [u8; 4] = *b"PE\0\0";
/// `Magic` of the optional header of a 32-bit program.
pub(crate) const OPTIONAL_MAGIC_32: u16 = 0x10b;
/// `Magic` of the optional header of a 64-bit program.
pub(crate) const OPTIONAL_MAGIC_64: u16 = 0x20b;
/// Which data directory is the certificate table (`IMAGE_DIRECTORY_ENTRY_SECURITY`).
pub(crate) const SECURITY_DIRECTORY: usize = 4;
/// The certificate table begins at a multiple of this.
pub(crate) const CERTIFICATE_UNIT: usize = 8;
/// `WIN_CERT_REVISION_2_0`.
pub(crate) const CERTIFICATE_REVISION: u16 = 0x0200;
/// `WIN_CERT_TYPE_PKCS_SIGNED_DATA`.
pub(crate) const CERTIFICATE_TYPE: u16 = 0x0002;
/// What PKCS #7 `SignedData` begins with.
pub(crate) const DER_SEQUENCE: u8 = 0x30;

/// `IMAGE_DOS_HEADER`, of which EFI uses two fields.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawDosHeader {
    pub magic: [u8; 2],
    pub unused: [u8; 0x3a],
    pub pe_offset: U32,
}

const _: () = assert!(size_of::<RawDosHeader>() == 0x40);

/// The magic, then `IMAGE_FILE_HEADER`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawPeHeader {
    pub magic: [u8; 4],
    pub machine: U16,
    pub sections: U16,
    pub timestamp: U32,
    pub symbols_offset: U32,

    pub symbols: U32,
    pub optional_header_bytes: U16,
    pub characteristics: U16,
}

const _: () = assert!(size_of::<RawPeHeader>() == 24);

/// `IMAGE_OPTIONAL_HEADER32`, up to the data directories.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawOptionalHeader32 {
    pub magic: U16,
    pub unused: [u8; 90],
    pub data_directories: U32,
}

const _: () = assert!(size_of::<RawOptionalHeader32>() == 96);

/// `IMAGE_OPTIONAL_HEADER64`, up to the data directories.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawOptionalHeader64 {
    pub magic: U16,
    pub unused: [u8; 106],
    pub data_directories: U32,
}

const _: () = assert!(size_of::<RawOptionalHeader64>() == 112);

/// `IMAGE_DATA_DIRECTORY`.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawDataDirectory {
    pub address: U32,
    pub length_bytes: U32,
}

const _: () = assert!(size_of::<RawDataDirectory>() == 8);

/// `WIN_CERTIFICATE`, up to its content.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawCertificate {
    pub length_bytes: U32,
    pub revision: U16,
    pub certificate_type: U16,
}

const _: () = assert!(size_of::<RawCertificate>() == 8);
