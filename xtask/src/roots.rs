//! Debian roots to make sticks of, kept under `target/roots`.

use crate::process::{as_root, run};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// A root that xtask knows how to make.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Root {
    /// A small system that boots to a login prompt, lived in, with files of every kind.
    Small,
    /// The same without what only livestick copes with: a stick made by hand boots it too.
    Plain,
    /// A media computer's system of about 1.9 GB in about 40,000 files.
    Big,
    /// The small one started by sysvinit, and with `/bin`, `/sbin` and `/lib` beside `/usr`.
    Sysvinit,
    /// Started by OpenRC.
    Openrc,
    /// Started by runit.
    Runit,
    /// Started by BusyBox, to which `/sbin/init` is an absolute link.
    Busybox,
    /// Debian 13, whose modules are compressed.
    Trixie,
    /// Debian 14, whose kernel lets the initramfs pivot.
    Forky,
    /// With what assembles and activates the disks of other systems by itself.
    Storage,
    /// With Debian's live-boot, whose initramfs is compared with ours.
    LiveBoot,
    /// With dracut and its live module, whose initramfs is compared with ours.
    Dracut,
    /// A file that does not get smaller, and with which the root image passes 4 GiB.
    Huge,
}

/// How a root is made. A changed recipe makes its root anew.
struct Recipe {
    name: &'static str,
    suite: &'static str,
    packages: String,
    /// What mmdebstrap is told besides.
    options: &'static [&'static str],
    /// Programs beside this crate that mmdebstrap calls when the packages are installed.
    hooks: &'static [&'static str],
}

const BOOKWORM: &str = "bookworm";

const SYSTEM: &str = "systemd,systemd-sysv,udev,dbus,kmod,login,passwd,util-linux,iproute2,\
    iputils-ping,procps,linux-image-amd64";
const MEDIA: &str =
    "openssh-server,python3,xserver-xorg,lightdm,xfce4,kodi,vlc,ffmpeg,mpd,chromium";

/// What a system needs that another program than systemd starts.
const BASE: &str =
    "udev,kmod,login,passwd,util-linux,iproute2,iputils-ping,procps,linux-image-amd64";
/// The init scripts that the packages of Debian 12 no longer bring themselves.
const SCRIPTS: &str = "initscripts,orphan-sysvinit-scripts,psmisc";

impl Root {
    fn recipe(self) -> Recipe {
        let debian_12 = |name, packages: &str, hooks| Recipe {
            name,
            suite: BOOKWORM,
            packages: packages.to_owned(),
            options: &[],
            hooks,
        };
        let account: &[_] = &["roots/account.sh"];
        let serial: &[_] = &["roots/account.sh", "roots/serial-login.sh"];
        let scripted = |init: &str| format!("{BASE},{SCRIPTS},{init}");
        match self {
            Self::Small => {
                let lived_in = &["roots/account.sh", "roots/lived-in.sh"];
                debian_12("small", SYSTEM, lived_in)
            }
            Self::Plain => debian_12("plain", SYSTEM, account),
            Self::Big => debian_12("big", &format!("{SYSTEM},{MEDIA}"), account),
            Self::Sysvinit => Recipe {
                options: &["--hook-dir=/usr/share/mmdebstrap/hooks/no-merged-usr"],
                hooks: &[
                    "roots/account.sh",
                    "roots/serial-login.sh",
                    "roots/lived-in.sh",
                ],
                ..debian_12("sysvinit", &scripted("sysvinit-core"), serial)
            },
            Self::Openrc => debian_12("openrc", &scripted("sysvinit-core,openrc"), serial),
            Self::Runit => debian_12("runit", &scripted("runit-init,runit-services"), serial),
            Self::Busybox => {
                let hooks = &["roots/account.sh", "roots/busybox.sh"];
                debian_12("busybox", &format!("{BASE},busybox"), hooks)
            }
            Self::Trixie => Recipe {
                suite: "trixie",
                ..debian_12("trixie", SYSTEM, account)
            },
            Self::Forky => Recipe {
                suite: "forky",
                ..debian_12("forky", SYSTEM, account)
            },
            Self::Storage => debian_12("storage", &format!("{SYSTEM},mdadm,lvm2"), account),
            Self::LiveBoot => {
                let live = format!("{SYSTEM},live-boot,live-boot-initramfs-tools,busybox,zstd");
                debian_12("live-boot", &live, account)
            }
            Self::Dracut => {
                let live = format!("{SYSTEM},dracut,dracut-live,zstd");
                debian_12("dracut", &live, account)
            }
            Self::Huge => debian_12("huge", SYSTEM, &["roots/account.sh", "roots/huge.sh"]),
        }
    }
}

/// The root's folder; it is made now where it is not there yet.
///
/// mmdebstrap runs as root, so the files below belong to root, as on a real machine; only root can
/// delete them. It takes packages from where the machine's own apt takes them.
pub fn make(workspace: &Workspace, root: Root) -> Result<PathBuf> {
    let Recipe {
        name,
        suite,
        packages,
        options,
        hooks,
    } = root.recipe();
    let mut mmdebstrap = vec![
        "--variant=minbase".to_owned(),
        format!("--include={packages}"),
        // Mirrors that stand still, such as snapshots, serve lists that have expired.
        "--aptopt=Acquire::Check-Valid-Until \"false\"".to_owned(),
    ];
    mmdebstrap.extend(options.iter().map(|option| (*option).to_owned()));
    mmdebstrap.push(suite.to_owned());
    let hooks: Vec<_> = hooks
        .iter()
        .map(|hook| workspace.root().join("xtask").join(hook))
        .collect();
    let folder = workspace.target("roots");
    let path = folder.join(format!("{name}-{}", digest(&mmdebstrap, &hooks)?));
    if path.is_dir() {
        return Ok(path);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for other in others(&folder, name)? {
        run(as_root("rm").args(["-rf", "--one-file-system"]).arg(other))?;
    }

    eprintln!(
        "Making a Debian root in {}, as root, so that its files have their owners.",
        path.display()
    );
    let unfinished = folder.join(format!("{name}-unfinished"));
    let hooks = hooks
        .iter()
        .map(|hook| format!("--customize-hook={}", hook.display()));
    // The stick gets an initramfs of its own: the packages need not make one.
    run(as_root("env")
        .args(["INITRD=No", "mmdebstrap"])
        .args(hooks)
        .args(mmdebstrap)
        .arg(&unfinished))?;
    fs::rename(&unfinished, &path).with_context(|| {
        format!(
            "cannot rename {} to {}",
            unfinished.display(),
            path.display()
        )
    })?;
    Ok(path)
}

/// What tells one recipe from another, short enough for a file name.
fn digest(arguments: &[String], hooks: &[PathBuf]) -> Result<String> {
    let mut hasher = Sha256::new();
    for argument in arguments {
        hasher.update(argument);
        hasher.update([0]);
    }
    for hook in hooks {
        hasher.update(fs::read(hook).with_context(|| format!("cannot read {}", hook.display()))?);
    }
    let digest = hasher.finalize();
    Ok(digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// Roots of earlier recipes and unfinished ones, which only take space.
fn others(folder: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let context = || format!("cannot list {}", folder.display());
    let prefix = format!("{name}-");
    let mut others = Vec::new();
    for entry in fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            others.push(entry.path());
        }
    }
    Ok(others)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_recipe_is_another_root() {
        let folder = tempfile::tempdir().unwrap();
        let hook = folder.path().join("hook");
        fs::write(&hook, "one").unwrap();
        let hooks = [hook.clone()];
        let recipe = |packages: &str| digest(&[packages.to_owned()], &hooks).unwrap();

        let first = recipe("a,b");
        assert_eq!(first.len(), 8);
        assert_eq!(recipe("a,b"), first);
        assert_ne!(recipe("a"), first);
        fs::write(&hook, "two").unwrap();
        assert_ne!(recipe("a,b"), first);
    }

    #[test]
    fn only_roots_of_the_same_name_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["small-1", "small-unfinished", "big-1"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let mut found = others(folder.path(), "small").unwrap();
        found.sort();
        assert_eq!(
            found,
            ["small-1", "small-unfinished"].map(|name| folder.path().join(name))
        );
    }
}
