//! A root that is small enough to be made anew for each test, and the program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program under test.
pub fn livestick() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_livestick"));
    command.env_remove("SOURCE_DATE_EPOCH");
    command
}

/// `livestick build ROOT -o IMAGE` with a fast codec, and more arguments.
pub fn build(root: &Path, image: &Path, more: &[&str]) -> Output {
    let mut command = livestick();
    command.arg("build").arg(root).arg("-o").arg(image);
    command.args(["-z", "zstd:1"]).args(more);
    command.output().unwrap()
}

/// Asserts that a run ended with this code, saying this, and not with a panic.
#[track_caller]
pub fn assert_fails(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(said.matches("error: ").count(), 1, "{said}");
}

/// Asserts that a directory holds nothing.
#[track_caller]
pub fn assert_empty(directory: &Path) {
    let left: Vec<_> = fs::read_dir(directory).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Where the Debian root for tests is. `cargo xtask test` makes it; without it a test says so and
/// ends, and in CI it fails.
pub fn debian() -> Option<PathBuf> {
    let root = std::env::var_os("LIVESTICK_TEST_ROOT").map(PathBuf::from);
    if root.is_none() {
        assert!(
            std::env::var_os("CI").is_none(),
            "LIVESTICK_TEST_ROOT is not set"
        );
        eprintln!("skipped: LIVESTICK_TEST_ROOT is not set; `cargo xtask test` sets it");
    }
    root
}

/// Whether the test may mount and change users.
pub fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "this test needs root");
        eprintln!("skipped: not root");
    }
    root
}

pub const NOBODY: u32 = 65534;

/// Runs livestick without rights, with `/mnt/root` and `/mnt/out` in the place of two directories:
/// this checkout may lie in a home that nobody else enters.
pub fn as_nobody(root: &Path, out: &Path, words: &[&str]) -> Output {
    const SCRIPT: &str = r#"
        set -e
        mount -t tmpfs -o mode=755 none /mnt
        mkdir /mnt/root /mnt/out
        touch /mnt/livestick
        mount --bind "$1" /mnt/root
        mount --bind "$2" /mnt/out
        mount --bind "$3" /mnt/livestick
        shift 3
        exec setpriv --reuid=NOBODY --regid=NOBODY --clear-groups /mnt/livestick "$@"
    "#;
    let script = SCRIPT.replace("NOBODY", &NOBODY.to_string());
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command
        .args([root, out, Path::new(env!("CARGO_BIN_EXE_livestick"))])
        .args(words);
    command.output().unwrap()
}

/// A scratch directory on the filesystem of the test root, so that files can be linked.
pub fn scratch() -> tempfile::TempDir {
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
    scratch
}

/// A root without a kernel: directories, an account that can log in, an init.
pub fn bare_root() -> tempfile::TempDir {
    let root = scratch();
    for directory in ["etc", "usr/bin", "sbin", "boot", "lib/modules", "home/me"] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    write(root.path(), "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    write(root.path(), "etc/shadow", "root:$y$x:1::::::\n");
    write(root.path(), "etc/os-release", "PRETTY_NAME=\"Test 1\"\n");
    write(root.path(), "sbin/init", "#!/bin/sh\n");
    let init = root.path().join("sbin/init");
    fs::set_permissions(init, fs::Permissions::from_mode(0o755)).unwrap();
    root
}

/// A bare root with the kernel and the modules of the Debian root, linked.
pub fn root_with_kernel(debian: &Path) -> tempfile::TempDir {
    let root = bare_root();
    for part in ["boot", "lib/modules"] {
        let copied = Command::new("cp")
            .arg("-al")
            .arg(debian.join(part).join("."))
            .arg(root.path().join(part))
            .status()
            .unwrap();
        assert!(copied.success());
    }
    root
}

/// The release of the Debian root's kernel.
pub fn release(root: &Path) -> String {
    let mut names = fs::read_dir(root.join("lib/modules")).unwrap();
    names
        .next()
        .unwrap()
        .unwrap()
        .file_name()
        .into_string()
        .unwrap()
}

pub fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    fs::write(root.join(path), bytes).unwrap();
}
