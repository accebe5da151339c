//! Arch's package manager: a folder for each package, with `desc` and `files`.

use super::{Original, Reader, digest};

const LOCAL: &str = "var/lib/pacman/local";

/// Reads the database, where there is one.
pub(super) fn read(reader: &mut Reader<'_>) {
    for name in reader.names(LOCAL) {
        let description = reader.text(&format!("{LOCAL}/{name}/desc"));
        let field = |title| section(&description, title).next().unwrap_or_default();
        let package = field("%NAME%");
        if package.is_empty() {
            continue;
        }
        let index = reader.package(package, field("%VERSION%"));
        let files = reader.text(&format!("{LOCAL}/{name}/files"));
        // A path, a tab and a digest.
        let edited = section(&files, "%BACKUP%").filter_map(|line| line.split_once('\t'));
        for (path, md5) in edited {
            reader.file(index, path, digest(md5));
        }
        for path in section(&files, "%FILES%") {
            reader.file(index, path, Original::Same);
        }
    }
}

/// The lines of a section: from its title to an empty line.
fn section<'a>(text: &'a str, title: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().skip_while(move |line| *line != title).skip(1);
    lines.take_while(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Original;
    use crate::Packages;
    use crate::fixture::{Nothing, tree};

    #[test]
    fn a_package_has_a_description_and_files() {
        let root = tree(&[
            ("var/lib/pacman/local/ALPM_DB_VERSION", "9\n"),
            (
                "var/lib/pacman/local/bash-5.2-1/desc",
                "%NAME%\nbash\n\n%VERSION%\n5.2-1\n\n%DESC%\nA shell\n",
            ),
            (
                "var/lib/pacman/local/bash-5.2-1/files",
                "%FILES%\netc/\netc/bash.bashrc\nusr/bin/bash\n\n\
                 %BACKUP%\netc/bash.bashrc\t22222222222222222222222222222222\n\n",
            ),
            ("etc/bash.bashrc", ""),
            ("usr/bin/bash", ""),
        ]);
        let packages = Packages::read(&root, &Nothing);
        assert_eq!(packages.manager, Some("pacman"));
        assert_eq!(packages.list()[0].version, "5.2-1");
        let edited = Original::Digest([0x22; 16]);
        for (path, original) in [
            ("etc/bash.bashrc", edited),
            ("usr/bin/bash", Original::Same),
        ] {
            let node = root.lookup(path.as_bytes()).unwrap();
            assert_eq!(packages.owner(node), Some(0), "{path}");
            assert_eq!(packages.original(path.as_bytes(), node), original);
        }
    }
}
