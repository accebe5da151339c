//! Which modules a device's modalias asks for.

use livestick_handoff::Alias;

/// The modules that drive a device of this modalias. All aliases are tried: nearly all fail at their
/// first letters, and an index takes longer to build than it saves.
pub fn modules<'a>(aliases: &'a [Alias], modalias: &str) -> impl Iterator<Item = &'a str> {
    let matching = aliases
        .iter()
        .filter(move |alias| matches(alias.pattern.as_bytes(), modalias.as_bytes()));
    matching.map(|alias| alias.module.as_str())
}

/// `fnmatch(3)` for the patterns of `modules.alias`. Like modprobe it takes `-` and `_` for the same.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    // Where to go on after a mismatch: behind the last `*`, with one more byte taken by it.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', after @ ..] = pattern {
            retry = Some((after, text));
            pattern = after;
            continue;
        }
        match (match_one(pattern, text), retry) {
            (_, _) if pattern.is_empty() && text.is_empty() => return true,
            (Some((after, rest)), _) => (pattern, text) = (after, rest),
            (None, Some((after, [_, rest @ ..]))) => {
                retry = Some((after, rest));
                (pattern, text) = (after, rest);
            }
            (None, _) => return false,
        }
    }
}

/// Matches one byte of the text with the pattern's first element; gives what is left of both.
fn match_one<'p, 't>(pattern: &'p [u8], text: &'t [u8]) -> Option<(&'p [u8], &'t [u8])> {
    let (byte, rest) = text.split_first()?;
    let after = match pattern {
        [b'?', after @ ..] => after,
        [b'[', class @ ..] => match_class(class, *byte)?,
        [literal, after @ ..] if fold(*literal) == fold(*byte) => after,
        _ => return None,
    };
    Some((after, rest))
}

/// Matches the bracket expression that `class` begins with (after its `[`); gives what follows it.
fn match_class(class: &[u8], byte: u8) -> Option<&[u8]> {
    let (negated, mut members) = match class {
        [b'!' | b'^', members @ ..] => (true, members),
        members => (false, members),
    };
    let mut found = false;
    loop {
        members = match members {
            [b']', after @ ..] => return (found != negated).then_some(after),
            [low, b'-', high, after @ ..] if *high != b']' => {
                found |= (*low..=*high).contains(&byte);
                after
            }
            [member, after @ ..] => {
                found |= *member == byte;
                after
            }
            [] => return None,
        };
    }
}

fn fold(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        super::matches(pattern.as_bytes(), text.as_bytes())
    }

    #[test]
    fn patterns_of_real_modules_match_real_devices() {
        let stick = "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00";
        assert!(matches("usb:v*p*d*dc*dsc*dp*ic08isc06ip50in*", stick));
        assert!(!matches("usb:v*p*d*dc*dsc*dp*ic08isc06ip62in*", stick));
        let xhci = "pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30";
        assert!(matches("pci:v*d*sv*sd*bc0Csc03i30*", xhci));
        assert!(!matches("pci:v*d*sv*sd*bc0Csc03i20*", xhci));
        assert!(matches("scsi:t-0x00*", "scsi:t-0x00"));
        assert!(matches(
            "usb:v054Cp0010d010[6-9]dc*",
            "usb:v054Cp0010d0107dc00"
        ));
        assert!(!matches(
            "usb:v054Cp0010d010[6-9]dc*",
            "usb:v054Cp0010d0105dc00"
        ));
    }

    #[test]
    fn the_whole_text_must_match() {
        assert!(matches("", ""));
        assert!(matches("*", ""));
        assert!(matches("a*b*c", "axxbxbxc"));
        assert!(!matches("a*b*c", "axxbxbx"));
        assert!(!matches("abc", "abcd"));
        assert!(!matches("abcd", "abc"));
        assert!(matches("a?c", "abc"));
        assert!(!matches("a?c", "ac"));
        assert!(matches("nls_iso8859-1", "nls-iso8859_1"));
    }

    #[test]
    fn brackets_are_sets() {
        assert!(matches("[!a-c]x", "dx"));
        assert!(!matches("[!a-c]x", "bx"));
        assert!(matches("[a-]", "-"));
        assert!(matches("*[0-9A]", "x9A"));
        assert!(!matches("[ab", "a"));
    }

    #[test]
    fn an_alias_names_its_module() {
        let alias = |pattern: &str, module: &str| Alias {
            pattern: pattern.to_owned(),
            module: module.to_owned(),
        };
        let list = [
            alias("usb:v*", "a"),
            alias("pci:*", "b"),
            alias("usb:*1", "c"),
            alias("fs-vfat", "d"),
        ];
        let names = |modalias| modules(&list, modalias).collect::<Vec<_>>();
        assert_eq!(names("usb:v1"), ["a", "c"]);
        assert_eq!(names("fs-vfat"), ["d"]);
        assert_eq!(names("acpi:x").len(), 0);
    }
}
