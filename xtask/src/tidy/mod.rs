//! The rules of the house that a compiler does not know, checked.

mod architecture;
mod layers;
mod source;

use crate::workspace::Workspace;
use anyhow::{Context, Result, bail};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Checks every rule, prints what breaks one, and fails where something does.
pub fn tidy(workspace: &Workspace) -> Result<()> {
    let findings = check(workspace)?;
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} places are not tidy", findings.len());
    }
    println!(
        "tidy: layers, lengths, unsafe code, stray words and ARCHITECTURE.md are as they should be"
    );
    Ok(())
}

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// Relative to the checkout.
    path: String,
    line: Option<usize>,
    rule: &'static str,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            rule,
            message,
        } = self;
        match line {
            Some(line) => write!(formatter, "{path}:{line}: {rule}: {message}"),
            None => write!(formatter, "{path}: {rule}: {message}"),
        }
    }
}

fn check(workspace: &Workspace) -> Result<Vec<Finding>> {
    let crates = layers::crates(workspace)?;
    let mut findings = layers::check(&crates);

    let name = "ARCHITECTURE.md";
    let text = fs::read_to_string(workspace.root().join(name))
        .with_context(|| format!("cannot read {name}"))?;
    findings.extend(architecture::check(name, &text, &crates));

    let mut files = Vec::new();
    list_sources(workspace.root(), &mut files)?;
    for file in files {
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        findings.extend(source::check(&relative(workspace.root(), &file)?, &text));
    }
    Ok(findings)
}

/// Every Rust file of the checkout, in the order of its path; build products and hidden folders
/// left out.
fn list_sources(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let context = || format!("cannot list {}", folder.display());
    let mut entries = fs::read_dir(folder)
        .with_context(context)?
        .collect::<Result<Vec<_>, _>>()
        .with_context(context)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        if name == "target" || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if entry.file_type().with_context(context)?.is_dir() {
            list_sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn relative(root: &Path, path: &Path) -> Result<String> {
    let below = path
        .strip_prefix(root)
        .with_context(|| format!("{} is not in the checkout", path.display()))?;
    Ok(below.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_house_is_tidy() {
        let workspace = Workspace::find().unwrap();
        let findings: Vec<_> = check(&workspace)
            .unwrap()
            .iter()
            .map(Finding::to_string)
            .collect();
        assert!(findings.is_empty(), "{}", findings.join("\n"));
    }

    #[test]
    fn build_products_and_other_files_are_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "b/src/lib.rs",
            "a.rs",
            "b/target/made.rs",
            ".hidden/x.rs",
            "b/notes.txt",
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut files = Vec::new();
        list_sources(folder.path(), &mut files).unwrap();
        let names: Vec<_> = files
            .iter()
            .map(|file| relative(folder.path(), file).unwrap())
            .collect();
        assert_eq!(names, ["a.rs", "b/src/lib.rs"]);
    }

    #[test]
    fn a_finding_says_where_and_which_rule() {
        let mut finding = Finding {
            path: "a.rs".to_owned(),
            line: Some(7),
            rule: "unsafe",
            message: "why".to_owned(),
        };
        assert_eq!(finding.to_string(), "a.rs:7: unsafe: why");
        finding.line = None;
        assert_eq!(finding.to_string(), "a.rs: unsafe: why");
    }
}
