//! A stick that an image is built onto.

use livestick_blockio::{Extent, Progress, ReadAt, WriteAt};
use livestick_device::{Claimed, DeviceError, Stick};
use livestick_image::{BoxError, Device};
use std::io;
use std::path::{Path, PathBuf};

/// What [`super::failure_of`] finds again.
fn wrapped(error: DeviceError) -> io::Error {
    io::Error::other(error)
}

/// A claimed stick, as `image` writes it.
#[derive(Debug)]
pub struct StickOutput {
    stick: Stick<Claimed>,
    path: PathBuf,
}

impl StickOutput {
    /// Takes what was on it out of use.
    pub fn begin(claimed: Claimed, path: PathBuf) -> Result<Self, DeviceError> {
        Ok(Self {
            stick: Stick::begin(claimed)?,
            path,
        })
    }
}

impl Device for StickOutput {
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

impl ReadAt for StickOutput {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.stick.read_at(buffer, offset)
    }
}

impl WriteAt for StickOutput {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.stick.put(bytes, offset).map_err(wrapped)
    }
}
