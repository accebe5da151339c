//! Packages of Fedora, openSUSE and their relatives: their database is a binary one, so `rpm` itself
//! is asked.

use super::Package;
use std::path::Path;
use std::process::{Command, Stdio};

/// The package that holds the file at `path`, which is relative to `root`.
pub(crate) fn owner(root: &Path, path: &str) -> Option<Package> {
    let output = Command::new("rpm")
        .arg("--root")
        .arg(root)
        .args(["--query", "--file", "--queryformat", "%{NAME} %{EVR}\\n"])
        .arg(format!("/{path}"))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| parse(&output.stdout))?
}

/// The first line: other packages may own the file as well.
fn parse(output: &[u8]) -> Option<Package> {
    let text = std::str::from_utf8(output).ok()?;
    let (name, version) = text.lines().next()?.split_once(' ')?;
    Some(Package {
        name: name.to_owned(),
        version: version.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_name_and_version() {
        let package = parse(b"shim-x64 15.8-3\nother 1\n").unwrap();
        assert_eq!(package.to_string(), "shim-x64 15.8-3");
        assert_eq!(parse(b"\n"), None);
        assert_eq!(parse(b"\xff 1\n"), None);
    }
}
