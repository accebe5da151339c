//! Where an image is written to: a file, or a device.

use crate::{BoxError, Output, OutputError};
use livestick_blockio::{Extent, Progress, ReadAt, WriteAt};
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Where an image is written to.
#[derive(Debug)]
pub enum Destination {
    /// A file, whose unwritten bytes read as zeros.
    File(Output),
    /// A device, with whatever was on it before.
    Device(Box<dyn Device>),
}

/// A device that is claimed for an image, and boots nowhere before [`Self::finish`].
pub trait Device: ReadAt + WriteAt + Send + Sync + fmt::Debug {
    /// Its node.
    fn path(&self) -> &Path;

    /// Writes zeros there.
    ///
    /// # Errors
    /// What the device reports.
    fn zero(&self, extent: Extent) -> io::Result<()>;

    /// Lets everything that was written so far arrive, so that it is read from the medium next.
    ///
    /// # Errors
    /// What the device reports.
    fn settle(&self) -> io::Result<()>;

    /// Fills the buffer with what was written there; it need not be read again by [`Self::finish`].
    ///
    /// # Errors
    /// Where the device fails, or gives back something else than was written.
    fn reread(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()>;

    /// Reads everything back, and lets the device boot.
    ///
    /// # Errors
    /// Where the device fails, or gives back something else than was written.
    fn finish(self: Box<Self>, progress: &dyn Progress) -> Result<(), BoxError>;
}

/// Why what is written does not stay.
pub(crate) enum Unpublished {
    File(OutputError),
    Device(BoxError),
}

impl From<Output> for Destination {
    fn from(output: Output) -> Self {
        Self::File(output)
    }
}

impl Destination {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::File(output) => output.path(),
            Self::Device(device) => device.path(),
        }
    }

    /// How many bytes there is still room for; `None` where the plan has seen to it.
    pub(crate) fn free_bytes(&self) -> Option<u64> {
        match self {
            // A filesystem that cannot say how full it is will say so when it is.
            Self::File(output) => output.free_bytes().ok(),
            Self::Device(_) => None,
        }
    }

    /// How many bytes it takes by now.
    pub(crate) fn stored_bytes(&self) -> u64 {
        match self {
            Self::File(output) => {
                let file = output.file().metadata();
                file.map_or(0, |file| file.blocks() * 512)
            }
            Self::Device(_) => 0,
        }
    }

    /// Whether what was there before shows where nothing is written.
    pub(crate) fn has_a_past(&self) -> bool {
        matches!(self, Self::Device(_))
    }

    /// Writes zeros where something of the past would show. Returns how many.
    pub(crate) fn zero(&self, extents: &[Extent]) -> io::Result<u64> {
        match self {
            Self::File(_) => Ok(0),
            Self::Device(device) => {
                extents.iter().try_for_each(|extent| device.zero(*extent))?;
                Ok(extents.iter().map(Extent::length_bytes).sum())
            }
        }
    }

    /// Makes the image as long as this.
    pub(crate) fn set_length(&self, length_bytes: u64) -> io::Result<()> {
        match self {
            Self::File(output) => output.file().set_len(length_bytes),
            Self::Device(_) => Ok(()),
        }
    }

    /// What is read next comes from where it will be.
    pub(crate) fn settle(&self) -> io::Result<()> {
        match self {
            Self::File(_) => Ok(()),
            Self::Device(device) => device.settle(),
        }
    }

    /// Fills the buffer with what was written there.
    pub(crate) fn reread(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        match self {
            Self::File(output) => output.file().read_exact_at(buffer, offset_bytes),
            Self::Device(device) => device.reread(buffer, offset_bytes),
        }
    }

    /// What must outlive a power cut is on the disk. A device does so when it is finished.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self {
            Self::File(output) => output.file().sync_all(),
            Self::Device(_) => Ok(()),
        }
    }

    /// Everything is written: the image appears.
    pub(crate) fn publish(self, progress: &dyn Progress) -> Result<(), Unpublished> {
        match self {
            Self::File(output) => {
                let directory = output.publish().map_err(Unpublished::File)?;
                // The image is there and whole; that its name may not outlive a power cut is no failure.
                let _ = File::open(directory).and_then(|directory| directory.sync_all());
                Ok(())
            }
            Self::Device(device) => device.finish(progress).map_err(Unpublished::Device),
        }
    }
}
