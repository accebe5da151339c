//! `docs/benchmarks.md`: a section for each benchmark.

use anyhow::{Context, Result};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const HEAD: &str = "# Benchmarks\n\n\
    livestick against the same job done by hand (`xtask/bench/by-hand.sh`), and its SquashFS engine\n\
    against its peers, measured by `cargo xtask bench`. Each section is what its last run printed.\n";

/// Replaces the section with this title, or adds it.
pub fn save(checkout: &Path, title: &str, text: &str) -> Result<PathBuf> {
    let path = checkout.join("docs/benchmarks.md");
    let old = match fs::read_to_string(&path) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => HEAD.to_owned(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    fs::create_dir_all(checkout.join("docs")).context("cannot make docs")?;
    fs::write(&path, with_section(&old, title, text))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

fn with_section(page: &str, title: &str, text: &str) -> String {
    let section = format!("## {title}\n\n{}\n", text.trim_end());
    let mut parts = page.split("\n## ");
    let head = parts.next().unwrap_or_default().trim_end();
    let mut sections: Vec<_> = parts
        .map(|part| format!("## {}\n", part.trim_end()))
        .collect();
    let heading = format!("## {title}\n");
    match sections
        .iter_mut()
        .find(|section| section.starts_with(&heading))
    {
        Some(old) => *old = section,
        None => sections.push(section),
    }
    format!("{head}\n\n{}", sections.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_added_once_and_then_replaced() {
        let one = with_section(HEAD, "Build", "old\n");
        let two = with_section(&one, "Boot", "boot\n");
        let three = with_section(&two, "Build", "new\n\nmore");
        assert_eq!(
            three,
            format!("{HEAD}\n## Build\n\nnew\n\nmore\n\n## Boot\n\nboot\n")
        );
        assert_eq!(with_section(&three, "Boot", "boot"), three);
    }
}
