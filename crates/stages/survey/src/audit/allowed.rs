//! Secrets that may stay.

use super::rules::glob;
use super::{Finding, RulesError};
use globset::{GlobSet, GlobSetBuilder};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// Findings that are no news to the owner, by path or by rule. Paths are anchored at the root, or hold
/// at any depth behind `... `; what lies below an allowed directory is allowed, too.
#[derive(Debug, Default)]
pub struct Allowed {
    patterns: Vec<String>,
    globs: GlobSet,
    used: Vec<AtomicBool>,
}

impl Allowed {
    /// Understands patterns.
    ///
    /// # Errors
    /// Names the first one that cannot be understood.
    pub fn new(patterns: &[String]) -> Result<Self, RulesError> {
        let mut globs = GlobSetBuilder::new();
        for pattern in patterns {
            let text = match pattern.strip_prefix("... ") {
                Some(anywhere) => format!("**/{}", anywhere.trim_matches('/')),
                None => pattern.trim_matches('/').to_owned(),
            };
            globs.add(glob(&text).map_err(|source| RulesError::Allowed {
                pattern: pattern.clone(),
                source,
            })?);
        }
        let globs = globs.build().map_err(|source| RulesError::Allowed {
            pattern: patterns.join(" "),
            source,
        })?;
        Ok(Self {
            patterns: patterns.to_vec(),
            globs,
            used: patterns.iter().map(|_| AtomicBool::new(false)).collect(),
        })
    }

    /// Whether a finding may stay.
    pub fn allows(&self, finding: &Finding) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let path = Path::new(std::ffi::OsStr::from_bytes(&finding.path));
        let places = path.ancestors().filter(|path| !path.as_os_str().is_empty());
        let by_path = places.flat_map(|path| self.globs.matches(path));
        let named = self.patterns.iter().enumerate();
        let by_rule = named.filter(|(_, pattern)| **pattern == finding.rule);
        let matches: Vec<_> = by_path.chain(by_rule.map(|(index, _)| index)).collect();
        for index in &matches {
            self.used[*index].store(true, Ordering::Relaxed);
        }
        !matches.is_empty()
    }

    /// The patterns that have allowed nothing so far.
    pub fn unused(&self) -> impl Iterator<Item = &str> {
        let pairs = self.patterns.iter().zip(&self.used);
        pairs
            .filter(|(_, used)| !used.load(Ordering::Relaxed))
            .map(|(pattern, _)| pattern.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Severity;

    fn finding(path: &str) -> Finding {
        Finding {
            severity: Severity::Low,
            path: path.into(),
            rule: "history".into(),
            title: String::new(),
            line: None,
            note: String::new(),
        }
    }

    #[test]
    fn a_secret_is_allowed_by_path_by_directory_or_by_rule() {
        let allows = |pattern: &str, path: &str| {
            let allowed = Allowed::new(&[pattern.to_owned()]).unwrap();
            let allows = allowed.allows(&finding(path));
            assert_eq!(allowed.unused().count(), usize::from(!allows));
            allows
        };
        assert!(allows("/root/.bash_history", "root/.bash_history"));
        assert!(allows("home/*", "home/me/.bash_history"));
        assert!(allows("... .bash_history", "home/me/.bash_history"));
        assert!(allows("history", "home/me/.bash_history"));
        assert!(!allows("home/you", "home/me/.bash_history"));
        assert!(!allows("password-hash", "etc/shadow"));
        assert!(!allows("", "etc/shadow"));
        assert!(Allowed::new(&["[".to_owned()]).is_err());
    }
}
