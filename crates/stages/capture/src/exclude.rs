//! What the user leaves out.

use crate::pattern::Patterns;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

/// A pattern that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("{pattern} cannot be understood: {problem}")]
pub struct PatternError {
    /// What was typed, and where.
    pub pattern: Pattern,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// A pattern, and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// As it was typed; bytes that are not UTF-8 are escaped.
    pub text: String,
    /// Where.
    pub origin: Origin,
}

/// Where a pattern was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    Argument,
    /// In a list: the file, and the line, from 1.
    List(PathBuf, usize),
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Argument => write!(formatter, "the pattern `{}`", self.text),
            Origin::List(path, line) => {
                write!(
                    formatter,
                    "`{}` in line {line} of {}",
                    self.text,
                    path.display()
                )
            }
        }
    }
}

/// Patterns of paths to leave out. A pattern is anchored at the root (`var/cache/*`, a leading slash
/// changes nothing); one that begins with `... ` holds at any depth (`... *.pyc`). `*`, `?` and sets
/// stop at a slash, braces stand for themselves, and an empty pattern matches nothing. The extended
/// patterns of `ksh`, such as `!(name|other)`, are understood within a name. What a pattern matches
/// is left out with all that is below it.
///
/// Other than `mksquashfs`, `*` matches a leading dot too: somebody who leaves out `home/me/*` does
/// not mean to hand out `home/me/.ssh`.
#[derive(Debug, Default)]
pub struct Exclusions {
    patterns: Vec<Pattern>,
    compiled: Patterns,
    matched: Vec<AtomicBool>,
}

impl Exclusions {
    /// Understands patterns of a command line.
    ///
    /// # Errors
    /// Names the first one that cannot be understood.
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let mut exclusions = Self::default();
        for text in patterns {
            let text = text.clone();
            let origin = Origin::Argument;
            exclusions.add(Pattern { text, origin })?;
        }
        Ok(exclusions)
    }

    /// Understands patterns of a command line that need not be UTF-8, as names need not.
    ///
    /// # Errors
    /// Names the first one that cannot be understood.
    pub fn of_bytes(patterns: &[Vec<u8>]) -> Result<Self, PatternError> {
        let mut exclusions = Self::default();
        for bytes in patterns {
            let text = match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => livestick_tree::shown(bytes).to_string(),
            };
            let origin = Origin::Argument;
            exclusions.add_bytes(bytes, Pattern { text, origin })?;
        }
        Ok(exclusions)
    }

    /// Adds the patterns of a list: one a line, spaces around it dropped; empty lines and those that
    /// begin with `#` are passed over, and `\#` begins a name with one.
    ///
    /// # Errors
    /// Names the first one that cannot be understood.
    pub fn add_list(&mut self, path: &Path, list: &str) -> Result<(), PatternError> {
        for (number, line) in list.lines().enumerate() {
            let line = line.trim();
            if !(line.is_empty() || line.starts_with('#')) {
                let text = line.to_owned();
                let origin = Origin::List(path.to_owned(), number + 1);
                self.add(Pattern { text, origin })?;
            }
        }
        Ok(())
    }

    fn add(&mut self, pattern: Pattern) -> Result<(), PatternError> {
        let bytes = pattern.text.clone();
        self.add_bytes(bytes.as_bytes(), pattern)
    }

    fn add_bytes(&mut self, bytes: &[u8], pattern: Pattern) -> Result<(), PatternError> {
        if let Err(problem) = self.compiled.add(bytes) {
            return Err(PatternError { pattern, problem });
        }
        self.patterns.push(pattern);
        self.matched.push(AtomicBool::new(false));
        Ok(())
    }

    /// Whether a path, relative to the root, is left out; it then counts as matched.
    pub fn excludes(&self, path: &Path) -> bool {
        self.pattern(path.as_os_str().as_bytes()).is_some()
    }

    /// The first pattern that matches a path; all that match it count as matched.
    pub(crate) fn pattern(&self, path: &[u8]) -> Option<usize> {
        let matches = self.compiled.matches(path);
        for index in &matches {
            self.matched[*index].store(true, Ordering::Relaxed);
        }
        matches.first().copied()
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The patterns that have matched nothing so far.
    pub fn unmatched(&self) -> impl Iterator<Item = &Pattern> {
        let pairs = self.patterns.iter().zip(&self.matched);
        pairs
            .filter(|(_, matched)| !matched.load(Ordering::Relaxed))
            .map(|(pattern, _)| pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excludes(pattern: &str, path: &str) -> bool {
        let exclusions = Exclusions::new(&[pattern.to_owned()]).unwrap();
        exclusions.excludes(Path::new(path))
    }

    #[test]
    fn a_pattern_is_anchored_and_stops_at_a_slash() {
        assert!(excludes("var/cache/*", "var/cache/apt"));
        assert!(excludes("/var/cache/*/", "var/cache/apt"));
        assert!(!excludes("var/cache/*", "var/cache"));
        assert!(!excludes("var/*", "var/cache/apt"));
        assert!(!excludes("cache", "var/cache"));
        assert!(excludes("usr/share/doc/[a-c]?", "usr/share/doc/bc"));
        assert!(excludes(r"odd\*name", "odd*name"));
        assert!(!excludes(r"odd\*name", "odd-name"));
        assert!(excludes("home/*", "home/.ssh"));
        assert!(excludes("home/!(me|you)", "home/us"));
    }

    #[test]
    fn three_dots_hold_at_any_depth() {
        assert!(excludes("... *.pyc", "a.pyc"));
        assert!(excludes("... *.pyc", "usr/lib/a.pyc"));
        assert!(!excludes("... *.pyc", "usr/lib/a.py"));
        assert!(excludes("... lib/a", "usr/lib/a"));
        assert!(excludes("...x", "...x"));
    }

    #[test]
    fn braces_stand_for_themselves_and_nothing_matches_nothing() {
        assert!(excludes("{a,b}", "{a,b}"));
        assert!(excludes(r"\{a", "{a"));
        assert!(!excludes("{a,b}", "a"));
        for empty in ["", "/", "... ", "... /"] {
            assert!(!excludes(empty, "usr"), "{empty}");
            assert!(!excludes(empty, "usr/lib"), "{empty}");
        }
    }

    #[test]
    fn a_pattern_that_matched_nothing_is_told() {
        let exclusions = Exclusions::new(&["home/*".into(), "typo/*".into()]).unwrap();
        assert!(exclusions.excludes(Path::new("home/me")));
        let unmatched: Vec<_> = exclusions
            .unmatched()
            .map(|pattern| &*pattern.text)
            .collect();
        assert_eq!(unmatched, ["typo/*"]);
    }

    #[test]
    fn a_list_has_comments_and_each_line_is_known() {
        let mut exclusions = Exclusions::new(&["a".into()]).unwrap();
        let list = "# old things\n\n  ... *.bak \r\n\\#odd\n";
        exclusions.add_list(Path::new("my.list"), list).unwrap();
        assert!(exclusions.excludes(Path::new("x/y.bak")));
        assert!(exclusions.excludes(Path::new("#odd")));
        assert_eq!(
            exclusions.patterns()[1].to_string(),
            "`... *.bak` in line 3 of my.list"
        );

        let broken = exclusions.add_list(Path::new("l"), "\n@(a\n").unwrap_err();
        let said = broken.to_string();
        assert_eq!(
            said,
            "`@(a` in line 2 of l cannot be understood: a group is not closed with `)`"
        );
    }

    #[test]
    fn a_pattern_need_not_be_text() {
        use std::ffi::OsStr;
        let exclusions = Exclusions::of_bytes(&[b"... bad\xff*".to_vec(), b"x".to_vec()]).unwrap();
        let excludes = |name: &[u8]| exclusions.excludes(Path::new(OsStr::from_bytes(name)));
        assert!(excludes(b"a/bad\xffly"));
        assert!(!excludes(b"a/bad\xfe"));
        assert_eq!(exclusions.patterns()[0].text, r"... bad\xff*");
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = Exclusions::new(&["a[".into()]).unwrap_err();
        assert_eq!(error.pattern.text, "a[");
    }
}
