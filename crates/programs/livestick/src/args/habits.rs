//! What people type from habit, in the spelling of `mksquashfs`.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// Options with a value, and what they are called here.
const WITH_VALUE: [(&str, &str); 8] = [
    ("-comp", "--compression"),
    ("-Xcompression-level", "--compression-level"),
    ("-ef", "--exclude-from"),
    ("-processors", "--jobs"),
    ("-sort", "--sort"),
    ("-force-uid", "--force-uid"),
    ("-force-gid", "--force-gid"),
    ("-p", "--add"),
];

/// Options without one. What is always so here has no name.
const WITHOUT_VALUE: [(&str, Option<&str>); 10] = [
    ("-all-root", Some("--all-root")),
    ("-root-owned", Some("--all-root")),
    ("-noappend", Some("--force")),
    ("-no-xattrs", Some("--no-xattrs")),
    ("-no-progress", Some("--quiet")),
    ("-quiet", Some("--quiet")),
    ("-wildcards", None),
    ("-one-file-system", None),
    ("-xattrs", None),
    ("-reproducible", None),
];

/// The letters of our own short options, which may be followed by a value at once: `-j4`.
const SHORT: &[u8] = b"zbjxqvh";
/// What begins with one of those letters, and is an option of `mksquashfs` all the same.
const NOT_SHORT: [&[u8]; 4] = [b"-xattrs-", b"-version", b"-help-", b"-block-"];

/// An option of `mksquashfs` that is not understood. To clap it would be a row of letters.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownHabit(OsString);

impl fmt::Display for UnknownHabit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not an option here", self.0.display())
    }
}

impl Error for UnknownHabit {}

/// Begins the list of what is left out; it goes on to the end.
const EXCLUDE: &str = "-e";

/// Rewrites the words after `livestick squashfs create`; all others stay as they are.
///
/// # Errors
/// Names the first word that has the form of an option of `mksquashfs`, and is none that is understood.
pub fn translate(words: impl IntoIterator<Item = OsString>) -> Result<Vec<OsString>, UnknownHabit> {
    let mut words = words.into_iter();
    let mut translated: Vec<OsString> = words.by_ref().take(3).collect();
    let is_create = |at: usize, name: &str| translated.get(at).is_some_and(|word| word == name);
    if !is_create(1, "squashfs") || !is_create(2, "create") {
        translated.extend(words);
        return Ok(translated);
    }
    let mut quiet = false;
    while let Some(word) = words.next() {
        if word == EXCLUDE {
            translated.extend(words.by_ref().flat_map(|path| ["--exclude".into(), path]));
        } else if let Some((_, name)) = WITH_VALUE.iter().find(|(habit, _)| word == *habit) {
            translated.push(name.into());
            translated.extend(words.next());
        } else if let Some((_, name)) = WITHOUT_VALUE.iter().find(|(habit, _)| word == *habit) {
            // Two habits mean the same, and clap takes a flag once.
            let again = *name == Some("--quiet") && std::mem::replace(&mut quiet, true);
            translated.extend(name.filter(|_| !again).map(OsString::from));
        } else if is_habit(&word) {
            return Err(UnknownHabit(word));
        } else if word == "--" {
            translated.push(word);
            translated.extend(words.by_ref());
        } else {
            translated.push(word);
        }
    }
    Ok(translated)
}

/// Whether a word is a long option behind a single hyphen.
fn is_habit(word: &OsStr) -> bool {
    let word = word.as_bytes();
    match word {
        [b'-', letter, _, ..] if letter.is_ascii_alphabetic() => {
            !SHORT.contains(letter) || NOT_SHORT.iter().any(|option| word.starts_with(option))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> String {
        let words = translate(line.split(' ').map(OsString::from));
        let words: Vec<_> = words
            .unwrap()
            .iter()
            .map(|word| word.to_str().unwrap().to_owned())
            .collect();
        words.join(" ")
    }

    #[test]
    fn habits_are_understood() {
        assert_eq!(
            translated(
                "livestick squashfs create dir out -comp xz -b 1M -noappend -quiet -no-progress \
                 -wildcards -one-file-system -p x -processors 2 -e proc sys"
            ),
            "livestick squashfs create dir out --compression xz -b 1M --force --quiet --add x \
             --jobs 2 --exclude proc --exclude sys"
        );
    }

    #[test]
    fn a_habit_that_is_not_understood_is_named_whole() {
        for habit in [
            "-Xbcj",
            "-Xhc",
            "-no-fragments",
            "-info",
            "-mem",
            "-pf",
            "-xattrs-exclude",
        ] {
            let line = format!("livestick squashfs create dir out {habit} x");
            let refused = translate(line.split(' ').map(OsString::from));
            assert_eq!(refused, Err(UnknownHabit(habit.into())));
        }
        for line in [
            "livestick squashfs create dir out -j4 -zxz:6 -b1M -xproc -qv -h",
            "livestick squashfs create -- -dir -",
        ] {
            assert_eq!(translated(line), line);
        }
    }

    #[test]
    fn other_commands_are_left_alone() {
        for line in [
            "livestick build -e x",
            "livestick squashfs list -e",
            "livestick",
        ] {
            assert_eq!(translated(line), line);
        }
    }
}
