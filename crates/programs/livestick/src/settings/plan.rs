//! The settings of `livestick plan`.

use crate::args;
use crate::failure::Failure;
use crate::settings::{Build, OutputStyle, Place, Stick};
use std::path::PathBuf;

/// The settings of `livestick plan`, and of `livestick build --dry-run`.
#[derive(Debug)]
pub struct Plan {
    /// What the stick is made of.
    pub stick: Stick,
    /// The image that is not made, but must be possible, and whether it replaces one.
    pub output: Option<(PathBuf, bool)>,
    /// Whether secrets that are not allowed make it fail.
    pub audit: bool,
    /// Where the page goes.
    pub html: Option<PathBuf>,
    /// How to report.
    pub output_style: OutputStyle,
}

impl Plan {
    /// Checks what was typed.
    pub fn new(args: args::Plan) -> Result<Self, Failure> {
        Ok(Self {
            stick: Stick::new(args.stick)?,
            output: None,
            audit: args.audit,
            html: args.html,
            output_style: args.reporting.into(),
        })
    }
}

impl From<Build> for Plan {
    fn from(build: Build) -> Self {
        Self {
            stick: build.stick,
            output: match build.place {
                Place::Image { path, force } => Some((path, force)),
                Place::Device { .. } => None,
            },
            audit: false,
            html: None,
            output_style: build.output_style,
        }
    }
}
