//! Patterns of paths, in the syntax of `mksquashfs -wildcards -ef`.

mod glob;

use glob::Glob;
use std::collections::HashMap;

/// Begins a pattern that holds at any depth.
const ANYWHERE: &[u8] = b"...";

/// Many patterns, matched at once. They lie in a tree of names: most paths leave it at their first
/// name, however many patterns there are.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    anchored: Branch,
    anywhere: Branch,
    count: usize,
}

#[derive(Debug, Default)]
struct Branch {
    /// The patterns that end here.
    ends: Vec<usize>,
    literal: HashMap<Vec<u8>, Self>,
    globs: Vec<(Glob, Self)>,
}

impl Patterns {
    /// Adds a pattern; its number is how many there were before it. Says what is wrong with it.
    pub(crate) fn add(&mut self, pattern: &[u8]) -> Result<(), &'static str> {
        let number = self.count;
        let rest = pattern.strip_prefix(ANYWHERE);
        let rest = rest.filter(|rest| matches!(rest.first(), None | Some(b' ' | b'\t')));
        let (mut branch, path) = match rest {
            Some(rest) => (&mut self.anywhere, rest.trim_ascii_start()),
            None => (&mut self.anchored, pattern),
        };
        let names = path.split(|byte| *byte == b'/');
        let names = names.filter(|name| !matches!(*name, b"" | b"."));
        let mut is_empty = true;
        for name in names {
            branch = branch.below(Glob::parse(name)?);
            is_empty = false;
        }
        if !is_empty {
            branch.ends.push(number);
        }
        self.count += 1;
        Ok(())
    }

    /// The numbers of the patterns that match a path, all of it.
    pub(crate) fn matches(&self, path: &[u8]) -> Vec<usize> {
        let mut at: Vec<&Branch> = vec![&self.anchored];
        let mut names = path
            .split(|byte| *byte == b'/')
            .filter(|n| !n.is_empty())
            .peekable();
        if names.peek().is_none() {
            return Vec::new();
        }
        for name in names {
            at.push(&self.anywhere);
            let before = std::mem::take(&mut at);
            for branch in before {
                branch.follow(name, &mut at);
            }
        }
        let mut numbers: Vec<_> = at
            .iter()
            .flat_map(|branch| branch.ends.iter().copied())
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}

impl Branch {
    fn below(&mut self, glob: Glob) -> &mut Self {
        if let Some(name) = glob.literal() {
            return self.literal.entry(name).or_default();
        }
        let index = match self.globs.iter().position(|(known, _)| *known == glob) {
            Some(index) => index,
            None => {
                self.globs.push((glob, Self::default()));
                self.globs.len() - 1
            }
        };
        &mut self.globs[index].1
    }

    fn follow<'a>(&'a self, name: &[u8], next: &mut Vec<&'a Self>) {
        next.extend(self.literal.get(name));
        let globs = self.globs.iter().filter(|(glob, _)| glob.matches(name));
        next.extend(globs.map(|(_, branch)| branch));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(patterns: &[&str], path: &str) -> Vec<usize> {
        let mut all = Patterns::default();
        for pattern in patterns {
            all.add(pattern.as_bytes()).unwrap();
        }
        all.matches(path.as_bytes())
    }

    #[test]
    fn many_patterns_are_told_apart() {
        let patterns = [
            "var/cache/*",
            "... *.pyc",
            "... cache/a",
            "var/*/a",
            "",
            "... ",
            "/",
        ];
        assert_eq!(matching(&patterns, "var/cache"), [0; 0]);
        assert_eq!(matching(&patterns, "var/cache/a"), [0, 2, 3]);
        assert_eq!(matching(&patterns, "x/y/z.pyc"), [1]);
        assert_eq!(matching(&patterns, "x/cache/a"), [2]);
        assert_eq!(matching(&patterns, ""), [0; 0]);
    }
}
