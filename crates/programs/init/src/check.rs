//! `check-stick`: is every file on the stick what it was when the stick was written?

use crate::failure::chain;
use crate::medium::read_limited;
use crate::meter::Meter;
use crate::pieces;
use crate::report::Report;
use livestick_handoff::{Checksum, Manifest, paths};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::path::Path;

/// What came of it.
#[derive(Debug)]
pub struct Verdict {
    /// How many files were compared.
    files: usize,
    /// What is wrong, a line for each file.
    damaged: Vec<String>,
}

/// Reads every file that `SHA256SUMS` lists, and the root image in any case, from a stick that is
/// mounted at `folder`.
pub fn check(folder: &Path, report: &Report) -> Verdict {
    let mut damaged = Vec::new();
    let mut wanted = checksums(folder).unwrap_or_else(|reason| {
        damaged.push(format!("{}: {reason}", paths::CHECKSUMS));
        Vec::new()
    });
    if !wanted.iter().any(|sum| sum.path == paths::ROOT_IMAGE) {
        wanted.extend(image_sum(folder));
    }
    let files: Vec<_> = wanted
        .iter()
        .map(|sum| (sum, File::open(folder.join(&sum.path))))
        .collect();
    let opened = files.iter().filter_map(|(_, file)| file.as_ref().ok());
    let lengths = opened.filter_map(|file| file.metadata().ok());
    let total_bytes = lengths.map(|metadata| metadata.len()).sum();
    let mut meter = Meter::start("Checking the stick", total_bytes, report.ports());
    for (sum, file) in &files {
        let compared = match file {
            Ok(file) => compare(file, sum, &mut meter),
            Err(error) => Err(format!("cannot be opened: {error}")),
        };
        if let Err(reason) = compared {
            damaged.push(format!("{}: {reason}", sum.path));
        }
    }
    report.step(&format!("read for the check: {}", meter.finish()));
    Verdict {
        files: files.len(),
        damaged,
    }
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.damaged.is_empty()
    }

    /// For a person, a line each.
    pub fn lines(&self) -> Vec<String> {
        if self.is_good() {
            let (files, list) = (self.files, paths::CHECKSUMS);
            return vec![format!("good: all {files} files are what {list} says")];
        }
        let damaged = self.damaged.iter();
        damaged.map(|line| format!("damaged: {line}")).collect()
    }

    /// The first of what is wrong, and how much more there is.
    pub fn summary(&self) -> String {
        let mut lines = self.damaged.iter();
        let first = lines.next().cloned().unwrap_or_default();
        match lines.count() {
            0 => first,
            more => format!("{first}, and {more} more"),
        }
    }
}

fn checksums(folder: &Path) -> Result<Vec<Checksum>, String> {
    let bytes = read_limited(&folder.join(paths::CHECKSUMS), Checksum::LIMIT_BYTES);
    let bytes = bytes.map_err(|error| format!("cannot be read: {error}"))?;
    Checksum::parse_all(&bytes).map_err(|error| chain(&error))
}

/// The manifest knows the digest of the root image, too.
fn image_sum(folder: &Path) -> Option<Checksum> {
    let bytes = read_limited(&folder.join(paths::MANIFEST), Manifest::LIMIT_BYTES).ok()?;
    let manifest = Manifest::parse(&bytes).ok()?;
    // It knows that of all segments together, not each one's.
    let is_one_file = manifest.segments.count() == 1;
    is_one_file.then(|| Checksum {
        path: paths::ROOT_IMAGE.to_owned(),
        sha256: manifest.image_sha256,
    })
}

fn compare(file: &File, sum: &Checksum, meter: &mut Meter) -> Result<(), String> {
    let mut digest = Sha256::new();
    let read = pieces::read_all(file, |piece| {
        digest.update(piece);
        meter.advance(piece.len());
        Ok::<(), io::Error>(())
    });
    read.map_err(|error| format!("cannot be read: {error}"))?;
    if digest.finalize().as_slice() != sum.sha256 {
        return Err("is not what was written".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;
    use std::fs;
    use tempfile::TempDir;

    const FILES: [(&str, &str); 3] = [
        ("live/vmlinuz", "kernel"),
        (paths::ROOT_IMAGE, "hsqs"),
        ("README.txt", "read me"),
    ];

    fn stick() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("live")).unwrap();
        let mut sums = String::new();
        for (path, text) in FILES {
            fs::write(folder.path().join(path), text).unwrap();
            for byte in Sha256::digest(text) {
                write!(sums, "{byte:02x}").unwrap();
            }
            writeln!(sums, "  {path}").unwrap();
        }
        fs::write(folder.path().join(paths::CHECKSUMS), sums).unwrap();
        folder
    }

    fn verdict(stick: &TempDir) -> Verdict {
        check(stick.path(), &Report::silent())
    }

    #[test]
    fn a_good_stick_is_good() {
        let expected = ["good: all 3 files are what SHA256SUMS says"];
        assert_eq!(verdict(&stick()).lines(), expected);
    }

    #[test]
    fn what_is_damaged_is_named() {
        let stick = stick();
        fs::write(stick.path().join(paths::ROOT_IMAGE), "hsqz").unwrap();
        fs::remove_file(stick.path().join("README.txt")).unwrap();
        let verdict = verdict(&stick);
        let expected = "live/filesystem.squashfs: is not what was written, and 1 more";
        assert_eq!(verdict.summary(), expected);
        let lines = verdict.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(
            lines[0],
            "damaged: live/filesystem.squashfs: is not what was written"
        );
        assert!(lines[1].starts_with("damaged: README.txt: cannot be opened"));
    }

    #[test]
    fn without_its_list_the_image_is_checked_all_the_same() {
        let stick = stick();
        let manifest = Manifest {
            identity: livestick_handoff::Identity([1; 16]),
            segments: livestick_handoff::Segments::new(4, 1 << 20).unwrap(),
            image_sha256: Sha256::digest("other").into(),
            boot_sha256: None,
            ram: livestick_handoff::RamBudget::new(livestick_handoff::Workload::Console, 4),
            stores: vec![],
            kernel_release: String::new(),
            title: String::new(),
            tool: String::new(),
            options: vec![],
            origins: vec![],
        };
        fs::write(stick.path().join(paths::MANIFEST), manifest.to_string()).unwrap();
        fs::write(stick.path().join(paths::CHECKSUMS), "\u{1}").unwrap();
        let lines = verdict(&stick).lines();
        assert!(lines[0].starts_with("damaged: SHA256SUMS: "), "{lines:?}");
        assert!(lines[1].starts_with("damaged: live/filesystem.squashfs: "));
    }
}
