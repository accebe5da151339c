//! What the user typed.

mod build;
mod device;
mod habits;
mod plan;
mod selection;
mod squashfs;
mod stick;

pub use build::Build;
pub use device::{Consent, Devices, Inspect, Restore, Verify, Write};
pub use habits::translate;
pub use plan::Plan;
pub use selection::Selection;
pub use squashfs::{Check, Create, Extract, ImagePlace, List, Owners, Squashfs};
pub use stick::{Firmware, SecureBoot, Stick};

use clap::{ArgAction, Args, Parser, Subcommand};

/// Makes a USB stick that boots a Linux root, without ever writing to the flash.
#[derive(Debug, Parser)]
#[command(
    name = "livestick",
    version,
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say what would go on a stick, how large it gets and what is missing; write nothing.
    Plan(Box<Plan>),
    /// Build a stick's image from a Linux root.
    Build(Box<Build>),
    /// List the disks: which can become sticks, and why others are refused.
    Devices(Devices),
    /// Write an image to sticks, all at once, and read each back.
    Write(Write),
    /// Check that everything on a stick, or in an image, is what its manifest says.
    Verify(Verify),
    /// Say what is on a stick, or in an image.
    Inspect(Inspect),
    /// Make a stick plain storage again: one empty FAT32 partition.
    Restore(Restore),
    /// The SquashFS engine by itself.
    #[command(subcommand)]
    Squashfs(Squashfs),
}

impl Command {
    /// Whether a document was asked for.
    pub fn json(&self) -> bool {
        match self {
            Self::Plan(plan) => plan.reporting.json,
            Self::Build(build) => build.reporting.json,
            Self::Devices(devices) => devices.json,
            Self::Write(write) => write.reporting.json,
            Self::Verify(verify) => verify.reporting.json,
            Self::Inspect(inspect) => inspect.json,
            Self::Restore(restore) => restore.reporting.json,
            Self::Squashfs(Squashfs::Create(create)) => create.reporting.json,
            Self::Squashfs(Squashfs::List(list)) => list.json,
            Self::Squashfs(Squashfs::Extract(extract)) => extract.reporting.json,
            Self::Squashfs(Squashfs::Check(check)) => check.reporting.json,
        }
    }
}

/// How a command reports.
#[derive(Clone, Copy, Debug, Args)]
pub struct Reporting {
    /// Print one JSON document on standard output.
    #[arg(long)]
    pub json: bool,

    /// Print nothing but errors.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Say more.
    #[arg(short, long, action = ArgAction::SetTrue)]
    pub verbose: bool,
}
