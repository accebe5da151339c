//! Arch's packages, read from pacman's own database: a folder for each, with text files in it.

use super::Package;
use std::fs;
use std::path::Path;

/// Where the database is, relative to the root.
const DATABASE: &str = "var/lib/pacman/local";

/// The package `name`, if it is installed below `root` and holds the file at `path`, which is
/// relative to the root.
pub(crate) fn owner(root: &Path, name: &str, path: &str) -> Option<Package> {
    // The folder is the name, the version and the release, and a name may have dashes too.
    let folders = fs::read_dir(root.join(DATABASE)).ok()?;
    let mut named = folders.flatten().filter(|folder| {
        let folder = folder.file_name();
        let rest = folder.to_str().and_then(|folder| folder.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with('-'))
    });
    named.find_map(|folder| {
        let read = |file| fs::read_to_string(folder.path().join(file)).ok();
        let description = read("desc")?;
        let is_it = field(&description, "%NAME%").next() == Some(name);
        let holds = field(&read("files")?, "%FILES%").any(|line| line == path);
        let version = field(&description, "%VERSION%").next()?;
        (is_it && holds).then(|| Package {
            name: name.to_owned(),
            version: version.to_owned(),
        })
    })
}

/// The lines below a heading, up to the next empty one.
fn field<'a>(text: &'a str, heading: &str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().skip_while(move |line| *line != heading);
    lines.skip(1).take_while(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_package_whose_list_names_the_file() {
        let root = tempfile::tempdir().unwrap();
        let write = |package: &str, file: &str, text: &str| {
            let folder = root.path().join(DATABASE).join(package);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join(file), text).unwrap();
        };
        write(
            "grub-btrfs-4.13-3",
            "desc",
            "%NAME%\ngrub-btrfs\n\n%VERSION%\n4.13-3\n",
        );
        write("grub-btrfs-4.13-3", "files", "%FILES%\nusr/lib/grub/x\n");
        write(
            "grub-2:2.12-3",
            "desc",
            "%NAME%\ngrub\n\n%VERSION%\n2:2.12-3\n\n%BASE%\ngrub\n",
        );
        write(
            "grub-2:2.12-3",
            "files",
            "%FILES%\nusr/\nusr/lib/grub/x\n\n%BACKUP%\netc/x\n",
        );
        let of = |name, path| owner(root.path(), name, path).map(|found| found.to_string());
        assert_eq!(
            of("grub", "usr/lib/grub/x").as_deref(),
            Some("grub 2:2.12-3")
        );
        assert_eq!(of("grub", "etc/x"), None);
        assert_eq!(of("other", "usr/lib/grub/x"), None);
    }
}
