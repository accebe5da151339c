//! `livestick squashfs`.

use crate::failure::Failure;
use crate::progress::Display;
use crate::{args, pipeline, report, settings};

/// Runs one of them.
pub fn run(args: args::Squashfs) -> Result<(), Failure> {
    match args {
        args::Squashfs::Create(args) => create(*args),
        args::Squashfs::List(args) => pipeline::squashfs::list(&args.into()),
        args::Squashfs::Extract(args) => extract(args),
        args::Squashfs::Check(args) => check(args),
    }
}

/// Makes an image, and reports.
fn create(args: args::Create) -> Result<(), Failure> {
    let settings = settings::Create::new(args)?;
    let style = settings.output_style;
    let display = Display::new(style.volume)?;
    if settings.dry_run {
        let foreseen = pipeline::squashfs::foresee(settings, &display).inspect_err(|_| {
            display.finish();
        })?;
        return report::print_foreseen(&foreseen, style);
    }
    let created = pipeline::squashfs::create(settings, &display).inspect_err(|_| {
        display.finish();
    })?;
    report::print_created(&created, style)
}

/// Extracts an image, and reports.
fn extract(args: args::Extract) -> Result<(), Failure> {
    let settings = settings::Extract::from(args);
    let style = settings.output_style;
    let display = Display::new(style.volume)?;
    let extracted = pipeline::squashfs::extract(&settings, &display).inspect_err(|_| {
        display.finish();
    })?;
    report::print_extracted(&extracted, style)?;
    extracted.verdict().map_err(Failure::reported)
}

/// Checks an image, and reports.
fn check(args: args::Check) -> Result<(), Failure> {
    let settings = settings::Check::new(args)?;
    let style = settings.output_style;
    let display = Display::new(style.volume)?;
    let checked = pipeline::squashfs::check(&settings, &display).inspect_err(|_| {
        display.finish();
    })?;
    report::print_checked(&checked, style)?;
    checked.verdict().map_err(Failure::reported)
}
