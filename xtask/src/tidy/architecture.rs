//! ARCHITECTURE.md names a crate by its folder (`crates/base/tree`) or by its package
//! (`livestick-tree`): only crates that there are, and every crate by its folder.

use super::Finding;
use super::layers::Crate;

const RULE: &str = "architecture";

/// The crates that the text should not name, and those that it should.
pub fn check(path: &str, text: &str, crates: &[Crate]) -> Vec<Finding> {
    let finding = |line, message| Finding {
        path: path.to_owned(),
        line,
        rule: RULE,
        message,
    };
    let mut findings = Vec::new();
    for (line, words) in (1..).zip(text.lines().map(words)) {
        for word in words {
            if !exists(&word, crates) {
                findings.push(finding(Some(line), format!("there is no crate `{word}`")));
            }
        }
    }
    let names: Vec<_> = text.lines().flat_map(words).collect();
    for missing in crates.iter().filter(|one| !names.contains(&one.folder)) {
        findings.push(finding(
            None,
            format!("the crate `{}` is not named", missing.folder),
        ));
    }
    findings
}

/// The words of a line that look like crates, paths below a crate's folder cut off.
fn words(line: &str) -> Vec<String> {
    let of_a_path = |c: char| c.is_ascii_alphanumeric() || "-_/.".contains(c);
    line.split(|c| !of_a_path(c))
        .filter_map(crate_name)
        .collect()
}

fn crate_name(word: &str) -> Option<String> {
    let word = word.trim_end_matches(['.', '/']);
    let mut parts = word.split('/');
    match (parts.next()?, parts.next(), parts.next()) {
        ("crates", Some(layer), Some(name)) => Some(format!("crates/{layer}/{name}")),
        ("tests", Some(name), _) => Some(format!("tests/{name}")),
        ("xtask", ..) => Some("xtask".to_owned()),
        (package, None, None) if package.starts_with("livestick-") => Some(package.to_owned()),
        _ => None,
    }
}

fn exists(word: &str, crates: &[Crate]) -> bool {
    crates
        .iter()
        .any(|one| one.folder == word || one.package == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let one = |folder: &str, package: &str| Crate {
            folder: folder.to_owned(),
            package: package.to_owned(),
            depends_on: Vec::new(),
        };
        let crates = [
            one("crates/base/tree", "livestick-tree"),
            one("tests/boot", "boot-tests"),
        ];
        check("A.md", text, &crates)
            .iter()
            .map(Finding::to_string)
            .collect()
    }

    #[test]
    fn every_crate_and_no_other() {
        let good =
            "`crates/base/tree/src/node.rs` (`livestick-tree`, see crates/base), tests/boot/.\n";
        assert_eq!(found(good), [""; 0]);
    }

    #[test]
    fn a_crate_that_is_not_there_is_found() {
        assert_eq!(
            found("crates/base/tree tests/boot\n\nand `crates/base/shrub` and livestick-shrub\n"),
            [
                "A.md:3: architecture: there is no crate `crates/base/shrub`",
                "A.md:3: architecture: there is no crate `livestick-shrub`",
            ]
        );
    }

    #[test]
    fn a_crate_that_is_not_named_is_found() {
        assert_eq!(
            found("crates/base/tree"),
            ["A.md: architecture: the crate `tests/boot` is not named"]
        );
    }
}
