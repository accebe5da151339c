//! How much memory the writer of the root image may fill with the contents of files.

use livestick_squashfs::{Compression, Options};
use std::fs;
use std::path::{Path, PathBuf};

/// What a group of processes may be given says this where there is no limit.
const NO_LIMIT: &str = "max";

/// The budget in bytes: a quarter of what this process may use at most, where it has such a limit, as in a
/// container. The writer itself never wants more than its default.
pub fn budget_bytes() -> usize {
    // Which compression it is does not matter here.
    let usual = Options::new(Compression::Zstd { level: 3 }).memory_bytes;
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match limit_bytes(&groups, Path::new("/sys/fs/cgroup")) {
        Some(limit) => {
            usize::try_from(limit / 4).map_or(usual, |quarter| quarter.min(usual).max(1))
        }
        None => usual,
    }
}

/// The lowest limit of the control groups that a process is in, by its `/proc/PID/cgroup`: a group's own, and
/// those of the groups around it. See `cgroup(7)`.
fn limit_bytes(groups: &str, mount: &Path) -> Option<u64> {
    let limits = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        match controllers {
            // Version 2, by itself or beside version 1.
            "" => [
                lowest(mount, path, "memory.max"),
                lowest(&mount.join("unified"), path, "memory.max"),
            ]
            .into_iter()
            .flatten()
            .min(),
            list if list.split(',').any(|name| name == "memory") => {
                lowest(&mount.join("memory"), path, "memory.limit_in_bytes")
            }
            _ => None,
        }
    });
    limits.min()
}

/// The lowest limit from a group up to the root. Seen from a container, a path may begin outside of
/// what is mounted; then those above it are there all the same.
fn lowest(mount: &Path, group: &str, file: &str) -> Option<u64> {
    let group = PathBuf::from(group.trim_start_matches('/'));
    let limits = group.ancestors().filter_map(|group| {
        let text = fs::read_to_string(mount.join(group).join(file)).ok()?;
        let text = text.trim();
        (text != NO_LIMIT).then(|| text.parse().ok()).flatten()
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(mount: &Path, path: &str, text: &str) {
        let path = mount.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn the_lowest_limit_counts() {
        let mount = tempfile::tempdir().unwrap();
        let mount = mount.path();
        write(mount, "a/memory.max", "1000000\n");
        write(mount, "a/b/memory.max", "max\n");
        write(mount, "a/b/c/memory.max", "2000000\n");
        let limit = |groups| limit_bytes(groups, mount);
        assert_eq!(limit("0::/a/b/c\n"), Some(1_000_000));
        assert_eq!(limit("0::/a/b\n"), Some(1_000_000));
        assert_eq!(limit("0::/\n"), None);
        assert_eq!(limit("0::/elsewhere/d\n"), None);
        assert_eq!(limit(""), None);
    }

    #[test]
    fn both_versions_are_known() {
        let mount = tempfile::tempdir().unwrap();
        let mount = mount.path();
        write(
            mount,
            "memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        write(mount, "memory/box/memory.limit_in_bytes", "300000\n");
        write(mount, "unified/box/memory.max", "200000\n");
        let groups = "9:cpu,memory:/box\n1:name=systemd:/box\n0::/other\n";
        assert_eq!(limit_bytes(groups, mount), Some(300_000));
        let groups = groups.replace("/other", "/box");
        assert_eq!(limit_bytes(&groups, mount), Some(200_000));
        assert_eq!(limit_bytes("5:cpu:/box\n", mount), None);
    }

    #[test]
    fn the_budget_is_never_above_the_usual_one() {
        let usual = Options::new(Compression::Zstd { level: 3 }).memory_bytes;
        assert!((1..=usual).contains(&budget_bytes()));
    }
}
