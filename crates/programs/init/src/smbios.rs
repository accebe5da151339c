//! The OEM strings of the machine's SMBIOS tables.

use std::fs;

/// The OEM strings of this machine; none where it has no SMBIOS.
pub fn oem_strings() -> Vec<String> {
    let table = fs::read("/sys/firmware/dmi/tables/DMI").unwrap_or_default();
    parse_oem_strings(&table)
}

/// The strings of every structure of type 11 in a structure table (SMBIOS specification 3.7, 6.1.3
/// and 7.12). What is cut off or contradictory ends the table.
fn parse_oem_strings(table: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = table;
    while let Some((kind, strings, after)) = split_structure(rest) {
        match kind {
            OEM_STRINGS => found.extend(strings),
            END_OF_TABLE => break,
            _ => {}
        }
        rest = after;
    }
    found
}

const OEM_STRINGS: u8 = 11;
const END_OF_TABLE: u8 = 127;
/// Type, length and handle.
const HEADER_BYTES: usize = 4;

/// A structure's type, its strings, and the table after it.
fn split_structure(table: &[u8]) -> Option<(u8, Vec<String>, &[u8])> {
    let kind = *table.first()?;
    let formatted_bytes = usize::from(*table.get(1)?);
    if formatted_bytes < HEADER_BYTES {
        return None;
    }
    let strings = table.get(formatted_bytes..)?;
    let end = strings.windows(2).position(|pair| pair == [0, 0])?;
    let texts = strings.get(..end)?.split(|byte| *byte == 0);
    let texts = texts.map(|text| String::from_utf8_lossy(text).into_owned());
    Some((kind, texts.collect(), strings.get(end + 2..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_oem_strings_are_taken() {
        let table = b"\x01\x06\x00\x01\xff\xffQEMU\0livestick.log=no\0\0\
            \x20\x05\x00\x03\x00\0\0\
            \x0b\x05\x00\x0e\x02livestick.log=ttyS0\0other\0\0\
            \x0b\x05\x01\x0e\x01last\0\0\
            \x7f\x04\x00\x7f\0\0\
            \x0b\x05\x01\x0e\x01after\0\0";
        let expected = ["livestick.log=ttyS0", "other", "last"];
        assert_eq!(parse_oem_strings(table), expected);
    }

    #[test]
    fn a_damaged_table_ends_quietly() {
        let table = b"\x0b\x05\x00\x0e\x01first\0\0\x0b\x05\x00\x0e\x01second\0\0";
        for length in 0..table.len() {
            let strings = parse_oem_strings(&table[..length]);
            assert!(strings.len() <= 1, "{strings:?}");
        }
        assert_eq!(parse_oem_strings(b"\x0b\x02xx\0\0"), Vec::<String>::new());
    }
}
