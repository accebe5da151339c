//! Where a stick is built: into an image file, or straight onto a device.

use crate::failure::Failure;
use crate::pipeline::device::{self, StickOutput, Target};
use crate::pipeline::failures::no_output;
use crate::settings;
use livestick_blockio::Progress;
use livestick_device::Claimed;
use livestick_image::{Destination, Existing, Output, Size};
use std::path::PathBuf;

/// A place that is known to be one.
pub enum Place {
    /// A file that has no name yet.
    File(Output),
    /// A stick that nobody else can use.
    Device(Box<Target>, Claimed),
}

/// Checks that a stick may be written, where nothing is to be written; the image becomes as large.
pub fn check_place(settings: &mut settings::Build) -> Result<(), Failure> {
    if let settings::Place::Device { path, consent } = &settings.place {
        let target = device::choose_one(path, consent)?;
        settings.stick.size = Size::Fixed(target.disk.device.size_bytes);
    }
    Ok(())
}

impl Place {
    /// Opens the place, before any other work: what stands against it shows here, and here the owner
    /// is asked.
    pub fn open(settings: &settings::Build, progress: &dyn Progress) -> Result<Self, Failure> {
        match &settings.place {
            settings::Place::Image { path, force } => {
                let existing = match force {
                    true => Existing::Replace,
                    false => Existing::Refuse,
                };
                let output = Output::create(path, existing);
                output.map(Self::File).map_err(no_output)
            }
            settings::Place::Device { path, consent } => {
                let target = device::choose_one(path, consent)?;
                let interrupted = || progress.interrupted();
                device::confirm(std::slice::from_ref(&target), consent, &interrupted)?;
                let claimed = device::claim(&target)?;
                Ok(Self::Device(Box::new(target), claimed))
            }
        }
    }

    /// How large the image becomes, where the place says so.
    pub fn size(&self) -> Option<Size> {
        match self {
            Self::File(_) => None,
            Self::Device(target, _) => Some(Size::Fixed(target.disk.device.size_bytes)),
        }
    }

    /// What must not be read as part of the source.
    pub fn names(&self) -> Vec<PathBuf> {
        match self {
            Self::File(output) => output.names().map(PathBuf::from).collect(),
            Self::Device(..) => Vec::new(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::File(output) => output.path().to_owned(),
            Self::Device(target, _) => target.disk.device.node(),
        }
    }

    /// Takes what was there out of use.
    pub fn begin(self, progress: &dyn Progress) -> Result<Destination, Failure> {
        let path = self.path();
        match self {
            Self::File(output) => Ok(output.into()),
            Self::Device(..) if progress.interrupted() => Err(Failure::nothing_written()),
            Self::Device(target, claimed) => {
                progress.start("look", None);
                let stick = StickOutput::begin(claimed, path);
                let stick = stick.map_err(|error| device::device_failed(target.name(), error))?;
                Ok(Destination::Device(Box::new(stick)))
            }
        }
    }
}
