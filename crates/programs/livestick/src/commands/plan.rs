//! `livestick plan`, and `livestick build --dry-run`.

use crate::failure::Failure;
use crate::progress::Display;
use crate::{args, pipeline, report, settings};
use livestick_blockio::Progress;

/// Plans, and reports.
pub fn run(args: args::Plan) -> Result<(), Failure> {
    if args.rules {
        let rules = settings::rules(&args.stick.selection)?;
        return report::print_rules(&rules, args.reporting.json);
    }
    print(settings::Plan::new(args)?)
}

/// Reports on a plan, and fails where a build would.
pub fn print(settings: settings::Plan) -> Result<(), Failure> {
    let style = settings.output_style;
    let (audit, html) = (settings.audit, settings.html.clone());
    let display = Display::new(style.volume)?;
    let (plan, refusal) = pipeline::plan(settings, &display).map_err(|failure| {
        display.finish();
        match display.interrupted() {
            true => Failure::interrupted(),
            false => failure,
        }
    })?;
    report::print_plan(&plan, style)?;
    if let Some(path) = &html {
        report::write_page(&plan, path)?;
    }
    match refusal {
        Some(refusal) => Err(refusal.reported()),
        None => plan.audit.verdict(audit).map_err(Failure::reported),
    }
}
