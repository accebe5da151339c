//! Which byte of the stick holds what.

use crate::checksums::Checksums;
use crate::{PlanError, Size};
use livestick_blockio::Extent;
use livestick_handoff::{Identity, Manifest, RamBudget, Seal, Segments, Workload, paths};
use livestick_volume::{Length, Place, Plan, PlannedFile};
use std::ops::Range;

/// A file of the stick: a loader, a menu, the kernel, the README.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StickFile {
    /// Its path on the stick, without a leading slash.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// The initramfs, which becomes [`paths::INITRD`].
#[derive(Clone, Debug)]
pub struct Initrd {
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Where its seal lies: [`Seal::LENGTH_BYTES`] bytes that are replaced when the root image is
    /// known.
    pub seal_offset: usize,
}

/// What seal and manifest say besides what the image itself says.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The kernel's release.
    pub kernel_release: String,
    /// The name of the system on the stick.
    pub title: String,
    /// Folders of the root, relative to it, that get a tmpfs of their own.
    pub stores: Vec<String>,
    /// What the system needs RAM for.
    pub workload: Workload,
    /// The program that makes the stick, with its version.
    pub tool: String,
    /// What was chosen.
    pub options: Vec<(String, String)>,
    /// Where each loader file came from.
    pub origins: Vec<(String, String)>,
}

/// Everything on the stick but the root image.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The files, in the order in which they shall lie on the stick. Initramfs, manifest,
    /// `SHA256SUMS` and the root image are not among them.
    pub files: Vec<StickFile>,
    /// The initramfs.
    pub initrd: Initrd,
    /// What seal and manifest say.
    pub facts: Facts,
}

/// A place for every file. Nothing is read or written to make it; [`Layout::write`] writes it.
#[derive(Clone, Debug)]
pub struct Layout {
    pub(crate) contents: Contents,
    pub(crate) plan: Plan,
    /// Those of the longest root image that there is a place for.
    pub(crate) longest: Segments,
}

impl Layout {
    /// Gives the files their places in the order given, then initramfs, manifest and `SHA256SUMS`,
    /// and the root image what remains. `longest` are the segments of a root image of the greatest
    /// length that it may get: as many have a place, and those that it turns out not to need take
    /// neither space nor name.
    ///
    /// # Errors
    /// Where FAT cannot hold a file, the size does not suffice, or seal or manifest would be too
    /// long.
    pub fn plan(contents: Contents, size: Size, longest: Segments) -> Result<Self, PlanError> {
        let Initrd { bytes, seal_offset } = &contents.initrd;
        if seal_range(*seal_offset).is_none_or(|seal| seal.end > bytes.len()) {
            return Err(PlanError::SealOutside {
                length_bytes: bytes.len(),
                offset_bytes: *seal_offset,
            });
        }
        let root = Root {
            segments: longest,
            sha256: [0; 32],
            segments_sha256: Vec::new(),
            superblock_sha256: [0; 32],
        };
        let seal = contents.facts.seal(Identity([0; 16]), &root);
        seal.to_bytes()
            .map_err(|source| PlanError::Seal { source })?;
        let manifest = contents.facts.manifest(Identity([0; 16]), &root);
        let length_bytes = manifest.to_string().len();
        if length_bytes > Manifest::LIMIT_BYTES {
            return Err(PlanError::ManifestTooLong { length_bytes });
        }
        let files = planned_files(&contents, length_bytes, longest);
        let plan = Plan::new(&files, size).map_err(|source| PlanError::Volume { source })?;
        Ok(Self {
            contents,
            plan,
            longest,
        })
    }

    /// The sectors of a file, counted from the start of the volume: what SYSLINUX must be told of
    /// `ldlinux.sys`. `None` where there is no such file.
    #[must_use]
    pub fn extent(&self, path: &str) -> Option<Extent> {
        self.plan.extent(path)
    }

    /// The bytes of one of [`Contents::files`], to patch what depends on its place. `None` where
    /// there is no such file.
    pub fn file_mut(&mut self, path: &str) -> Option<&mut [u8]> {
        let mut files = self.contents.files.iter_mut();
        let file = files.find(|file| file.path == path)?;
        Some(&mut file.bytes)
    }

    /// How long the root image may be: what all segments hold, or what a fixed size leaves.
    #[must_use]
    pub fn root_limit_bytes(&self) -> u64 {
        self.root_place().limit_bytes
    }

    /// Where the root image lies. A segment is a whole number of the largest clusters, so each begins
    /// where the one before it ends, and all are one run.
    pub(crate) fn root_place(&self) -> Place {
        let segments = self.longest.iter();
        let places = segments.filter_map(|segment| self.plan.place(&segment.path));
        let first = self.plan.place(paths::ROOT_IMAGE);
        Place {
            offset_bytes: first.map_or(0, |place| place.offset_bytes),
            limit_bytes: places.map(|place| place.limit_bytes).sum(),
        }
    }

    /// What the image takes at least, before its root: the space that must be free to begin.
    #[must_use]
    pub fn least_bytes(&self) -> u64 {
        let files = self.contents.files.iter().map(|file| file.bytes.len());
        let bytes: usize = files.sum::<usize>() + self.contents.initrd.bytes.len();
        bytes as u64
    }
}

/// What is known of the root image once it is written.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    pub(crate) segments: Segments,
    pub(crate) sha256: [u8; 32],
    /// Each segment's.
    pub(crate) segments_sha256: Vec<[u8; 32]>,
    pub(crate) superblock_sha256: [u8; 32],
}

impl Facts {
    pub(crate) fn seal(&self, identity: Identity, root: &Root) -> Seal {
        Seal {
            identity,
            segments: root.segments,
            superblock_sha256: root.superblock_sha256,
            kernel_release: self.kernel_release.clone(),
        }
    }

    pub(crate) fn manifest(&self, identity: Identity, root: &Root) -> Manifest {
        Manifest {
            identity,
            segments: root.segments,
            image_sha256: root.sha256,
            // As long as the true one, which is known when all is.
            boot_sha256: Some([0; 32]),
            ram: RamBudget::new(self.workload, root.segments.image_bytes()),
            stores: self.stores.clone(),
            kernel_release: self.kernel_release.clone(),
            title: self.title.clone(),
            tool: self.tool.clone(),
            options: self.options.clone(),
            origins: self.origins.clone(),
        }
    }
}

/// Where the seal lies in the initramfs.
pub(crate) fn seal_range(offset: usize) -> Option<Range<usize>> {
    Some(offset..offset.checked_add(Seal::LENGTH_BYTES)?)
}

fn planned_files(
    contents: &Contents,
    manifest_limit_bytes: usize,
    longest: Segments,
) -> Vec<PlannedFile> {
    let exact = |path: &str, length: usize| (path.to_owned(), Length::Exact(length as u64));
    let at_most = |path: &str, length: usize| (path.to_owned(), Length::AtMost(length as u64));
    let files = &contents.files;
    let mut planned: Vec<_> = files
        .iter()
        .map(|file| exact(&file.path, file.bytes.len()))
        .collect();
    planned.push(exact(paths::INITRD, contents.initrd.bytes.len()));
    planned.push(at_most(paths::MANIFEST, manifest_limit_bytes));
    let segments: Vec<_> = longest.iter().map(|segment| segment.path).collect();
    let summed = planned.iter().map(|(path, _)| path);
    let summed = Checksums::length_bytes(summed.chain(&segments));
    planned.push(at_most(paths::CHECKSUMS, summed));
    let segment_bytes = longest.segment_bytes();
    planned.extend(segments.into_iter().map(|path| match &*path {
        paths::ROOT_IMAGE => (path, Length::AtMost(segment_bytes)),
        _ => (path, Length::Maybe(segment_bytes)),
    }));
    let planned = planned.into_iter();
    planned
        .map(|(path, length)| PlannedFile { path, length })
        .collect()
}
