//! Which Debian package a file belongs to, read from dpkg's own database.

use std::fmt;
use std::fs;
use std::path::Path;

/// A package and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Package {
    /// The version without the suffix of a rebuild of the same source (`+b1`): packages of one
    /// source may differ in it.
    pub(crate) fn source_version(&self) -> &str {
        match self.version.rsplit_once("+b") {
            Some((source, count)) if count.bytes().all(|byte| byte.is_ascii_digit()) => source,
            _ => &self.version,
        }
    }
}

impl fmt::Display for Package {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.version)
    }
}

/// The package `name`, if it is installed below `root` and holds the file at `path`, which is
/// relative to the root.
pub(crate) fn owner(root: &Path, name: &str, path: &str) -> Option<Package> {
    let database = root.join("var/lib/dpkg");
    // Packages that can be installed for several architectures at once carry it in the name.
    let lists = [format!("{name}.list"), format!("{name}:amd64.list")];
    let line = format!("/{path}");
    let holds = |list: &String| {
        fs::read_to_string(database.join("info").join(list))
            .is_ok_and(|text| text.lines().any(|file| file == line))
    };
    if !lists.iter().any(holds) {
        return None;
    }
    let status = fs::read_to_string(database.join("status")).ok()?;
    Some(Package {
        name: name.to_owned(),
        version: version(&status, name)?.to_owned(),
    })
}

/// The version in the paragraph of the package.
fn version<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let heading = format!("Package: {name}");
    let mut paragraphs = status.split("\n\n");
    let paragraph = paragraphs.find(|text| text.lines().any(|line| line == heading))?;
    paragraph
        .lines()
        .find_map(|line| line.strip_prefix("Version: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: syslinux-common\nStatus: install ok installed\nVersion: 3:6\n\n\
                          Package: syslinux\nArchitecture: amd64\nVersion: 3:6.04+dfsg1-3+b1\n";

    #[test]
    fn the_owner_is_the_package_whose_list_names_the_file() {
        let root = tempfile::tempdir().unwrap();
        let info = root.path().join("var/lib/dpkg/info");
        fs::create_dir_all(&info).unwrap();
        fs::write(root.path().join("var/lib/dpkg/status"), STATUS).unwrap();
        fs::write(info.join("syslinux:amd64.list"), "/.\n/usr/bin/syslinux\n").unwrap();
        let of = |path: &str| owner(root.path(), "syslinux", path);
        let package = of("usr/bin/syslinux").unwrap();
        assert_eq!(package.version, "3:6.04+dfsg1-3+b1");
        assert_eq!(package.source_version(), "3:6.04+dfsg1-3");
        assert_eq!(of("usr/bin"), None);
        let other = owner(root.path(), "other", "usr/bin/syslinux");
        assert_eq!(other, None);
    }

    #[test]
    fn only_a_rebuild_suffix_is_left_out() {
        let package = Package {
            name: String::new(),
            version: "1.0+beta-1".to_owned(),
        };
        assert_eq!(package.source_version(), "1.0+beta-1");
    }
}
