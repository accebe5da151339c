//! `livestick build`.

use crate::failure::{Exit, Failure};
use crate::progress::Display;
use crate::{args, pipeline, report, settings};
use livestick_blockio::Progress;

/// Builds, and reports.
pub fn run(args: args::Build) -> Result<(), Failure> {
    let mut settings = settings::Build::new(args)?;
    if settings.dry_run {
        pipeline::check_place(&mut settings)?;
        return super::plan::print(settings.into());
    }
    let style = settings.output_style;
    let to_device = matches!(settings.place, settings::Place::Device { .. });
    let display = Display::new(style.volume)?;
    let built = pipeline::build(settings, &display).map_err(|failure| {
        display.finish();
        // A terminal interrupts the programs that are run here, too, and that they failed is no news.
        match (display.interrupted(), to_device) {
            (true, false) => Failure::interrupted(),
            (true, true) if failure.is_touched() => Failure::message(
                Exit::Interrupted,
                "interrupted; the stick boots nowhere now: write it again",
            ),
            (true, true) => Failure::nothing_written(),
            (false, _) => failure,
        }
    })?;
    report::print_built(&built, style)
}
