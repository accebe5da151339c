//! What a kernel module says about itself.

use crate::format::{ELF64_LITTLE_ENDIAN, RawElfHeader, RawSectionHeader};
use crate::name::normalized;
use zerocopy::FromBytes;

const MODINFO_SECTION: &[u8] = b".modinfo";

/// Why a file is not a kernel module that can be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// It is not a 64-bit little-endian ELF file.
    #[error("it is not a 64-bit little-endian ELF file")]
    NotElf64,
    /// A table or a section lies outside of the file.
    #[error("its {what} lies outside of the file")]
    Truncated {
        /// Which one.
        what: &'static str,
    },
    /// It has no `.modinfo`.
    #[error("it has no .modinfo section: it is not a kernel module")]
    NoModinfo,
    /// The `.modinfo` is not text.
    #[error("its .modinfo section is not text")]
    NotText,
}

/// Modules that should be loaded with another one, but need not be there. The names may be aliases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SoftDependencies {
    /// To be loaded before it.
    pub before: Vec<String>,
    /// To be loaded after it.
    pub after: Vec<String>,
}

impl SoftDependencies {
    /// Adds those of a text such as `pre: a b post: c`.
    pub(crate) fn add(&mut self, text: &str) {
        let mut target = None;
        for word in text.split_whitespace() {
            match (word, target) {
                ("pre:", _) => target = Some(true),
                ("post:", _) => target = Some(false),
                (name, Some(true)) => self.before.push(name.to_owned()),
                (name, Some(false)) => self.after.push(name.to_owned()),
                // Without `pre:` or `post:` it only says that both belong together.
                (_, None) => {}
            }
        }
    }
}

/// The `.modinfo` section of a kernel module, as far as loading it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleInfo {
    /// Its name, with underscores, where it says so.
    pub name: Option<String>,
    /// The modules whose symbols it uses, with underscores.
    pub depends: Vec<String>,
    /// The modules that should be loaded before and after it.
    pub soft_dependencies: SoftDependencies,
    /// The patterns of what it drives or provides.
    pub aliases: Vec<String>,
    /// The firmware files that it may ask for, below `/lib/firmware`.
    pub firmware: Vec<String>,
}

impl ModuleInfo {
    /// Reads the `.modinfo` section of an uncompressed module.
    ///
    /// # Errors
    /// Where these are not the bytes of a 64-bit kernel module.
    pub fn from_module(bytes: &[u8]) -> Result<Self, ModuleError> {
        let section = find_section(bytes, MODINFO_SECTION)?;
        let text = std::str::from_utf8(section).map_err(|_| ModuleError::NotText)?;
        Ok(Self::parse(text))
    }

    /// Reads the contents of the section: `key=value`, each ended by a NUL.
    pub fn parse(text: &str) -> Self {
        let mut info = Self::default();
        for (key, value) in text.split('\0').filter_map(|field| field.split_once('=')) {
            match key {
                "name" => info.name = Some(normalized(value)),
                "depends" => {
                    let names = value.split(',').filter(|name| !name.is_empty());
                    info.depends.extend(names.map(normalized));
                }
                "softdep" => info.soft_dependencies.add(value),
                "alias" => info.aliases.push(value.to_owned()),
                "firmware" => info.firmware.push(value.to_owned()),
                _ => {}
            }
        }
        info
    }
}

fn find_section<'a>(bytes: &'a [u8], wanted: &[u8]) -> Result<&'a [u8], ModuleError> {
    let truncated = |what| ModuleError::Truncated { what };
    let header = RawElfHeader::ref_from_prefix(bytes)
        .map(|(header, _)| header)
        .ok()
        .filter(|header| header.identification.starts_with(&ELF64_LITTLE_ENDIAN))
        .filter(|header| usize::from(header.section_header_bytes) == size_of::<RawSectionHeader>())
        .ok_or(ModuleError::NotElf64)?;
    let sections = usize::try_from(header.section_headers_offset.get())
        .ok()
        .and_then(|offset| bytes.get(offset..))
        .and_then(|rest| {
            let count = usize::from(header.section_headers);
            <[RawSectionHeader]>::ref_from_prefix_with_elems(rest, count).ok()
        })
        .map(|(sections, _)| sections)
        .ok_or_else(|| truncated("section table"))?;
    let names = sections
        .get(usize::from(header.name_section))
        .and_then(|section| contents(bytes, section))
        .ok_or_else(|| truncated("table of section names"))?;
    let section = sections
        .iter()
        .find(|section| section_name(names, section) == Some(wanted))
        .ok_or(ModuleError::NoModinfo)?;
    contents(bytes, section).ok_or_else(|| truncated(".modinfo section"))
}

fn contents<'a>(bytes: &'a [u8], section: &RawSectionHeader) -> Option<&'a [u8]> {
    let start = usize::try_from(section.offset.get()).ok()?;
    let length = usize::try_from(section.length_bytes.get()).ok()?;
    bytes.get(start..start.checked_add(length)?)
}

fn section_name<'a>(names: &'a [u8], section: &RawSectionHeader) -> Option<&'a [u8]> {
    let name = names.get(usize::try_from(section.name_offset.get()).ok()?..)?;
    name.split(|byte| *byte == 0).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    const NAMES: &[u8] = b"\0.modinfo\0.shstrtab\0";
    const MODINFO: &[u8] = b"license=GPL\0\0\0alias=pci:v*\0alias=x\0depends=usb-common,usbcore\0\
        softdep=pre: a-b c post: d\0softdep=lonely\0firmware=f/w.bin\0name=xhci-pci\0no value\0";

    /// A relocatable ELF file with a section table of three: null, `.modinfo`, names.
    fn module(modinfo: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(&ELF64_LITTLE_ENDIAN);
        let sections = [(0, &b""[..]), (1, modinfo), (10, NAMES)];
        let mut table = Vec::new();
        for (name, contents) in sections {
            let mut section = [0; 64];
            section[..4].copy_from_slice(&u32::to_le_bytes(name));
            section[24..32].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
            section[32..40].copy_from_slice(&(contents.len() as u64).to_le_bytes());
            bytes.extend_from_slice(contents);
            table.extend_from_slice(&section);
        }
        let table_offset = bytes.len() as u64;
        bytes[40..48].copy_from_slice(&table_offset.to_le_bytes());
        bytes[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
        bytes.extend_from_slice(&table);
        bytes
    }

    #[test]
    fn a_module_tells_what_loading_it_takes() {
        let strings = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let expected = ModuleInfo {
            name: Some("xhci_pci".to_owned()),
            depends: strings(&["usb_common", "usbcore"]),
            soft_dependencies: SoftDependencies {
                before: strings(&["a-b", "c"]),
                after: strings(&["d"]),
            },
            aliases: strings(&["pci:v*", "x"]),
            firmware: strings(&["f/w.bin"]),
        };
        assert_eq!(ModuleInfo::from_module(&module(MODINFO)), Ok(expected));
    }

    #[test]
    fn what_is_not_a_module_is_refused() {
        let good = module(MODINFO);
        let refused = |bytes: &[u8]| ModuleInfo::from_module(bytes).unwrap_err();
        assert_eq!(refused(b""), ModuleError::NotElf64);
        assert_eq!(refused(&good[..63]), ModuleError::NotElf64);
        let mut elf32 = good.clone();
        elf32[4] = 1;
        assert_eq!(refused(&elf32), ModuleError::NotElf64);
        let what = "section table";
        assert_eq!(
            refused(&good[..good.len() - 1]),
            ModuleError::Truncated { what }
        );
        let mut other = good.clone();
        let name = other.windows(8).position(|w| w == b".modinfo").unwrap();
        other[name] = b'-';
        assert_eq!(refused(&other), ModuleError::NoModinfo);
        assert_eq!(refused(&module(b"name=\xff")), ModuleError::NotText);
    }

    proptest! {
        #[test]
        fn no_module_panics(changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 0..9)) {
            let mut bytes = module(MODINFO);
            let length = bytes.len();
            for (position, value) in changes {
                bytes[usize::from(position) % length] = value;
            }
            let _ = ModuleInfo::from_module(&bytes);
        }
    }
}
