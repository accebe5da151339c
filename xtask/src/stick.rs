//! Compiling livestick, and making sticks with it.

use crate::process::{as_root, read, run};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// How livestick is compiled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// As the tests are, so that they share what is compiled.
    Dev,
    /// As it is installed.
    Release,
}

/// Compiles the program and returns where it is.
pub fn compile(workspace: &Workspace, profile: Profile) -> Result<PathBuf> {
    let (name, folder) = match profile {
        Profile::Dev => ("dev", "debug"),
        Profile::Release => ("release", "release"),
    };
    run(Command::new("cargo")
        .args(["build", "--package", "livestick", "--profile", name])
        .current_dir(workspace.root()))?;
    Ok(workspace.target(folder).join("livestick"))
}

/// `livestick build` of the root into an image file, which is replaced where it is there.
pub fn build_command(program: &Path, root: &Path, image: &Path, options: &[&str]) -> Command {
    let mut command = as_root(&program.to_string_lossy());
    command
        .arg("build")
        .arg(root)
        .arg("--output")
        .arg(image)
        .args(["--force", "--json"])
        .args(options);
    command
}

/// Builds a stick and returns what the program reported.
pub fn build(program: &Path, root: &Path, image: &Path) -> Result<Built> {
    let text = read(&mut build_command(program, root, image, &[]))?;
    let own = rustix::process::geteuid();
    if !own.is_root() {
        // Made as root, who alone can read a whole root; it is for whoever asked for it.
        run(as_root("chown").arg(own.as_raw().to_string()).arg(image))?;
    }
    Built::parse(&text)
}

/// What `livestick build --json` says of a stick.
#[derive(Debug, PartialEq)]
pub struct Built {
    /// The image's length.
    pub image_bytes: u64,
    /// The length of all files in the root.
    pub root_bytes: u64,
    /// How many files are in the root.
    pub root_files: u64,
    /// The length of the root once compressed.
    pub squashfs_bytes: u64,
    /// The initramfs's length.
    pub initramfs_bytes: u64,
    /// How the initramfs is compressed.
    pub initramfs_codec: String,
    /// The kernel's release.
    pub kernel: String,
    /// Each stage's name and seconds, in their order.
    pub stages: Vec<(String, f64)>,
}

impl Built {
    fn parse(text: &str) -> Result<Self> {
        let document: Value =
            serde_json::from_str(text).context("livestick printed what is no JSON")?;
        let field = |pointer: &str| {
            document
                .pointer(pointer)
                .with_context(|| format!("livestick's report lacks `{pointer}`"))
        };
        let number = |pointer| {
            field(pointer)?
                .as_u64()
                .with_context(|| format!("`{pointer}` is not a number of bytes or files"))
        };
        let word = |pointer| {
            let text = field(pointer)?.as_str();
            text.map(str::to_owned)
                .with_context(|| format!("`{pointer}` is not a text"))
        };
        let stages = field("/stages")?
            .as_array()
            .context("`/stages` is not a list")?;
        Ok(Self {
            image_bytes: number("/image/bytes")?,
            root_bytes: number("/root/bytes")?,
            root_files: number("/root/files")?,
            squashfs_bytes: number("/squashfs/bytes")?,
            initramfs_bytes: number("/initramfs/bytes")?,
            initramfs_codec: word("/initramfs/codec")?,
            kernel: word("/kernel")?,
            stages: stages.iter().map(stage).collect::<Result<_>>()?,
        })
    }
}

fn stage(stage: &Value) -> Result<(String, f64)> {
    let parsed = || {
        Some((
            stage.get("name")?.as_str()?.to_owned(),
            stage.get("seconds")?.as_f64()?,
        ))
    };
    parsed().with_context(|| format!("`{stage}` is not a stage with its seconds"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{
        "image": {"path": "stick.img", "bytes": 300},
        "root": {"bytes": 700, "files": 17},
        "squashfs": {"bytes": 200},
        "initramfs": {"bytes": 3, "codec": "zstd"},
        "stages": [{"name": "scan", "seconds": 0.5}, {"name": "write", "seconds": 2}],
        "kernel": "6.1.0-56-amd64"
    }"#;

    #[test]
    fn a_report_is_read() {
        let built = Built::parse(REPORT).unwrap();
        assert_eq!((built.image_bytes, built.root_files), (300, 17));
        assert_eq!(
            built.stages,
            [("scan".to_owned(), 0.5), ("write".to_owned(), 2.0)]
        );
    }

    #[test]
    fn what_a_report_lacks_is_named() {
        let error = Built::parse(&REPORT.replace("codec", "x")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "livestick's report lacks `/initramfs/codec`"
        );
        let error =
            Built::parse(&REPORT.replace("\"seconds\": 2", "\"seconds\": \"2\"")).unwrap_err();
        assert!(error.to_string().contains("is not a stage"), "{error}");
        assert!(Built::parse("").is_err());
    }
}
