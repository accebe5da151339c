//! Alpine's package manager: one file, a letter and a colon before each value (`apk-v2(5)`).

use super::{Original, Reader};

const INSTALLED: [&str; 2] = ["usr/lib/apk/db/installed", "lib/apk/db/installed"];
/// Below this, apk keeps what was edited.
const PROTECTED: &str = "etc";

/// Reads the database, where there is one.
pub(super) fn read(reader: &mut Reader<'_>) {
    let texts = INSTALLED.map(|path| reader.text(path));
    let text = texts.iter().find(|text| !text.is_empty());
    for stanza in text.into_iter().flat_map(|text| text.split("\n\n")) {
        let field = |letter: &str| stanza.lines().find_map(|line| line.strip_prefix(letter));
        let Some(name) = field("P:") else {
            continue;
        };
        let index = reader.package(name, field("V:").unwrap_or_default());
        let mut folder = "";
        for line in stanza.lines() {
            if let Some(path) = line.strip_prefix("F:") {
                folder = path;
            } else if let Some(name) = line.strip_prefix("R:") {
                let original = match folder.split('/').next() {
                    Some(PROTECTED) => Original::Unknown,
                    _ => Original::Same,
                };
                reader.file(index, &format!("{folder}/{name}"), original);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Original;
    use crate::Packages;
    use crate::fixture::{Nothing, tree};

    #[test]
    fn files_follow_their_folders() {
        let installed = "C:Q1\nP:busybox\nV:1.36.1-r5\nF:bin\nR:busybox\na:0:0:755\nF:etc\nR:securetty\n\n\
            P:musl\nV:1.2\nF:lib\nR:ld-musl-x86_64.so.1\n\n";
        let root = tree(&[
            ("lib/apk/db/installed", installed),
            ("bin/busybox", ""),
            ("etc/securetty", ""),
            ("lib/ld-musl-x86_64.so.1", ""),
        ]);
        let packages = Packages::read(&root, &Nothing);
        assert_eq!(packages.manager, Some("apk"));
        let of = |path: &str| {
            let node = root.lookup(path.as_bytes()).unwrap();
            let original = packages.original(path.as_bytes(), node);
            (packages.owner(node), original)
        };
        assert_eq!(of("bin/busybox"), (Some(0), Original::Same));
        assert_eq!(of("etc/securetty"), (Some(0), Original::Unknown));
        assert_eq!(of("lib/ld-musl-x86_64.so.1"), (Some(1), Original::Same));
    }
}
