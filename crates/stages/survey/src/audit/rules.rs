//! The rules of the audit, from their data file.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What livestick knows by itself.
const BUILTIN: &str = include_str!("rules.toml");

/// How much harm a finding can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It opens something at once.
    High,
    /// It opens something after some work.
    Medium,
    /// It says who or what.
    Low,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 3] = [Self::High, Self::Medium, Self::Low];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        }
    }
}

/// What no regular expression can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Check {
    /// Password hashes of users who can log in.
    PasswordHashes,
}

/// A rule, as the data file has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: String,
    severity: Severity,
    title: String,
    #[serde(default)]
    paths: Vec<String>,
    find: Option<String>,
    check: Option<Check>,
    #[serde(default)]
    together: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRules {
    rule: Vec<RawRule>,
}

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Its name, for people and for `--allow-secret`.
    pub name: String,
    /// How much harm what it finds can do.
    pub severity: Severity,
    /// What it finds, in words.
    pub title: String,
    /// Where it looks: globs from the root. Nowhere in particular where there are none.
    pub paths: Vec<String>,
    /// Whether all that it finds in one directory is one finding.
    pub(super) together: bool,
    pub(super) test: Test,
}

/// How a rule tells a secret from the rest.
#[derive(Debug)]
pub(super) enum Test {
    /// Whatever there is.
    NotEmpty,
    /// By an expression. A group that took part in the match is the secret.
    Find(Regex),
    /// By a program.
    Check(Check),
}

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It is not a list of rules.
    #[error("the audit's rules cannot be read")]
    Syntax {
        /// Where, and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A path is not a glob.
    #[error("the paths of the audit's rule `{rule}` cannot be understood")]
    Paths {
        /// The rule.
        rule: String,
        /// Why.
        #[source]
        source: globset::Error,
    },
    /// What was allowed is not a glob.
    #[error("the pattern `{pattern}` cannot be understood")]
    Allowed {
        /// What was typed.
        pattern: String,
        /// What is wrong with it.
        #[source]
        source: globset::Error,
    },
    /// What is looked for is not an expression.
    #[error("the expression of the audit's rule `{rule}` cannot be understood")]
    Expression {
        /// The rule.
        rule: String,
        /// Why.
        #[source]
        source: Box<regex::Error>,
    },
}

/// All rules, ready to be used.
#[derive(Debug)]
pub struct Rules {
    pub(super) rules: Vec<Rule>,
    globs: GlobSet,
    /// The rule of each glob.
    of_glob: Vec<usize>,
    /// The rules that look into every file.
    pub(super) anywhere: Vec<usize>,
}

impl Rules {
    /// The rules that livestick knows by itself.
    ///
    /// # Errors
    /// None, as long as its tests pass.
    pub fn builtin() -> Result<Self, RulesError> {
        Self::parse(BUILTIN)
    }

    /// Understands rules.
    ///
    /// # Errors
    /// Names the first thing that cannot be understood.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        let raw: RawRules = toml::from_str(text).map_err(|source| RulesError::Syntax {
            source: Box::new(source),
        })?;
        let mut globs = GlobSetBuilder::new();
        let mut of_glob = Vec::new();
        let mut rules = Vec::with_capacity(raw.rule.len());
        for (index, raw) in raw.rule.into_iter().enumerate() {
            let paths = |source| RulesError::Paths {
                rule: raw.name.clone(),
                source,
            };
            for path in &raw.paths {
                globs.add(glob(path).map_err(paths)?);
                of_glob.push(index);
            }
            rules.push(Rule::new(raw)?);
        }
        let globs = globs.build().map_err(|source| RulesError::Paths {
            rule: "of all together".to_owned(),
            source,
        })?;
        let anywhere = rules.iter().enumerate();
        let anywhere = anywhere.filter(|(_, rule)| rule.paths.is_empty());
        Ok(Self {
            anywhere: anywhere.map(|(index, _)| index).collect(),
            rules,
            globs,
            of_glob,
        })
    }

    /// The rules, in the order of their file.
    #[must_use]
    pub fn all(&self) -> &[Rule] {
        &self.rules
    }

    /// The rules that speak of a path, in the order of their file.
    pub(super) fn of_path(&self, path: &Path, found: &mut Vec<usize>) {
        found.clear();
        let globs = self.globs.matches(path);
        found.extend(globs.into_iter().map(|glob| self.of_glob[glob]));
        found.sort_unstable();
        found.dedup();
    }
}

impl Rule {
    fn new(raw: RawRule) -> Result<Self, RulesError> {
        let test = match (raw.check, raw.find) {
            (Some(check), _) => Test::Check(check),
            (None, Some(find)) => {
                // Files are bytes, in whatever encoding.
                let expression = RegexBuilder::new(&find).unicode(false).build();
                Test::Find(expression.map_err(|source| RulesError::Expression {
                    rule: raw.name.clone(),
                    source: Box::new(source),
                })?)
            }
            (None, None) => Test::NotEmpty,
        };
        Ok(Self {
            name: raw.name,
            severity: raw.severity,
            title: raw.title,
            paths: raw.paths,
            together: raw.together,
            test,
        })
    }
}

pub(super) fn glob(path: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(path)
        .literal_separator(true)
        .empty_alternates(true)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_rules_can_be_used_and_have_names_of_their_own() {
        let rules = Rules::builtin().unwrap();
        let mut names: Vec<_> = rules.all().iter().map(|rule| &rule.name).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), rules.all().len());
        let everywhere_empty = rules.anywhere.iter();
        for rule in everywhere_empty.map(|index| &rules.rules[*index]) {
            assert!(matches!(rule.test, Test::Find(_)), "{}", rule.name);
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        let rule = |more: &str| format!("[[rule]]\nname='x'\nseverity='low'\ntitle='t'\n{more}\n");
        let error = |text: &str| Rules::parse(text).unwrap_err().to_string();
        assert!(Rules::parse(&rule("paths=['etc/*']")).is_ok());
        assert!(error(&rule("paths=['[']")).contains("`x`"));
        assert!(error(&rule("find='('")).contains("`x`"));
        assert!(error(&rule("colour='red'")).contains("cannot be read"));
    }
}
