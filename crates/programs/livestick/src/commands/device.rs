//! `livestick devices`, `write`, `verify`, `inspect` and `restore`.

use crate::failure::Failure;
use crate::progress::{Bars, Display};
use crate::{args, pipeline, report, settings};

/// Lists the disks.
pub fn devices(args: &args::Devices) -> Result<(), Failure> {
    let listed = pipeline::device::devices(args.all)?;
    report::print_devices(&listed, args.json)
}

/// Writes an image to sticks, and reports; fails where one of them is not good.
pub fn write(args: args::Write) -> Result<(), Failure> {
    let settings = settings::Write::from(args);
    let style = settings.output_style;
    let bars = Bars::new(style.volume)?;
    let written = pipeline::device::write(&settings, &bars)?;
    report::print_written(&written, style)?;
    written.verdict().map_err(Failure::reported)
}

/// Verifies a stick, and reports; fails where it is damaged.
pub fn verify(args: args::Verify) -> Result<(), Failure> {
    let settings = settings::Verify::from(args);
    let style = settings.output_style;
    let display = Display::new(style.volume)?;
    let verified = pipeline::device::verify(&settings, &display).inspect_err(|_| {
        display.finish();
    })?;
    report::print_verified(&verified, style)?;
    verified.verdict().map_err(Failure::reported)
}

/// Says what is on a stick.
pub fn inspect(args: &args::Inspect) -> Result<(), Failure> {
    let inspected = pipeline::device::inspect(&args.image)?;
    report::print_inspected(&inspected, args.json)
}

/// Makes a stick plain storage again, and reports.
pub fn restore(args: args::Restore) -> Result<(), Failure> {
    let settings = settings::Restore::new(args)?;
    let style = settings.output_style;
    let bars = Bars::new(style.volume)?;
    let restored = pipeline::device::restore(&settings, &bars)?;
    report::print_restored(&restored, style)
}
