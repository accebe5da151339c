//! `livestick build`.

use crate::failure::Failure;
use crate::progress::Display;
use crate::{args, pipeline, report, settings};
use livestick_blockio::Progress;

/// Builds, and reports.
pub fn run(args: args::Build) -> Result<(), Failure> {
    let settings = settings::Build::new(args)?;
    if settings.dry_run {
        return super::plan::print(settings.into());
    }
    let style = settings.output_style;
    let display = Display::new(style.volume)?;
    let built = pipeline::build(settings, &display).map_err(|failure| {
        display.finish();
        // A terminal interrupts the programs that are run here, too, and that they failed is no news.
        match display.interrupted() {
            true => Failure::interrupted(),
            false => failure,
        }
    })?;
    report::print_built(&built, style)
}
