//! The one pass over the image.

use crate::checksums::Checksums;
use crate::destination::{Destination, Unpublished};
use crate::eager_file::EagerFile;
use crate::identity::Numbers;
use crate::layout::{Root, seal_range};
use crate::{BootCode, BoxError, Identities, Label, Layout, Timestamp, WriteError};
use livestick_blockio::{Extent, Progress, SECTOR_BYTES, Slice, WriteAt};
use livestick_handoff::{Identity, Manifest, Segments, paths};
use livestick_volume::{FinalLength, Finished, Options, Place};
use sha2::{Digest, Sha256};
use std::error::Error;
use std::io;

/// What does not move a file.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The volume's label.
    pub label: Label,
    /// The time of every file on the stick.
    pub timestamp: Timestamp,
    /// Where the stick's numbers come from.
    pub identities: Identities,
    /// What a BIOS runs, patched already.
    pub boot_code: Option<BootCode>,
}

/// What the caller's closure wrote.
#[derive(Clone, Copy, Debug)]
pub struct RootImage {
    /// The length of the image, padding included: that of its files on the stick together.
    pub length_bytes: u64,
    /// Its first bytes.
    pub superblock: [u8; 96],
}

/// The finished image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// The length of the image file. What nothing uses takes no space on the disk.
    pub length_bytes: u64,
    /// The bytes that were written into it.
    pub written_bytes: u64,
    /// The root image's length, and the files that make it.
    pub segments: Segments,
    /// SHA-256 of the root image.
    pub root_sha256: [u8; 32],
    /// The stick's identity.
    pub identity: Identity,
}

impl Layout {
    /// Writes the image. `write_root` writes the root image into the place that it is given, and
    /// nowhere else. On any error nothing of the image is left.
    ///
    /// # Errors
    /// Where the disk is full or fails, the root image cannot be made or does not fit, the
    /// output's name was taken meanwhile, or `progress` says that the work should stop.
    pub fn write(
        self,
        destination: impl Into<Destination>,
        settings: &Settings,
        write_root: impl FnOnce(&Slice<EagerFile<'_>>) -> Result<RootImage, BoxError>,
        progress: &dyn Progress,
    ) -> Result<Written, WriteError> {
        let destination = destination.into();
        let mut pass = Pass::new(&self, &destination, progress);
        pass.require_space()?;
        pass.put_files()?;
        let image = pass.put_root(write_root)?;
        let segments = pass.segments(&image)?;
        pass.put_initrd()?;
        pass.take_places(segments, settings)?;
        let root = pass.read_back(&image, segments)?;
        let numbers = settings.identities.numbers(root.sha256)?;
        let options = volume_options(settings, numbers);
        let boot = Sha256::digest(livestick_volume::boot_bytes(&options)).into();
        let texts = pass.put_what_follows_the_root(&root, numbers, boot)?;
        let finished = self.finish(&texts, root.segments, &options)?;
        pass.put_volume(&finished)?;
        let written_bytes = pass.written_bytes;
        destination
            .publish(progress)
            .map_err(|unpublished| match unpublished {
                Unpublished::File(source) => WriteError::Output { source },
                Unpublished::Device(source) => WriteError::Device { source },
            })?;
        Ok(Written {
            length_bytes: finished.length_bytes,
            written_bytes,
            segments: root.segments,
            root_sha256: root.sha256,
            identity: numbers.identity,
        })
    }

    /// How long the image gets with a root image of this length; `None` where there is no place for
    /// that.
    #[must_use]
    pub fn length_bytes(&self, root_bytes: u64, settings: &Settings) -> Option<u64> {
        let segments = Segments::new(root_bytes, self.longest.segment_bytes())?;
        let draft = self.draft(segments, settings).ok()?;
        Some(draft.length_bytes)
    }

    /// The volume as far as it is known before the root image's digest is.
    fn draft(&self, segments: Segments, settings: &Settings) -> Result<Finished, WriteError> {
        let numbers = Identities::FromDigest.numbers([0; 32])?;
        let texts = TEXTS.map(|path| FinalLength {
            path,
            length_bytes: self.plan.place(path).map_or(0, |place| place.limit_bytes),
        });
        self.finish(&texts, segments, &volume_options(settings, numbers))
    }

    fn finish(
        &self,
        texts: &[FinalLength<'_>],
        segments: Segments,
        options: &Options,
    ) -> Result<Finished, WriteError> {
        let segments: Vec<_> = segments.iter().collect();
        let segments = segments.iter().map(|segment| FinalLength {
            path: &segment.path,
            length_bytes: segment.length_bytes,
        });
        let lengths: Vec<_> = texts.iter().copied().chain(segments).collect();
        let finished = self.plan.finish(&lengths, options);
        finished.map_err(|source| WriteError::Finish { source })
    }
}

fn volume_options(settings: &Settings, numbers: Numbers) -> Options {
    Options {
        label: settings.label,
        serial: numbers.serial,
        mbr_signature: numbers.mbr_signature,
        timestamp: settings.timestamp,
        boot_code: settings.boot_code.clone(),
    }
}

/// The pass over one image: where it is, and what it leaves behind.
struct Pass<'a> {
    layout: &'a Layout,
    output: &'a Destination,
    progress: &'a dyn Progress,
    checksums: Checksums,
    written_bytes: u64,
}

/// What says of the other files what they are.
const TEXTS: [&str; 2] = [paths::MANIFEST, paths::CHECKSUMS];

/// How much is read back at a time.
const PIECE_BYTES: usize = 1 << 20;

impl<'a> Pass<'a> {
    fn new(layout: &'a Layout, output: &'a Destination, progress: &'a dyn Progress) -> Self {
        Self {
            layout,
            output,
            progress,
            checksums: Checksums::default(),
            written_bytes: 0,
        }
    }

    /// A disk that is too full for the small files is told before any is written.
    fn require_space(&self) -> Result<(), WriteError> {
        let needed_bytes = self.layout.least_bytes();
        match self.output.free_bytes() {
            Some(free_bytes) if free_bytes < needed_bytes => Err(WriteError::NoSpace {
                path: self.output.path().to_owned(),
                free_bytes,
                needed_bytes,
            }),
            _ => Ok(()),
        }
    }

    fn put_files(&mut self) -> Result<(), WriteError> {
        let files = &self.layout.contents.files;
        let total: usize = files.iter().map(|file| file.bytes.len()).sum();
        self.progress.start("loaders", Some(total as u64));
        for file in files {
            self.put(&file.path, &file.bytes)?;
            self.checksums.add(&file.path, &file.bytes);
        }
        Ok(())
    }

    fn put_root(
        &mut self,
        write_root: impl FnOnce(&Slice<EagerFile<'_>>) -> Result<RootImage, BoxError>,
    ) -> Result<RootImage, WriteError> {
        let place = self.root_place();
        let image = write_root(&place).map_err(|error| self.root_failed(error, place.length()))?;
        self.written_bytes += image.length_bytes;
        Ok(image)
    }

    fn segments(&self, image: &RootImage) -> Result<Segments, WriteError> {
        let segment_bytes = self.layout.longest.segment_bytes();
        let segments = Segments::new(image.length_bytes, segment_bytes);
        segments.ok_or(WriteError::RootTooLong {
            limit_bytes: self.root_place().length(),
        })
    }

    /// All but the seal, which is not known yet.
    fn put_initrd(&mut self) -> Result<(), WriteError> {
        self.progress.start("initramfs", None);
        let layout = self.layout;
        self.put(paths::INITRD, &layout.contents.initrd.bytes)
    }

    /// Writes to every place that anything will be written to after the root image was read back: on
    /// a device that is smaller than it says, that could damage the image, and so it does it before.
    fn take_places(&mut self, segments: Segments, settings: &Settings) -> Result<(), WriteError> {
        if !self.output.has_a_past() {
            return Ok(());
        }
        let draft = self.layout.draft(segments, settings)?;
        let texts = TEXTS.iter().filter_map(|path| self.layout.plan.place(path));
        let writes = draft.writes.iter();
        let writes = writes.map(|write| (write.offset_bytes, write.bytes.len() as u64));
        let places = texts.map(|place| (place.offset_bytes, place.limit_bytes));
        let places = places.chain(writes).map(|(offset, length)| Extent {
            start_lba: offset / SECTOR_BYTES,
            length_sectors: length.div_ceil(SECTOR_BYTES),
        });
        let extents: Vec<_> = draft.zeros.iter().copied().chain(places).collect();
        let zeroed = self.output.zero(&extents);
        self.written_bytes +=
            zeroed.map_err(|source| self.write_failed("the volume's tables", source))?;
        self.progress.start("flush", None);
        let settled = self.output.settle();
        settled.map_err(|source| self.write_failed("the root image", source))
    }

    /// The digests of what was written. Of a device, this is where the root image is verified.
    fn read_back(&self, image: &RootImage, segments: Segments) -> Result<Root, WriteError> {
        let stage = match self.output.has_a_past() {
            true => "read back",
            false => "checksum",
        };
        self.progress.start(stage, Some(image.length_bytes));
        let place_bytes = self.layout.root_place().offset_bytes;
        // One segment is the whole image: its digest need not be taken twice.
        let mut whole = (segments.count() > 1).then(Sha256::new);
        let mut digests = Vec::new();
        let (mut start, mut buffer) = (0, vec![0; PIECE_BYTES]);
        for segment in segments.iter() {
            let mut digest = Sha256::new();
            let end = start + segment.length_bytes;
            while start < end {
                self.check_interrupted()?;
                let rest = usize::try_from(end - start).unwrap_or(PIECE_BYTES);
                let piece = &mut buffer[..rest.min(PIECE_BYTES)];
                self.output
                    .reread(piece, place_bytes + start)
                    .map_err(|source| self.read_failed(source))?;
                digest.update(&*piece);
                if let Some(whole) = &mut whole {
                    whole.update(&*piece);
                }
                start += piece.len() as u64;
                self.progress.advance(piece.len() as u64);
            }
            digests.push(digest.finalize().into());
        }
        let first = digests.first().copied().unwrap_or_default();
        Ok(Root {
            segments,
            sha256: whole.map_or(first, |whole| whole.finalize().into()),
            segments_sha256: digests,
            superblock_sha256: Sha256::digest(image.superblock).into(),
        })
    }

    /// Initramfs, manifest and `SHA256SUMS`; returns the lengths of the last two.
    fn put_what_follows_the_root(
        &mut self,
        root: &Root,
        numbers: Numbers,
        boot_sha256: [u8; 32],
    ) -> Result<[FinalLength<'static>; 2], WriteError> {
        self.progress.start("finish", None);
        let initrd = self.put_seal(root, numbers.identity)?;
        let facts = &self.layout.contents.facts;
        let manifest = Manifest {
            boot_sha256: Some(boot_sha256),
            ..facts.manifest(numbers.identity, root)
        };
        let manifest = manifest.to_string().into_bytes();
        self.checksums.add(paths::INITRD, &initrd);
        self.put(paths::MANIFEST, &manifest)?;
        self.checksums.add(paths::MANIFEST, &manifest);
        for (segment, digest) in root.segments.iter().zip(&root.segments_sha256) {
            self.checksums.add_digest(&segment.path, *digest);
        }
        let checksums = std::mem::take(&mut self.checksums).into_bytes();
        self.put(paths::CHECKSUMS, &checksums)?;
        let lengths = [(paths::MANIFEST, manifest), (paths::CHECKSUMS, checksums)];
        Ok(lengths.map(|(path, bytes)| FinalLength {
            path,
            length_bytes: bytes.len() as u64,
        }))
    }

    /// Seals the initramfs; returns it.
    fn put_seal(&mut self, root: &Root, identity: Identity) -> Result<Vec<u8>, WriteError> {
        let contents = &self.layout.contents;
        let seal = contents.facts.seal(identity, root).to_bytes();
        let seal = seal.map_err(|source| WriteError::Seal { source })?;
        let mut initrd = contents.initrd.bytes.clone();
        let offset = contents.initrd.seal_offset;
        if let Some(place) = seal_range(offset).and_then(|place| initrd.get_mut(place)) {
            place.copy_from_slice(&seal);
        }
        self.put_at(paths::INITRD, &seal, offset as u64)?;
        Ok(initrd)
    }

    /// All that is not a file, in the order that leaves nothing bootable before the end.
    fn put_volume(&mut self, finished: &Finished) -> Result<(), WriteError> {
        let failed = |pass: &Self, source| pass.write_failed("the volume's tables", source);
        let resized = self.output.set_length(finished.length_bytes);
        resized.map_err(|source| failed(self, source))?;
        for write in &finished.writes {
            EagerFile(self.output)
                .write_all_at(&write.bytes, write.offset_bytes)
                .map_err(|source| failed(self, source))?;
            self.written_bytes += write.bytes.len() as u64;
        }
        self.check_interrupted()?;
        self.output.sync().map_err(|source| failed(self, source))
    }

    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<(), WriteError> {
        self.put_at(path, bytes, 0)
    }

    fn put_at(&mut self, path: &str, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
        self.check_interrupted()?;
        self.place(path)
            .write_all_at(bytes, offset)
            .map_err(|source| self.write_failed(path, source))?;
        self.written_bytes += bytes.len() as u64;
        self.progress.advance(bytes.len() as u64);
        Ok(())
    }

    /// The place of a file: writes beyond it fail. A path that the layout does not hold has none.
    fn place(&self, path: &str) -> Slice<EagerFile<'a>> {
        let place = self.layout.plan.place(path);
        self.slice(place.unwrap_or(Place {
            offset_bytes: 0,
            limit_bytes: 0,
        }))
    }

    fn root_place(&self) -> Slice<EagerFile<'a>> {
        self.slice(self.layout.root_place())
    }

    fn slice(&self, place: Place) -> Slice<EagerFile<'a>> {
        let file = EagerFile(self.output);
        Slice::new(file, place.offset_bytes, place.limit_bytes)
    }

    fn check_interrupted(&self) -> Result<(), WriteError> {
        if self.progress.interrupted() {
            Err(WriteError::Interrupted)
        } else {
            Ok(())
        }
    }

    fn write_failed(&self, part: &str, source: io::Error) -> WriteError {
        if source.kind() == io::ErrorKind::StorageFull {
            return self.full();
        }
        WriteError::Write {
            path: self.output.path().to_owned(),
            part: part.to_owned(),
            source,
        }
    }

    fn read_failed(&self, source: io::Error) -> WriteError {
        WriteError::ReadBack {
            path: self.output.path().to_owned(),
            source,
        }
    }

    fn root_failed(&self, error: BoxError, limit_bytes: u64) -> WriteError {
        if self.progress.interrupted() {
            return WriteError::Interrupted;
        }
        let cause = causes(&*error).find_map(|cause| cause.downcast_ref::<io::Error>());
        match cause.map(|cause| (cause.kind(), cause.raw_os_error())) {
            Some((io::ErrorKind::StorageFull, _)) => self.full(),
            // From the place itself: the system's own would have a number.
            Some((io::ErrorKind::FileTooLarge, None)) => WriteError::RootTooLong { limit_bytes },
            _ => WriteError::Root { source: error },
        }
    }

    fn full(&self) -> WriteError {
        WriteError::Full {
            path: self.output.path().to_owned(),
            stored_bytes: self.output.stored_bytes(),
        }
    }
}

/// An error, its source, that one's source, and so on.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error: &&'a (dyn Error + 'static)| {
        error.source()
    })
}
