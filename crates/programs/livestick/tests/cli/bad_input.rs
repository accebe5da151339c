//! Each bad input ends in one clear line, with the right exit code, and leaves nothing half-made.

use crate::support::{
    NOBODY, as_nobody, assert_empty, assert_fails, bare_root, build, debian, is_root, livestick,
    release, root_with_kernel, scratch, write,
};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn a_source_that_is_not_there() {
    let out = scratch();
    let run = build(
        Path::new("/nonexistent/root"),
        &out.path().join("s.img"),
        &[],
    );
    assert_fails(&run, 3, &["cannot open /nonexistent/root"]);
    assert_empty(out.path());
}

/// A script that asked for a document gets one in any case, and one alone.
#[test]
fn a_failure_is_a_document_too() {
    let (root, out) = (bare_root(), scratch());
    let image = out.path().join("s.img");
    let failed = build(Path::new("/nonexistent/root"), &image, &["--json"]);
    let document: serde_json::Value = serde_json::from_slice(&failed.stdout).unwrap();
    let error = document["error"].as_str().unwrap();
    assert!(error.contains("cannot open /nonexistent/root"), "{error}");
    assert_eq!(document["exit"], 3);
    assert_eq!(failed.status.code(), Some(3));

    let mut command = livestick();
    let planned = command.args(["plan", "--json"]).arg(root.path());
    let planned = planned.output().unwrap();
    let document: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
    assert!(document["refusal"]["reason"].is_string(), "{document}");
    assert_eq!(planned.status.code(), Some(3));
    assert_empty(out.path());
}

#[test]
fn a_source_that_is_a_file() {
    let out = scratch();
    let run = build(Path::new("/etc/passwd"), &out.path().join("s.img"), &[]);
    assert_fails(&run, 3, &["cannot open /etc/passwd"]);
    assert_empty(out.path());
}

#[test]
fn a_directory_that_is_not_a_root() {
    let (source, out) = (scratch(), scratch());
    let run = build(source.path(), &out.path().join("s.img"), &[]);
    assert_fails(&run, 3, &["does not hold a Linux root", "hint: "]);
    assert_empty(out.path());
}

#[test]
fn a_root_without_init() {
    let (root, out) = (bare_root(), scratch());
    fs::remove_file(root.path().join("sbin/init")).unwrap();
    let run = build(root.path(), &out.path().join("s.img"), &[]);
    assert_fails(&run, 3, &["has no init", "hint: "]);
    assert_empty(out.path());
}

/// What a dry run says, which succeeds.
#[track_caller]
fn foretold(root: &Path, more: &[&str]) -> String {
    let out = scratch();
    let more = [&["--dry-run"], more].concat();
    let run = build(root, &out.path().join("s.img"), &more);
    let said = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success(), "{said}");
    said
}

#[test]
fn a_root_with_a_bare_shell_for_an_init() {
    let Some(debian) = debian() else { return };
    let root = root_with_kernel(&debian);
    fs::create_dir(root.path().join("bin")).unwrap();
    fs::rename(root.path().join("sbin/init"), root.path().join("bin/sh")).unwrap();
    assert!(foretold(root.path(), &[]).contains("warning: the root has no init"));
    let told = foretold(root.path(), &["--cmdline", "init=/bin/sh"]);
    assert!(!told.contains("has no init"), "{told}");
}

#[test]
fn an_init_that_is_named_and_is_not_a_program_there() {
    let (root, out) = (bare_root(), scratch());
    for named in ["/nope", "/etc/passwd", "/sbin"] {
        let cmdline = format!("quiet init={named}");
        let image = out.path().join("s.img");
        let run = build(root.path(), &image, &["--cmdline", &cmdline]);
        assert_fails(&run, 3, &["has no init", named, "hint: "]);
    }
    assert_empty(out.path());
}

#[test]
fn accounts_that_are_missing_or_left_out_let_nobody_in() {
    let Some(debian) = debian() else { return };
    let root = root_with_kernel(&debian);
    let warning = "warning: no account can log in: there is no /etc/passwd";
    assert!(!foretold(root.path(), &[]).contains("no account can log in"));
    assert!(foretold(root.path(), &["-x", "etc/passwd"]).contains(warning));
    fs::remove_file(root.path().join("etc/passwd")).unwrap();
    assert!(foretold(root.path(), &[]).contains(warning));
}

#[test]
fn modules_that_are_left_out_are_missed() {
    let Some(debian) = debian() else { return };
    let root = root_with_kernel(&debian);
    let release = release(&debian);
    let warning = format!("modules of the kernel are left out, lib/modules/{release}");
    assert!(!foretold(root.path(), &[]).contains(&warning));
    for pattern in ["lib/modules", "lib/modules/*/kernel"] {
        let said = foretold(root.path(), &["-x", pattern]);
        assert!(said.contains(&warning), "{said}");
    }
}

#[test]
fn a_kernel_without_usb_3_is_a_warning() {
    let Some(debian) = debian() else { return };
    let root = root_with_kernel(&debian);
    let modules = root.path().join("lib/modules").join(release(&debian));
    let index = fs::read_to_string(modules.join("modules.dep")).unwrap();
    let is_driver = |line: &&str| line.contains("/xhci-pci.ko");
    let (driver, others): (Vec<_>, Vec<_>) = index.lines().partition(is_driver);
    assert_eq!(driver.len(), 1, "{driver:?}");
    fs::remove_file(modules.join("modules.dep")).unwrap();
    fs::write(modules.join("modules.dep"), others.join("\n")).unwrap();
    let said = foretold(root.path(), &["--verbose"]);
    assert!(
        said.contains("has no driver for USB 3 (xhci_pci)"),
        "{said}"
    );
    assert!(said.contains("  no module  xhci_pci\n"), "{said}");
}

#[test]
fn a_root_without_a_kernel() {
    let (root, out) = (bare_root(), scratch());
    let run = build(root.path(), &out.path().join("s.img"), &[]);
    assert_fails(&run, 3, &["there is no kernel", "linux-image-amd64"]);
    assert_empty(out.path());
}

#[test]
fn a_kernel_without_its_modules() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let release = release(&debian);
    fs::remove_dir_all(root.path().join("lib/modules").join(&release)).unwrap();
    let run = build(root.path(), &out.path().join("s.img"), &[]);
    assert_fails(&run, 3, &[&release, "no modules", "hint: "]);
    assert_empty(out.path());
}

#[test]
fn a_kernel_that_was_asked_for_and_is_not_there() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let run = build(root.path(), &out.path().join("s.img"), &["-k", "9.9.9"]);
    assert_fails(&run, 3, &["no kernel 9.9.9", &release(&debian)]);
    assert_empty(out.path());
}

#[test]
fn a_cloud_kernel_is_refused_by_name() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let release = release(&debian);
    let modules = root.path().join("lib/modules").join(&release);
    // What Debian's cloud kernels lack, files and index.
    fs::remove_dir_all(modules.join("kernel/drivers/usb")).unwrap();
    let index = fs::read_to_string(modules.join("modules.dep")).unwrap();
    let kept = index
        .lines()
        .filter(|line| !line.starts_with("kernel/drivers/usb"));
    let kept = kept.collect::<Vec<_>>().join("\n");
    fs::remove_file(modules.join("modules.dep")).unwrap();
    fs::write(modules.join("modules.dep"), kept).unwrap();
    let run = build(root.path(), &out.path().join("s.img"), &[]);
    assert_fails(&run, 3, &[&release, "cannot read a USB stick", "hint: "]);
    assert_empty(out.path());
}

#[test]
fn of_several_kernels_the_newest_wins_and_a_locked_root_is_a_warning() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let release = release(&debian);
    // An older one: the same, by a name of the same length, which also stands in its image.
    let older = format!("0{}", &release[1..]);
    let modules = root.path().join("lib/modules");
    let copied = Command::new("cp")
        .arg("-al")
        .arg(modules.join(&release))
        .arg(modules.join(&older))
        .status();
    assert!(copied.unwrap().success());
    let mut kernel = fs::read(root.path().join(format!("boot/vmlinuz-{release}"))).unwrap();
    let mut windows = kernel.windows(release.len());
    let at = windows
        .position(|window| window == release.as_bytes())
        .unwrap();
    kernel[at] = b'0';
    write(root.path(), &format!("boot/vmlinuz-{older}"), kernel);
    write(root.path(), "etc/shadow", "root:*:1::::::\n");
    let run = build(root.path(), &out.path().join("s.img"), &["--dry-run"]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    assert!(said.contains(&format!("kernel {release}")), "{said}");
    assert!(said.contains(&format!("also there: {older}")), "{said}");
    assert!(said.contains("warning: no account can log in"), "{said}");
    assert_empty(out.path());
}

#[test]
fn an_unreadable_file_is_named_and_can_be_skipped() {
    let Some(debian) = debian() else { return };
    if !is_root() {
        return;
    }
    let (root, out) = (root_with_kernel(&debian), scratch());
    write(root.path(), "home/me/secret", "x");
    let secret = root.path().join("home/me/secret");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(
        root.path().join("etc/shadow"),
        fs::Permissions::from_mode(0o644),
    )
    .unwrap();
    chown(out.path(), Some(NOBODY), None).unwrap();
    let as_nobody = |more: &[&str]| {
        let build = ["build", "/mnt/root", "-o", "/mnt/out/s.img", "-z", "zstd:1"];
        as_nobody(root.path(), out.path(), &[&build[..], more].concat())
    };
    let unread = ["`home/me/secret` cannot be read", "--skip-unreadable"];
    assert_fails(&as_nobody(&[]), 1, &unread);
    assert_fails(&as_nobody(&["--dry-run"]), 1, &unread);
    assert_empty(out.path());
    let left_out = |more: &[&str]| {
        let run = as_nobody(&[&["--skip-unreadable", "--json"], more].concat());
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{said}");
        let warning = "warning: could not be read, and is left out: home/me/secret";
        assert!(said.contains(warning), "{said}");
        let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
        report["differences"]["unreadable"].clone()
    };
    assert_eq!(left_out(&["--dry-run"])[0], "home/me/secret");

    let folder = root.path().join("home/priv");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let unread = ["`home/priv` cannot be read", "--skip-unreadable"];
    assert_fails(&as_nobody(&["--dry-run"]), 1, &unread);
    assert_eq!(left_out(&["--dry-run"])[1], "home/priv");
    // The same of the build itself.
    assert_eq!(left_out(&[])[0], "home/me/secret");
}

#[test]
fn an_init_that_is_left_out_is_missed() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let image = out.path().join("s.img");
    for more in [&[][..], &["--cmdline", "init=/sbin/init"]] {
        let run = build(root.path(), &image, &[&["-x", "sbin"], more].concat());
        assert_fails(&run, 3, &["/sbin/init", "--exclude"]);
    }
    assert_empty(out.path());
}

#[test]
fn an_output_that_exists_is_kept_without_force() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let image = out.path().join("s.img");
    fs::write(&image, "mine").unwrap();
    assert_fails(&build(root.path(), &image, &[]), 3, &["exists", "--force"]);
    assert_eq!(fs::read(&image).unwrap(), b"mine");
    let run = build(root.path(), &image, &["--force"]);
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let metadata = fs::metadata(&image).unwrap();
    assert!(metadata.len() > 256 << 20);
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_image_inside_its_source_leaves_itself_out() {
    let Some(debian) = debian() else { return };
    let root = root_with_kernel(&debian);
    let image = root.path().join("home/me/s.img");
    fs::write(&image, "the last one").unwrap();
    let run = build(root.path(), &image, &["--force", "--json"]);
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    let report: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let omitted = report["differences"]["omitted"].as_array().unwrap();
    let itself = omitted
        .iter()
        .find(|omitted| omitted["by"] == "the image itself")
        .unwrap();
    assert_eq!(itself["paths"][0], "home/me/s.img");
    assert_eq!(
        report["image"]["bytes"],
        fs::metadata(&image).unwrap().len()
    );
}

#[test]
fn a_full_disk_is_told_and_left_empty() {
    let Some(debian) = debian() else { return };
    if !is_root() {
        return;
    }
    let (root, out) = (root_with_kernel(&debian), scratch());
    // Before anything is written, and when much was.
    for (size, exit) in [("size=4m", 3), ("size=24m", 1)] {
        let flags = rustix::mount::MountFlags::empty();
        let size = std::ffi::CString::new(size).unwrap();
        rustix::mount::mount("none", out.path(), "tmpfs", flags, Some(&*size)).unwrap();
        let run = build(root.path(), &out.path().join("s.img"), &[]);
        let left: Vec<_> = fs::read_dir(out.path()).unwrap().collect();
        rustix::mount::unmount(out.path(), rustix::mount::UnmountFlags::empty()).unwrap();
        assert_fails(&run, exit, &["no space", "hint: "]);
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_directory_that_is_not_there_or_is_the_output() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let run = build(root.path(), &out.path().join("nowhere/s.img"), &[]);
    assert_fails(&run, 3, &["nowhere"]);
    assert_fails(
        &build(root.path(), out.path(), &["--force"]),
        3,
        &["is not a file"],
    );
    assert_empty(out.path());
}

#[test]
fn a_missing_loader_is_named_with_its_package() {
    let Some(debian) = debian() else { return };
    if !is_root() {
        return;
    }
    let (root, out) = (root_with_kernel(&debian), scratch());
    let hidden = |directory: &str, more: &[&str]| -> Output {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c"]);
        command
            .arg(r#"mount -t tmpfs none "$0" && exec "$@""#)
            .arg(directory);
        command
            .arg(env!("CARGO_BIN_EXE_livestick"))
            .arg("build")
            .arg(root.path());
        command
            .args(["-z", "zstd:1", "-o"])
            .arg(out.path().join("s.img"));
        command.args(more).output().unwrap()
    };
    let bios = hidden("/usr/lib/syslinux", &[]);
    assert_fails(
        &bios,
        3,
        &[
            "syslinux-common",
            "hint: `apt-get install",
            "--firmware uefi",
        ],
    );
    let uefi = hidden("/usr/lib/systemd/boot", &["--secure-boot", "no"]);
    assert_fails(
        &uefi,
        3,
        &[
            "systemd-boot-efi",
            "hint: `apt-get install",
            "--firmware bios",
        ],
    );
    let chain = hidden("/usr/lib/shim", &["--secure-boot", "yes"]);
    assert_fails(
        &chain,
        3,
        &[
            "shimx64.efi",
            "hint: `apt-get install shim-signed`",
            "--secure-boot auto",
        ],
    );
    let ia32 = hidden("/usr/lib/grub/i386-efi", &["--firmware", "all"]);
    assert_fails(&ia32, 3, &["grub-efi-ia32-bin", "--firmware bios,uefi"]);
    assert_empty(out.path());
    let without = hidden("/usr/lib/systemd/boot", &["--firmware", "bios"]);
    assert!(
        without.status.success(),
        "{}",
        String::from_utf8_lossy(&without.stderr)
    );
}

#[test]
fn what_was_typed_wrong_is_a_usage_error() {
    let (root, out) = (bare_root(), scratch());
    let image = out.path().join("s.img");
    let usage =
        |more: &[&str], words: &[&str]| assert_fails(&build(root.path(), &image, more), 2, words);
    usage(
        &["--label", "much too long"],
        &["--label `much too long`", "11"],
    );
    usage(&["--label", "a/b"], &["--label `a/b`"]);
    usage(&["--exclude", "a["], &["`a[`"]);
    usage(&["--size", "huge"], &["--size `huge`"]);
    usage(&["--console", "9600"], &["--console `9600`", "ttyS0"]);
    usage(
        &["--firmware", "bios,uefi32", "--secure-boot", "yes"],
        &["--secure-boot yes", "--firmware"],
    );
    let codec = livestick()
        .args(["build", "/", "-o", "x.img", "-z", "rar"])
        .output()
        .unwrap();
    assert_fails(&codec, 2, &["`rar`"]);
    assert_empty(out.path());
}

#[test]
fn a_size_that_does_not_suffice() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let image = out.path().join("s.img");
    assert_fails(
        &build(root.path(), &image, &["--size", "100M"]),
        3,
        &["error: "],
    );
    assert_empty(out.path());
}

#[test]
fn a_file_that_never_holds_still_is_named() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let log = root.path().join("home/me/log");
    // So long that reading it takes longer than a busy machine keeps a thread waiting.
    fs::write(&log, vec![b'x'; 512 << 20]).unwrap();
    let stop = AtomicBool::new(false);
    let run = std::thread::scope(|scope| {
        scope.spawn(|| {
            let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
            while !stop.load(Ordering::Relaxed) {
                std::os::unix::fs::FileExt::write_all_at(&file, b"y", 0).unwrap();
            }
        });
        let run = build(root.path(), &out.path().join("s.img"), &[]);
        stop.store(true, Ordering::Relaxed);
        run
    });
    assert_fails(
        &run,
        1,
        &["home/me/log", "changes while it is read", "hint: "],
    );
    assert_empty(out.path());
}

#[test]
fn a_signal_ends_it_and_leaves_nothing() {
    let Some(debian) = debian() else { return };
    for signal in [Signal::INT, Signal::TERM] {
        let (root, out) = (root_with_kernel(&debian), scratch());
        let mut command = livestick();
        command
            .arg("build")
            .arg(root.path())
            .args(["-z", "zstd:22", "-o"]);
        command.arg(out.path().join("s.img")).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        // Long enough to be at work on the root, which takes minutes at this level.
        std::thread::sleep(Duration::from_secs(3));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let sent = Instant::now();
        let run = child.wait_with_output().unwrap();
        assert!(
            sent.elapsed() < Duration::from_secs(10),
            "{:?}",
            sent.elapsed()
        );
        assert_fails(&run, 130, &["interrupted"]);
        assert_empty(out.path());
    }
}

#[test]
fn a_terminals_interrupt_reaches_the_loaders_installer_too() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    for milliseconds in (0..80).step_by(8) {
        let mut command = livestick();
        command.arg("build").arg(root.path()).arg("-o");
        command.arg(out.path().join("s.img")).arg("--dry-run");
        let mut child = command
            .process_group(0)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Its first word: from now on it hears signals.
        let mut first = [0];
        let mut said = child.stderr.take().unwrap();
        said.read_exact(&mut first).unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        kill_process_group(Pid::from_child(&child), Signal::INT).unwrap();
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{rest}");
        assert!(rest.contains("interrupted"), "{rest}");
    }
    assert_empty(out.path());
}

#[test]
fn nobody_reads_what_is_said() {
    let Some(debian) = debian() else { return };
    let (root, out) = (root_with_kernel(&debian), scratch());
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    let mut command = livestick();
    command.arg("build").arg(root.path());
    command
        .args(["-z", "zstd:1", "-o"])
        .arg(out.path().join("s.img"));
    let status = command.stderr(full()).status().unwrap();
    assert!(status.success(), "{status}");
    let status = command.stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(3));
}
