//! Which Debian packages the jobs need, and installing the ones that are missing.

use crate::process::{as_root, on_path, run, shown};
use anyhow::{Result, bail};
use std::process::Command;

/// What packages are needed for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Compiling livestick.
    Compile,
    /// Making Debian roots.
    Roots,
    /// Making sticks of them.
    Sticks,
    /// Booting the sticks.
    Boots,
    /// Checking the formats against the field's own tools.
    CrossChecks,
    /// The job done by hand, to compare with.
    ByHand,
    /// Making SquashFS images with other programs, to compare with.
    SquashfsPeers,
}

impl Job {
    /// Every job there is.
    pub const ALL: [Self; 7] = [
        Self::Compile,
        Self::Roots,
        Self::Sticks,
        Self::Boots,
        Self::CrossChecks,
        Self::ByHand,
        Self::SquashfsPeers,
    ];
}

/// Installs what the jobs need and the machine lacks.
///
/// It says what it installs and why, and asks for root only for that. Where there is no `apt-get`
/// it installs nothing: it fails with the names of the commands that are missing.
pub fn setup(jobs: &[Job]) -> Result<()> {
    let needed: Vec<_> = PACKAGES
        .iter()
        .filter(|package| package.jobs.iter().any(|job| jobs.contains(job)))
        .collect();
    if !(on_path("apt-get") && on_path("dpkg-query")) {
        return check_commands(&needed);
    }
    let installed = installed(&needed)?;
    let missing: Vec<_> = needed
        .into_iter()
        .filter(|package| !installed.iter().any(|name| name == package.name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("These Debian packages are missing and will be installed, as root:");
    for package in &missing {
        eprintln!("  {:20} {}", package.name, package.why);
    }
    install(&missing)
}

struct Package {
    name: &'static str,
    /// The commands that it is needed for; none where it is needed for files.
    commands: &'static [&'static str],
    why: &'static str,
    jobs: &'static [Job],
}

const PACKAGES: &[Package] = {
    use Job::{Boots, ByHand, Compile, CrossChecks, Roots, SquashfsPeers, Sticks};
    &[
        package(
            "gcc",
            &["cc"],
            "compiles zstd, libdeflate and liblzma",
            &[Compile],
        ),
        package(
            "libc6-dev",
            &[],
            "the C library, to compile and link with",
            &[Compile],
        ),
        package(
            "mmdebstrap",
            &["mmdebstrap"],
            "makes Debian roots",
            &[Roots],
        ),
        package("openssl", &["openssl"], "fills a file with noise", &[Roots]),
        package(
            "libcap2-bin",
            &["setcap", "getcap"],
            "gives files capabilities",
            &[Roots, CrossChecks],
        ),
        package(
            "attr",
            &["setfattr", "getfattr"],
            "gives files extended attributes",
            &[Roots, CrossChecks],
        ),
        package(
            "syslinux",
            &["syslinux"],
            "the loader for BIOS",
            &[Sticks, ByHand],
        ),
        package(
            "syslinux-common",
            &[],
            "the loader's menu and MBR code",
            &[Sticks, ByHand],
        ),
        // Their scripts leave this machine's own boot alone: shim-signed runs `grub-install` only where
        // the machine starts through GRUB on UEFI already, and the others run nothing.
        package(
            "shim-signed",
            &[],
            "the signed loader for UEFI, with what it starts",
            &[Sticks],
        ),
        package(
            "grub-efi-amd64-signed",
            &[],
            "the signed GRUB for UEFI",
            &[Sticks],
        ),
        package("grub-efi-ia32-bin", &[], "GRUB for 32-bit UEFI", &[Sticks]),
        package(
            "systemd-boot-efi",
            &[],
            "the loader for UEFI that is not signed",
            &[Sticks],
        ),
        package(
            "busybox-static",
            &["busybox"],
            "the shell of the rescue screen",
            &[Sticks, ByHand],
        ),
        package(
            "mtools",
            &["mcopy", "mdir"],
            "reads FAT volumes",
            &[Sticks, CrossChecks, ByHand],
        ),
        package(
            "qemu-system-x86",
            &["qemu-system-x86_64"],
            "boots sticks",
            &[Boots],
        ),
        package(
            "btrfs-progs",
            &["mkfs.btrfs"],
            "makes another system's disk",
            &[Boots],
        ),
        package(
            "ntfs-3g",
            &["mkntfs"],
            "makes another system's disk",
            &[Boots],
        ),
        package("ovmf", &[], "the UEFI firmware to boot them with", &[Boots]),
        package(
            "ovmf-ia32",
            &[],
            "32-bit UEFI firmware to boot them with",
            &[Boots],
        ),
        package(
            "dosfstools",
            &["fsck.fat", "mkfs.vfat"],
            "checks FAT volumes",
            &[CrossChecks, ByHand],
        ),
        package(
            "e2fsprogs",
            &["mkfs.ext4"],
            "makes the disks of the computers that sticks are booted in",
            &[CrossChecks],
        ),
        package(
            "fdisk",
            &["sfdisk"],
            "checks partition tables",
            &[CrossChecks, ByHand],
        ),
        package(
            "gdisk",
            &["sgdisk"],
            "checks partition tables",
            &[CrossChecks],
        ),
        package(
            "mount",
            &["mount", "losetup"],
            "mounts the root image",
            &[CrossChecks, ByHand, SquashfsPeers],
        ),
        package(
            "squashfs-tools",
            &["mksquashfs", "unsquashfs"],
            "reads and writes SquashFS",
            &[CrossChecks, ByHand, SquashfsPeers],
        ),
        package(
            "squashfs-tools-ng",
            &["rdsquashfs", "sqfs2tar", "gensquashfs"],
            "reads and writes SquashFS",
            &[CrossChecks, SquashfsPeers],
        ),
        package(
            "cpio",
            &["cpio"],
            "reads and writes initramfs archives",
            &[CrossChecks, ByHand],
        ),
        package(
            "kmod",
            &["modprobe", "depmod", "modinfo"],
            "resolves kernel modules",
            &[CrossChecks, ByHand],
        ),
        package("tar", &["tar"], "makes archives", &[CrossChecks]),
        package(
            "libarchive-tools",
            &["bsdtar"],
            "makes archives in its own way",
            &[CrossChecks],
        ),
        package(
            "chromium",
            &["chromium"],
            "opens the page of a plan",
            &[CrossChecks],
        ),
        package("zstd", &["zstd"], "unpacks zstd", &[CrossChecks]),
        package("xz-utils", &["xz"], "unpacks xz", &[CrossChecks]),
        package("bc", &["bc"], "adds the seconds up", &[ByHand]),
        package(
            "time",
            &["time"],
            "measures memory",
            &[ByHand, SquashfsPeers],
        ),
    ]
};

const fn package(
    name: &'static str,
    commands: &'static [&'static str],
    why: &'static str,
    jobs: &'static [Job],
) -> Package {
    Package {
        name,
        commands,
        why,
        jobs,
    }
}

/// The names of those that dpkg knows as installed.
fn installed(packages: &[&Package]) -> Result<Vec<String>> {
    let mut query = Command::new("dpkg-query");
    query
        .args(["--show", "--showformat", "${db:Status-Status} ${Package}\n"])
        .args(packages.iter().map(|package| package.name));
    // dpkg-query fails, and says so on stderr, where it does not know one of the names; the others
    // are printed all the same.
    let output = query.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("installed "));
    Ok(names.map(str::to_owned).collect())
}

fn install(missing: &[&Package]) -> Result<()> {
    let apt_get = || {
        let mut command = as_root("env");
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get"]);
        command
    };
    let mut update = apt_get();
    update.args(["--quiet", "update"]);
    let mut install = apt_get();
    install
        .args(["--quiet", "install", "--yes", "--no-install-recommends"])
        .args(missing.iter().map(|package| package.name));
    if !on_path(&update.get_program().to_string_lossy()) {
        bail!(
            "there is no `sudo` to become root with; run this as root: {}",
            shown(&install)
        );
    }
    run(&mut update)?;
    run(&mut install)
}

/// Without Debian's package manager: everything must be there already.
fn check_commands(needed: &[&Package]) -> Result<()> {
    let missing: Vec<_> = needed
        .iter()
        .flat_map(|package| {
            package
                .commands
                .iter()
                .map(move |command| (command, package))
        })
        .filter(|(command, _)| !on_path(command))
        .map(|(command, package)| {
            format!(
                "\n  {command} ({}; Debian's package {})",
                package.why, package.name
            )
        })
        .collect();
    if !missing.is_empty() {
        bail!(
            "this machine has no apt-get to install packages with, and these commands are missing:{}",
            missing.concat()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_says_why_and_for_what() {
        for package in PACKAGES {
            assert!(!package.why.is_empty(), "{}", package.name);
            assert!(!package.jobs.is_empty(), "{}", package.name);
        }
        let mut names: Vec<_> = PACKAGES.iter().map(|package| package.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), PACKAGES.len(), "a package has two rows");
    }

    #[test]
    fn without_apt_the_missing_command_and_its_package_are_named() {
        let absent = package(
            "some-package",
            &["no-such-command"],
            "does things",
            &[Job::Boots],
        );
        let error = check_commands(&[&absent]).unwrap_err().to_string();
        assert!(
            error.contains("no-such-command (does things; Debian's package some-package)"),
            "{error}"
        );
        let present = package("shell", &["sh"], "runs", &[Job::Boots]);
        assert!(check_commands(&[&present]).is_ok());
    }
}
