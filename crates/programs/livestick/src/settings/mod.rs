//! What the program uses: checked, and ready.

mod build;
pub mod compression;
mod device;
mod firmware;
mod memory;
mod plan;
mod selection;
mod squashfs;
mod stick;

pub use build::{Build, Place};
pub use device::{Consent, ImageFile, Restore, Verify, Write};
pub use firmware::Firmware;
pub use plan::Plan;
pub use selection::rules;
pub use squashfs::{
    Added, Check, Create, Destination, Extract, ImagePlace, List, ListStyle, XattrFilter,
};
pub use stick::Stick;

use crate::args;
use anyhow::Context;
use livestick_squashfs::Changing;
use std::env::VarError;
use std::num::NonZeroUsize;
use std::time::{SystemTime, UNIX_EPOCH};

/// The time that is written into the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Now, in seconds since 1970.
    Now(u64),
    /// `SOURCE_DATE_EPOCH`: the same input must give the same bytes.
    Fixed(u64),
}

impl Clock {
    /// `SOURCE_DATE_EPOCH` where it is set, otherwise now.
    pub fn of_environment() -> anyhow::Result<Self> {
        match std::env::var("SOURCE_DATE_EPOCH") {
            Ok(text) => {
                let seconds = text.parse::<u32>().with_context(|| {
                    format!("SOURCE_DATE_EPOCH `{text}` is not a time until 2106")
                })?;
                Ok(Self::Fixed(seconds.into()))
            }
            Err(VarError::NotUnicode(text)) => {
                anyhow::bail!("SOURCE_DATE_EPOCH `{}` is not a time", text.display())
            }
            Err(VarError::NotPresent) => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                Ok(Self::Now(since.map_or(0, |since| since.as_secs())))
            }
        }
    }

    /// Seconds since 1970.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Now(seconds) | Self::Fixed(seconds) => seconds,
        }
    }
}

/// How a command speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputStyle {
    /// One JSON document on standard output.
    pub json: bool,
    /// How much goes to standard error.
    pub volume: Volume,
}

/// How much a command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volume {
    /// Errors only.
    Quiet,
    /// Progress, warnings and the result.
    Normal,
    /// Every detail.
    Verbose,
}

impl From<args::Reporting> for OutputStyle {
    fn from(args: args::Reporting) -> Self {
        Self {
            json: args.json,
            volume: match (args.quiet, args.verbose) {
                (true, _) => Volume::Quiet,
                (false, true) => Volume::Verbose,
                (false, false) => Volume::Normal,
            },
        }
    }
}

/// Each thread takes some memory, however little there is to do.
const JOBS_LIMIT: usize = 256;

/// What happens to files that never hold still.
fn changing(keep: bool) -> Changing {
    match keep {
        true => Changing::Keep,
        false => Changing::Fail,
    }
}

/// How many threads compress: as many as there are processors, unless the user says otherwise.
fn jobs(typed: Option<usize>) -> anyhow::Result<NonZeroUsize> {
    let Some(typed) = typed else {
        return Ok(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN));
    };
    NonZeroUsize::new(typed)
        .filter(|jobs| jobs.get() <= JOBS_LIMIT)
        .with_context(|| format!("--jobs takes 1 to {JOBS_LIMIT}"))
}
