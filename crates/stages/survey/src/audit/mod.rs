//! Secrets in a tree, found before it is given to others.
//!
//! Files are read through the tree's own source, so what is left out is not looked at and what is
//! laid over is. Of each file only the beginning is read.

mod accounts;
mod allowed;
mod rules;
mod secret;

pub use allowed::Allowed;
pub use rules::{Rule, Rules, RulesError, Severity};

use crate::Packages;
use crate::packages::Original;
use accounts::Accounts;
use livestick_blockio::Progress;
use livestick_tree::{ContentSource, Kind, NodeId, Tree};
use md5::{Digest, Md5};
use rules::Test;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How much of a file is looked at: secrets are short, and stand at the top of short files.
pub const READ_LIMIT_BYTES: usize = 64 << 10;
/// How much tells whether a file is text.
const SNIFF_BYTES: usize = 4 << 10;
/// How long a configuration file is that is compared with what its package brought.
const EDITED_LIMIT_BYTES: usize = 1 << 20;
/// How many files a thread takes at once.
const BATCH_FILES: usize = 64;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// The worst first, then in the order of paths.
    pub findings: Vec<Finding>,
    /// What should have been looked at and could not be read.
    pub unread: Vec<Vec<u8>>,
    /// How many files were looked into.
    pub files_read: u64,
}

/// A secret in a file. Nothing of the secret itself is kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How much harm it can do.
    pub severity: Severity,
    /// Where it is.
    pub path: Vec<u8>,
    /// The name of the rule that found it.
    pub rule: String,
    /// What it is, in words.
    pub title: String,
    /// The line of the file, where there are lines.
    pub line: Option<usize>,
    /// What can be said of it without saying it: a length, a user's name.
    pub note: String,
}

/// Looks for secrets in all files of a tree that no package brought unchanged.
///
/// `None` where the caller interrupts.
#[must_use]
pub fn audit(
    tree: &Tree,
    source: &dyn ContentSource,
    packages: &Packages,
    rules: &Rules,
    jobs: NonZeroUsize,
    progress: &dyn Progress,
) -> Option<Audit> {
    progress.start("audit", None);
    let auditor = Auditor {
        tree,
        source,
        packages,
        rules,
        accounts: Accounts::read(tree, source),
    };
    let files = files(tree);
    let batches: Vec<_> = files.chunks(BATCH_FILES).collect();
    let next = AtomicUsize::new(0);
    let all = Mutex::new(Audit::default());
    let work = || {
        let mut seen = Audit::default();
        let mut memory = Memory::default();
        while !progress.interrupted() {
            let Some(batch) = batches.get(next.fetch_add(1, Ordering::Relaxed)) else {
                break;
            };
            for (path, node) in *batch {
                auditor.file(path, *node, &mut memory, &mut seen);
            }
        }
        all.lock().unwrap_or_else(PoisonError::into_inner).add(seen);
    };
    std::thread::scope(|scope| {
        // One more than this one, at most; where none can be started, this one does it all.
        for _ in 1..jobs.get().min(batches.len()) {
            let thread = std::thread::Builder::new().name("audit".into());
            let _ = thread.spawn_scoped(scope, work);
        }
        work();
    });
    if progress.interrupted() {
        return None;
    }
    let audit = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    Some(audit.in_order(rules))
}

/// Every regular file that is not empty, each once.
fn files(tree: &Tree) -> Vec<(Vec<u8>, NodeId)> {
    let mut seen = vec![false; tree.capacity()];
    let mut files = Vec::new();
    crate::walk(tree, |path, node| {
        let is_file =
            matches!(tree.node(node).kind, Kind::File { length_bytes, .. } if length_bytes > 0);
        if is_file && !std::mem::replace(&mut seen[node.index()], true) {
            files.push((path.to_vec(), node));
        }
    });
    files
}

impl Audit {
    /// How many findings of a severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        let of = |finding: &&Finding| finding.severity == severity;
        self.findings.iter().filter(of).count()
    }

    fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.unread.extend(other.unread);
        self.files_read += other.files_read;
    }

    /// Sorted, and with one finding for all that belongs together.
    fn in_order(mut self, rules: &Rules) -> Self {
        self.unread.sort();
        let together = |rule: &str| rules.all().iter().any(|r| r.together && r.name == rule);
        let mut kept: BTreeMap<(String, Vec<u8>), (Finding, usize)> = BTreeMap::new();
        self.findings.sort();
        for finding in self.findings {
            let place = match together(&finding.rule) {
                true => parent(&finding.path).to_vec(),
                false => finding.path.clone(),
            };
            let entry = kept.entry((finding.rule.clone(), place));
            entry.or_insert((finding, 0)).1 += 1;
        }
        let findings = kept
            .into_iter()
            .map(|((rule, place), (finding, count))| match count {
                1 => finding,
                _ if together(&rule) => Finding {
                    path: place,
                    line: None,
                    note: format!("{count} files"),
                    ..finding
                },
                _ => finding,
            });
        self.findings = findings.collect();
        self.findings.sort();
        self
    }
}

fn parent(path: &[u8]) -> &[u8] {
    let slash = path.iter().rposition(|byte| *byte == b'/');
    &path[..slash.unwrap_or_default()]
}

struct Auditor<'a> {
    tree: &'a Tree,
    source: &'a dyn ContentSource,
    packages: &'a Packages,
    rules: &'a Rules,
    accounts: Accounts,
}

/// What a thread uses again for each file.
#[derive(Default)]
struct Memory {
    rules: Vec<usize>,
    bytes: Vec<u8>,
}

impl Auditor<'_> {
    fn file(&self, path: &[u8], node: NodeId, memory: &mut Memory, seen: &mut Audit) {
        let original = self.packages.original(path, node);
        if original == Original::Same {
            return;
        }
        let Memory { rules, bytes } = memory;
        self.rules
            .of_path(Path::new(std::ffi::OsStr::from_bytes(path)), rules);
        match self.read(node, !rules.is_empty(), bytes) {
            Ok(true) => seen.files_read += 1,
            Ok(false) => return,
            Err(_) => {
                seen.unread.push(path.to_vec());
                return;
            }
        }
        let found = rules.iter().find_map(|rule| self.find(*rule, bytes, path));
        let found = found.or_else(|| {
            let anywhere = self.rules.anywhere.iter();
            let is_text = !looks_binary(bytes);
            let mut anywhere = anywhere.filter(|_| is_text);
            anywhere.find_map(|rule| self.find(*rule, bytes, path))
        });
        let found = found.filter(|_| match original {
            Original::Digest(digest) => self.digest(node) != Some(digest),
            _ => true,
        });
        seen.findings.extend(found);
    }

    /// The MD5 digest of a file, unless it is too long for one that people edit.
    fn digest(&self, node: NodeId) -> Option<[u8; 16]> {
        let Kind::File { length_bytes, .. } = self.tree.node(node).kind else {
            return None;
        };
        let length = usize::try_from(length_bytes).ok()?;
        if length > EDITED_LIMIT_BYTES {
            return None;
        }
        let mut bytes = vec![0; length];
        let file = self.tree.open(node, self.source).ok()?;
        file.read_exact_at(&mut bytes, 0).ok()?;
        Some(Md5::digest(&bytes).into())
    }

    /// Reads the beginning of a file. What no rule speaks of is read on only where it is text;
    /// `false` where it is not.
    fn read(&self, node: NodeId, all: bool, bytes: &mut Vec<u8>) -> std::io::Result<bool> {
        let file = self.tree.open(node, self.source)?;
        let first = if all { READ_LIMIT_BYTES } else { SNIFF_BYTES };
        bytes.clear();
        for limit in [first, READ_LIMIT_BYTES] {
            while bytes.len() < limit {
                let start = bytes.len();
                bytes.resize(limit, 0);
                let count = file.read_at(&mut bytes[start..], start as u64)?;
                bytes.truncate(start + count);
                if count == 0 {
                    return Ok(all || !looks_binary(bytes));
                }
            }
            if !all && looks_binary(bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn find(&self, rule: usize, bytes: &[u8], path: &[u8]) -> Option<Finding> {
        let rule = &self.rules.rules[rule];
        let secret = rule
            .test
            .find(bytes, &|user| self.accounts.can_log_in(user))?;
        Some(Finding {
            severity: rule.severity,
            path: path.to_vec(),
            rule: rule.name.clone(),
            title: rule.title.clone(),
            line: secret.line.filter(|_| !matches!(rule.test, Test::NotEmpty)),
            note: secret.note,
        })
    }
}

/// Text has no NUL.
fn looks_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(SNIFF_BYTES)].contains(&0)
}
