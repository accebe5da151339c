//! The commands for real devices, and for what is on them.

use crate::args::Reporting;
use clap::Args;
use std::path::PathBuf;

/// `livestick devices`.
#[derive(Debug, Args)]
pub struct Devices {
    /// Loop devices, RAM disks and others without hardware, too.
    #[arg(short, long)]
    pub all: bool,

    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// What has to be said before a device is written.
#[derive(Debug, Args)]
pub struct Consent {
    /// Do not ask whether it is the right one: for scripts.
    #[arg(short, long)]
    pub yes: bool,

    /// Write this disk although it is neither USB nor SD/MMC. What the running system uses is
    /// refused all the same. May be given several times.
    #[arg(long, value_name = "DEVICE")]
    pub allow_fixed: Vec<PathBuf>,
}

/// `livestick write`.
#[derive(Debug, Args)]
pub struct Write {
    /// The image: a file, compressed with gzip, xz or zstd or not; `-` is standard input.
    pub image: PathBuf,

    /// The sticks, such as /dev/sdb or a link in /dev/disk/by-id. All that is on them is lost.
    #[arg(required = true, value_name = "DEVICE")]
    pub devices: Vec<PathBuf>,

    /// Leave the volume as long as it is in the image.
    #[arg(long)]
    pub no_grow: bool,

    /// Who agrees.
    #[command(flatten)]
    pub consent: Consent,

    /// Say what would be written, and write nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// How to report.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// `livestick verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The image file or the stick.
    #[arg(value_name = "IMAGE|DEVICE")]
    pub image: PathBuf,

    /// Compare the root with this directory, too, of which it was made.
    #[arg(long, value_name = "SOURCE")]
    pub against: Option<PathBuf>,

    /// How to report.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// `livestick inspect`.
#[derive(Debug, Args)]
pub struct Inspect {
    /// The image file or the stick.
    #[arg(value_name = "IMAGE|DEVICE")]
    pub image: PathBuf,

    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// `livestick restore`.
#[derive(Debug, Args)]
pub struct Restore {
    /// The stick. All that is on it is lost.
    pub device: PathBuf,

    /// The new volume's label, at most 11 characters.
    #[arg(long, default_value = "USB STICK")]
    pub label: String,

    /// Who agrees.
    #[command(flatten)]
    pub consent: Consent,

    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// How to report.
    #[command(flatten)]
    pub reporting: Reporting,
}
