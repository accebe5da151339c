//! A new `/etc/fstab`: the old disks are not there when the stick boots, and a system that waits
//! for them does not come up.

use crate::mounts::unescape;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// File systems that need no disk of the old machine.
const KEPT_TYPES: [&str; 22] = [
    "9p",
    "bpf",
    "cgroup",
    "cgroup2",
    "cifs",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nfs",
    "nfs4",
    "nfsd",
    "proc",
    "pstore",
    "securityfs",
    "smb3",
    "sysfs",
    "tmpfs",
];

/// The table without what was on the old machine's disks: those lines stay as comments, so that
/// their owner sees what was done. `/` and `/run` are the stick's own affair.
pub(crate) fn without_disks(table: &[u8]) -> Vec<u8> {
    let mut new =
        b"# livestick: the root is a RAM overlay; lines for disks are commented out.\n".to_vec();
    for line in table.split_inclusive(|byte| *byte == b'\n') {
        if !is_kept(line) {
            new.extend_from_slice(b"#livestick# ");
        }
        new.extend_from_slice(line);
    }
    new
}

/// The swap files that the table names, relative to the root.
pub(crate) fn swap_files(table: &[u8]) -> Vec<Vec<u8>> {
    let lines = table.split(|byte| *byte == b'\n').map(words);
    let swap = lines.filter(|words| words.get(2) == Some(&&b"swap"[..]));
    swap.filter_map(|words| words[0].strip_prefix(b"/"))
        .filter(|path| !path.starts_with(b"dev/"))
        .map(unescape)
        .collect()
}

/// Where the table says that filesystems are mounted, relative to the root.
pub(crate) fn mount_points(table: &[u8]) -> Vec<PathBuf> {
    let lines = table.split(|byte| *byte == b'\n').map(words);
    let active = lines.filter(|words| words.len() > 2 && !words[0].starts_with(b"#"));
    active
        .filter_map(|words| Some(unescape(words[1].strip_prefix(b"/")?)))
        .filter(|path| !path.is_empty())
        .map(|path| {
            PathBuf::from(OsString::from_vec(path))
                .components()
                .collect()
        })
        .collect()
}

fn is_kept(line: &[u8]) -> bool {
    let words = words(line);
    match words.as_slice() {
        [] => true,
        [first, ..] if first.starts_with(b"#") => true,
        [_, point, kind, options @ ..] => {
            let bind = options
                .first()
                .is_some_and(|options| options.split(|b| *b == b',').any(is_bind));
            let known = std::str::from_utf8(kind).is_ok_and(|kind| KEPT_TYPES.contains(&kind));
            *point != b"/" && *point != b"/run" && (known || bind)
        }
        _ => false,
    }
}

fn is_bind(option: &[u8]) -> bool {
    option == b"bind" || option == b"rbind"
}

fn words(line: &[u8]) -> Vec<&[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"# comment\n\
        UUID=1234 / ext4 errors=remount-ro 0 1\n\
        /dev/sda1\t/boot ext4 defaults 0 2\n\
        tmpfs /tmp tmpfs size=1G 0 0\n\
        server:/export /srv nfs ro 0 0\n\
        /srv/a /b none rw,bind 0 0\n\
        /swapfile none swap sw 0 0\n\
        /dev/sda2 none swap sw 0 0\n\
        broken\n";

    #[test]
    fn disks_become_comments_and_the_rest_stays() {
        let new = String::from_utf8(without_disks(TABLE)).unwrap();
        let active: Vec<_> = new.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            active,
            [
                "tmpfs /tmp tmpfs size=1G 0 0",
                "server:/export /srv nfs ro 0 0",
                "/srv/a /b none rw,bind 0 0"
            ]
        );
        assert!(new.contains("#livestick# UUID=1234 / ext4"), "{new}");
        assert_eq!(new.lines().count(), 10);
    }

    #[test]
    fn mount_points_are_those_of_active_lines() {
        let points = mount_points(
            b"#/dev/x /var ext4 a\n/dev/y /my\\040disk/ ext4 a 0 0\n/dev/z none swap sw\n",
        );
        assert_eq!(points, [PathBuf::from("my disk")]);
        assert!(mount_points(TABLE).contains(&"srv".into()));
    }

    #[test]
    fn swap_files_are_found_and_swap_disks_are_not() {
        assert_eq!(swap_files(TABLE), [b"swapfile".to_vec()]);
    }
}
