//! Nothing in the booted system touches the computer's own disks by itself.
//!
//! A root may be set up to put together and start whatever it finds: RAID, volume groups, pools, encrypted
//! disks. On the machine that it comes from that is wanted; on a stick it would change disks that belong to
//! somebody else. What would do so is masked in `/run`, or in the overlay where the root's own files come
//! first. The owner starts it all by hand with the usual commands, or for good with `use-internal-disks`.
//!
//! What Debian 12 to 14 and others have, package by package:
//!
//! | what | how it starts by itself | masked |
//! |---|---|---|
//! | md | `64-md-raid-assembly.rules` runs `mdadm --incremental`; init scripts of old | rule, scripts |
//! | LVM | `69-lvm.rules`, upstream `69-dm-lvm.rules`, run `vgchange -aay`; init scripts | rules, scripts, and `auto_activation_volume_list` is empty |
//! | ZFS | `zfs-import-cache`, `-scan`; `zfs-import` as an init script | units, scripts |
//! | bcache | `69-bcache.rules` registers what it finds, which writes | rule |
//! | dmraid | `97-dmraid.rules` | rule |
//! | multipath | `multipathd`, `60-multipath.rules` | units, rule, scripts |
//! | GPT | `systemd-gpt-auto-generator`: swap, `/home`, `/srv`, `/var` | generator |
//! | LUKS | `systemd-cryptsetup-generator`, `cryptdisks`, by the old machine's `/etc/crypttab` | generator, scripts |
//! | swap, mounts | `/etc/fstab` | nothing: the builder makes comments of those lines |
//! | btrfs | `64-btrfs.rules` only tells the kernel which disks belong together | nothing |
//! | udisks | mounts nothing by itself; desktops ask it for removable disks only | nothing |

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::Path;

/// Masks what would start by itself. `run` is what becomes the root's `/run`; `is_systemd` says what
/// starts the rest.
pub fn lay(root: &Path, run: &Path, is_systemd: bool) -> io::Result<()> {
    mask(root, run, "udev/rules.d", &RULES)?;
    if is_systemd {
        mask(root, run, "systemd/system", &UNITS)?;
        mask(root, run, "systemd/system-generators", &GENERATORS)?;
    } else {
        // Not even the folder of systemd's units may be there: init scripts would look for systemd.
        remove_scripts(root)?;
    }
    configure_lvm(root)
}

const RULES: [&str; 9] = [
    "60-multipath.rules",
    "64-md-raid-assembly.rules",
    "64-md-raid.rules",
    "69-bcache.rules",
    "69-dm-lvm-metad.rules",
    "69-dm-lvm.rules",
    "69-lvm-metad.rules",
    "69-lvm.rules",
    "97-dmraid.rules",
];

const UNITS: [&str; 8] = [
    "dmraid-activation.service",
    "multipath-tools-boot.service",
    "multipath-tools.service",
    "multipathd.service",
    "multipathd.socket",
    "zfs-import-cache.service",
    "zfs-import-scan.service",
    "zfs-import.service",
];

const GENERATORS: [&str; 3] = [
    "lvm2-activation-generator",
    "systemd-cryptsetup-generator",
    "systemd-gpt-auto-generator",
];

/// Their names in `/etc/init.d`.
const SCRIPTS: [&str; 9] = [
    "cryptdisks",
    "cryptdisks-early",
    "dmraid",
    "lvm",
    "lvm2",
    "mdadm-raid",
    "multipath-tools",
    "multipath-tools-boot",
    "zfs-import",
];

/// Where sysvinit and OpenRC look for what to start.
const RUNLEVELS: [&str; 2] = ["etc", "etc/runlevels"];

/// `lvm.conf(5)`: this file's settings come after those of `lvm.conf`. Volumes that are asked for by
/// name are not affected.
const LVM: &str = "etc/lvm/lvmlocal.conf";
const LVM_SETTINGS: &str = "\n# livestick: nothing is activated by itself; see use-internal-disks.\n\
    activation { auto_activation_volume_list = [] }\n";

/// A link to `/dev/null` in place of a file hides it, in `/run` what is in `/usr/lib`, in `/etc` what is
/// in either (`udev(7)`, `systemd.unit(5)`, `systemd.generator(7)`).
fn mask(root: &Path, run: &Path, folder: &str, names: &[&str]) -> io::Result<()> {
    let in_run = run.join(folder);
    fs::create_dir_all(&in_run)?;
    let in_etc = root.join("etc").join(folder);
    let own = list(&in_etc)?;
    for name in names {
        let nothing = Path::new("/dev/null");
        if own.iter().any(|there| there == name) {
            let path = in_etc.join(name);
            fs::remove_file(&path)?;
            symlink(nothing, path)?;
        }
        symlink(nothing, in_run.join(name)).or_else(fine_if_there)?;
    }
    Ok(())
}

/// Removes the links by which the scripts are started: `rcS.d/S03lvm2`, `sysinit/lvm2`.
fn remove_scripts(root: &Path) -> io::Result<()> {
    for parent in RUNLEVELS {
        let parent = root.join(parent);
        for level in list(&parent)? {
            let folder = parent.join(&level);
            let is_level = parent.ends_with("runlevels") || is_sysv_level(&level);
            if !is_level || !fs::symlink_metadata(&folder)?.is_dir() {
                continue;
            }
            for name in list(&folder)?.iter().filter(|name| is_masked_script(name)) {
                fs::remove_file(folder.join(name))?;
            }
        }
    }
    Ok(())
}

fn is_sysv_level(name: &str) -> bool {
    matches!(
        name.as_bytes(),
        [b'r', b'c', b'0'..=b'6' | b'S', b'.', b'd']
    )
}

fn is_masked_script(name: &str) -> bool {
    let script = match name.as_bytes() {
        [b'S', b'0'..=b'9', b'0'..=b'9', ..] => name.get(3..).unwrap_or_default(),
        _ => name,
    };
    SCRIPTS.contains(&script)
}

fn configure_lvm(root: &Path) -> io::Result<()> {
    let path = root.join(LVM);
    if !path.parent().is_some_and(Path::is_dir) {
        return Ok(());
    }
    File::options()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(LVM_SETTINGS.as_bytes())
}

/// The names in a folder; none where it is not there.
fn list(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}

fn fine_if_there(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Ok(()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Folders(tempfile::TempDir);

    impl Folders {
        fn new(files: &[&str]) -> Self {
            let folders = Self(tempfile::tempdir().unwrap());
            fs::create_dir_all(folders.run()).unwrap();
            for file in files {
                let path = folders.root().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "as it was\n").unwrap();
            }
            folders
        }

        fn root(&self) -> PathBuf {
            self.0.path().join("root")
        }

        fn run(&self) -> PathBuf {
            self.0.path().join("run")
        }

        fn lay(&self, is_systemd: bool) {
            lay(&self.root(), &self.run(), is_systemd).unwrap();
        }
    }

    fn is_masked(path: &Path) -> bool {
        fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null"))
    }

    #[test]
    fn masks_lie_in_run_and_over_the_roots_own_files() {
        let own = "etc/udev/rules.d/69-lvm.rules";
        let folders = Folders::new(&[own, "etc/udev/rules.d/10-own.rules"]);
        folders.lay(true);
        // A second try after a failed one finds them there.
        folders.lay(true);
        for name in [
            "udev/rules.d/64-md-raid-assembly.rules",
            "udev/rules.d/69-lvm.rules",
            "systemd/system/zfs-import-scan.service",
            "systemd/system-generators/systemd-gpt-auto-generator",
        ] {
            assert!(is_masked(&folders.run().join(name)), "{name}");
        }
        assert!(is_masked(&folders.root().join(own)));
        assert!(!is_masked(
            &folders.root().join("etc/udev/rules.d/10-own.rules")
        ));
    }

    #[test]
    fn scripts_are_not_started_and_systemd_is_not_looked_for() {
        let gone = [
            "etc/rcS.d/S09lvm2",
            "etc/rc2.d/S01cryptdisks",
            "etc/runlevels/sysinit/zfs-import",
        ];
        let kept = [
            "etc/rcS.d/S01udev",
            "etc/rc0.d/K01lvm2",
            "etc/init.d/lvm2",
            "etc/default/lvm2",
        ];
        let folders = Folders::new(&[gone.as_slice(), &kept].concat());
        folders.lay(false);
        for path in gone {
            assert!(!folders.root().join(path).exists(), "{path}");
        }
        for path in kept {
            assert!(folders.root().join(path).exists(), "{path}");
        }
        assert!(!folders.run().join("systemd").exists());
        assert!(is_masked(&folders.run().join("udev/rules.d/69-lvm.rules")));
    }

    #[test]
    fn lvm_is_told_where_it_is_there() {
        let folders = Folders::new(&["etc/lvm/lvmlocal.conf"]);
        folders.lay(true);
        let text = fs::read_to_string(folders.root().join(LVM)).unwrap();
        assert!(text.starts_with("as it was\n"));
        assert!(text.contains("\nactivation { auto_activation_volume_list = [] }\n"));
        let without = Folders::new(&["etc/hostname"]);
        without.lay(true);
        assert!(!without.root().join("etc/lvm").exists());
    }
}
