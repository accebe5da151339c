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

    /// Sees to what must read as zeros on an image of so many bytes. Returns how many it wrote.
    pub(crate) fn clear(&self, zeros: &[Extent], length_bytes: u64) -> io::Result<u64> {
        match self {
            Self::File(output) => output.file().set_len(length_bytes).map(|()| 0),
            Self::Device(device) => {
                zeros.iter().try_for_each(|extent| device.zero(*extent))?;
                Ok(zeros.iter().map(Extent::length_bytes).sum())
            }
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
