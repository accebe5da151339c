//! Builds `/init`, which travels inside `livestick`: one file that works by itself on any machine.
//!
//! `/init` must be static, and small rather than fast, so it is built by a cargo of its own, with
//! its own profile and target directory (two cargos cannot share one).

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `/init` is made of, relative to the workspace.
const SOURCES: [&str; 7] = [
    "Cargo.lock",
    "Cargo.toml",
    "crates/base/blockio",
    "crates/base/disks",
    "crates/base/handoff",
    "crates/base/sys",
    "crates/programs/init",
];

fn main() {
    let workspace = Path::new(&variable("CARGO_MANIFEST_DIR")).join("../../..");
    for source in SOURCES {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(source).display()
        );
    }
    let target = variable("TARGET");
    let target_dir = PathBuf::from(variable("OUT_DIR")).join("init");
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .current_dir(&workspace)
        .args(["build", "--package", "livestick-init", "--profile", "init"])
        // With an explicit target, static linking does not reach procedural macros.
        .args(["--target", &target, "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    match cargo.status() {
        Ok(status) if status.success() => {}
        result => {
            println!("cargo::error=/init could not be built: {result:?}");
            std::process::exit(1);
        }
    }
    let init = target_dir.join(target).join("init/livestick-init");
    println!("cargo::rustc-env=LIVESTICK_INIT={}", init.display());
}

fn variable(name: &str) -> String {
    // Cargo sets these for every build script; without one there is no build to speak of.
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}
