//! `livestick squashfs`.

use crate::failure::Failure;
use crate::progress::Display;
use crate::{args, pipeline, report, settings};

/// Makes an image, and reports.
pub fn create(args: args::Create) -> Result<(), Failure> {
    let settings = settings::Create::new(args)?;
    let style = settings.output_style;
    let display = Display::new(style.volume)?;
    let created = pipeline::squashfs::create(settings, &display).inspect_err(|_| {
        display.finish();
    })?;
    report::print_created(&created, style)
}
