//! The change from the initramfs to the root on the stick.

use crate::failure::Failure;
use crate::layers::ROOT;
use livestick_handoff::CommandLine;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, open, openat2, readlink, statfs};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount_move, unmount};
use rustix::process::{chdir, chroot, pivot_root};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// The program that takes over as process 1.
#[derive(Debug)]
pub struct Program {
    /// Its path in the new root, as it was asked for.
    path: String,
    /// Where that leads to, with every link followed.
    resolved: PathBuf,
    arguments: Vec<String>,
}

impl Program {
    /// Looks for the program in the new root: the one of `init=`, else those that the kernel would
    /// try (`kernel_init` of `init/main.c`).
    pub fn find(command_line: &CommandLine) -> Result<Self, Failure> {
        let paths: Vec<_> = match &command_line.init {
            Some(path) => vec![path.as_str()],
            None => DEFAULT_PATHS.to_vec(),
        };
        let found = paths
            .iter()
            .find_map(|path| Some((path, resolve(Path::new(ROOT), path)?)));
        let (path, resolved) = found.ok_or_else(|| Failure::NoInit {
            looked_for: paths.join(", "),
        })?;
        Ok(Self {
            path: (*path).to_owned(),
            resolved,
            arguments: command_line.init_arguments.clone(),
        })
    }

    pub fn is_systemd(&self) -> bool {
        self.resolved
            .file_name()
            .is_some_and(|name| name == "systemd")
    }

    /// Becomes the program. The standard library ignores SIGPIPE, and resets it here; no other signal
    /// was touched, none is blocked, and every other descriptor closes by itself.
    pub fn start(&self) -> Failure {
        let source = Command::new(&self.path).args(&self.arguments).exec();
        Failure::Start {
            program: self.path.clone(),
            source,
        }
    }
}

/// Takes the kernel's file systems along, deletes what is in the initramfs, and makes the new root the
/// root. Process 1 does this for the kernel's threads, too, with which it shares it.
///
/// Since Linux 7.0 the initramfs is mounted on something, and `pivot_root` changes it for the new root;
/// then it goes as a whole. Before, it is the bottom, which `pivot_root` refuses to move: what is in it
/// is deleted, and the new root is moved over it. Says which way it went.
pub fn switch_root() -> Result<&'static str, Failure> {
    let failed = |step| {
        move |error: Errno| Failure::Switch {
            step,
            source: error.into(),
        }
    };
    for folder in KERNEL_FILESYSTEMS {
        let target = format!("{ROOT}{folder}");
        let there = fs::create_dir_all(&target);
        there.map_err(|source| Failure::Switch {
            step: "making a folder to mount on",
            source,
        })?;
        mount_move(folder, target.as_str()).map_err(failed("moving a mount"))?;
    }
    chdir(ROOT).map_err(failed("entering the root"))?;
    if pivot_root(".", ".").is_ok() {
        // The old root is now mounted over the new one, and `.` is the old one (pivot_root(2)).
        unmount(".", UnmountFlags::DETACH).map_err(failed("unmounting the initramfs"))?;
        chdir("/").map_err(failed("entering the root"))?;
        return Ok("pivot_root");
    }
    delete_initramfs();
    mount_move(".", "/").map_err(failed("moving the root"))?;
    chroot(".").map_err(failed("changing the root"))?;
    chdir("/").map_err(failed("entering the root"))?;
    Ok("a move over the initramfs")
}

const DEFAULT_PATHS: [&str; 4] = ["/sbin/init", "/etc/init", "/bin/init", "/bin/sh"];
const KERNEL_FILESYSTEMS: [&str; 4] = ["/dev", "/proc", "/sys", "/run"];

/// Where a path leads to inside a root: an absolute link starts at that root, too. `None` where there
/// is no program.
fn resolve(root: &Path, path: &str) -> Option<PathBuf> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = open(root, flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let file = open_in_root(&root, path, flags).ok()?;
    let status = fstat(&file).ok()?;
    let executable = status.st_mode & 0o111 != 0;
    let is_program = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile && executable;
    let link = readlink(format!("/proc/self/fd/{}", file.as_raw_fd()), Vec::new()).ok()?;
    is_program.then(|| PathBuf::from(link.to_string_lossy().into_owned()))
}

/// The kernel asks for another try where something was renamed meanwhile.
fn open_in_root(root: &OwnedFd, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    let opened = openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
    match opened {
        Err(Errno::AGAIN) => openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT),
        opened => opened,
    }
}

/// Frees the RAM that the initramfs takes. What cannot be deleted only costs RAM.
fn delete_initramfs() {
    // Never on a disk, whatever went wrong before.
    let in_ram = statfs("/").is_ok_and(|status| RAM_FILESYSTEMS.contains(&status.f_type));
    if let Ok(metadata) = fs::metadata("/")
        && in_ram
    {
        let _ = delete_content(Path::new("/"), metadata.dev());
    }
}

/// `RAMFS_MAGIC` and `TMPFS_MAGIC` of `linux/magic.h`.
const RAM_FILESYSTEMS: [rustix::fs::FsWord; 2] = [0x8584_58f6, 0x0102_1994];

/// Deletes what is in a folder, but nothing on another file system, such as the new root.
fn delete_content(folder: &Path, device: u64) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.dev() != device {
            continue;
        }
        if metadata.is_dir() {
            delete_content(&path, device)?;
            let _ = fs::remove_dir(&path);
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn program(root: &Path, path: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn links_stay_inside_the_root() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        program(root, "usr/lib/systemd/systemd");
        fs::create_dir(root.join("usr/sbin")).unwrap();
        symlink("usr/sbin", root.join("sbin")).unwrap();
        symlink("/usr/lib/systemd/systemd", root.join("usr/sbin/init")).unwrap();
        symlink("../../../../../../usr/lib/systemd/systemd", root.join("up")).unwrap();
        let systemd = root.canonicalize().unwrap().join("usr/lib/systemd/systemd");
        assert_eq!(resolve(root, "/sbin/init"), Some(systemd.clone()));
        assert_eq!(resolve(root, "/up"), Some(systemd));
    }

    #[test]
    fn only_a_program_can_take_over() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::write(root.join("text"), "").unwrap();
        fs::set_permissions(root.join("text"), fs::Permissions::from_mode(0o644)).unwrap();
        symlink("/nowhere", root.join("dangling")).unwrap();
        fs::create_dir(root.join("folder")).unwrap();
        for path in ["/text", "/dangling", "/folder", "/absent"] {
            assert_eq!(resolve(root, path), None, "{path}");
        }
    }

    #[test]
    fn deleting_leaves_other_file_systems_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        fs::write(folder.path().join("a/b"), "").unwrap();
        symlink("/", folder.path().join("link")).unwrap();
        let device = fs::metadata(folder.path()).unwrap().dev();
        delete_content(folder.path(), device + 1).unwrap();
        assert!(folder.path().join("a/b").exists());
        delete_content(folder.path(), device).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
