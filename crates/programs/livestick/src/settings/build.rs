//! The settings of `livestick build`.

use crate::args;
use crate::failure::Failure;
use crate::settings::{Consent, OutputStyle, Stick};
use std::path::PathBuf;

/// The settings of `livestick build`.
#[derive(Debug)]
pub struct Build {
    /// What the stick is made of.
    pub stick: Stick,
    /// Where it is made.
    pub place: Place,
    /// Whether nothing is to be made.
    pub dry_run: bool,
    /// How to report.
    pub output_style: OutputStyle,
}

/// Where a stick is built.
#[derive(Debug)]
pub enum Place {
    /// Into an image file.
    Image {
        /// Its name.
        path: PathBuf,
        /// Whether an image that is there is replaced.
        force: bool,
    },
    /// Straight onto a device.
    Device {
        /// Which.
        path: PathBuf,
        /// Who agrees.
        consent: Consent,
    },
}

impl Build {
    /// Checks what was typed.
    pub fn new(args: args::Build) -> Result<Self, Failure> {
        Ok(Self {
            stick: Stick::new(args.stick)?,
            place: match (args.to, args.output) {
                (Some(path), _) => Place::Device {
                    path,
                    consent: args.consent.into(),
                },
                (None, output) => Place::Image {
                    path: output.unwrap_or_default(), // Required, where there is no device.
                    force: args.force,
                },
            },
            dry_run: args.dry_run,
            output_style: args.reporting.into(),
        })
    }
}
