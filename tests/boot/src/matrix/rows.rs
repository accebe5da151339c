//! The matrix itself.

use super::damage::Damage::{
    BadManifest, ChecksAtOnce, Cut, Flipped, FlippedAndChecks, NoInit, OtherIdentity, OtherKernel,
    OtherLabel, Padded, SegmentMissing, SegmentShort, Short,
};
use super::inside::Inside::{
    BrokenFat, Dead, Decoy, DirtyExt4, Hanging, Luns, Lvm, MdMirror, Noise, ShortCopy, Swap,
    Systems, Twin,
};
use super::scenario::{Root, Scenario};
use super::typed::{
    command, key, log_in, plugged_in_after, plugged_in_behind, pulled_at_once, pulled_while,
    rescue_screen, typed,
};
use livestick_vm::{Action, Bus, Firmware, Step};

/// What the stick's `/init` says when nothing of the root is left.
const UNMOUNTED: &str = "livestick: shutdown: everything is unmounted";
/// What an end that is not clean says.
const NOT_ENDED: [&str; 4] = ["FAILED", "busy", "Failed to", "Could not"];
/// What the rescue screen says of a stick that was pulled out.
const PULLED: &str =
    "Cannot boot: the stick (sda1) was pulled out while it was read; plug it in again";

/// A stick for every firmware, whose kernel speaks on the serial port.
const EVERYWHERE: [&str; 4] = [
    "--firmware=all",
    "--secure-boot=yes",
    "--console=ttyS0,115200",
    "--cmdline=loglevel=7",
];
/// One on USB, which is a disk without a medium, and one on PCI.
const EMPTY_READERS: [&str; 6] = [
    "-drive",
    "if=none,id=reader",
    "-device",
    "usb-storage,drive=reader,bus=xhci.0,removable=on",
    "-device",
    "sdhci-pci",
];

/// What a kernel says that loads signed modules only.
const LOCKED_DOWN: &str = "Kernel is locked down from EFI Secure Boot";

/// Every scenario, in the order in which they are run and shown.
#[must_use]
pub fn scenarios() -> Vec<Scenario> {
    [
        firmware(),
        buses(),
        systems(),
        memory(),
        search(),
        pulled(),
        rescue(),
        rescue_keys(),
        damage(),
        checks(),
        other_disks(),
        silent_disks(),
        other_systems(),
        ends(),
    ]
    .concat()
}

fn firmware() -> Vec<Scenario> {
    vec![
        Scenario::new("bios", "BIOS").in_ci(),
        Scenario::new("uefi", "64-bit UEFI")
            .firmware(Firmware::Uefi)
            .in_ci(),
        Scenario::new("uefi-ia32", "32-bit UEFI, 64-bit processor").firmware(Firmware::UefiIa32),
        Scenario::new("secure-boot", "UEFI with Secure Boot")
            .built(&EVERYWHERE)
            .firmware(Firmware::SecureBoot)
            .says(&["secureboot: Secure boot enabled", LOCKED_DOWN]),
        Scenario::new("systemd-boot", "64-bit UEFI through systemd-boot")
            .built(&["--secure-boot=no"])
            .firmware(Firmware::Uefi),
    ]
}

fn buses() -> Vec<Scenario> {
    vec![
        Scenario::new("ehci", "USB 2").on(Bus::Ehci),
        Scenario::new("uhci", "USB 1")
            .on(Bus::Uhci)
            .timeout_seconds(1800),
        Scenario::new("uas", "USB Attached SCSI").on(Bus::Uas),
        Scenario::new("hub", "behind a USB hub").on(Bus::Hub),
        Scenario::new("nvme", "as an NVMe disk").on(Bus::Nvme),
        Scenario::new("ahci", "as a SATA disk").on(Bus::Ahci),
        Scenario::new("virtio-blk", "as a virtio-blk disk").on(Bus::VirtioBlk),
        Scenario::new("virtio-scsi", "as a virtio-scsi disk").on(Bus::VirtioScsi),
        Scenario::new("sdhci", "as an SD card in a PCI reader")
            .damaged(Padded)
            .on(Bus::Sdhci),
        Scenario::new("slow-stick", "a stick of 3 MB/s").bytes_per_second(3_000_000),
    ]
}

fn systems() -> Vec<Scenario> {
    vec![
        Scenario::new("sysvinit", "Debian 12 with sysvinit").of(Root::Sysvinit),
        Scenario::new("openrc", "Debian 12 with OpenRC").of(Root::Openrc),
        Scenario::new("runit", "Debian 12 with runit").of(Root::Runit),
        Scenario::new("busybox", "Debian 12 with BusyBox init").of(Root::Busybox),
        Scenario::new("trixie", "Debian 13, Linux 6.12")
            .of(Root::Trixie)
            .says(&["root changed by a move over the initramfs"]),
        Scenario::new("forky", "Debian 14, its own kernel")
            .of(Root::Forky)
            .says(&["root changed by pivot_root"]),
        // `tail -c 400M` of what `xtask/roots/huge.sh` makes is on both sides of 4 GiB.
        Scenario::new("huge", "a root of more than 4 GiB, read to its end")
            .of(Root::Huge)
            .memory_mib(2048)
            .then(log_in())
            .then(command(
                "tail -c 400M /srv/noise | md5sum",
                "b22fee3167041f93cccf31383277c484",
            ))
            .timeout_seconds(1800),
        Scenario::new("segments", "a root image in pieces of 64 MiB")
            .built(&["--segment-size", "64MiB"])
            .then(log_in())
            .then(command(
                "cat /usr/bin/* /srv/odd/numbers > /dev/null && echo all''read",
                "allread",
            ))
            .in_ci(),
        Scenario::new("init-absolute-link", "an init that is an absolute link")
            .then(log_in())
            .then(command("readlink /sbin/init", "/lib/systemd/systemd")),
        Scenario::new("init-missing", "an init that is not there")
            .damaged(NoInit)
            .rescued("has no program to start: looked for /sbin/no-such-init")
            .in_ci(),
        Scenario::new("fstab-dead", "an fstab with disks that are gone")
            .then(log_in())
            .then(command(
                "echo $(grep -c '^#.*UUID=' /etc/fstab) li''nes",
                "2 lines",
            )),
        Scenario::new("single", "`single` on the command line")
            .cmdline("single console=ttyS0,115200")
            .then([Step::shown("Give root password", Action::Nothing)])
            .told(),
        Scenario::new("read-only-word", "`ro` on the command line").cmdline("ro"),
    ]
}

fn memory() -> Vec<Scenario> {
    vec![
        Scenario::new("512-mb", "512 MB of RAM").memory_mib(512),
        Scenario::new("8-gb", "8 GB of RAM").memory_mib(8192),
        Scenario::new("toram-pulled", "`toram`, then the stick is pulled out")
            .cmdline("toram")
            .then(log_in())
            .then([Step::after(0, Action::Pull)])
            .then(command(
                "cat /usr/bin/* > /dev/null && echo use''able",
                "useable",
            ))
            .says(&["may be removed"])
            .never(&["I/O error"]),
        Scenario::new("toram-too-small", "`toram` without the RAM for it")
            .cmdline("toram")
            .memory_mib(448)
            .says(&["livestick: not enough RAM for `toram`"]),
        Scenario::new("overlay-size", "an overlay of 64 MiB, filled")
            .cmdline("overlay-size=64M")
            .then(log_in())
            .then(command(
                "head -c 100M /dev/zero > /var/fill; rm /var/fill; echo go''es on",
                "goes on",
            ))
            .says(&["No space left on device"]),
        Scenario::new(
            "overlay-inodes",
            "an overlay of 64 MiB, full of empty files",
        )
        .cmdline("overlay-size=64M")
        .then(log_in())
        .then(command(
            "mkdir /var/many; cd /var/many; seq 20000 | xargs touch 2>&1 | tail -n 1",
            "No space left on device",
        ))
        .then(command(
            "cd /; rm -r /var/many; touch /var/one && echo go''es on",
            "goes on",
        )),
        Scenario::new("zram", "`zram=25%`")
            .cmdline("zram=25%")
            .then(log_in())
            .then(command("cat /proc/swaps", "zram0")),
    ]
}

fn search() -> Vec<Scenario> {
    vec![
        Scenario::new("plugged-at-5", "plugged in after 5 s")
            .then(plugged_in_after(5))
            .in_ci(),
        Scenario::new("plugged-at-40", "plugged in after 40 s").then(plugged_in_after(40)),
        Scenario::new("plugged-at-rescue", "plugged in at the rescue screen")
            .cmdline("live-media-timeout=5")
            .then([pulled_at_once()])
            .then([Step::shown("livestick: rescue: ", Action::Plug)])
            .says(&["rescue: the stick was not found within 5 s"])
            .in_ci(),
        Scenario::new(
            "plugged-at-130",
            "plugged in after 130 s, behind the time limit",
        )
        .then([pulled_at_once()])
        .then(rescue_screen())
        .then([Step::after(10, Action::Plug)])
        .says(&["rescue: the stick was not found within 120 s; is it plugged in?"]),
        Scenario::new("label-changed", "a volume that its owner gave another name")
            .damaged(OtherLabel),
        Scenario::new("label-changed-uefi", "the same, on UEFI with Secure Boot")
            .built(&EVERYWHERE)
            .firmware(Firmware::SecureBoot)
            .damaged(OtherLabel),
        Scenario::new("no-driver", "a controller that the stick has no driver for")
            .cmdline("live-media-timeout=5")
            .hardware(&["-device", "megasas"])
            .then([pulled_at_once()])
            .rescued("or behind what it has no driver for (storage controller 0000:00:0")
            .says(&["Hardware that there is no driver for on this stick:"]),
        Scenario::new("no-stick", "no stick at all")
            .cmdline("live-media-timeout=5")
            .then([pulled_at_once()])
            .rescued("the stick was not found within 5 s; is it plugged in?"),
    ]
}

/// A stick that is pulled out while it is needed, and plugged in again at the rescue screen.
fn pulled() -> Vec<Scenario> {
    vec![
        Scenario::new("pulled-again", "pulled out between search and mount")
            .cmdline("break=overlay")
            .then([Step::shown("# ", Action::Pull)])
            .then([Step::after(2, Action::Nothing), typed("exit")])
            .then(rescue_screen())
            .then([Step::after(0, Action::Plug)])
            .then([Step::shown("# ", Action::Nothing), typed("exit")])
            .says(&[PULLED]),
        Scenario::new("pulled-copying", "`toram`, pulled out while it is copied")
            .cmdline("toram")
            .bytes_per_second(20_000_000)
            .then(pulled_while("Copying the system to RAM"))
            .says(&[PULLED, "may be removed"]),
        Scenario::new("pulled-checking", "pulled out while it is checked")
            .damaged(ChecksAtOnce)
            .bytes_per_second(20_000_000)
            .then(pulled_while("Checking the stick"))
            .says(&[PULLED, "livestick: check: good: all"])
            .never(&["livestick: check: damaged"]),
    ]
}

fn rescue() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "rescue-screen",
            "the rescue screen on the screen, and the keyboard",
        )
        .cmdline("live-media-timeout=5")
        .then([pulled_at_once()])
        .then(rescue_screen())
        .then([Step::after(2, Action::ReadScreen)])
        .then([Step::after(1, Action::Press("b".to_owned()))])
        .on_screen("to reboot")
        .stopped("guest-reset"),
        Scenario::new("rescue-serial", "the rescue screen without a screen")
            .cmdline("live-media-timeout=5")
            .headless()
            .then([pulled_at_once()])
            .then(rescue_screen())
            .then([Step::after(1, Action::Type("b".to_owned()))])
            .stopped("guest-reset"),
        Scenario::new("rescue-shell", "the shell of the rescue screen")
            .cmdline("live-media-timeout=5")
            .then([pulled_at_once()])
            .then(rescue_screen())
            .then([Step::after(1, Action::Type("s".to_owned()))])
            .then([Step::shown("# ", Action::Nothing)])
            .then(command("echo a sh''ell", "a shell"))
            .then([typed("exit")])
            .then([Step::shown("  b  to reboot", Action::Nothing)])
            .then([Step::after(1, Action::Type("b".to_owned()))])
            .stopped("guest-reset"),
        Scenario::new(
            "rescue-panic",
            "`panic=5`: the rescue screen reboots by itself",
        )
        .cmdline("live-media-timeout=5 panic=5")
        .then([pulled_at_once()])
        .then(rescue_screen())
        .stopped("guest-reset"),
        Scenario::new("break", "`break=init`: a shell, then on")
            .cmdline("break=init")
            .then([Step::shown("# ", Action::Nothing)])
            .then([typed("ls -l /sysroot/sbin/init && exit")])
            .says(&["livestick: hand-over uptime="]),
        Scenario::new("debug", "`debug`: every step on the console")
            .cmdline("debug console=ttyS0,115200")
            .says(&["overlay mounted"]),
        Scenario::new("live-media", "`live-media=` names the volume's label")
            .built(&["--label", "MYSTICK"])
            .cmdline("live-media=LABEL=MYSTICK"),
        Scenario::new(
            "live-media-other",
            "`live-media=` names a volume that is not there",
        )
        .cmdline("live-media=LABEL=OTHER live-media-timeout=5")
        .rescued("the stick was not found within 5 s"),
    ]
}

/// The keys of the rescue screen that no other row presses.
fn rescue_keys() -> Vec<Scenario> {
    vec![
        Scenario::new("rescue-retry", "`r` on the rescue screen")
            .cmdline("live-media-timeout=5")
            .then([pulled_at_once()])
            .then(rescue_screen())
            .then([key('r')])
            .rescued("the stick was not found")
            .says(&["Cannot boot: the stick was not found; is it plugged in?"]),
        Scenario::new("rescue-check", "`c` on the rescue screen")
            .cmdline("live-media-timeout=5")
            .damaged(Short)
            .then(rescue_screen())
            .then([key('c')])
            .then([Step::shown("The stick was checked:", Action::Nothing)])
            .then([Step::shown(
                "live/filesystem.squashfs: is not what was written",
                Action::Nothing,
            )])
            .then([Step::shown("  b  to reboot", Action::Nothing), key('b')])
            .stopped("guest-reset"),
        Scenario::new("rescue-go-on", "`g` on the rescue screen, with a wrong bit")
            .damaged(FlippedAndChecks)
            .then(rescue_screen())
            .then([key('g')])
            .then([Step::shown("login: ", Action::Nothing)])
            .says(&["rescue: the stick is damaged: live/filesystem.squashfs"])
            .told(),
    ]
}

fn damage() -> Vec<Scenario> {
    vec![
        Scenario::new("other-identity", "a stick with another one's manifest")
            .cmdline("live-media-timeout=5")
            .damaged(OtherIdentity)
            .rescued("another livestick (identity 5a5a5a5a")
            .says(&["Cannot boot: the stick was not found within 5 s; nearest is sda1: FAT"])
            .in_ci(),
        Scenario::new(
            "manifest-damaged",
            "a stick with a manifest that makes no sense",
        )
        .cmdline("live-media-timeout=5")
        .damaged(BadManifest)
        .rescued("`live/manifest` is damaged")
        .says(&["Cannot boot: the stick was not found within 5 s; nearest is sda1: FAT"]),
        Scenario::new("image-short", "a root image that is too short")
            .cmdline("live-media-timeout=5")
            .damaged(Short)
            .rescued("it was not written to its end"),
        Scenario::new("image-cut", "a stick that was not written to its end")
            .cmdline("live-media-timeout=5")
            .damaged(Cut)
            .rescued("the system on it was not written to its end"),
        Scenario::new(
            "segment-missing",
            "a root image whose second segment is gone",
        )
        .built(&["--segment-size", "64MiB"])
        .cmdline("live-media-timeout=5")
        .damaged(SegmentMissing)
        .rescued("`live/filesystem.squashfs.001` is missing"),
        Scenario::new(
            "segment-short",
            "a root image whose second segment is too short",
        )
        .built(&["--segment-size", "64MiB"])
        .cmdline("live-media-timeout=5")
        .damaged(SegmentShort)
        .rescued("`live/filesystem.squashfs.001` has 67108352 bytes instead of 67108864"),
        Scenario::new("other-kernel", "a kernel that the modules are not for")
            .damaged(OtherKernel)
            .given_up("kernel and initramfs of one stick belong together")
            .says(&["Cannot boot: the running kernel is 6.12."]),
    ]
}

/// The menu entry that checks the stick.
fn checks() -> Vec<Scenario> {
    vec![
        Scenario::new(
            "check-key",
            "the check entry, and `g` before the time is up",
        )
        .damaged(ChecksAtOnce)
        .then([Step::shown(
            "The boot goes on by itself in 10 s.",
            Action::Nothing,
        )])
        .then([key('g')])
        .then([Step::shown("livestick: hand-over uptime=", Action::Nothing)])
        .says(&["livestick: check: good: all"]),
        Scenario::new("check-good", "the check entry, on a good stick")
            .damaged(ChecksAtOnce)
            .says(&["livestick: check: good: all"]),
        Scenario::new(
            "check-flipped",
            "the check entry, on a stick with a wrong bit",
        )
        .damaged(FlippedAndChecks)
        .rescued("the stick is damaged: live/filesystem.squashfs"),
        Scenario::new("flipped", "a wrong bit that nothing reads at boot")
            .damaged(Flipped)
            .then([Step::shown("login: ", Action::Nothing)])
            .told(),
    ]
}

fn other_disks() -> Vec<Scenario> {
    vec![
        Scenario::new("twins", "two identical sticks")
            .inside(&[Twin])
            .says(&["are the same stick twice"]),
        Scenario::new("decoy", "another livestick of the same label").inside(&[Decoy]),
        Scenario::new("decoy-alone", "only another livestick of the same label")
            .cmdline("live-media-timeout=5")
            .inside(&[Decoy])
            .then([pulled_at_once()])
            .rescued("another livestick (identity 5a5a5a5a")
            .says(&["Cannot boot: the stick was not found within 5 s; nearest is sd"]),
        Scenario::new("fat-broken", "a stick with a FAT that cannot be mounted")
            .cmdline("live-media-timeout=5")
            .inside(&[BrokenFat])
            .then([pulled_at_once()])
            .rescued("`, cannot be mounted: ")
            .says(&["Cannot boot: the stick was not found within 5 s; nearest is sd"]),
        Scenario::new("empty-reader", "card readers without a card")
            .hardware(&EMPTY_READERS)
            .then(plugged_in_behind("no medium in the drive")),
        Scenario::new("short-copy-inside", "a copy cut short on a disk inside")
            .inside(&[ShortCopy])
            .then(plugged_in_behind("it was not written to its end")),
        Scenario::new("30-disks", "30 other disks")
            .inside(&[Luns; 30])
            .then(plugged_in_behind("not the stick: sdad")),
        Scenario::new(
            "dirty-disks",
            "disks with a dirty ext4, and with noise, inside",
        )
        .inside(&[DirtyExt4, Noise])
        .then(plugged_in_behind("ext2/3/4, no livestick"))
        .says(&["unknown, no livestick"])
        .in_ci(),
    ]
}

/// Disks inside that do not answer.
fn silent_disks() -> Vec<Scenario> {
    vec![
        Scenario::new("disk-hangs", "a disk inside whose reads never end")
            .inside(&[Hanging])
            .then(plugged_in_behind("does not answer")),
        Scenario::new(
            "disk-dead",
            "a disk inside that hangs its own driver; keys and stick at the rescue screen",
        )
        .cmdline("live-media-timeout=5 console=ttyS0,115200 systemd.show_status=1")
        .inside(&[Dead])
        .then([pulled_at_once()])
        .then([Step::shown("does not answer", Action::Nothing)])
        .then(rescue_screen())
        .then([key('r')])
        .then(rescue_screen())
        .then([Step::after(1, Action::Plug)])
        .says(&["Cannot boot: the stick was not found; is it plugged in?"])
        // Of the system nothing more is asked: it looks at the disk, too.
        .then([Step::shown("Welcome to", Action::Nothing)])
        .never(&["No disk of any kind was found."])
        .told(),
    ]
}

/// Disks of other systems, which the one on the stick must leave alone.
fn other_systems() -> Vec<Scenario> {
    let storage = |name, what| Scenario::new(name, what).of(Root::Storage);
    let count = "echo $(ls -d /dev/md?* /dev/mapper/*-* 2>/dev/null | wc -l), $(wc -l < /proc/swaps) were fou''nd";
    vec![
        Scenario::new(
            "other-systems",
            "GPT with swap, ZFS, Btrfs and NTFS inside, left alone",
        )
        .inside(&[Systems])
        .then(plugged_in_behind("Btrfs, no livestick"))
        .says(&[
            "swap, no livestick",
            "ZFS, no livestick",
            "NTFS, no livestick",
        ])
        .then(log_in())
        .then(command("echo $(wc -l < /proc/swaps) li''ne", "1 line")),
        storage("md-lvm", "md, LVM and swap inside, left alone")
            .inside(&[MdMirror, MdMirror, Lvm, Swap])
            .then(plugged_in_behind("swap, no livestick"))
            .says(&["RAID, no livestick", "LVM, no livestick"])
            .then(log_in())
            .then(command(count, "0, 1 were found")),
        storage(
            "md-lvm-asked-for",
            "md and LVM inside, asked for with --use-internal-disks",
        )
        .built(&["--use-internal-disks"])
        .inside(&[MdMirror, MdMirror, Lvm])
        .may_change_inside()
        .then(log_in())
        .then(command(count, "2, 1 were found")),
    ]
}

fn ends() -> Vec<Scenario> {
    let powered_off = |scenario: Scenario| {
        let script = log_in().into_iter().chain([typed("poweroff")]);
        scenario.then(script).stopped("guest-shutdown")
    };
    let shown = "console=ttyS0,115200 systemd.show_status=1";
    let off = |name, what| powered_off(ended(name, what).cmdline(shown));
    // They leave the root to the kernel: it is read-only below, and nothing is lost.
    let off_without_systemd = |name, what| {
        let scenario = Scenario::new(name, what).cmdline("console=ttyS0,115200");
        powered_off(scenario).never(&["FAILED", " busy"])
    };
    vec![
        off("poweroff", "poweroff"),
        ended("reboot", "reboot")
            .cmdline(shown)
            .then(log_in())
            .then([typed("reboot")])
            .stopped("guest-reset"),
        ended("power-button", "the power button")
            .cmdline(shown)
            .then([Step::shown("login: ", Action::Nothing)])
            .then([Step::after(5, Action::PowerButton)])
            .stopped("guest-shutdown"),
        powered_off(ended("toram-poweroff", "`toram`, then poweroff"))
            .cmdline("toram console=ttyS0,115200 systemd.show_status=1"),
        off("segments-poweroff", "a root image in pieces, then poweroff")
            .built(&["--segment-size", "64MiB"]),
        off("trixie-poweroff", "Debian 13, then poweroff").of(Root::Trixie),
        off("forky-poweroff", "Debian 14, then poweroff").of(Root::Forky),
        off_without_systemd("sysvinit-poweroff", "sysvinit, then poweroff").of(Root::Sysvinit),
        off_without_systemd("openrc-poweroff", "OpenRC, then poweroff").of(Root::Openrc),
        off_without_systemd("runit-poweroff", "runit, then poweroff").of(Root::Runit),
        off_without_systemd("busybox-poweroff", "BusyBox init, then poweroff").of(Root::Busybox),
    ]
}

/// A system with systemd, whose end must be clean.
fn ended(name: &'static str, what: &'static str) -> Scenario {
    Scenario::new(name, what)
        .says(&[UNMOUNTED])
        .never(&NOT_ENDED)
}
