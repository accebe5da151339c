//! Whether a stick is what it should be, to the last byte.

use super::against;
use crate::failure::{Exit, Failure};
use crate::progress::{Display, StageTime};
use crate::settings::Verify;
use anyhow::Context;
use livestick_blockio::{Extent, Progress, ReadAt};
use livestick_bootloader::syslinux;
use livestick_image::{OpenedImage, VerifyError};
use livestick_squashfs::CheckOptions;
use livestick_volume::{Finding, ReadError, Severity};
use serde::Serialize;
use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What was found.
#[derive(Debug, Serialize)]
pub struct Verified {
    /// The image or the stick.
    pub image: PathBuf,
    /// Whether everything that livestick put there is as it was.
    pub good: bool,
    /// The system on it.
    pub title: Option<String>,
    /// The stick's identity.
    pub identity: Option<String>,
    /// What is wrong; the first of it.
    pub findings: Vec<Found>,
    /// How many files were held against their digests.
    pub files: u64,
    /// Their lengths together.
    pub bytes: u64,
    /// How many files are in the root.
    pub root_files: u64,
    /// Files that the owner added.
    pub added: Vec<String>,
    /// The comparison with the source.
    pub against: Option<Against>,
    /// How long each stage took.
    pub stages: Vec<StageTime>,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub struct Found {
    /// Whether something is damaged, and not only odd.
    pub damaged: bool,
    /// The part of the stick, or the file.
    pub part: String,
    /// What is wrong.
    pub problem: String,
}

/// What came of the comparison with the source.
#[derive(Debug, Serialize)]
pub struct Against {
    /// The source.
    pub source: PathBuf,
    /// How many files are the same.
    pub same: u64,
    /// How many are not.
    pub differences: u64,
}

/// The longest `ldlinux.sys` there is has some 70 KB.
const LDLINUX_LIMIT_BYTES: usize = 1 << 20;

/// Verifies.
pub fn verify(settings: &Verify, display: &Display) -> Result<Verified, Failure> {
    let path = &settings.image;
    let (file, device_bytes) = open(path)?;
    display.start("volume", None);
    let mut verified = Verified::empty(path);
    let opened = match OpenedImage::open(&file) {
        Ok(opened) => opened,
        // Without these two nothing can be found; that is damage, and not a failure of ours.
        Err(ReadError::Damaged { part, problem }) => {
            match is_blank(&file) {
                true => verified.add("volume", format!("there is none: {BLANK}")),
                false => verified.add(part, problem.to_owned()),
            }
            verified.stages = display.finish();
            return Ok(verified.judged());
        }
        Err(error) => return Err(unreadable(path, error)),
    };
    let found = livestick_image::verify(&opened, device_bytes, display);
    let found = found.map_err(|error| match error {
        VerifyError::Interrupted => Failure::message(Exit::Interrupted, "interrupted"),
        error => unreadable(path, error),
    })?;
    verified.findings = found.findings.iter().map(Found::new).collect();
    (verified.files, verified.bytes) = (found.files, found.bytes);
    verified.added = found.added;
    check_syslinux(&opened, &mut verified);
    check_root(&opened, &mut verified, display)?;
    if let Some(manifest) = &found.manifest {
        verified.title = Some(manifest.title.clone());
        verified.identity = Some(manifest.identity.to_string());
        if let Some(source) = settings.against.as_deref().filter(|_| verified.is_good()) {
            let root = opened.root();
            let compared = against::compare(root, source, manifest, display)?;
            let differences = compared.found.into_iter();
            verified
                .findings
                .extend(differences.map(|(path, how)| Found {
                    damaged: true,
                    part: path,
                    problem: how,
                }));
            verified.against = Some(Against {
                source: source.to_owned(),
                same: compared.same,
                differences: compared.count,
            });
        }
    }
    verified.stages = display.finish();
    Ok(verified.judged())
}

/// Opens an image or a device, whose length the metadata do not tell.
pub fn open(path: &Path) -> Result<(File, u64), Failure> {
    let refused = |error: anyhow::Error| Failure::new(Exit::Refused, error);
    let mut file = File::open(path)
        .with_context(|| format!("cannot open {}", path.display()))
        .map_err(refused)?;
    // What was written a moment ago would be read from memory. A file and a guest may not do that.
    let _ = livestick_sys::drop_buffers(&file);
    let length = file
        .seek(SeekFrom::End(0))
        .with_context(|| format!("{} cannot be read at any place", path.display()))
        .map_err(refused)?;
    Ok((file, length))
}

/// What a device that is being written looks like until all of it was read back.
pub const BLANK: &str = "it is empty, or its writing was cut off";

/// Whether the first sector is all zeros.
pub fn is_blank(file: &File) -> bool {
    let mut sector = [0; 512];
    let read = file.read_exact_at(&mut sector, 0);
    read.is_ok() && sector == [0; 512]
}

/// A medium that cannot be read.
pub fn unreadable(path: &Path, error: impl Into<anyhow::Error>) -> Failure {
    let error = error
        .into()
        .context(format!("cannot read {}", path.display()));
    Failure::new(Exit::Failed, error)
}

/// The list of its own sectors that SYSLINUX goes by, and by which it is found.
fn check_syslinux(opened: &OpenedImage<&File>, verified: &mut Verified) {
    let path = syslinux::LDLINUX_SYS;
    let boot = opened.volume().boot();
    let Some(entry) = opened.scan().file(path) else {
        return; // Not every stick boots on a BIOS; where it should be there, its digest says so.
    };
    let Ok(Some(found)) = opened.read(path, LDLINUX_LIMIT_BYTES) else {
        return;
    };
    let start = u64::from(boot.parameters.start_lba);
    let extents = entry.extents.iter().map(|extent| Extent {
        start_lba: extent.start_lba.saturating_sub(start),
        ..*extent
    });
    let extents: Vec<_> = extents.collect();
    let (mut file, mut sector) = (found.clone(), boot.boot_sector);
    let patched = syslinux::patch(&mut file, &mut sector, &extents, syslinux::DIRECTORY);
    if let Err(error) = patched {
        verified.add(path, error.to_string());
    } else if file != found || sector != boot.boot_sector {
        verified.add(
            path,
            "it does not lie where SYSLINUX looks for it".to_owned(),
        );
    }
}

fn check_root(
    opened: &OpenedImage<&File>,
    verified: &mut Verified,
    display: &Display,
) -> Result<(), Failure> {
    let root = opened.root();
    if root.length_bytes() == 0 {
        return Ok(()); // It is missing, and named so.
    }
    let checked = livestick_squashfs::check(&root, &CheckOptions::default(), display);
    if display.interrupted() {
        return Err(Failure::message(Exit::Interrupted, "interrupted"));
    }
    let report = checked.context("cannot check the root image")?;
    verified.root_files = report.counts.total();
    for finding in &report.findings {
        verified.findings.push(Found {
            damaged: finding.severity > livestick_squashfs::Severity::Odd,
            part: livestick_handoff::paths::ROOT_IMAGE.to_owned(),
            problem: finding.to_string(),
        });
    }
    Ok(())
}

impl Verified {
    fn empty(path: &Path) -> Self {
        Self {
            image: path.to_owned(),
            good: false,
            title: None,
            identity: None,
            findings: Vec::new(),
            files: 0,
            bytes: 0,
            root_files: 0,
            added: Vec::new(),
            against: None,
            stages: Vec::new(),
        }
    }

    fn add(&mut self, part: &str, problem: String) {
        self.findings.push(Found {
            damaged: true,
            part: part.to_owned(),
            problem,
        });
    }

    fn is_good(&self) -> bool {
        !self.findings.iter().any(|finding| finding.damaged)
    }

    fn judged(mut self) -> Self {
        self.good = self.is_good();
        self
    }

    /// The failure that the damage is, if there is any.
    pub fn verdict(&self) -> Result<(), Failure> {
        if self.good {
            return Ok(());
        }
        let image = self.image.display();
        let differs = self
            .against
            .as_ref()
            .is_some_and(|against| against.differences > 0);
        let failure = match differs {
            true => Failure::message(
                Exit::Unverified,
                format!("{image} is not what the source is"),
            )
            .hint("build it anew, unless the source has changed since"),
            false => Failure::message(Exit::Unverified, format!("{image} is damaged"))
                .hint("write it again; a stick that is damaged twice is broken"),
        };
        Err(failure)
    }
}

impl Found {
    fn new(finding: &Finding) -> Self {
        Self {
            damaged: finding.severity == Severity::Damaged,
            part: finding.part.clone(),
            problem: finding.problem.clone(),
        }
    }
}
