//! What of a source goes in.

use crate::args;
use crate::failure::{Exit, Failure};
use anyhow::Context;
use livestick_capture::{Exclusions, Mode, RuleSet};
use std::io;
use std::path::{Path, PathBuf};

/// Where the machine keeps lists of what to leave out.
const LISTS: &str = "/etc/livestick/exclude.d";

/// What the user, and the machine's own lists, leave out.
pub fn exclusions(args: &args::Selection) -> Result<Exclusions, Failure> {
    read_exclusions(args, Path::new(LISTS)).map_err(|error| Failure::new(Exit::Usage, error))
}

fn read_exclusions(args: &args::Selection, lists: &Path) -> anyhow::Result<Exclusions> {
    let mut exclusions = Exclusions::new(&args.exclude)?;
    for path in lists_in(lists)?.iter().chain(&args.exclude_from) {
        let list = std::fs::read_to_string(path);
        let list = list.with_context(|| format!("cannot read {}", path.display()))?;
        exclusions.add_list(path, &list)?;
    }
    Ok(exclusions)
}

fn lists_in(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let context = || format!("cannot list {}", directory.display());
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(context)?,
    };
    let mut lists = Vec::new();
    for entry in entries {
        let path = entry.with_context(context)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "list")
        {
            lists.push(path);
        }
    }
    lists.sort();
    Ok(lists)
}

/// The rules in force.
pub fn rules(args: &args::Selection) -> Result<RuleSet, Failure> {
    let mode = match args.generic {
        true => Mode::Generic,
        false => Mode::Clone,
    };
    RuleSet::new(mode, &args.keep, &args.apply).map_err(|error| {
        Failure::new(Exit::Usage, error).hint("`livestick plan --rules` lists them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn lists_are_read_in_the_order_of_their_names() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("b.list"), "b\n").unwrap();
        fs::write(folder.path().join("a.list"), "a\n").unwrap();
        fs::write(folder.path().join("c.txt"), "c\n").unwrap();
        fs::write(folder.path().join("own"), "d\n").unwrap();
        let args = args::Selection {
            clone: false,
            generic: false,
            keep: Vec::new(),
            apply: Vec::new(),
            exclude: vec!["x".into()],
            exclude_from: vec![folder.path().join("own")],
            include_mount: Vec::new(),
            exclude_mount: Vec::new(),
            skip_unreadable: false,
            keep_changing: false,
        };
        let exclusions = read_exclusions(&args, folder.path()).unwrap();
        let patterns: Vec<_> = exclusions
            .patterns()
            .iter()
            .map(|pattern| &*pattern.text)
            .collect();
        assert_eq!(patterns, ["x", "a", "b", "d"]);
        assert!(read_exclusions(&args, Path::new("/nonexistent")).is_ok());

        let missing = args::Selection {
            exclude_from: vec!["/nonexistent/list".into()],
            ..args
        };
        let error = read_exclusions(&missing, folder.path()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nonexistent/list");
    }
}
