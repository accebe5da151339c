//! The other end: systemd comes back here to end the machine, once nothing of the root runs any more
//! (systemd's "The initrd Interface").
//!
//! The root cannot be unmounted from itself, so systemd moves it to `/oldroot` and starts
//! `/run/initramfs/shutdown`, which is this program. Other inits leave the root as it is: everything
//! on the stick is mounted read-only, and there is nothing to lose.

use crate::instructions::Instructions;
use crate::report::Report;
use crate::rescue;
use livestick_handoff::paths;
use livestick_sys::LoopDevice;
use rustix::fs::{Mode, chmod};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount_change, mount_move, mount_remount,
    unmount,
};
use rustix::system::{RebootCommand, reboot};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fs, io, thread};

/// The name under which this program ends the machine.
pub const NAME: &str = "shutdown";

/// Leaves this program where systemd looks for it.
pub fn install() -> io::Result<()> {
    let target = Path::new(paths::LIVE).join(NAME);
    fs::copy("/proc/self/exe", &target)?;
    Ok(chmod(&target, Mode::from_raw_mode(0o755))?)
}

/// Takes everything down, and ends the machine as the first argument says.
pub fn run(arguments: &[String]) -> ! {
    let report = Report::open(&Instructions::read());
    let left = take_down();
    let verdict = match left.as_slice() {
        [] => "everything is unmounted".to_owned(),
        left => format!("still in use: {}", left.join(", ")),
    };
    report.shut_down(&verdict);
    rustix::fs::sync();
    let command = command(arguments.first().map_or("", String::as_str));
    let refused = reboot(command);
    if command == RebootCommand::Kexec {
        // No kernel was loaded for it.
        let _ = reboot(RebootCommand::Restart);
    }
    rescue::halt(&format!("the computer does not go off: {refused:?}"))
}

/// Where systemd leaves the root.
const OLD_ROOT: &str = "/oldroot";
const MOUNTS: &str = "/proc/self/mountinfo";
/// A loop device lets go of its file a moment after it was unmounted.
const PATIENCE: Duration = Duration::from_millis(20);
const TRIES: usize = 100;

fn command(verb: &str) -> RebootCommand {
    match verb {
        "reboot" => RebootCommand::Restart,
        "halt" => RebootCommand::Halt,
        "kexec" => RebootCommand::Kexec,
        // What else there may be, such as `exit`, is for machines that are none.
        _ => RebootCommand::PowerOff,
    }
}

/// Unmounts the root and all that it is made of; gives what could not be unmounted or detached.
fn take_down() -> Vec<String> {
    // systemd may have made it read-only; moved mounts must not be shared.
    let _ = mount_remount("/", MountFlags::NOSUID | MountFlags::NODEV, "");
    let _ = mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    );
    bring_out();
    let mut left = Vec::new();
    for _ in 0..TRIES {
        for target in mounted() {
            // What is in use now may not be so in the next round.
            let _ = unmount(&target, UnmountFlags::empty());
        }
        detach_loops();
        left = mounted();
        let loops = loops();
        if left.is_empty() && loops.is_empty() {
            break;
        }
        left.extend(loops);
        thread::sleep(PATIENCE);
    }
    left.iter().map(|path| path.display().to_string()).collect()
}

/// Moves what the root is made of out of it: it is mounted inside the root, and in use by it, so neither
/// could go before the other.
fn bring_out() {
    let mounts = fs::read_to_string(MOUNTS).unwrap_or_default();
    let inside = PathBuf::from(format!("{OLD_ROOT}{}", paths::LIVE));
    let folders = deepest_first(mount_points(&mounts).filter(|point| point.starts_with(&inside)));
    for folder in folders {
        let Some(name) = folder.file_name().filter(|_| folder != inside) else {
            continue;
        };
        let target = Path::new("/stick").join(name);
        // One that stays where it is will be named among what is left.
        let _ = fs::create_dir_all(&target).and_then(|()| Ok(mount_move(&folder, &target)?));
    }
}

/// What there is to unmount, the deepest first.
fn mounted() -> Vec<PathBuf> {
    let mounts = fs::read_to_string(MOUNTS).unwrap_or_default();
    in_the_way(&mounts)
}

/// All but what this program runs on and in. systemd 257 takes `/run` over with all that is mounted in
/// it, the stick too, so that it is there once more beside the old root; 252 takes `/run` alone.
fn in_the_way(mountinfo: &str) -> Vec<PathBuf> {
    const KERNEL: [&str; 3] = ["/dev", "/proc", "/sys"];
    const OWN: [&str; 2] = ["/", "/run"];
    let points = mount_points(mountinfo);
    let points = points.filter(|point| !OWN.iter().any(|own| point == Path::new(own)));
    deepest_first(points.filter(|point| !KERNEL.iter().any(|folder| point.starts_with(folder))))
}

/// In the order in which mounts can go; a folder is there as often as something is mounted on it.
fn deepest_first(points: impl Iterator<Item = PathBuf>) -> Vec<PathBuf> {
    let mut points: Vec<_> = points.collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    points
}

/// The fifth field of each line (`proc_pid_mountinfo(5)`).
fn mount_points(mountinfo: &str) -> impl Iterator<Item = PathBuf> {
    let fields = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    fields.map(|field| PathBuf::from(unescape(field)))
}

/// The kernel writes blanks and backslashes as three octal digits.
fn unescape(field: &str) -> String {
    let pairs = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    let mut text = field.to_owned();
    for (escape, character) in pairs {
        text = text.replace(escape, character);
    }
    text
}

fn detach_loops() {
    for device in loops() {
        // Those that are in use go when they no longer are.
        let _ = LoopDevice::detach(&device);
    }
}

/// The loop devices that a file is attached to. What joins several of them holds them, and goes by
/// itself.
fn loops() -> Vec<PathBuf> {
    let entries = fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let attached = entries.filter(|entry| entry.path().join("loop").exists());
    attached
        .map(|entry| Path::new("/dev").join(entry.file_name()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &str = "\
        21 1 0:20 /initramfs / rw,nosuid,nodev shared:5 - tmpfs tmpfs rw,mode=755\n\
        22 21 0:30 / /oldroot rw,relatime - overlay overlay rw,lowerdir=/run/initramfs/lower\n\
        23 22 0:20 / /oldroot/run rw,nosuid - tmpfs tmpfs rw\n\
        24 23 8:1 / /oldroot/run/initramfs/medium ro - vfat /dev/sda1 ro\n\
        25 22 0:5 / /oldroot/a\\040b rw - tmpfs tmpfs rw\n\
        26 21 0:6 / /dev rw - devtmpfs devtmpfs rw\n\
        27 26 0:7 / /dev/pts rw - devpts devpts rw\n\
        28 21 0:20 / /run rw - tmpfs tmpfs rw\n\
        29 28 7:0 / /run/initramfs/lower ro - squashfs /dev/loop0 ro\n";

    #[test]
    fn the_deepest_mount_goes_first_and_the_own_ones_stay() {
        let expected = [
            "/oldroot/run/initramfs/medium",
            "/run/initramfs/lower",
            "/oldroot/run",
            "/oldroot/a b",
            "/oldroot",
        ];
        assert_eq!(in_the_way(MOUNTINFO), expected.map(PathBuf::from));
    }

    #[test]
    fn each_way_to_end_is_known() {
        assert_eq!(command("reboot"), RebootCommand::Restart);
        assert_eq!(command("poweroff"), RebootCommand::PowerOff);
        assert_eq!(command("halt"), RebootCommand::Halt);
        assert_eq!(command("kexec"), RebootCommand::Kexec);
        assert_eq!(command("exit"), RebootCommand::PowerOff);
    }
}
