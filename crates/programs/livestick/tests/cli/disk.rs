//! Loop devices, and the program run on them.

use crate::support::{debian, is_root, livestick, root_with_kernel};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub const MIB: u64 = 1 << 20;

/// A file of so many bytes as a disk, until this is dropped.
pub struct Loop {
    pub file: PathBuf,
    pub device: String,
    /// The device had other files before.
    written_before: u64,
}

impl Loop {
    /// `None`, said visibly, where this machine lets nobody make one.
    pub fn new(folder: &Path, name: &str, length: u64) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let file = folder.join(name);
        File::create(&file).unwrap().set_len(length).unwrap();
        Self::attach(file, &[])
    }

    pub fn attach(file: PathBuf, options: &[&str]) -> Option<Self> {
        let mut command = Command::new("losetup");
        command.args(["--find", "--show"]).args(options).arg(&file);
        let output = command
            .output()
            .ok()
            .filter(|output| output.status.success());
        let Some(output) = output else {
            assert!(std::env::var_os("CI").is_none(), "no loop device");
            eprintln!("skipped: no loop device");
            return None;
        };
        let device = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let mut disk = Self {
            file,
            device,
            written_before: 0,
        };
        disk.written_before = disk.figures()[1];
        Some(disk)
    }

    /// Whether anything was written since it was made.
    pub fn was_written(&self) -> bool {
        self.figures()[1] > self.written_before
    }

    /// `fsck.fat` minds nothing of its volume; skipped where that is missing.
    pub fn check_volume(&self) {
        let volume = Self::attach(self.file.clone(), &["--offset", "1048576", "--read-only"]);
        let volume = volume.unwrap();
        let checked = Command::new("fsck.fat")
            .args(["-n", "-v", &volume.device])
            .output();
        let Ok(checked) = checked else {
            assert!(std::env::var_os("CI").is_none(), "no fsck.fat");
            eprintln!("skipped: no fsck.fat");
            return;
        };
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        let is_clean = !["differ", "rong", "Orphan", "not match"]
            .iter()
            .any(|word| said.contains(word));
        assert!(checked.status.success() && is_clean, "{said}");
    }

    pub fn size(&self) -> u64 {
        fs::metadata(&self.file).unwrap().len()
    }

    /// How much was read from it and written to it so far: `Documentation/block/stat.rst`.
    pub fn figures(&self) -> [u64; 2] {
        let name = self.device.trim_start_matches("/dev/");
        let stat = fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
        let figures: Vec<u64> = stat
            .split_whitespace()
            .map(|figure| figure.parse().unwrap())
            .collect();
        [figures[2] * 512, figures[6] * 512]
    }

    pub fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        let mut file = File::open(&self.file).unwrap();
        file.seek(SeekFrom::Start(offset)).unwrap();
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes).unwrap();
        bytes
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup")
            .args(["--detach", &self.device])
            .status();
    }
}

/// Runs the program, without anybody at its standard input.
pub fn run(words: &[&str]) -> Output {
    let mut command = livestick();
    command.args(words).stdin(Stdio::null());
    command.output().unwrap()
}

/// Runs the program at a terminal of its own, where somebody types once they are asked: the exit code,
/// and all that was on the screen. `None`, said visibly, where there is no script(1).
pub fn at_terminal(words: &[&str], typed: &str) -> Option<(Option<i32>, String)> {
    let mut command = vec![env!("CARGO_BIN_EXE_livestick")];
    command.extend(words);
    let mut script = Command::new("script");
    script.args([
        "--quiet",
        "--return",
        "--command",
        &command.join(" "),
        "/dev/null",
    ]);
    let script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut script) = script else {
        assert!(std::env::var_os("CI").is_none(), "no script(1)");
        eprintln!("skipped: no script(1)");
        return None;
    };
    let (mut keyboard, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
    let (mut said, mut piece, mut was_asked) = (Vec::new(), [0; 512], false);
    while let Ok(count) = screen.read(&mut piece) {
        said.extend_from_slice(&piece[..count]);
        if count == 0 {
            break;
        }
        if !was_asked && String::from_utf8_lossy(&said).contains("Type its name") {
            was_asked = true;
            keyboard.write_all(typed.as_bytes()).unwrap();
        }
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(was_asked, "nobody was asked: {said}");
    Some((script.wait().unwrap().code(), said))
}

/// [`run`], where it must succeed.
pub fn succeeds(words: &[&str]) -> Output {
    let output = run(words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {said}");
    output
}

/// The document that it printed.
pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// `livestick write`, of a disk that was named as one to write.
pub fn write(image: &str, devices: &[&Loop], more: &[&str]) -> Output {
    let mut words = vec!["write", "--yes", image];
    for one in devices {
        words.extend([&one.device[..], "--allow-fixed", &one.device]);
    }
    words.extend(more);
    run(&words)
}

/// A stick's image of a root with little more than a kernel.
pub fn image(folder: &Path) -> Option<(tempfile::TempDir, PathBuf)> {
    let root = root_with_kernel(&debian()?);
    let image = folder.join("stick.img");
    let built = crate::support::build(root.path(), &image, &[]);
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    Some((root, image))
}
