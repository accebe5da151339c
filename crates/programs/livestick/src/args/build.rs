//! `livestick build`.

use crate::args::{Reporting, Stick};
use clap::Args;
use std::path::PathBuf;

/// `livestick build`.
#[derive(Debug, Args)]
pub struct Build {
    /// What the stick is made of.
    #[command(flatten)]
    pub stick: Stick,

    /// The image file to make.
    #[arg(short, long, value_name = "IMAGE")]
    pub output: PathBuf,

    /// Replace an image that is there.
    #[arg(long)]
    pub force: bool,

    /// Say what would be made, and make nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// How to report.
    #[command(flatten)]
    pub reporting: Reporting,
}
