//! Which Debian package a file belongs to, read from dpkg's own database.

use super::Package;
use std::fs;
use std::path::Path;

/// The package that holds the file at `path`, which is relative to `root`: most likely it is
/// `likely`, and on Debian's children it may be another.
pub(crate) fn owner(root: &Path, likely: &str, path: &str) -> Option<Package> {
    let database = root.join("var/lib/dpkg");
    let line = format!("/{path}");
    let lists = database.join("info");
    let holds = |list: &Path| {
        fs::read_to_string(list).is_ok_and(|text| text.lines().any(|file| file == line))
    };
    // Packages that can be installed for several architectures at once carry it in the name.
    let likely = ["", ":amd64"].map(|suffix| lists.join(format!("{likely}{suffix}.list")));
    let list = likely.into_iter().find(|list| holds(list)).or_else(|| {
        let lists = fs::read_dir(&lists).ok()?.flatten();
        let mut lists = lists.map(|list| list.path());
        lists.find(|list| list.extension().is_some_and(|kind| kind == "list") && holds(list))
    })?;
    let name = list.file_stem()?.to_str()?.split(':').next()?;
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
        let unlikely = owner(root.path(), "other", "usr/bin/syslinux");
        assert_eq!(unlikely.unwrap().name, "syslinux");
    }
}
