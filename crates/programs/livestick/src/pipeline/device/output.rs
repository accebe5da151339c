//! A stick that an image is built onto.

use livestick_blockio::{Extent, Progress, ReadAt, WriteAt};
use livestick_device::{Claimed, DeviceError, Medium, Stick};
use livestick_image::{BoxError, Device};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// What [`super::failure_of`] finds again.
fn wrapped(error: DeviceError) -> io::Error {
    io::Error::other(error)
}

/// A claimed stick, as `image` writes it.
#[derive(Debug)]
pub struct StickOutput<M = Claimed> {
    stick: Stick<M>,
    path: PathBuf,
}

impl<M: Medium> StickOutput<M> {
    /// Takes what was on it out of use.
    pub fn begin(medium: M, path: PathBuf) -> Result<Self, DeviceError> {
        Ok(Self {
            stick: Stick::begin(medium)?,
            path,
        })
    }
}

impl<M: Medium + Send + fmt::Debug> Device for StickOutput<M> {
    fn path(&self) -> &Path {
        &self.path
    }

    fn zero(&self, extent: Extent) -> io::Result<()> {
        let start = extent.start_bytes();
        let zeroed = self.stick.zero(start..start + extent.length_bytes());
        zeroed.map_err(wrapped)
    }

    fn settle(&self) -> io::Result<()> {
        self.stick.settle().map_err(wrapped)
    }

    fn reread(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        self.stick.reread(buffer, offset_bytes).map_err(wrapped)
    }

    fn finish(self: Box<Self>, progress: &dyn Progress) -> Result<(), BoxError> {
        Ok(self.stick.finish(progress)?)
    }
}

impl<M: Medium> ReadAt for StickOutput<M> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.stick.read_at(buffer, offset)
    }
}

impl<M: Medium> WriteAt for StickOutput<M> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.stick.put(bytes, offset).map_err(wrapped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Exit, Failure};
    use crate::pipeline::build::stick_not_written;
    use livestick_blockio::NoProgress;
    use livestick_device::faulty::{Fault, Faulty, noise};
    use livestick_handoff::{Seal, Segments, Workload, paths};
    use livestick_image::{
        Contents, Destination, Facts, Identities, Initrd, Layout, OpenedImage, RootImage, Settings,
        Size, StickFile, Timestamp, verify,
    };

    const MIB: u64 = 1 << 20;
    const SIZE: u64 = 320 * MIB;
    /// Where the files begin: behind the reserved sectors and the FATs.
    const DATA: u64 = 32 * MIB;
    const ROOT_BYTES: usize = 5_000_000;

    fn layout() -> Layout {
        let file = |path: &str, length| StickFile {
            path: path.to_owned(),
            bytes: noise(length),
        };
        let contents = Contents {
            files: vec![
                file("syslinux/ldlinux.sys", 59_904),
                file(paths::KERNEL, 700_001),
            ],
            initrd: Initrd {
                bytes: noise(1_300_000),
                seal_offset: 2 * Seal::LENGTH_BYTES,
            },
            facts: Facts {
                kernel_release: "6.1.0".to_owned(),
                title: "Test".to_owned(),
                stores: vec![],
                workload: Workload::Console,
                tool: "livestick 0".to_owned(),
                options: vec![],
                origins: vec![],
            },
        };
        let longest = Segments::new(64 * MIB, 64 * MIB).unwrap();
        Layout::plan(contents, Size::Fixed(SIZE), longest).unwrap()
    }

    /// As `build --to` does: the root image in pieces, and its first bytes last.
    fn build(layout: &Layout, medium: &'static Faulty) -> Result<(), Failure> {
        let output = StickOutput::begin(medium, PathBuf::from("/dev/sdz"));
        let output = output.map_err(|error| super::super::device_failed("sdz", error))?;
        let settings = Settings {
            label: "LIVE".parse().unwrap(),
            timestamp: Timestamp::from_unix_seconds(1_709_210_096),
            identities: Identities::Random,
            boot_code: None,
        };
        let written = layout.clone().write(
            Destination::Device(Box::new(output)),
            &settings,
            |place| {
                let root = noise(ROOT_BYTES);
                for (piece, offset) in root.chunks(1 << 20).zip((0..).step_by(1 << 20)) {
                    place.write_all_at(piece, offset)?;
                }
                place.write_all_at(&root[..96], 0)?;
                let mut superblock = [0; 96];
                superblock.copy_from_slice(&root[..96]);
                Ok(RootImage {
                    length_bytes: ROOT_BYTES as u64,
                    superblock,
                })
            },
            &NoProgress,
        );
        written.map(drop).map_err(stick_not_written)
    }

    fn medium(fault: Fault) -> &'static Faulty {
        let medium = Box::leak(Box::new(Faulty::new(SIZE, fault)));
        medium.fill_with_an_old_stick();
        medium
    }

    /// Whether all of it is what the manifest says.
    fn is_whole(medium: &Faulty) -> bool {
        let whole = OpenedImage::open(medium).map(|opened| {
            let found = verify(&opened, SIZE, &NoProgress).unwrap();
            found.manifest.is_some() && found.findings.is_empty()
        });
        whole.unwrap_or(false)
    }

    /// Places in what is written: the tables, the files, the root image.
    fn places() -> impl Iterator<Item = u64> {
        (0..24).map(|number| DATA + number * 333_000 + number * 7)
    }

    #[test]
    fn a_stick_is_whole_where_nothing_fails() {
        let medium = medium(Fault::None);
        build(&layout(), medium).unwrap();
        // Once to be verified; and a part of it because its first bytes were written again.
        let read = medium.read_bytes();
        assert!(read < 13 * MIB, "{read}");
        assert!(medium.is_bootable() && is_whole(medium));
    }

    #[test]
    fn a_stick_that_fails_is_neither_good_nor_bootable_and_the_message_helps() {
        let layout = layout();
        let mut failed = 0;
        for place in places() {
            for fault in [
                Fault::WriteError(place),
                Fault::ReadError(place),
                Fault::Drop(place),
                Fault::Corrupt(place),
                Fault::LosesBehind(place),
                Fault::WrapsAt(place / 512 * 512),
            ] {
                let medium = medium(fault);
                let Err(failure) = build(&layout, medium) else {
                    assert!(is_whole(medium), "{fault:?} was called good");
                    continue;
                };
                failed += 1;
                assert!(!medium.is_bootable(), "{fault:?}");
                let hint = failure.hint.unwrap_or_default();
                let helps = hint.contains("another port") || hint.contains("counterfeit");
                assert!(helps, "{fault:?}: {:#}: {hint}", failure.error);
            }
        }
        assert!(failed > 100, "{failed}");
    }

    /// It is pulled out, or power is cut, at every fortieth of the writing.
    #[test]
    fn a_stick_that_was_cut_off_is_none() {
        let layout = layout();
        let whole = medium(Fault::None);
        build(&layout, whole).unwrap();
        let total = whole.written_bytes();
        for part in 0..40 {
            let medium = medium(Fault::GoneAfter(total * part / 40));
            let failure = build(&layout, medium).unwrap_err();
            assert_eq!(failure.exit, Exit::Failed);
            let hint = failure.hint.unwrap_or_default();
            assert!(hint.contains("unplugged"), "{:#}: {hint}", failure.error);
            medium.lose_power(part);
            let is_old = part == 0 && medium.is_an_old_stick();
            assert!(!medium.is_bootable() || is_old, "{part}");
        }
    }
}
