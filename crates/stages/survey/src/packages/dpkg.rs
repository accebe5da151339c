//! Debian's package manager: `deb-conffiles(5)`, `dpkg-divert(1)`, and the lists in its `info`.

use super::{Original, Reader, digest};
use std::collections::HashMap;

const STATUS: &str = "var/lib/dpkg/status";
const INFO: &str = "var/lib/dpkg/info";
const DIVERSIONS: &str = "var/lib/dpkg/diversions";

/// Reads the database, where there is one.
pub(super) fn read(reader: &mut Reader<'_>) {
    let status = Status::parse(&reader.text(STATUS));
    let diversions = reader.text(DIVERSIONS);
    let diversions = diversions_of(&diversions);
    for name in reader.names(INFO) {
        let Some(qualified) = name.strip_suffix(".list") else {
            continue;
        };
        let package = qualified.split(':').next().unwrap_or(qualified);
        let version = status.versions.get(package).map_or("", String::as_str);
        let index = reader.package(package, version);
        let list = reader.text(&format!("{INFO}/{name}"));
        for path in list.lines() {
            let path = match diversions.get(path) {
                Some((to, by)) if *by != package => to,
                _ => path,
            };
            let original = status.conffiles.get(path);
            reader.file(index, path, original.copied().unwrap_or(Original::Same));
        }
    }
}

/// What the status file says.
#[derive(Default)]
struct Status {
    versions: HashMap<String, String>,
    /// Files that their owner may edit.
    conffiles: HashMap<String, Original>,
}

impl Status {
    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for stanza in text.split("\n\n") {
            let mut package = "";
            let mut conffiles = false;
            for line in stanza.lines() {
                if let Some(conffile) = line.strip_prefix(' ').filter(|_| conffiles) {
                    let mut words = conffile.split(' ');
                    let [path, md5] = [(); 2].map(|()| words.next().unwrap_or_default());
                    status.conffiles.insert(path.to_owned(), digest(md5));
                    continue;
                }
                conffiles = line == "Conffiles:";
                if let Some(name) = line.strip_prefix("Package: ") {
                    package = name;
                } else if let Some(version) = line.strip_prefix("Version: ") {
                    status
                        .versions
                        .insert(package.to_owned(), version.to_owned());
                }
            }
        }
        status
    }
}

/// Which paths are elsewhere for all packages but one: three lines each.
fn diversions_of(text: &str) -> HashMap<&str, (&str, &str)> {
    let lines: Vec<_> = text.lines().collect();
    let threes = lines.chunks_exact(3);
    threes
        .map(|three| (three[0], (three[1], three[2])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Original;
    use crate::Packages;
    use crate::fixture::{Nothing, add, tree};
    use livestick_tree::Kind;

    #[test]
    fn files_belong_to_packages_through_links_and_diversions() {
        let status = "Package: coreutils\nStatus: install ok installed\nVersion: 9.1-1\n\n\
            Package: dash\nVersion: 0.5\nConffiles:\n /etc/dash 11111111111111111111111111111111\n /etc/old 0456 obsolete\n\
            Description: a shell\n";
        let mut root = tree(&[
            ("var/lib/dpkg/status", status),
            (
                "var/lib/dpkg/info/coreutils.list",
                "/.\n/bin\n/bin/ls\n/usr/bin/env\n",
            ),
            (
                "var/lib/dpkg/info/dash:amd64.list",
                "/bin/sh\n/etc/dash\n/usr/bin\n",
            ),
            ("var/lib/dpkg/info/busybox.list", "/bin/sh\n"),
            (
                "var/lib/dpkg/diversions",
                "/bin/sh\n/bin/sh.distrib\nbusybox\n",
            ),
            ("usr/bin/ls", ""),
            ("usr/bin/env", ""),
            ("usr/bin/sh", ""),
            ("usr/bin/sh.distrib", ""),
            ("usr/bin/mine", ""),
            ("etc/dash", ""),
        ]);
        add(&mut root, "bin", Kind::Symlink(Box::from(*b"usr/bin")));
        let packages = Packages::read(&root, &Nothing);
        let owner = |path: &str| {
            let node = root.lookup(path.as_bytes()).unwrap();
            let package = packages.owner(node).map(|index| &packages.list()[index]);
            package.map_or("", |package| &package.name)
        };
        assert_eq!(packages.manager, Some("dpkg"));
        assert_eq!(owner("usr/bin/ls"), "coreutils");
        assert_eq!(owner("usr/bin/sh"), "busybox");
        assert_eq!(owner("usr/bin/sh.distrib"), "dash");
        assert_eq!(owner("usr/bin"), "");
        assert_eq!(owner("usr/bin/mine"), "");
        let original = |path: &str| {
            let node = root.lookup(path.as_bytes()).unwrap();
            packages.original(path.as_bytes(), node)
        };
        assert_eq!(original("usr/bin/ls"), Original::Same);
        assert_eq!(original("etc/dash"), Original::Digest([0x11; 16]));
        assert_eq!(original("usr/bin/mine"), Original::Unknown);
        let mut versions: Vec<_> = packages.list().iter().map(|p| p.version.as_str()).collect();
        versions.sort_unstable();
        assert_eq!(versions, ["", "0.5", "9.1-1"]);
    }
}
