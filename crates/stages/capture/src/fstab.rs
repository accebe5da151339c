//! A new `/etc/fstab`: the old disks are not there when the stick boots, and a system that waits
//! for them does not come up.

use crate::mounts::unescape;
use livestick_tree::Tree;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

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

/// What the kernel and the init system fill at boot, whatever is in the tree.
const FILLED: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// How many bind mounts are followed on the way to a path: they can make a circle.
const BIND_LIMIT: usize = 16;

/// The table without what was on the old machine's disks: those lines stay as comments, so that
/// their owner sees what was done, and with them the bind mounts of what the tree does not have.
/// `/` and `/run` are the stick's own affair.
pub(crate) fn without_disks(table: &[u8], tree: &Tree) -> Vec<u8> {
    let mut new =
        b"# livestick: the root is a RAM overlay; lines for disks are commented out.\n".to_vec();
    let lines = || table.split_inclusive(|byte| *byte == b'\n');
    let mounts = Mounts {
        lines: lines().filter_map(Mount::parse).collect(),
        tree,
    };
    for line in lines() {
        let mounts_nothing = words(line)
            .first()
            .is_none_or(|word| word.starts_with(b"#"));
        let is_kept = || Mount::parse(line).is_some_and(|mount| mounts.keep(&mount));
        if !mounts_nothing && !is_kept() {
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

/// A line that mounts something.
struct Mount {
    source: PathBuf,
    point: PathBuf,
    what: What,
}

/// What is mounted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// A directory or a file that is at another place, too.
    Bind,
    /// What needs no disk of the old machine.
    NoDisk,
    Disk,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Self> {
        let words = words(line);
        let [source, point, kind, options @ ..] = words.as_slice() else {
            return None;
        };
        if source.starts_with(b"#") {
            return None;
        }
        let options = options.first().copied().unwrap_or_default();
        let is_known = std::str::from_utf8(kind).is_ok_and(|kind| KEPT_TYPES.contains(&kind));
        let what = if options.split(|byte| *byte == b',').any(is_bind) {
            What::Bind
        } else if is_known {
            What::NoDisk
        } else {
            What::Disk
        };
        Some(Self {
            source: to_path(source),
            point: to_path(point),
            what,
        })
    }
}

/// All that a table mounts, in the tree that it is for.
struct Mounts<'a> {
    lines: Vec<Mount>,
    tree: &'a Tree,
}

impl Mounts<'_> {
    fn keep(&self, mount: &Mount) -> bool {
        if mount.point == Path::new("/") || mount.point == Path::new("/run") {
            return false;
        }
        match mount.what {
            What::Bind => self.is_there(&mount.source, BIND_LIMIT),
            What::NoDisk => true,
            What::Disk => false,
        }
    }

    /// Whether a path is there once the rest is mounted. Without it a bind mount fails, and the
    /// boot with it (`local-fs.target`).
    fn is_there(&self, path: &Path, limit: usize) -> bool {
        if !path.is_absolute() {
            return false;
        }
        if FILLED.iter().any(|filled| path.starts_with(filled)) {
            return true;
        }
        let above = self
            .lines
            .iter()
            .filter(|mount| mount.point != Path::new("/") && path.starts_with(&mount.point));
        let nearest = above.max_by_key(|mount| mount.point.components().count());
        match nearest {
            Some(mount) if mount.what == What::Bind && limit > 0 => {
                let source = match path.strip_prefix(&mount.point) {
                    Ok(rest) if !rest.as_os_str().is_empty() => mount.source.join(rest),
                    _ => mount.source.clone(),
                };
                self.is_there(&source, limit - 1)
            }
            Some(mount) if mount.what == What::NoDisk => true,
            // An empty mount point: what belongs there was not taken along.
            Some(mount) if mount.what == What::Disk && path == mount.point => {
                self.has_entries(path)
            }
            // What was taken along is in the tree, from whichever disk it came.
            _ => self.tree.resolve(path.as_os_str().as_bytes()).is_some(),
        }
    }

    fn has_entries(&self, path: &Path) -> bool {
        let node = self.tree.resolve(path.as_os_str().as_bytes());
        node.is_some_and(|node| self.tree.entries(node).len() > 0)
    }
}

fn to_path(word: &[u8]) -> PathBuf {
    OsString::from_vec(unescape(word)).into()
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
    use livestick_tree::{Kind, Metadata};

    const TABLE: &[u8] = b"# comment\n\
        UUID=1234 / ext4 errors=remount-ro 0 1\n\
        /dev/sda1\t/boot ext4 defaults 0 2\n\
        tmpfs /tmp tmpfs size=1G 0 0\n\
        server:/export /srv nfs ro 0 0\n\
        /srv/a /b none rw,bind 0 0\n\
        /swapfile none swap sw 0 0\n\
        /dev/sda2 none swap sw 0 0\n\
        broken\n";

    /// A tree of empty directories.
    fn tree(paths: &[&str]) -> Tree {
        let metadata = Metadata {
            permissions: 0o755,
            uid: 0,
            gid: 0,
            modified_seconds: 0,
        };
        let mut tree = Tree::new(metadata, Box::default());
        for path in paths {
            path.split('/').fold(Tree::ROOT, |above, name| {
                let name = name.as_bytes();
                tree.child(above, name).unwrap_or_else(|| {
                    let kind = Kind::empty_directory();
                    let added = tree.add(above, name, metadata, kind, Box::default());
                    added.unwrap()
                })
            });
        }
        tree
    }

    /// The places where something is mounted, with this tree.
    fn mounted(table: &str, paths: &[&str]) -> Vec<String> {
        let new = String::from_utf8(without_disks(table.as_bytes(), &tree(paths))).unwrap();
        let active = new.lines().filter(|line| !line.starts_with('#'));
        let points = active.map(|line| line.split_whitespace().nth(1).unwrap().to_owned());
        points.collect()
    }

    #[test]
    fn disks_become_comments_and_the_rest_stays() {
        let new = String::from_utf8(without_disks(TABLE, &tree(&[]))).unwrap();
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
    fn a_bind_mount_stays_where_the_tree_has_what_it_mounts() {
        // Mounting what is not there fails, and systemd ends in emergency mode.
        let table = "UUID=2 /data ext4 rw 0 2\n/data/music /srv/music none bind 0 0\n\
            /data /srv/data none rbind 0 0\n/home/me /srv/me none bind 0 0\n";
        assert!(mounted(table, &["data", "home"]).is_empty());
        assert_eq!(
            mounted(table, &["data/music", "home/me"]),
            ["/srv/music", "/srv/data", "/srv/me"],
            "taken along"
        );
        let odd = "/my\\040music /m none bind 0 0\nmusic /n none bind 0 0\n";
        assert_eq!(mounted(odd, &["my music"]), ["/m"]);
        let of_the_kernel =
            "/dev/pts /jail/dev/pts none bind 0 0\n/proc /jail/proc none bind 0 0\n";
        assert_eq!(mounted(of_the_kernel, &[]).len(), 2);
    }

    #[test]
    fn bind_mounts_of_bind_mounts_are_followed() {
        let chain = "/b/x /c none bind 0 0\n/a /b none bind 0 0\n";
        assert_eq!(mounted(chain, &["a/x", "b"]), ["/c", "/b"]);
        assert_eq!(mounted(chain, &["a", "b"]), ["/b"]);
        let circle = "/a /b none bind 0 0\n/b /a none bind 0 0\n/c /c none bind 0 0\n";
        assert_eq!(mounted(circle, &["a", "b", "c"]), ["/b", "/a", "/c"]);
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
