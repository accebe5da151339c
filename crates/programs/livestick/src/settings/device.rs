//! The settings of the commands for devices.

use crate::args;
use crate::failure::{Exit, Failure};
use crate::settings::{Clock, OutputStyle};
use anyhow::Context;
use livestick_device::Label;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What has been said before a device is written.
#[derive(Clone, Debug, Default)]
pub struct Consent {
    /// Nobody is asked.
    pub yes: bool,
    /// Disks that may be written although they are built in.
    pub allow_fixed: Vec<PathBuf>,
}

/// The settings of `livestick write`.
#[derive(Debug)]
pub struct Write {
    /// The image.
    pub image: ImageFile,
    /// The sticks.
    pub devices: Vec<PathBuf>,
    /// Whether the volume takes the whole stick.
    pub grow: bool,
    /// Who agrees.
    pub consent: Consent,
    /// Whether nothing is to be written.
    pub dry_run: bool,
    /// How to report.
    pub output_style: OutputStyle,
}

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageFile {
    /// A file or a device.
    Path(PathBuf),
    /// Standard input.
    StandardInput,
}

/// The settings of `livestick verify`.
#[derive(Debug)]
pub struct Verify {
    /// The image or the stick.
    pub image: PathBuf,
    /// What the root was made of.
    pub against: Option<PathBuf>,
    /// How to report.
    pub output_style: OutputStyle,
}

/// The settings of `livestick restore`.
#[derive(Debug)]
pub struct Restore {
    /// The stick.
    pub device: PathBuf,
    /// The new volume's label.
    pub label: Label,
    /// The time of the volume.
    pub clock: Clock,
    /// Who agrees.
    pub consent: Consent,
    /// Whether nothing is to be written.
    pub dry_run: bool,
    /// How to report.
    pub output_style: OutputStyle,
}

impl From<args::Consent> for Consent {
    fn from(args: args::Consent) -> Self {
        Self {
            yes: args.yes,
            allow_fixed: args.allow_fixed,
        }
    }
}

impl From<args::Write> for Write {
    fn from(args: args::Write) -> Self {
        Self {
            image: match args.image == Path::new("-") {
                true => ImageFile::StandardInput,
                false => ImageFile::Path(args.image),
            },
            devices: args.devices,
            grow: !args.no_grow,
            consent: args.consent.into(),
            dry_run: args.dry_run,
            output_style: args.reporting.into(),
        }
    }
}

impl From<args::Verify> for Verify {
    fn from(args: args::Verify) -> Self {
        Self {
            image: args.image,
            against: args.against,
            output_style: args.reporting.into(),
        }
    }
}

impl Restore {
    /// Checks what was typed.
    pub fn new(args: args::Restore) -> Result<Self, Failure> {
        let usage = |error: anyhow::Error| Failure::new(Exit::Usage, error);
        Ok(Self {
            device: args.device,
            label: Label::from_str(&args.label)
                .with_context(|| format!("--label `{}` cannot be used", args.label))
                .map_err(usage)?,
            clock: Clock::of_environment().map_err(usage)?,
            consent: args.consent.into(),
            dry_run: args.dry_run,
            output_style: args.reporting.into(),
        })
    }
}
