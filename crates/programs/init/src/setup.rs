//! The first mounts, and the console.

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use std::ffi::CStr;
use std::fs::{self, File};

/// Mounts what a program needs to look around. What fails here shows up where it is missed: there is
/// nowhere yet to report it.
pub fn mount_kernel_filesystems() {
    let closed = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    try_mount("proc", "/proc", closed, c"");
    try_mount("sysfs", "/sys", closed, c"");
    try_mount("devtmpfs", "/dev", MountFlags::NOSUID, c"mode=0755");
    // Never noexec: systemd looks for an executable /run/initramfs/shutdown.
    let run = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::STRICTATIME;
    try_mount("tmpfs", "/run", run, c"mode=0755,size=20%");
}

/// Puts `/dev/console` on the three standard descriptors, which the program handed over to inherits.
pub fn open_console() {
    let Ok(console) = File::options().read(true).write(true).open("/dev/console") else {
        return;
    };
    let _ = dup2_stdin(&console);
    let _ = dup2_stdout(&console);
    let _ = dup2_stderr(&console);
}

/// Has the kernel end RCU's grace periods at once, as it does until `/init` starts: loading modules and
/// moving mounts wait for many of them (`Documentation/ABI/testing/sysfs-kernel-rcu…`).
pub fn hurry(on: bool) {
    // A kernel without this setting is slower, no more.
    let _ = fs::write("/sys/kernel/rcu_expedited", if on { "1" } else { "0" });
}

/// Makes a folder that should be there with this mode.
pub fn make_folder(path: &str, mode: u32) -> Result<(), Errno> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(mode)) {
        Err(Errno::EXIST) => Ok(()),
        done => done,
    }
}

/// As the kernel prints it in `/proc/uptime`: the first figure, in seconds.
pub fn uptime() -> String {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("?").to_owned()
}

fn try_mount(kind: &str, target: &str, flags: MountFlags, data: &CStr) {
    let _ = make_folder(target, 0o755);
    let _ = mount(kind, target, kind, flags, data);
}
