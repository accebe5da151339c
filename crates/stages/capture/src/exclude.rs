//! Exclusion patterns, in the syntax of `mksquashfs -wildcards -ef`.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A pattern that cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error("the pattern `{pattern}` cannot be understood")]
pub struct PatternError {
    /// What was typed.
    pub pattern: String,
    /// What is wrong with it.
    #[source]
    source: globset::Error,
}

/// Patterns of paths to leave out. A pattern is anchored at the root (`var/cache/*`, a leading slash
/// changes nothing); one that begins with `... ` holds at any depth (`... *.pyc`). `*` and `?` stop
/// at a slash, braces stand for themselves, and an empty pattern matches nothing. What a pattern
/// matches is left out with all that is below it.
///
/// The extended patterns of `ksh`, such as `!(name)`, are not understood.
#[derive(Debug, Default)]
pub struct Exclusions {
    patterns: Vec<String>,
    globs: GlobSet,
    matched: Vec<AtomicBool>,
}

impl Exclusions {
    /// Understands patterns.
    ///
    /// # Errors
    /// Names the first one that cannot be understood.
    pub fn new(patterns: &[String]) -> Result<Self, PatternError> {
        let mut globs = GlobSetBuilder::new();
        for pattern in patterns {
            globs.add(glob(pattern).map_err(|source| PatternError {
                pattern: pattern.clone(),
                source,
            })?);
        }
        let globs = globs.build().map_err(|source| PatternError {
            pattern: patterns.join(" "),
            source,
        })?;
        Ok(Self {
            patterns: patterns.to_vec(),
            globs,
            matched: patterns.iter().map(|_| AtomicBool::new(false)).collect(),
        })
    }

    /// Whether a path, relative to the root, is left out; it then counts as matched.
    pub fn excludes(&self, path: &Path) -> bool {
        let matches = self.globs.matches(path);
        for index in &matches {
            self.matched[*index].store(true, Ordering::Relaxed);
        }
        !matches.is_empty()
    }

    /// The patterns as they were typed.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.patterns
    }

    /// The patterns that have matched nothing so far.
    pub fn unmatched(&self) -> impl Iterator<Item = &str> {
        let pairs = self.patterns.iter().zip(&self.matched);
        pairs
            .filter(|(_, matched)| !matched.load(Ordering::Relaxed))
            .map(|(pattern, _)| pattern.as_str())
    }
}

fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    let anywhere = pattern.strip_prefix("... ");
    let text = with_plain_braces(anywhere.unwrap_or(pattern).trim_matches('/'));
    let text = match anywhere {
        Some(_) if !text.is_empty() => format!("**/{text}"),
        _ => text,
    };
    GlobBuilder::new(&text)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
}

/// Globs take braces for alternatives, which the syntax of `mksquashfs` does not have.
fn with_plain_braces(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut escaped = false;
    for character in pattern.chars() {
        if !escaped && matches!(character, '{' | '}') {
            text.push('\\');
        }
        escaped = !escaped && character == '\\';
        text.push(character);
    }
    text
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
    }

    #[test]
    fn three_dots_hold_at_any_depth() {
        assert!(excludes("... *.pyc", "a.pyc"));
        assert!(excludes("... *.pyc", "usr/lib/a.pyc"));
        assert!(!excludes("... *.pyc", "usr/lib/a.py"));
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
        assert_eq!(exclusions.unmatched().collect::<Vec<_>>(), ["typo/*"]);
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = Exclusions::new(&["a[".into()]).unwrap_err();
        assert_eq!(error.pattern, "a[");
    }
}
