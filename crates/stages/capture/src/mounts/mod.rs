//! Which of the filesystems mounted below a source belong to it.

mod table;

pub(crate) use table::{Mount, mounts, unescape};

use crate::fstab;
use std::fmt;
use std::path::{Path, PathBuf};

/// Filesystems that are no place for files on a disk.
const PSEUDO: [&str; 27] = [
    "autofs",
    "binder",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "cpuset",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "ramfs",
    "resctrl",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "smackfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

/// Filesystems whose files are in another computer, or made up by a program of a user.
const NETWORK: [&str; 16] = [
    "9p",
    "afs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs2",
    "glusterfs",
    "lustre",
    "nfs",
    "nfs4",
    "nfsd",
    "ocfs2",
    "smb3",
    "smbfs",
    "virtiofs",
];

/// Filesystems made of files that lie elsewhere in the system: a container's, a snap's.
const MADE_OF_OTHERS: [&str; 4] = ["aufs", "erofs", "overlay", "squashfs"];

/// Where the system's own files are. What is mounted there or below comes along.
const SYSTEM: [&str; 14] = [
    "usr", "var", "boot", "opt", "etc", "bin", "sbin", "lib", "lib64", "root", "nix", "gnu",
    "ostree", "sysroot",
];

/// Where files of users and other media are.
const PERSONAL: [&str; 4] = ["home", "srv", "media", "mnt"];

/// Where the firmware's own volume is mounted: the old machine's loaders, and nothing else.
const FIRMWARE: [&str; 2] = ["boot/efi", "efi"];

/// What the user says about mounts. Paths are absolute, or relative to the source.
#[derive(Clone, Debug, Default)]
pub struct MountChoice {
    /// Taken, whatever they hold.
    pub include: Vec<PathBuf>,
    /// Not taken.
    pub exclude: Vec<PathBuf>,
}

/// What becomes of a filesystem, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountDecision {
    /// Where it is mounted, relative to the source; empty for the source itself.
    pub path: PathBuf,
    /// Its kind, such as `ext4`.
    pub kind: String,
    /// What is mounted: a device, mostly.
    pub device: String,
    /// Whether its files come along.
    pub is_taken: bool,
    /// Why.
    pub reason: MountReason,
}

/// Why a filesystem is taken along, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountReason {
    /// It is the source itself.
    Source,
    /// It is at a place of the system.
    System,
    /// The user said so: `--include-mount`.
    Included,
    /// The user said so: `--exclude-mount`.
    Excluded,
    /// Its files are in memory, or made up by the kernel.
    Memory,
    /// Its files are on another computer, or made up by a program.
    Network,
    /// It is made of files that come along by themselves: a container's, a snap's.
    MadeOfOthers,
    /// It is a place of users, or of other media.
    Personal,
    /// It holds the old machine's boot loaders.
    Firmware,
    /// It is at no place of the system.
    Elsewhere,
    /// It is mounted below a source that is not `/`.
    BelowSource,
    /// It is mounted in a filesystem that is not taken.
    Unreached,
}

impl MountReason {
    /// Whether somebody may have wanted it, and should hear of `--include-mount`.
    #[must_use]
    pub fn is_offered(self) -> bool {
        matches!(self, Self::Personal | Self::Elsewhere | Self::BelowSource)
    }
}

impl fmt::Display for MountReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Source => "the source itself",
            Self::System => "a part of the system",
            Self::Included => "--include-mount",
            Self::Excluded => "--exclude-mount",
            Self::Memory => "it is in memory only",
            Self::Network => "its files are on another computer, or made up by a program",
            Self::MadeOfOthers => "it is made of files that come along by themselves",
            Self::Personal => "it is no part of the system; --include-mount takes it",
            Self::Firmware => "it holds the old machine's boot loaders; the stick has its own",
            Self::Elsewhere => "it is at no place of the system; --include-mount takes it",
            Self::BelowSource => "it is mounted below the source; --include-mount takes it",
            Self::Unreached => "it is mounted in one that is not taken",
        })
    }
}

/// What is decided about all mounts.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// For people: the source's own filesystem first, then the others by their paths.
    pub(crate) decisions: Vec<MountDecision>,
    /// The mounts to take, by their paths relative to the source.
    pub(crate) taken: Vec<(PathBuf, Mount)>,
    /// What the user named, or fstab has as a part of the system, and is not mounted.
    pub(crate) not_mounted: Vec<PathBuf>,
}

/// Decides about the mounts at and below `source`, a canonical path. Mounts that nobody sees,
/// because others lie over them, are not among `mounts`.
pub(crate) fn plan(source: &Path, mounts: &[Mount], fstab: &[u8], choice: &MountChoice) -> Plan {
    let is_system = source == Path::new("/");
    let mut plan = Plan::default();
    let relative = |mount: &Mount| Some(mount.point.strip_prefix(source).ok()?.to_owned());
    let mut below: Vec<_> = mounts
        .iter()
        .filter_map(|mount| Some((relative(mount)?, mount)))
        .collect();
    // Of two at one place, the later one is on top.
    below.reverse();
    below.sort_by(|(one, _), (other, _)| one.cmp(other));
    below.dedup_by(|(one, _), (other, _)| one == other);
    let own = mounts
        .iter()
        .rev()
        .filter(|mount| source.starts_with(&mount.point));
    let own = own.max_by_key(|mount| mount.point.as_os_str().len());
    plan.decisions
        .extend(own.map(|own| decision(Path::new(""), own, Ok(MountReason::Source))));

    for (path, mount) in below
        .into_iter()
        .filter(|(path, _)| !path.as_os_str().is_empty())
    {
        let verdict = match plan.hiding(&path) {
            true => Err(MountReason::Unreached),
            false => verdict(&path, mount, is_system, &choice.on(source)),
        };
        plan.decisions.push(decision(&path, mount, verdict));
        if verdict.is_ok() {
            plan.taken.push((path, mount.clone()));
        }
    }
    plan.not_mounted = not_mounted(&plan, is_system, fstab, &choice.on(source));
    plan
}

impl Plan {
    /// Whether the nearest mount above a path is not taken, so that the path is not reached.
    fn hiding(&self, path: &Path) -> bool {
        let above = self
            .decisions
            .iter()
            .filter(|known| path.starts_with(&known.path));
        let nearest = above.max_by_key(|known| known.path.as_os_str().len());
        nearest.is_some_and(|known| !known.is_taken)
    }
}

impl MountChoice {
    /// The same, relative to the source.
    fn on(&self, source: &Path) -> Self {
        let relative = |paths: &[PathBuf]| {
            let paths = paths.iter();
            let paths = paths.map(|path| path.strip_prefix(source).unwrap_or(path));
            paths
                .map(|path| {
                    path.strip_prefix("/")
                        .unwrap_or(path)
                        .components()
                        .collect()
                })
                .collect()
        };
        Self {
            include: relative(&self.include),
            exclude: relative(&self.exclude),
        }
    }
}

/// Whether a mount is taken, either way with the reason.
fn verdict(
    path: &Path,
    mount: &Mount,
    is_system: bool,
    choice: &MountChoice,
) -> Result<MountReason, MountReason> {
    let is_in = |places: &[&str]| places.iter().any(|place| path.starts_with(place));
    let kind = mount.kind.as_str();
    if choice.exclude.iter().any(|excluded| excluded == path) {
        return Err(MountReason::Excluded);
    }
    if choice.include.iter().any(|included| included == path) {
        return Ok(MountReason::Included);
    }
    if PSEUDO.contains(&kind) {
        return Err(MountReason::Memory);
    }
    if NETWORK.contains(&kind) || kind.starts_with("fuse") && kind != "fuseblk" {
        return Err(MountReason::Network);
    }
    if !is_system {
        return Err(MountReason::BelowSource);
    }
    if MADE_OF_OTHERS.contains(&kind) {
        return Err(MountReason::MadeOfOthers);
    }
    if is_in(&PERSONAL) {
        return Err(MountReason::Personal);
    }
    if FIRMWARE.iter().any(|place| path == Path::new(place)) {
        return Err(MountReason::Firmware);
    }
    match is_in(&SYSTEM) {
        true => Ok(MountReason::System),
        false => Err(MountReason::Elsewhere),
    }
}

fn decision(
    path: &Path,
    mount: &Mount,
    verdict: Result<MountReason, MountReason>,
) -> MountDecision {
    let (Ok(reason) | Err(reason)) = verdict;
    MountDecision {
        path: path.to_owned(),
        kind: mount.kind.clone(),
        device: mount.device.clone(),
        is_taken: verdict.is_ok(),
        reason,
    }
}

/// What should be there and is not: the image would lack it, and nobody would notice.
fn not_mounted(plan: &Plan, is_system: bool, fstab: &[u8], choice: &MountChoice) -> Vec<PathBuf> {
    let mut expected = [&choice.include[..], &choice.exclude].concat();
    if is_system {
        let points = fstab::mount_points(fstab).into_iter();
        let system = points.filter(|path| SYSTEM.iter().any(|place| path.starts_with(place)));
        expected
            .extend(system.filter(|path| !FIRMWARE.iter().any(|place| path == Path::new(place))));
    }
    expected.retain(|path| !plan.decisions.iter().any(|known| known.path == *path));
    expected.sort();
    expected.dedup();
    expected
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
        2 1 0:1 / /proc rw - proc proc rw\n\
        3 1 8:2 / /var rw - ext4 /dev/sda2 rw\n\
        4 3 8:3 / /var/log rw - xfs /dev/sda3 rw\n\
        5 3 0:2 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw\n\
        6 1 8:4 / /home rw - ext4 /dev/sda4 rw\n\
        7 6 8:5 / /home/me/disk rw - ext4 /dev/sda5 rw\n\
        8 1 8:6 / /boot rw - ext4 /dev/sda6 rw\n\
        9 8 8:7 / /boot/efi rw - vfat /dev/sda7 rw\n\
        10 1 8:8 / /data rw - ext4 /dev/sda8 rw\n\
        11 1 0:3 / /opt/remote rw - nfs4 server:/x rw\n\
        12 1 0:4 / /usr/far rw - fuse.sshfs me@far: rw\n\
        13 1 8:9 / /usr rw - ext4 /dev/old rw\n\
        14 1 8:9 / /usr rw - ext4 /dev/sda9 rw\n";

    fn plan_of(source: &str, choice: &MountChoice, fstab: &[u8]) -> Plan {
        plan(Path::new(source), &mounts(TABLE), fstab, choice)
    }

    fn taken(plan: &Plan) -> Vec<&str> {
        let taken = plan.decisions.iter().filter(|mount| mount.is_taken);
        taken.map(|mount| mount.path.to_str().unwrap()).collect()
    }

    fn reason(plan: &Plan, path: &str) -> MountReason {
        let mut mounts = plan.decisions.iter();
        mounts
            .find(|mount| mount.path == Path::new(path))
            .unwrap()
            .reason
    }

    #[test]
    fn what_belongs_to_the_system_comes_along() {
        let plan = plan_of("/", &MountChoice::default(), b"");
        assert_eq!(taken(&plan), ["", "boot", "usr", "var", "var/log"]);
        for (path, expected) in [
            ("proc", MountReason::Memory),
            (
                "var/lib/docker/overlay2/x/merged",
                MountReason::MadeOfOthers,
            ),
            ("home", MountReason::Personal),
            ("home/me/disk", MountReason::Unreached),
            ("boot/efi", MountReason::Firmware),
            ("data", MountReason::Elsewhere),
            ("opt/remote", MountReason::Network),
            ("usr/far", MountReason::Network),
        ] {
            assert_eq!(reason(&plan, path), expected, "{path}");
        }
        let usr = plan
            .taken
            .iter()
            .find(|(path, _)| path == Path::new("usr"))
            .unwrap();
        assert_eq!(usr.1.device, "/dev/sda9", "the one on top");
    }

    #[test]
    fn the_user_has_the_last_word() {
        let choice = MountChoice {
            include: vec!["/home/".into(), "/opt/remote".into(), "/gone".into()],
            exclude: vec!["/var".into()],
        };
        let plan = plan_of("/", &choice, b"");
        assert_eq!(taken(&plan), ["", "boot", "home", "opt/remote", "usr"]);
        assert_eq!(reason(&plan, "var/log"), MountReason::Unreached);
        assert_eq!(plan.not_mounted, [Path::new("gone")]);
    }

    #[test]
    fn below_a_directory_nothing_is_taken_unasked() {
        let choice = MountChoice {
            include: vec!["/var/log".into()],
            exclude: Vec::new(),
        };
        let plan = plan_of("/var", &choice, b"");
        assert_eq!(taken(&plan), ["", "log"]);
        let merged = reason(&plan, "lib/docker/overlay2/x/merged");
        assert_eq!(merged, MountReason::BelowSource);
        assert_eq!(plan.decisions[0].device, "/dev/sda2");
    }

    #[test]
    fn a_part_of_the_system_that_is_not_mounted_is_missed() {
        let fstab = b"/dev/a /var/lib ext4 x 0 0\n/dev/b /var ext4 x\n/dev/c /mnt/x ext4 x\n\
            /dev/d none swap sw\n/dev/e /boot/efi vfat x\n";
        let plan = plan_of("/", &MountChoice::default(), fstab);
        assert_eq!(plan.not_mounted, [Path::new("var/lib")]);
    }
}
