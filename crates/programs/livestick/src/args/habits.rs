//! What people type from habit, in the spelling of `mksquashfs`.

use std::ffi::OsString;

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

/// Begins the list of what is left out; it goes on to the end.
const EXCLUDE: &str = "-e";

/// Rewrites the words after `livestick squashfs create`; all others stay as they are.
pub fn translate(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut translated: Vec<OsString> = words.by_ref().take(3).collect();
    let is_create = |at: usize, name: &str| translated.get(at).is_some_and(|word| word == name);
    if !is_create(1, "squashfs") || !is_create(2, "create") {
        translated.extend(words);
        return translated;
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
        } else {
            translated.push(word);
        }
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> String {
        let words = translate(line.split(' ').map(OsString::from));
        let words: Vec<_> = words
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
