//! `livestick build`.

use crate::args::{Consent, Reporting, Stick};
use clap::Args;
use std::path::PathBuf;

/// `livestick build`.
#[derive(Debug, Args)]
pub struct Build {
    /// What the stick is made of.
    #[command(flatten)]
    pub stick: Stick,

    /// The image file to make.
    #[arg(short, long, value_name = "IMAGE", required_unless_present = "to")]
    pub output: Option<PathBuf>,

    /// Build straight onto this stick, such as /dev/sdb, without an image file, and read it back. All
    /// that is on it is lost.
    #[arg(long, value_name = "DEVICE", conflicts_with_all = ["output", "force", "size"])]
    pub to: Option<PathBuf>,

    /// Who agrees that the stick is overwritten.
    #[command(flatten)]
    pub consent: Consent,

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
