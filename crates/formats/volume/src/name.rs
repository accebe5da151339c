//! File names: the long ones, and the 8.3 aliases that FAT needs beside them.

use std::collections::{HashMap, HashSet};

/// Why FAT cannot hold a file name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A part of the path is empty, or `.` or `..`.
    #[error("every part of the path must be a name, without a slash at either end")]
    NotAName,
    /// One of its characters is not allowed.
    #[error("the character {character:?} is not allowed")]
    Character {
        /// The first such character.
        character: char,
    },
    /// It is too long.
    #[error("a name holds at most 255 UTF-16 units, not {length}")]
    TooLong {
        /// How many it has.
        length: usize,
    },
    /// Some readers strip what it ends with.
    #[error("a name cannot end with a dot or a space")]
    Ending,
}

/// Checks one part of a path.
pub(crate) fn check(name: &str) -> Result<(), NameError> {
    if matches!(name, "" | "." | "..") {
        return Err(NameError::NotAName);
    }
    let wrong = |&character: &char| character.is_control() || "\"*/:<>?\\|".contains(character);
    if let Some(character) = name.chars().find(wrong) {
        return Err(NameError::Character { character });
    }
    let length = name.encode_utf16().count();
    if length > 255 {
        return Err(NameError::TooLong { length });
    }
    if name.ends_with(['.', ' ']) {
        return Err(NameError::Ending);
    }
    Ok(())
}

/// The form in which names are compared: FAT does not tell upper from lower case.
pub(crate) fn fold(name: &str) -> String {
    let upper = |character: char| {
        let mut upper = character.to_uppercase();
        // Case tables of FAT map one unit to one unit.
        upper
            .next()
            .filter(|_| upper.next().is_none())
            .unwrap_or(character)
    };
    name.chars().map(upper).collect()
}

/// Whether an 8.3 name or a label can hold the character, once upper-cased.
pub(crate) fn fits_short(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'()-@^_`{}~".contains(character)
}

/// An 8.3 name: eight bytes and three, padded with spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ShortName(pub(crate) [u8; 11]);

impl ShortName {
    /// None yet.
    pub(crate) const BLANK: Self = Self([b' '; 11]);

    /// What ties long-name entries to the alias (*Long Filename Specification*, "Checksum").
    pub(crate) fn checksum(self) -> u8 {
        let rotate = |sum: u8, byte: &u8| sum.rotate_right(1).wrapping_add(*byte);
        self.0.iter().fold(0, rotate)
    }

    /// Whether a reader sees exactly this name without any long-name entry.
    pub(crate) fn shows(self, name: &str) -> bool {
        exact(name) == Some(self) && name == name.to_ascii_uppercase()
    }

    fn new(base: &str, extension: &str) -> Self {
        let Self(mut bytes) = Self::BLANK;
        bytes[..base.len()].copy_from_slice(base.as_bytes());
        bytes[8..8 + extension.len()].copy_from_slice(extension.as_bytes());
        Self(bytes)
    }
}

/// The aliases of a directory's names, which differ in more than case: unique in the directory.
pub(crate) fn aliases<'a>(names: impl Iterator<Item = &'a str> + Clone) -> Vec<ShortName> {
    let mut taken: HashSet<ShortName> = names.clone().filter_map(exact).collect();
    let mut tails = HashMap::new();
    let alias = |name: &'a str| {
        exact(name).unwrap_or_else(|| {
            let stem = stem(name);
            let tail = tails.entry(stem.clone()).or_insert(0_u32);
            loop {
                *tail += 1;
                let alias = numbered(&stem, *tail);
                if taken.insert(alias) {
                    return alias;
                }
            }
        })
    };
    names.map(alias).collect()
}

/// The alias of a name that needs no `~1`, because only its case may differ.
fn exact(name: &str) -> Option<ShortName> {
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let fits = |part: &str, limit| part.len() <= limit && part.chars().all(fits_short);
    let whole = !base.is_empty() && fits(base, 8) && fits(extension, 3);
    whole.then(|| ShortName::new(&base.to_ascii_uppercase(), &extension.to_ascii_uppercase()))
}

/// Base and extension of an alias before it gets its number, by the rules of the *Long Filename
/// Specification*, "Basis-name".
fn stem(name: &str) -> (String, String) {
    let name = name.replace(' ', "");
    let name = name.trim_start_matches('.');
    let (base, extension) = name.rsplit_once('.').unwrap_or((name, ""));
    let short = |part: &str, limit| -> String {
        let kept = part.chars().filter(|&character| character != '.');
        let kept = kept.map(|character| match fits_short(character) {
            true => character.to_ascii_uppercase(),
            false => '_',
        });
        kept.take(limit).collect()
    };
    (short(base, 8), short(extension, 3))
}

fn numbered((base, extension): &(String, String), number: u32) -> ShortName {
    let tail = format!("~{number}");
    let kept = base.len().min(8_usize.saturating_sub(tail.len()));
    ShortName::new(&format!("{}{tail}", &base[..kept]), extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(names: &[&str]) -> Vec<String> {
        let aliases = aliases(names.iter().copied());
        let text = |alias: ShortName| String::from_utf8(alias.0.to_vec()).unwrap();
        aliases.into_iter().map(text).collect()
    }

    #[test]
    fn aliases_are_unique_and_leave_exact_names_alone() {
        let names = [
            "filesystem.squashfs",
            "FILESY~1.SQU",
            "filesystem.squashed",
            "ldlinux.sys",
            ".config",
            "a+b",
            "Käse.txt",
            "tar.tar.gz",
        ];
        let expected = [
            "FILESY~2SQU",
            "FILESY~1SQU",
            "FILESY~3SQU",
            "LDLINUX SYS",
            "CONFIG~1   ",
            "A_B~1      ",
            "K_SE~1  TXT",
            "TARTAR~1GZ ",
        ];
        assert_eq!(shown(&names), expected);
    }

    #[test]
    fn long_numbers_shorten_the_base() {
        let names: Vec<String> = (0..1001).map(|n| format!("same beginning {n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let aliases = shown(&names);
        assert_eq!(aliases[9], "SAMEB~10   ");
        assert_eq!(aliases[1000], "SAM~1001   ");
    }

    #[test]
    fn only_upper_case_names_need_no_long_name() {
        let alias = aliases(["BOOTX64.EFI"].into_iter())[0];
        assert!(alias.shows("BOOTX64.EFI"));
        assert!(!alias.shows("bootx64.efi"));
    }

    #[test]
    fn names_that_fat_cannot_hold_are_refused() {
        assert_eq!(check(".."), Err(NameError::NotAName));
        assert_eq!(check("a:b"), Err(NameError::Character { character: ':' }));
        assert_eq!(check("a "), Err(NameError::Ending));
        let long = "ä".repeat(256);
        assert_eq!(check(&long), Err(NameError::TooLong { length: 256 }));
        assert_eq!(check(&long[2..]), Ok(()));
    }

    #[test]
    fn folding_keeps_the_number_of_characters() {
        assert_eq!(fold("Straße"), "STRAßE");
        assert_eq!(fold("ǅ"), fold("ǆ"));
    }
}
