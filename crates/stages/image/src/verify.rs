//! Whether everything on a stick is what its manifest says.

use crate::opened::OpenedImage;
use livestick_blockio::{Progress, ReadAt};
use livestick_handoff::{Checksum, Manifest, Seal, paths};
use livestick_volume::{Entry, Finding, ReadError, Severity};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// What was found on a stick.
#[derive(Debug)]
pub struct Verification {
    /// What it says of itself, where that can be read.
    pub manifest: Option<Manifest>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How many files were held against their digests.
    pub files: u64,
    /// Their lengths together.
    pub bytes: u64,
    /// Files that its owner added. They are nobody's business.
    pub added: Vec<String>,
}

/// Without these it cannot boot.
const NEEDED: [&str; 4] = [
    paths::KERNEL,
    paths::INITRD,
    paths::ROOT_IMAGE,
    paths::MANIFEST,
];
const PIECE_BYTES: usize = 1 << 20;
/// The seal is the first file of the initramfs.
const SEAL_LIMIT_BYTES: usize = 4096;

/// Holds a stick, on a device or in a file of so many bytes, against its own manifest and digests:
/// partition table, boot code, FATs, directories, and every byte of every file that was put there.
///
/// # Errors
/// Where the medium cannot be read, or the work was interrupted; damage is no error.
pub fn verify<R: ReadAt>(
    opened: &OpenedImage<R>,
    device_bytes: u64,
    progress: &dyn Progress,
) -> Result<Verification, VerifyError> {
    let (volume, scan) = (opened.volume(), opened.scan());
    let mut findings = scan.findings.clone();
    let checked = livestick_volume::check(volume, scan, device_bytes);
    findings.extend(checked.map_err(|source| VerifyError::Volume { source })?);
    let mut pass = Pass {
        opened,
        progress,
        findings,
        files: 0,
        bytes: 0,
    };
    let manifest = pass.manifest()?;
    if let Some(manifest) = &manifest {
        pass.check_boot_code(manifest);
        pass.check_seal(manifest)?;
    }
    let sums = pass.checksums()?;
    pass.check_files(&sums, manifest.as_ref())?;
    let added = opened.files().map(|entry| entry.path.clone());
    let added = added.filter(|path| path != paths::CHECKSUMS && !sums.contains_key(path));
    Ok(Verification {
        added: added.collect(),
        manifest,
        findings: pass.findings,
        files: pass.files,
        bytes: pass.bytes,
    })
}

/// Why nothing can be said of a stick.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Its volume cannot be read.
    #[error("the volume cannot be read")]
    Volume {
        /// Why.
        #[source]
        source: ReadError,
    },
    /// The work was told to stop.
    #[error("interrupted")]
    Interrupted,
}

struct Pass<'a, R> {
    opened: &'a OpenedImage<R>,
    progress: &'a dyn Progress,
    findings: Vec<Finding>,
    files: u64,
    bytes: u64,
}

type Sums = BTreeMap<String, [u8; 32]>;

impl<R: ReadAt> Pass<'_, R> {
    fn manifest(&mut self) -> Result<Option<Manifest>, VerifyError> {
        let Some(bytes) = self.read(paths::MANIFEST, Manifest::LIMIT_BYTES) else {
            return Ok(None);
        };
        match Manifest::parse(&bytes) {
            Ok(manifest) => Ok(Some(manifest)),
            Err(error) => {
                self.damaged(paths::MANIFEST, format!("it cannot be understood: {error}"));
                Ok(None)
            }
        }
    }

    fn check_boot_code(&mut self, manifest: &Manifest) {
        let found: [u8; 32] = Sha256::digest(self.opened.volume().boot().boot_bytes()).into();
        // Sticks of before have no such digest.
        if manifest
            .boot_sha256
            .is_some_and(|expected| expected != found)
        {
            self.damaged(
                "boot code",
                "partition table or boot sector have another one",
            );
        }
    }

    fn check_seal(&mut self, manifest: &Manifest) -> Result<(), VerifyError> {
        let Some(file) = self.opened.file(paths::INITRD) else {
            return Ok(()); // Named with the files.
        };
        let length = usize::try_from(file.length_bytes()).unwrap_or(SEAL_LIMIT_BYTES);
        let mut start = vec![0; length.min(SEAL_LIMIT_BYTES)];
        if file.read_exact_at(&mut start, 0).is_err() {
            return Ok(()); // Named with the files, too.
        }
        let seal = start
            .windows(Seal::LENGTH_BYTES)
            .find_map(|bytes| Seal::parse(bytes).ok());
        match seal {
            Some(seal) if seal.identity == manifest.identity => {}
            Some(_) => self.damaged(paths::INITRD, "it belongs to another stick"),
            None => self.damaged(paths::INITRD, "its seal is missing"),
        }
        Ok(())
    }

    fn checksums(&mut self) -> Result<Sums, VerifyError> {
        let Some(bytes) = self.read(paths::CHECKSUMS, Checksum::LIMIT_BYTES) else {
            return Ok(Sums::new());
        };
        let mut sums = Sums::new();
        for line in String::from_utf8_lossy(&bytes).lines() {
            match Checksum::parse(line) {
                Ok(sum) => drop(sums.insert(sum.path, sum.sha256)),
                Err(_) => {
                    self.damaged(paths::CHECKSUMS, format!("`{line}` is no digest of a file"));
                }
            }
        }
        Ok(sums)
    }

    /// Every byte of every file that has a digest.
    fn check_files(&mut self, sums: &Sums, manifest: Option<&Manifest>) -> Result<(), VerifyError> {
        for path in NEEDED.into_iter().filter(|path| !sums.contains_key(*path)) {
            self.damaged(path, "it has no digest");
        }
        let root: BTreeSet<_> = self.opened.root_paths().into_iter().collect();
        let there: Vec<_> = sums
            .iter()
            .filter_map(|(path, digest)| match self.opened.scan().file(path) {
                Some(entry) => Some((entry, *digest)),
                None => {
                    self.findings.push(Finding {
                        severity: Severity::Damaged,
                        part: path.clone(),
                        problem: "it is missing".to_owned(),
                    });
                    None
                }
            })
            .collect();
        let total_bytes = there.iter().map(|(entry, _)| entry.length_bytes).sum();
        self.progress.start("digests", Some(total_bytes));
        let mut whole = Sha256::new();
        // The names of the root's files are in the order in which they make it.
        for (entry, digest) in there {
            let whole = root.contains(&entry.path).then_some(&mut whole);
            self.check_file(entry, digest, whole)?;
        }
        let Some(manifest) = manifest else {
            return Ok(());
        };
        let found: [u8; 32] = whole.finalize().into();
        if self.opened.root().length_bytes() != manifest.segments.image_bytes() {
            self.damaged(
                paths::ROOT_IMAGE,
                "it has another length than the manifest says",
            );
        } else if found != manifest.image_sha256 {
            self.damaged(
                paths::ROOT_IMAGE,
                "it is not the one that the manifest names",
            );
        }
        Ok(())
    }

    fn check_file(
        &mut self,
        entry: &Entry,
        digest: [u8; 32],
        mut whole: Option<&mut Sha256>,
    ) -> Result<(), VerifyError> {
        let file = self.opened.volume().file(entry);
        let mut found = Sha256::new();
        let mut buffer = vec![0; PIECE_BYTES];
        let mut offset = 0;
        while offset < entry.length_bytes {
            if self.progress.interrupted() {
                return Err(VerifyError::Interrupted);
            }
            let rest = usize::try_from(entry.length_bytes - offset).unwrap_or(PIECE_BYTES);
            let piece = &mut buffer[..rest.min(PIECE_BYTES)];
            if let Err(error) = file.read_exact_at(piece, offset) {
                self.damaged(&entry.path, unreadable(&error, offset));
                return Ok(());
            }
            found.update(&*piece);
            if let Some(whole) = &mut whole {
                whole.update(&*piece);
            }
            offset += piece.len() as u64;
            self.progress.advance(piece.len() as u64);
        }
        self.files += 1;
        self.bytes += entry.length_bytes;
        let found: [u8; 32] = found.finalize().into();
        if found != digest {
            self.damaged(&entry.path, "its content is damaged");
        }
        Ok(())
    }

    /// A short file; `None`, with a finding, where it is missing or cannot be read.
    fn read(&mut self, path: &str, limit_bytes: usize) -> Option<Vec<u8>> {
        match self.opened.read(path, limit_bytes) {
            Ok(Some(bytes)) => Some(bytes),
            Ok(None) => {
                self.damaged(path, "it is missing");
                None
            }
            Err(error) => {
                self.damaged(path, unreadable(&error, 0));
                None
            }
        }
    }

    fn damaged(&mut self, part: &str, problem: impl Into<String>) {
        self.findings.push(Finding {
            severity: Severity::Damaged,
            part: part.to_owned(),
            problem: problem.into(),
        });
    }
}

fn unreadable(error: &io::Error, offset: u64) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "its clusters end before it does".to_owned(),
        io::ErrorKind::FileTooLarge => "it is longer than it can be".to_owned(),
        _ => format!("it cannot be read from byte {offset} on: {error}"),
    }
}
