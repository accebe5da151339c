//! A wildcard pattern of one name, with the extended patterns of `ksh`, as `fnmatch(3)` has them
//! with `FNM_EXTMATCH`. A leading dot is nothing special: who leaves out `*` means everything.

use std::iter::Peekable;
use std::slice::Iter;

/// A character of a name; bytes that are not UTF-8 stand for themselves, above all characters.
type Letter = u32;
const NOT_UTF8: Letter = 0x11_0000;

/// A pattern of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Glob(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Letter(Letter),
    /// `?`
    Any,
    /// `*`
    Many,
    /// `[…]`
    Set(Set),
    /// `@(…|…)` and its kin.
    Group(Repeat, Vec<Vec<Self>>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Set {
    negated: bool,
    ranges: Vec<(Letter, Letter)>,
    classes: Vec<fn(&char) -> bool>,
}

/// How often one of the alternatives of a group is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeat {
    /// `@`
    Once,
    /// `?`
    AtMostOnce,
    /// `*`
    Any,
    /// `+`
    AtLeastOnce,
    /// `!`: anything else.
    Never,
}

impl Glob {
    /// Understands a pattern, or says what is wrong with it.
    pub(crate) fn parse(pattern: &[u8]) -> Result<Self, &'static str> {
        let letters = letters(pattern);
        let mut rest = letters.iter().peekable();
        sequence(&mut rest, false).map(Self)
    }

    /// The only name that it matches, where it has no wildcards.
    pub(crate) fn literal(&self) -> Option<Vec<u8>> {
        let mut name = Vec::new();
        for part in &self.0 {
            let Part::Letter(letter) = part else {
                return None;
            };
            match char::from_u32(*letter) {
                Some(letter) => name.extend(letter.to_string().into_bytes()),
                None => name.push(u8::try_from(letter - NOT_UTF8).ok()?),
            }
        }
        Some(name)
    }

    /// Whether a name matches, all of it.
    pub(crate) fn matches(&self, name: &[u8]) -> bool {
        let name = letters(name);
        let mut starts = vec![false; name.len() + 1];
        starts[0] = true;
        advance(&self.0, &name, starts)[name.len()]
    }
}

/// From where in the name a match may go on, after these parts. All ways are followed at once, so
/// that no pattern takes long.
fn advance(parts: &[Part], name: &[Letter], starts: Vec<bool>) -> Vec<bool> {
    parts.iter().fold(starts, |at, part| match part {
        Part::Letter(letter) => step(name, &at, |found| found == *letter),
        Part::Any => step(name, &at, |_| true),
        Part::Set(set) => step(name, &at, |found| set.has(found)),
        Part::Many => {
            let first = at.iter().position(|at| *at).unwrap_or(at.len());
            (0..at.len()).map(|place| place >= first).collect()
        }
        Part::Group(repeat, alternatives) => group(*repeat, alternatives, name, &at),
    })
}

fn step(name: &[Letter], at: &[bool], fits: impl Fn(Letter) -> bool) -> Vec<bool> {
    let mut next = vec![false; at.len()];
    for (place, letter) in name.iter().enumerate() {
        next[place + 1] = at[place] && fits(*letter);
    }
    next
}

fn group(repeat: Repeat, alternatives: &[Vec<Part>], name: &[Letter], at: &[bool]) -> Vec<bool> {
    let once = |at: &[bool]| {
        let ends = alternatives
            .iter()
            .map(|parts| advance(parts, name, at.to_vec()));
        ends.fold(vec![false; at.len()], |all, ends| union(&all, &ends))
    };
    match repeat {
        Repeat::Once => once(at),
        Repeat::AtMostOnce => union(at, &once(at)),
        Repeat::Any => closure(at.to_vec(), once),
        Repeat::AtLeastOnce => closure(once(at), once),
        Repeat::Never => {
            let mut ends = vec![false; at.len()];
            for start in (0..at.len()).filter(|start| at[*start]) {
                let mut only = vec![false; at.len()];
                only[start] = true;
                let matched = once(&only);
                for end in start..at.len() {
                    ends[end] |= !matched[end];
                }
            }
            ends
        }
    }
}

fn closure(mut at: Vec<bool>, once: impl Fn(&[bool]) -> Vec<bool>) -> Vec<bool> {
    loop {
        let more = union(&at, &once(&at));
        if more == at {
            return at;
        }
        at = more;
    }
}

fn union(one: &[bool], other: &[bool]) -> Vec<bool> {
    one.iter()
        .zip(other)
        .map(|(one, other)| *one || *other)
        .collect()
}

impl Set {
    fn has(&self, letter: Letter) -> bool {
        let in_range = self
            .ranges
            .iter()
            .any(|(first, last)| (first..=last).contains(&&letter));
        let character = char::from_u32(letter);
        let in_class = character.is_some_and(|letter| self.classes.iter().any(|has| has(&letter)));
        (in_range || in_class) != self.negated
    }
}

type Rest<'a> = Peekable<Iter<'a, Letter>>;

const NOTHING_ESCAPED: &str = "it ends with a backslash";

/// Parts up to the end or, in a group, to the `|` or `)` that ends an alternative.
fn sequence(rest: &mut Rest<'_>, in_group: bool) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    while let Some(letter) = rest.next_if(|letter| !(in_group && is(**letter, "|)"))) {
        let repeat = repeat(*letter).filter(|_| rest.next_if(|next| is(**next, "(")).is_some());
        if let Some(repeat) = repeat {
            parts.push(Part::Group(repeat, alternatives(rest)?));
            continue;
        }
        parts.push(match char::from_u32(*letter) {
            Some('?') => Part::Any,
            Some('*') => Part::Many,
            Some('[') => Part::Set(set(rest)?),
            Some('\\') => Part::Letter(*rest.next().ok_or(NOTHING_ESCAPED)?),
            _ => Part::Letter(*letter),
        });
    }
    Ok(parts)
}

fn repeat(letter: Letter) -> Option<Repeat> {
    match char::from_u32(letter)? {
        '@' => Some(Repeat::Once),
        '?' => Some(Repeat::AtMostOnce),
        '*' => Some(Repeat::Any),
        '+' => Some(Repeat::AtLeastOnce),
        '!' => Some(Repeat::Never),
        _ => None,
    }
}

fn alternatives(rest: &mut Rest<'_>) -> Result<Vec<Vec<Part>>, &'static str> {
    let mut alternatives = Vec::new();
    loop {
        alternatives.push(sequence(rest, true)?);
        match rest.next().and_then(|letter| char::from_u32(*letter)) {
            Some('|') => {}
            Some(_) => return Ok(alternatives),
            None => return Err("a group is not closed with `)`"),
        }
    }
}

fn set(rest: &mut Rest<'_>) -> Result<Set, &'static str> {
    const OPEN: &str = "a set is not closed with `]`";
    let mut set = Set {
        negated: rest.next_if(|letter| is(**letter, "!^")).is_some(),
        ranges: Vec::new(),
        classes: Vec::new(),
    };
    let mut is_first = true;
    loop {
        let mut letter = *rest.next().ok_or(OPEN)?;
        if is(letter, "]") && !is_first {
            return Ok(set);
        }
        is_first = false;
        if is(letter, "[") && rest.next_if(|next| is(**next, ":")).is_some() {
            set.classes.push(class(rest)?);
            continue;
        }
        if is(letter, "\\") {
            letter = *rest.next().ok_or(NOTHING_ESCAPED)?;
        }
        let mut ahead = rest.clone();
        let is_range = ahead.next().is_some_and(|next| is(*next, "-"));
        let last = ahead.next().filter(|last| is_range && !is(**last, "]"));
        match last {
            Some(last) => {
                *rest = ahead;
                set.ranges.push((letter, *last));
            }
            None => set.ranges.push((letter, letter)),
        }
    }
}

fn class(rest: &mut Rest<'_>) -> Result<fn(&char) -> bool, &'static str> {
    let mut name = String::new();
    while let Some(letter) = rest.next_if(|letter| !is(**letter, ":")) {
        name.extend(char::from_u32(*letter));
    }
    if rest.next().is_none() || rest.next_if(|letter| is(**letter, "]")).is_none() {
        return Err("a class is not closed with `:]`");
    }
    Ok(match &*name {
        "alnum" => |letter| letter.is_alphanumeric(),
        "alpha" => |letter| letter.is_alphabetic(),
        "blank" => |letter| matches!(letter, ' ' | '\t'),
        "cntrl" => |letter| letter.is_control(),
        "digit" => char::is_ascii_digit,
        "graph" => |letter| !letter.is_whitespace() && !letter.is_control(),
        "lower" => |letter| letter.is_lowercase(),
        "print" => |letter| !letter.is_control(),
        "punct" => char::is_ascii_punctuation,
        "space" => |letter| letter.is_whitespace(),
        "upper" => |letter| letter.is_uppercase(),
        "xdigit" => char::is_ascii_hexdigit,
        _ => return Err("there is no such class of characters"),
    })
}

fn is(letter: Letter, one_of: &str) -> bool {
    char::from_u32(letter).is_some_and(|letter| one_of.contains(letter))
}

fn letters(name: &[u8]) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        letters.extend(chunk.valid().chars().map(Letter::from));
        letters.extend(
            chunk
                .invalid()
                .iter()
                .map(|byte| NOT_UTF8 + Letter::from(*byte)),
        );
    }
    letters
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Glob::parse(pattern.as_bytes())
            .unwrap()
            .matches(name.as_bytes())
    }

    #[test]
    fn plain_wildcards() {
        for (pattern, name) in [
            ("*", ".hidden"),
            ("*", ""),
            ("a*c", "abbc"),
            ("a*b*c", "axbxbc"),
            ("?", "é"),
            ("[a-c]?", "bx"),
            ("[!a-c]", "d"),
            ("[^a]", "b"),
            ("[]a]", "]"),
            ("[a-]", "-"),
            ("[[:digit:]x]*", "7z"),
            (r"\*", "*"),
            (r"[\]]", "]"),
            ("{a,b}", "{a,b}"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("?", ""),
            ("?", "ab"),
            ("[!a-c]", "b"),
            ("[[:digit:]]", "x"),
            (r"\*", "a"),
            ("a*c", "abcd"),
            ("{a,b}", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn groups_are_those_of_ksh() {
        for (pattern, name) in [
            ("@(a1|ab)", "ab"),
            ("a?(b|bc)", "a"),
            ("a?(b|bc)", "abc"),
            ("+(a|b)", "abba"),
            ("*(a)q", "q"),
            ("*(a)q", "aaq"),
            ("!(home)", ".hid"),
            ("!(home)", ""),
            ("!(a*|home)", "homes"),
            ("*.!(txt|md)", "a.rs"),
            ("@(a|+(b|!(c)))", "d"),
            (r"@(a\|b|c)", "a|b"),
            ("a|b", "a|b"),
            ("(a)", "(a)"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("@(a1|ab)", "abc"),
            ("+(a|b)", ""),
            ("!(home)", "home"),
            ("!(*)", "x"),
            ("!(a*|home)", "ab"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let name = "a".repeat(255);
        assert!(!matches(&format!("{}b", "*a".repeat(60)), &name));
        assert!(!matches("*(*(*(a)|aa)|a)b", &name));
    }

    #[test]
    fn bytes_that_are_not_utf8_are_letters_too() {
        let glob = Glob::parse(b"a?\xff").unwrap();
        assert!(glob.matches(b"a\xfe\xff"));
        assert!(!glob.matches(b"a\xfe\xfe"));
        assert_eq!(
            Glob::parse(b"\xff\xc3\xa9").unwrap().literal().unwrap(),
            b"\xff\xc3\xa9"
        );
        assert_eq!(Glob::parse(br"a\*").unwrap().literal().unwrap(), b"a*");
        assert_eq!(Glob::parse(b"a*").unwrap().literal(), None);
    }

    #[test]
    fn what_is_not_closed_is_named() {
        for (pattern, word) in [
            ("a[", "]"),
            ("@(a", ")"),
            ("[[:x]", ":]"),
            ("a\\", "backslash"),
        ] {
            let problem = Glob::parse(pattern.as_bytes()).unwrap_err();
            assert!(problem.contains(word), "{pattern}: {problem}");
        }
    }
}
