//! `livestick plan`.

use crate::args::{Reporting, Stick};
use clap::Args;
use std::path::PathBuf;

/// `livestick plan`.
#[derive(Debug, Args)]
pub struct Plan {
    /// What the stick is made of.
    #[command(flatten)]
    pub stick: Stick,

    /// List the rules by which a stick differs from its source, and do nothing else.
    #[arg(long)]
    pub rules: bool,

    /// Exit with 5 where secrets would go on the stick that are not allowed.
    #[arg(long)]
    pub audit: bool,

    /// Also write a page for a browser, with a map of what takes the space.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// How to report.
    #[command(flatten)]
    pub reporting: Reporting,
}
