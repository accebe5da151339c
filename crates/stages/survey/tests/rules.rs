//! Every rule of the audit finds what it is for, and nothing that only looks like it.

#![allow(clippy::unwrap_used)]

use livestick_blockio::NoProgress;
use livestick_survey::{Finding, Packages, Rules, audit};
use livestick_tree::{ContentSource, Kind, Metadata, NodeId, SourceFile, Tree};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::num::NonZeroUsize;

#[derive(Deserialize)]
struct Examples {
    found: BTreeMap<String, String>,
    clear: BTreeMap<String, String>,
}

/// Everything is in the tree itself.
struct Nothing;

impl ContentSource for Nothing {
    fn open(&self, _: &Tree, _: NodeId) -> io::Result<Box<dyn SourceFile>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

fn tree(path: &str, bytes: &str) -> Tree {
    let metadata = Metadata {
        permissions: 0o600,
        uid: 0,
        gid: 0,
        modified_seconds: 0,
    };
    let mut tree = Tree::new(metadata, Box::default());
    let names: Vec<_> = path.split('/').collect();
    let (name, parents) = names.split_last().unwrap();
    let mut at = Tree::ROOT;
    for parent in parents {
        let kind = Kind::empty_directory();
        let added = tree.add(at, parent.as_bytes(), metadata, kind, Box::default());
        at = added.unwrap();
    }
    let kind = Kind::inline_file(bytes.as_bytes());
    tree.add(at, name.as_bytes(), metadata, kind, Box::default())
        .unwrap();
    tree
}

fn audited(rules: &Rules, path: &str, bytes: &str) -> Vec<Finding> {
    let tree = tree(path, bytes);
    let packages = Packages::read(&tree, &Nothing);
    let jobs = NonZeroUsize::MIN;
    let audit = audit(&tree, &Nothing, &packages, rules, jobs, &NoProgress).unwrap();
    assert!(audit.unread.is_empty());
    audit.findings
}

fn examples() -> BTreeMap<String, Examples> {
    toml::from_str(include_str!("examples.toml")).unwrap()
}

#[test]
fn every_rule_has_examples_of_both_kinds_and_no_others_have() {
    let rules = Rules::builtin().unwrap();
    let names: BTreeSet<_> = rules.all().iter().map(|rule| rule.name.clone()).collect();
    let examples = examples();
    assert_eq!(names, examples.keys().cloned().collect());
    for (name, examples) in examples {
        assert!(
            !examples.found.is_empty() && !examples.clear.is_empty(),
            "{name}"
        );
    }
}

#[test]
fn planted_secrets_are_found_by_their_rule_and_are_not_shown() {
    let rules = Rules::builtin().unwrap();
    for (name, examples) in examples() {
        for (path, bytes) in examples.found {
            let found = audited(&rules, &path, &bytes);
            let by: Vec<_> = found.iter().map(|finding| finding.rule.as_str()).collect();
            assert_eq!(by, [name.as_str()], "{path}");
            let shown = format!("{:?}", found[0]);
            for secret in ["correct", "0123456789", "QGIwq5tV", "abcdefgh"] {
                let in_path = path.contains(secret);
                assert!(in_path || !shown.contains(secret), "{shown}");
            }
        }
    }
}

#[test]
fn what_only_looks_like_a_secret_is_none() {
    let rules = Rules::builtin().unwrap();
    for (name, examples) in examples() {
        for (path, bytes) in examples.clear {
            let found = audited(&rules, &path, &bytes);
            assert_eq!(found, [], "{name}: {path}");
        }
    }
}

#[test]
fn what_a_package_brought_is_public() {
    let rules = Rules::builtin().unwrap();
    let key = "-----BEGIN RSA PRIVATE KEY-----\n\
        MIIEowIBAAKCAQEAxgKJlnV0xkq3yYVZJ0p0mQbqv1Xo5Yt1d2RkQ3ZlT0pQd1ZZ\n";
    assert_eq!(audited(&rules, "usr/lib/python3/test/keycert.pem", key), []);
    assert_eq!(audited(&rules, "usr/local/etc/site.pem", key).len(), 1);
}
