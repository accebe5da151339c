//! Structures as they lie in a kernel image and in a kernel module.

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
