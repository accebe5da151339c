//! Patterns of module aliases.

/// Whether a module alias names what the kernel asks for: `*`, `?` and `[…]` as in `fnmatch`, `-`
/// and `_` equal. Takes at most a step for each pair of characters.
pub fn alias_matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes(), text.as_bytes());
    // What to try again when a later part does not match: the last star swallows one more.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', after_star @ ..] = pattern {
            pattern = after_star;
            retry = Some((pattern, text));
            continue;
        }
        match (text, step(pattern, text.first())) {
            ([], _) if pattern.is_empty() => return true,
            ([_, rest @ ..], Some(next)) => (pattern, text) = (next, rest),
            _ => match retry {
                Some((after_star, [_, rest @ ..])) => {
                    (pattern, text) = (after_star, rest);
                    retry = Some((after_star, rest));
                }
                _ => return false,
            },
        }
    }
}

/// The rest of the pattern, where its first part is not a star and matches the character.
fn step<'a>(pattern: &'a [u8], character: Option<&u8>) -> Option<&'a [u8]> {
    let character = *character?;
    match pattern {
        [b'[', rest @ ..] => match_set(rest, character),
        [b'?', rest @ ..] => Some(rest),
        [first, rest @ ..] if dash(*first) == dash(character) => Some(rest),
        _ => None,
    }
}

/// The rest of the pattern after a set such as `[0-9a]`, where the character is in it.
fn match_set(set: &[u8], character: u8) -> Option<&[u8]> {
    let end = set.iter().position(|byte| *byte == b']')?;
    let (mut members, rest) = (&set[..end], &set[end + 1..]);
    let mut found = false;
    while let [first, others @ ..] = members {
        members = match others {
            [b'-', last, others @ ..] => {
                found |= (*first..=*last).contains(&character);
                others
            }
            _ => {
                found |= *first == character;
                others
            }
        };
    }
    found.then_some(rest)
}

fn dash(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        let sd_host = "pci:v00001B36d00000007sv00001AF4sd00001100bc08sc05i01";
        for (pattern, text) in [
            ("pci:v*d*sv*sd*bc08sc05i*", sd_host),
            ("*", ""),
            ("*", "anything"),
            ("a*b*c", "aXbXbXc"),
            ("usb:v05ACp026[0-9a]*", "usb:v05ACp026ad1"),
            ("crypto-crc32c", "crypto_crc32c"),
            ("a?c", "abc"),
            ("**x**", "x"),
        ] {
            assert!(alias_matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("pci:v*d*sv*sd*bc0Csc03i30*", sd_host),
            ("", "a"),
            ("a", ""),
            ("a?", "a"),
            ("a*b", "abc"),
            ("[0-9]", "a"),
            ("[0-9", "0"),
            ("[0-9", "["),
        ] {
            assert!(!alias_matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let pattern = "*a".repeat(2000);
        assert!(!alias_matches(&pattern, &"a".repeat(1999)));
        assert!(!alias_matches(&format!("{pattern}*b"), &"a".repeat(20_000)));
    }
}
