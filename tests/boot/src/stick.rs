//! A stick's image, made by the program and taken apart by the field's own tools.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// Where the only partition begins.
const PARTITION_START_BYTES: u64 = 1 << 20;

/// The root that sticks are made of; `None`, said visibly, where the test is to be skipped.
///
/// # Panics
/// In CI, where nothing is skipped.
#[must_use]
pub fn test_root() -> Option<PathBuf> {
    root_of("LIVESTICK_TEST_ROOT")
}

/// The root that has LVM and RAID; `None` as with [`test_root`].
///
/// # Panics
/// In CI, where nothing is skipped.
#[must_use]
pub fn storage_root() -> Option<PathBuf> {
    root_of("LIVESTICK_TEST_STORAGE_ROOT")
}

fn root_of(variable: &str) -> Option<PathBuf> {
    let root = env::var_os(variable).map(PathBuf::from);
    let reason = match root {
        Some(root) if rustix::process::geteuid().is_root() => return Some(root),
        Some(_) => "only root can read a whole root and mount its image".to_owned(),
        None => format!("{variable} is not set; `cargo xtask test` sets it"),
    };
    assert!(env::var_os("CI").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
    None
}

/// Runs a tool to its end and returns what it printed.
///
/// # Panics
/// Where it cannot be started, or fails.
pub fn tool<A: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = A>) -> Output {
    finish(Command::new(name).args(arguments))
}

/// A stick's image in a folder of its own, which goes with it.
#[derive(Debug)]
pub struct Stick {
    folder: TempDir,
    image: PathBuf,
}

impl Stick {
    /// Makes one of a root with `livestick build`, quickly compressed, with these further arguments
    /// and variables.
    ///
    /// # Panics
    /// Where the program fails.
    #[must_use]
    pub fn build(root: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = TempDir::new_in(build_folder()).expect("a temporary folder");
        let image = folder.path().join("stick.img");
        finish(
            Command::new(program())
                .args(["build", "--quiet", "--compression", "zstd:3"])
                .args(arguments)
                .arg("--output")
                .args([&image, root])
                .envs(variables.iter().copied()),
        );
        Self { folder, image }
    }

    /// The image file.
    #[must_use]
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// Copies a file or, with all that is in it, a folder (`""` is everything) out of the stick with
    /// mtools. Returns where it is now.
    ///
    /// # Panics
    /// Where it is not there.
    #[must_use]
    pub fn extract(&self, path: &str) -> PathBuf {
        let target = self.folder.path().join("files");
        fs::create_dir_all(&target).expect("a folder");
        let source = format!("::/{path}");
        let volume = self.mtools_volume();
        // -s: with what is below; -m: with its time; -n: without asking.
        tool(
            "mcopy",
            [
                "-s",
                "-m",
                "-n",
                "-i",
                &volume,
                &source,
                &target.to_string_lossy(),
            ],
        );
        path.rsplit('/')
            .next()
            .map_or(target.clone(), |name| target.join(name))
    }

    /// Replaces a file on the stick.
    ///
    /// # Panics
    /// Where mtools cannot.
    pub fn replace(&self, path: &str, content: &[u8]) {
        let file = self.folder.path().join("replacement");
        fs::write(&file, content).expect("a written file");
        let target = format!("::/{path}");
        tool(
            "mcopy",
            [
                "-o",
                "-i",
                &self.mtools_volume(),
                &file.to_string_lossy(),
                &target,
            ],
        );
    }

    /// The partition in a file of its own, for tools that know of no partitions.
    ///
    /// # Panics
    /// Where it cannot be copied.
    #[must_use]
    pub fn partition(&self) -> PathBuf {
        let path = self.folder.path().join("partition");
        let copy = || -> io::Result<()> {
            let mut image = File::open(&self.image)?;
            image.seek(SeekFrom::Start(PARTITION_START_BYTES))?;
            let mut partition = File::create(&path)?;
            io::copy(&mut image, &mut partition)?;
            partition.flush()
        };
        copy().expect("a copy of the partition");
        path
    }

    fn mtools_volume(&self) -> String {
        format!("{}@@{PARTITION_START_BYTES}", self.image.display())
    }
}

/// A SquashFS, mounted by the kernel until this is dropped.
#[derive(Debug)]
pub struct Mounted(TempDir);

impl Mounted {
    /// Mounts it.
    ///
    /// # Panics
    /// Where the kernel refuses it.
    #[must_use]
    pub fn squashfs(image: &Path) -> Self {
        Self::try_squashfs(image).expect("an image that the kernel mounts")
    }

    /// Mounts it.
    ///
    /// # Errors
    /// Where the kernel refuses it, with what `mount` said.
    pub fn try_squashfs(image: &Path) -> io::Result<Self> {
        let folder = TempDir::new()?;
        let output = Command::new("mount")
            .args(["-t", "squashfs", "-o", "loop,ro"])
            .args([image, folder.path()])
            .output()?;
        if !output.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr)));
        }
        Ok(Self(folder))
    }

    /// Where it is mounted.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A test that fails is dropping this already: no second panic.
        if let Err(error) = Command::new("umount").arg(self.path()).status() {
            eprintln!("cannot unmount {}: {error}", self.path().display());
        }
    }
}

/// The program: what `LIVESTICK_BIN` says, or what cargo put beside the tests.
#[must_use]
pub fn program() -> PathBuf {
    env::var_os("LIVESTICK_BIN").map_or_else(|| build_folder().join("livestick"), PathBuf::from)
}

/// Where cargo builds, such as `target/debug`: there is space, and `/tmp` may be memory.
///
/// # Panics
/// Where the test does not know where it is.
#[must_use]
pub fn build_folder() -> PathBuf {
    let test = env::current_exe().expect("the test's own path");
    test.ancestors().nth(2).expect("target/debug").to_owned()
}

fn finish(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!("cannot start {}: {error}", command.get_program().display())
    });
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
