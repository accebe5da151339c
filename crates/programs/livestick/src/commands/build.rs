//! `livestick build`.

use crate::failure::Failure;
use crate::progress::Display;
use crate::{args, pipeline, report, settings};

/// Builds, and reports.
pub fn run(args: args::Build) -> Result<(), Failure> {
    let settings = settings::Build::new(args)?;
    let style = settings.output_style;
    let display = Display::new(style.volume)?;
    let built = pipeline::build(settings, &display).inspect_err(|_| {
        display.finish();
    })?;
    report::print_built(&built, style)
}
