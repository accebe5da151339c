//! Which files are extracted.

/// A path, name by name; names may hold `*`, `?`, `[a-z]` and `\`.
struct Pattern {
    text: Vec<u8>,
    names: Vec<Vec<u8>>,
    matched: bool,
}

/// The patterns of the caller.
pub(super) struct Selection {
    patterns: Vec<Pattern>,
}

/// What is selected of a directory.
#[derive(Clone)]
pub(super) enum Selected {
    /// All that is in it.
    All,
    /// What the rest of these patterns says: all of them match the directory's own path.
    Some(Vec<usize>),
}

impl Selection {
    pub(super) fn new(patterns: &[Vec<u8>]) -> Self {
        let pattern = |text: &Vec<u8>| Pattern {
            text: text.clone(),
            names: text
                .split(|byte| *byte == b'/')
                .filter(|name| !name.is_empty())
                .map(<[u8]>::to_vec)
                .collect(),
            matched: false,
        };
        Self {
            patterns: patterns.iter().map(pattern).collect(),
        }
    }

    /// What is selected of the root. Without patterns, or where one is `/`: all.
    pub(super) fn root(&mut self) -> Selected {
        let mut all = self.patterns.is_empty();
        for pattern in &mut self.patterns {
            pattern.matched = pattern.names.is_empty();
            all |= pattern.matched;
        }
        if all {
            return Selected::All;
        }
        Selected::Some((0..self.patterns.len()).collect())
    }

    /// What is selected of a name in a directory of a depth, the root's being 0; `None`: nothing.
    pub(super) fn name(&mut self, of: &Selected, depth: usize, name: &[u8]) -> Option<Selected> {
        let Selected::Some(candidates) = of else {
            return Some(Selected::All);
        };
        let mut all = false;
        let mut rest = Vec::new();
        for &candidate in candidates {
            let pattern = &mut self.patterns[candidate];
            if !pattern
                .names
                .get(depth)
                .is_some_and(|glob| matches(glob, name))
            {
                continue;
            }
            if pattern.names.len() == depth + 1 {
                pattern.matched = true;
                all = true;
            }
            rest.push(candidate);
        }
        if all {
            return Some(Selected::All);
        }
        (!rest.is_empty()).then_some(Selected::Some(rest))
    }

    /// The patterns that nothing matched.
    pub(super) fn unmatched(self) -> Vec<Vec<u8>> {
        let unmatched = self.patterns.into_iter().filter(|one| !one.matched);
        unmatched.map(|pattern| pattern.text).collect()
    }
}

/// Whether a name matches. Each `*` is tried anew only from the last one on, so the time is at most
/// the product of the lengths.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while place < name.len() {
        if glob.get(at) == Some(&b'*') {
            at += 1;
            star = Some((at, place));
        } else if let Some(length) = one(&glob[at..], name[place]) {
            at += length;
            place += 1;
        } else if let Some((after, from)) = star {
            at = after;
            place = from + 1;
            star = Some((after, place));
        } else {
            return false;
        }
    }
    glob[at..].iter().all(|byte| *byte == b'*')
}

/// How much of the pattern matches one byte; `None` where it does not.
fn one(glob: &[u8], byte: u8) -> Option<usize> {
    match glob {
        [b'?', ..] => Some(1),
        [b'[', set @ ..] if let Some(end) = set_end(set) => {
            in_set(&set[..end], byte).then_some(end + 2)
        }
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// Where a set ends; a bracket in the first place belongs to it.
fn set_end(set: &[u8]) -> Option<usize> {
    let first = usize::from(matches!(set.first(), Some(b'!' | b'^'))) + 1;
    let rest = set.get(first..)?;
    Some(first + rest.iter().position(|byte| *byte == b']')?)
}

fn in_set(set: &[u8], byte: u8) -> bool {
    let (negated, mut set) = match set {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let mut found = false;
    while let [first, rest @ ..] = set {
        if let [b'-', last, rest @ ..] = rest {
            found |= (*first..=*last).contains(&byte);
            set = rest;
        } else {
            found |= *first == byte;
            set = rest;
        }
    }
    found != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        let all = |glob: &str, names: &[&str]| {
            names
                .iter()
                .map(|name| matches(glob.as_bytes(), name.as_bytes()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            all("*.so*", &["a.so", ".so.1", "so", ""]),
            [true, true, false, false]
        );
        assert_eq!(all("a?[b-d]", &["axb", "axe", "ab"]), [true, false, false]);
        assert_eq!(all("[!a]*", &["a", "b", "ba"]), [false, true, true]);
        assert_eq!(all("[]x]", &["]", "x", "y"]), [true, true, false]);
        assert_eq!(all("\\*[", &["*[", "a["]), [true, false]);
        assert_eq!(all("", &["", "a"]), [true, false]);
        let hard = "a*".repeat(30) + "b";
        assert_eq!(all(&hard, &["a".repeat(255).as_str()]), [false]);
    }

    #[test]
    fn a_pattern_selects_what_is_below_it_and_the_way_there() {
        let patterns = ["/usr/lib*/x", "etc", "none/such"].map(Vec::from);
        let mut selection = Selection::new(&patterns);
        let root = selection.root();
        assert!(matches!(
            selection.name(&root, 0, b"etc"),
            Some(Selected::All)
        ));
        assert!(selection.name(&root, 0, b"bin").is_none());
        let usr = selection.name(&root, 0, b"usr").unwrap();
        let lib = selection.name(&usr, 1, b"lib64").unwrap();
        assert!(matches!(lib, Selected::Some(_)));
        assert!(selection.name(&lib, 2, b"y").is_none());
        assert!(matches!(selection.name(&lib, 2, b"x"), Some(Selected::All)));
        assert_eq!(selection.unmatched(), [b"none/such"]);
    }
}
