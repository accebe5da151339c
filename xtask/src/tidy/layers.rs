//! Folders are layers: a crate depends only on crates in folders to its right.

use super::{Finding, relative};
use crate::workspace::Workspace;
use anyhow::{Context, Result};

/// A crate of the workspace and what it depends on in it, tests and build scripts included.
pub struct Crate {
    /// Its folder in the checkout, such as `crates/base/tree`.
    pub folder: String,
    /// Its package name.
    pub package: String,
    /// The folders of the crates that it depends on.
    pub depends_on: Vec<String>,
}

/// From left to right.
const LAYERS: [&str; 4] = ["programs", "stages", "formats", "base"];

/// The only dependencies inside a layer.
const NEIGHBOURS: [(&str, &str); 3] = [
    ("crates/base/tree", "crates/base/blockio"),
    ("crates/base/disks", "crates/base/sys"),
    ("crates/base/disks", "crates/base/blockio"),
];

/// They use every layer, and no layer uses them.
const OUTSIDE: [&str; 2] = ["xtask", "tests/boot"];

const RULE: &str = "layers";

/// The workspace's crates, from `cargo metadata`.
pub fn crates(workspace: &Workspace) -> Result<Vec<Crate>> {
    let packages = workspace.metadata.packages.iter();
    packages
        .map(|package| {
            let folder = package
                .manifest_path
                .parent()
                .context("a manifest without a folder")?;
            let depends_on = package
                .dependencies
                .iter()
                .filter_map(|dependency| dependency.path.as_ref())
                .map(|path| relative(workspace.root(), path.as_std_path()))
                .collect::<Result<_>>()?;
            Ok(Crate {
                folder: relative(workspace.root(), folder.as_std_path())?,
                package: package.name.to_string(),
                depends_on,
            })
        })
        .collect()
}

/// What points the wrong way.
pub fn check(crates: &[Crate]) -> Vec<Finding> {
    crates.iter().flat_map(check_crate).collect()
}

fn check_crate(from: &Crate) -> Vec<Finding> {
    let finding = |message| Finding {
        path: format!("{}/Cargo.toml", from.folder),
        line: None,
        rule: RULE,
        message,
    };
    if OUTSIDE.contains(&from.folder.as_str()) {
        return Vec::new();
    }
    let Some(from_layer) = layer(&from.folder) else {
        return vec![finding(format!(
            "`{}` is in no layer; the layers are crates/{{{}}}",
            from.folder,
            LAYERS.join(",")
        ))];
    };
    let wrong = from.depends_on.iter().filter_map(|to| match layer(to) {
        Some(to_layer) if to_layer > from_layer => None,
        Some(to_layer) if to_layer == from_layer => {
            let allowed = NEIGHBOURS.contains(&(&from.folder, to));
            (!allowed).then(|| format!("depends on its neighbour `{to}`"))
        }
        Some(_) => Some(format!("depends on `{to}`, to its left")),
        None => Some(format!("depends on `{to}`, which is outside the layers")),
    });
    wrong.map(finding).collect()
}

/// How far to the right a crate is.
fn layer(folder: &str) -> Option<usize> {
    let (layer, _) = folder.strip_prefix("crates/")?.split_once('/')?;
    LAYERS.iter().position(|name| *name == layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(folder: &str, depends_on: &[&str]) -> Vec<String> {
        let from = Crate {
            folder: folder.to_owned(),
            package: "x".to_owned(),
            depends_on: depends_on.iter().map(|&to| to.to_owned()).collect(),
        };
        check(&[from])
            .into_iter()
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn to_the_right_is_fine() {
        let right = [
            "crates/stages/image",
            "crates/formats/newc",
            "crates/base/sys",
        ];
        assert!(messages("crates/programs/livestick", &right).is_empty());
        assert!(messages("crates/base/tree", &["crates/base/blockio"]).is_empty());
        assert!(messages("xtask", &["crates/stages/vm"]).is_empty());
    }

    #[test]
    fn neighbours_left_and_outside_are_found() {
        assert_eq!(
            messages("crates/stages/image", &["crates/stages/vm"]),
            ["depends on its neighbour `crates/stages/vm`"]
        );
        assert_eq!(
            messages("crates/base/blockio", &["crates/base/tree"]),
            ["depends on its neighbour `crates/base/tree`"]
        );
        assert_eq!(
            messages("crates/formats/newc", &["crates/stages/image"]),
            ["depends on `crates/stages/image`, to its left"]
        );
        assert_eq!(
            messages("crates/stages/vm", &["tests/boot"]),
            ["depends on `tests/boot`, which is outside the layers"]
        );
    }

    #[test]
    fn a_crate_in_no_layer_is_found() {
        let found = messages("crates/misc/things", &[]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("is in no layer"), "{found:?}");
    }

    #[test]
    fn dependencies_of_tests_count() {
        let workspace = Workspace::find().unwrap();
        let crates = crates(&workspace).unwrap();
        let xtask = crates.iter().find(|found| found.folder == "xtask").unwrap();
        assert!(xtask.depends_on.contains(&"crates/stages/vm".to_owned()));
    }
}
