//! Secrets that would go on the stick.

use crate::failure::{Exit, Failure};
use crate::pipeline::source::Prepared;
use crate::settings;
use anyhow::Context;
use livestick_blockio::Progress;
use livestick_survey::{Audit, Finding, Packages, Rules, Severity};
use livestick_tree::Tree;
use serde::Serialize;

/// What the audit found, without the secrets themselves.
#[derive(Debug, Serialize)]
pub struct AuditReport {
    /// The worst first.
    pub findings: Vec<Secret>,
    /// What could not be looked at.
    pub unread: Vec<String>,
    /// How many files were looked into.
    pub files_read: u64,
    /// Patterns of `--allow-secret` that allowed nothing.
    pub unused_patterns: Vec<String>,
}

/// A secret.
#[derive(Debug, Serialize)]
pub struct Secret {
    /// How much harm it can do.
    pub severity: Severity,
    /// Where it is.
    pub path: String,
    /// The line of the file, where there are lines.
    pub line: Option<usize>,
    /// The rule that found it.
    pub rule: String,
    /// What it is.
    pub title: String,
    /// What can be said of it without saying it.
    pub note: String,
    /// Whether the user allows it.
    pub allowed: bool,
}

impl AuditReport {
    /// Looks for secrets in what would go on the stick.
    pub fn of(
        prepared: &Prepared,
        settings: &settings::Stick,
        tree: &Tree,
        progress: &dyn Progress,
    ) -> Result<Self, Failure> {
        let packages = Packages::read(tree, prepared.source.files());
        Self::with_packages(prepared, settings, tree, &packages, progress)
    }

    /// The same, where it is known already which package brought a file.
    pub fn with_packages(
        prepared: &Prepared,
        settings: &settings::Stick,
        tree: &Tree,
        packages: &Packages,
        progress: &dyn Progress,
    ) -> Result<Self, Failure> {
        let rules = Rules::builtin().context("cannot look for secrets")?;
        let files = prepared.source.files();
        let audit = livestick_survey::audit(tree, files, packages, &rules, settings.jobs, progress)
            .ok_or_else(Failure::interrupted)?;
        Ok(Self::new(audit, &settings.allowed))
    }

    fn new(audit: Audit, allowed: &livestick_survey::Allowed) -> Self {
        let lossy = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        let secret = |finding: Finding| Secret {
            allowed: allowed.allows(&finding),
            severity: finding.severity,
            path: lossy(&finding.path),
            line: finding.line,
            rule: finding.rule,
            title: finding.title,
            note: finding.note,
        };
        Self {
            findings: audit.findings.into_iter().map(secret).collect(),
            unread: audit.unread.iter().map(|path| lossy(path)).collect(),
            files_read: audit.files_read,
            unused_patterns: allowed.unused().map(str::to_owned).collect(),
        }
    }

    /// How many there are that nobody has allowed, in words: `2 high, 1 low`.
    pub fn open(&self) -> Option<String> {
        let count = |severity| {
            let open = self.findings.iter().filter(|secret| !secret.allowed);
            open.filter(|secret| secret.severity == severity).count()
        };
        let counts = Severity::ALL.map(|severity| (severity.name(), count(severity)));
        let counts: Vec<_> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(name, count)| format!("{count} {name}"))
            .collect();
        (!counts.is_empty()).then(|| counts.join(", "))
    }

    /// What the owner should know, where a build goes on all the same.
    pub fn warning(&self) -> Vec<String> {
        let open = self
            .open()
            .map(|open| format!("secrets go on the stick ({open}): `livestick plan` lists them"));
        let unused = self.unused_patterns.iter();
        let unused = unused.map(|pattern| format!("--allow-secret `{pattern}` allowed nothing"));
        open.into_iter().chain(unused).collect()
    }

    /// Whether the user wants it to fail, and it does.
    pub fn verdict(&self, strict: bool) -> Result<(), Failure> {
        let Some(open) = self.open().filter(|_| strict) else {
            return Ok(());
        };
        let message = format!("secrets would go on the stick: {open}");
        Err(Failure::message(Exit::Secrets, message)
            .hint("leave them out with --exclude, or let them go with --allow-secret"))
    }
}
