//! The entries of a directory, long names and all.

use crate::format::{
    self, ATTRIBUTE_DIRECTORY, ATTRIBUTE_LABEL, ATTRIBUTE_LONG_NAME, ENTRY_BYTES, RawEntry,
    RawLongEntry,
};
use crate::name::ShortName;
use zerocopy::FromBytes;

/// An entry that stands for a file or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Its long name, or the short one where it has no other.
    pub(crate) name: String,
    pub(crate) is_directory: bool,
    pub(crate) cluster: u32,
    pub(crate) length_bytes: u32,
}

/// What the bytes of a directory hold, with how many long names belong to nothing.
#[derive(Debug, Default)]
pub(crate) struct Decoded {
    /// `.` and `..` left out.
    pub(crate) entries: Vec<Named>,
    pub(crate) label: Option<[u8; 11]>,
    pub(crate) stray_names: usize,
}

/// The first byte of an entry that was deleted.
const DELETED: u8 = 0xe5;
/// What stands for a first byte of E5, which Japanese names may have.
const E5: u8 = 0x05;
/// Set in `reserved` where a part of the short name is shown in small letters.
const SMALL_BASE: u8 = 0x08;
const SMALL_EXTENSION: u8 = 0x10;
const ORDER_MASK: u8 = 0x1f;

/// The entries up to the first that ends the directory.
pub(crate) fn decode(bytes: &[u8]) -> Decoded {
    let mut decoded = Decoded::default();
    let mut long = LongName::default();
    let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
    for entry in entries.iter().take_while(|entry| !is_end(entry)) {
        let raw: RawEntry = zerocopy::transmute!(*entry);
        if raw.name[0] == DELETED {
            decoded.stray_names += long.take_stray();
        } else if raw.attributes & ATTRIBUTE_LONG_NAME == ATTRIBUTE_LONG_NAME {
            decoded.stray_names += long.add(entry);
        } else if raw.attributes & ATTRIBUTE_LABEL != 0 {
            decoded.stray_names += long.take_stray();
            decoded.label.get_or_insert(raw.name);
        } else {
            let long_name = long.finish(ShortName(raw.name));
            decoded.stray_names += long.take_stray();
            if !matches!(&raw.name, b".          " | b"..         ") {
                decoded.entries.push(named(&raw, long_name));
            }
        }
    }
    decoded.stray_names += long.take_stray();
    decoded
}

/// Whether nothing comes from here on.
fn is_end(entry: &[u8; ENTRY_BYTES]) -> bool {
    entry[0] == 0
}

/// Gives every entry of a directory another cluster.
pub(crate) fn relink(bytes: &mut [u8], mut cluster: impl FnMut(u32) -> u32) {
    let (entries, _) = bytes.as_chunks_mut::<ENTRY_BYTES>();
    for entry in entries {
        if is_end(entry) {
            break;
        }
        let mut raw: RawEntry = zerocopy::transmute!(*entry);
        let is_name = raw.attributes & ATTRIBUTE_LABEL != 0;
        let old = raw.cluster();
        if raw.name[0] != DELETED && !is_name && old != 0 {
            raw.set_cluster(cluster(old));
            *entry = zerocopy::transmute!(raw);
        }
    }
}

fn named(raw: &RawEntry, long_name: Option<String>) -> Named {
    Named {
        name: long_name.unwrap_or_else(|| short_name(raw)),
        is_directory: raw.attributes & ATTRIBUTE_DIRECTORY != 0,
        cluster: raw.cluster(),
        length_bytes: raw.length_bytes.get(),
    }
}

fn short_name(raw: &RawEntry) -> String {
    let mut name = raw.name;
    if name[0] == E5 {
        name[0] = DELETED;
    }
    let part = |bytes: &[u8], small: u8| {
        let text = String::from_utf8_lossy(bytes)
            .trim_end_matches(' ')
            .to_owned();
        match raw.reserved & small != 0 {
            true => text.to_ascii_lowercase(),
            false => text,
        }
    };
    let (base, extension) = (
        part(&name[..8], SMALL_BASE),
        part(&name[8..], SMALL_EXTENSION),
    );
    match extension.is_empty() {
        true => base,
        false => format!("{base}.{extension}"),
    }
}

/// The entries of a long name that were met so far; its end comes first.
#[derive(Default)]
struct LongName {
    units: Vec<u16>,
    /// The number of the next entry; 0 once all are there.
    next: u8,
    checksum: u8,
    begun: bool,
}

impl LongName {
    /// How many names were dropped for this entry.
    fn add(&mut self, entry: &[u8; ENTRY_BYTES]) -> usize {
        let Ok(raw) = RawLongEntry::read_from_bytes(entry) else {
            return self.take_stray();
        };
        let order = raw.order & ORDER_MASK;
        if raw.order & format::LAST_LONG_ENTRY != 0 {
            let stray = self.take_stray();
            *self = Self {
                units: Vec::new(),
                next: order,
                checksum: raw.checksum,
                begun: true,
            };
            self.prepend(&raw);
            return stray;
        }
        if !self.begun || order == 0 || order != self.next || raw.checksum != self.checksum {
            self.take_stray();
            return 1;
        }
        self.prepend(&raw);
        0
    }

    fn prepend(&mut self, raw: &RawLongEntry) {
        let mut units = raw.units();
        units.append(&mut self.units);
        self.units = units;
        self.next = self.next.saturating_sub(1);
    }

    /// The name, where it is whole and belongs to this alias.
    fn finish(&mut self, alias: ShortName) -> Option<String> {
        if !self.begun || self.next != 0 || self.checksum != alias.checksum() {
            return None;
        }
        self.begun = false;
        let end = self.units.iter().position(|unit| *unit == 0);
        let units = &self.units[..end.unwrap_or(self.units.len())];
        Some(String::from_utf16_lossy(units))
    }

    /// Forgets what is left over: 1 where there was something.
    fn take_stray(&mut self) -> usize {
        usize::from(std::mem::take(&mut self.begun))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn entry(name: &[u8; 11]) -> [u8; ENTRY_BYTES] {
        format::entry(*name, 0x20, 0x12_3456, 7, Timestamp::from_unix_seconds(0))
    }

    #[test]
    fn a_long_name_is_read_with_its_alias_and_not_with_another() {
        let alias = ShortName(*b"FILESY~1SQU");
        let long = format::long_entries("filesystem.squashfs", alias.checksum());
        let mut bytes: Vec<u8> = long.concat();
        bytes.extend(entry(&alias.0));
        let decoded = decode(&bytes);
        assert_eq!(decoded.entries[0].name, "filesystem.squashfs");
        assert_eq!(decoded.entries[0].cluster, 0x12_3456);
        assert_eq!(decoded.stray_names, 0);
        for at in [0, 13, 32, 45, 64] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1;
            let decoded = decode(&damaged);
            let whole = decoded
                .entries
                .iter()
                .any(|entry| entry.name == "filesystem.squashfs");
            assert!(!whole && decoded.stray_names > 0, "byte {at}: {decoded:?}");
        }
    }

    #[test]
    fn short_names_are_shown_as_systems_show_them() {
        let mut small = entry(b"README  TXT");
        assert_eq!(decode(&small).entries[0].name, "README.TXT");
        small[12] = SMALL_BASE | SMALL_EXTENSION;
        assert_eq!(decode(&small).entries[0].name, "readme.txt");
        assert_eq!(decode(&entry(b"A          ")).entries[0].name, "A");
        assert!(decode(&entry(b"\xe5README TXT")).entries.is_empty());
    }

    #[test]
    fn clusters_are_given_anew() {
        let mut bytes = [entry(b"A          "), entry(b"\xe5          "), [0; 32]].concat();
        relink(&mut bytes, |cluster| cluster + 1);
        assert_eq!(decode(&bytes).entries[0].cluster, 0x12_3457);
        assert_eq!(bytes[32..], [entry(b"\xe5          "), [0; 32]].concat());
    }
}
