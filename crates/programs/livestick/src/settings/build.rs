//! The settings of `livestick build`.

use crate::args;
use crate::failure::Failure;
use crate::settings::{OutputStyle, Stick};
use std::path::PathBuf;

/// The settings of `livestick build`.
#[derive(Debug)]
pub struct Build {
    /// What the stick is made of.
    pub stick: Stick,
    /// The image to make.
    pub output: PathBuf,
    /// Whether an image that is there is replaced.
    pub force: bool,
    /// Whether nothing is to be made.
    pub dry_run: bool,
    /// How to report.
    pub output_style: OutputStyle,
}

impl Build {
    /// Checks what was typed.
    pub fn new(args: args::Build) -> Result<Self, Failure> {
        Ok(Self {
            stick: Stick::new(args.stick)?,
            output: args.output,
            force: args.force,
            dry_run: args.dry_run,
            output_style: args.reporting.into(),
        })
    }
}
