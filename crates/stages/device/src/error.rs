//! Why a device was not taken, or not written.

use crate::Refusal;
use livestick_volume::{FinishError, GrowError, PlanError};
use std::error::Error;
use std::io;

/// Why a disk was not taken. Nothing was written to it.
#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    /// It is not one to write.
    #[error("{refusal}")]
    Refused {
        /// The reason that matters most.
        refusal: Refusal,
    },
    /// Another program holds it.
    #[error("another program uses it")]
    Busy,
    /// It is not the disk that was looked at.
    #[error("it was unplugged or exchanged meanwhile")]
    Exchanged,
    /// The system does not hand it out.
    #[error("it cannot be opened for writing")]
    Open {
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why a device was not written, or is not good. It boots nowhere now, but where
/// [`DeviceError::is_untouched`] says that what was on it may still be there.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// It cannot be written.
    #[error("it cannot be written, at byte {offset_bytes}")]
    Write {
        /// Where.
        offset_bytes: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It takes no writes, as sticks do that are worn out.
    #[error("it takes no writes: what was on it is still there")]
    TakesNoWrites,
    /// Its first sector, by which it boots, cannot be overwritten, and nobody knows what is there now.
    #[error("it cannot be overwritten: what was on it may still be there")]
    NotWiped {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot be read.
    #[error("it cannot be read, at byte {offset_bytes}")]
    Read {
        /// Where.
        offset_bytes: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not confirm that what was written is there.
    #[error("it does not confirm that what was written is there")]
    Flush {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It gives back something else than was written.
    #[error("it does not keep what is written to it: other bytes come back at byte {offset_bytes}")]
    Differs {
        /// Where, to a MiB.
        offset_bytes: u64,
    },
    /// It has less space than it says.
    #[error(
        "it says that it holds {claimed_bytes} bytes, and does not: what is written at byte {offset_bytes} is lost"
    )]
    Fake {
        /// How large it says it is.
        claimed_bytes: u64,
        /// The first place that was seen to be missing.
        offset_bytes: u64,
    },
    /// The image turned out to be larger than the device.
    #[error("the image has {needed_bytes} bytes or more, and it holds {size_bytes}")]
    TooSmall {
        /// How large the device is.
        size_bytes: u64,
        /// How much has to be written, as far as that is known.
        needed_bytes: u64,
    },
    /// As [`Self::TooSmall`], and that was known before anything was written.
    #[error("{needed_bytes} bytes are needed or more, and it holds {size_bytes}")]
    TooSmallToBegin {
        /// How large the device is.
        size_bytes: u64,
        /// How much has to be written, as far as that is known.
        needed_bytes: u64,
    },
    /// The image ended early.
    #[error("the image ended before its end, after {received_bytes} bytes{}", of(*.needed_bytes))]
    ImageCutShort {
        /// How much of it came.
        received_bytes: u64,
        /// How much there must be, where that is known; else 0.
        needed_bytes: u64,
    },
    /// All of the image arrived, but it was not whole before.
    #[error("the image is damaged: {problem}")]
    ImageDamaged {
        /// What is wrong with it.
        problem: crate::BoxError,
    },
    /// The volume on it cannot be made larger.
    #[error("the volume cannot take the whole device")]
    Grow {
        /// Why.
        #[source]
        source: GrowError,
    },
    /// There can be no volume on it.
    #[error("it cannot hold a FAT32 volume")]
    Plan {
        /// Why.
        #[source]
        source: PlanError,
    },
    /// The volume cannot be made.
    #[error("the volume cannot be finished")]
    Finish {
        /// Why.
        #[source]
        source: FinishError,
    },
    /// The system has no random bytes.
    #[error("no random bytes")]
    Random {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The work was told to stop before it began.
    #[error("interrupted; nothing was written")]
    NotBegun,
    /// The work was told to stop.
    #[error("interrupted")]
    Interrupted,
}

const UNPLUGGED: &str = "it was unplugged: plug it in again, and write it anew";

impl DeviceError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Write { source, .. }
            | Self::NotWiped { source }
            | Self::Read { source, .. }
            | Self::Flush { source }
                if is_gone(source) =>
            {
                Some(UNPLUGGED)
            }
            Self::TakesNoWrites => Some(
                "look for a switch on it, and try another port; if neither helps it is worn out: copy off \
                 what you need",
            ),
            Self::Write { .. } | Self::NotWiped { .. } | Self::Read { .. } | Self::Flush { .. } => {
                Some("try another port; a stick that fails again is worn out")
            }
            Self::Differs { .. } => Some(
                "try another port, without a hub; a stick that fails again is broken: do not use it",
            ),
            Self::Fake { .. } => {
                Some("it is a counterfeit: give it back, and trust it with nothing")
            }
            Self::TooSmall { .. } | Self::TooSmallToBegin { .. } => Some("take a larger stick"),
            Self::ImageDamaged { .. } => Some(
                "copy or download the image again, or build it anew; `livestick verify` names all that is \
                 damaged",
            ),
            Self::ImageCutShort { .. } => Some("copy or download the image again: it is not whole"),
            Self::Grow { source } if has_gone(source) => Some(UNPLUGGED),
            Self::Grow { .. } => {
                Some("check the image with `livestick verify`, or write it as it is with --no-grow")
            }
            Self::Interrupted => Some("the stick boots nowhere now: write it again"),
            _ => None,
        }
    }
}

impl DeviceError {
    /// Whether what was on the device before is still there, for all that is known: it may boot.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        matches!(
            self,
            Self::NotBegun
                | Self::TakesNoWrites
                | Self::NotWiped { .. }
                | Self::TooSmallToBegin { .. }
                | Self::Plan { .. }
                | Self::Finish { .. }
        )
    }
}

fn of(needed_bytes: u64) -> String {
    match needed_bytes {
        0 => String::new(),
        needed_bytes => format!(" of {needed_bytes} at least"),
    }
}

/// Whether that is the cause of an error, however deep.
fn has_gone(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<io::Error>().is_some_and(is_gone) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether the device is not there any more.
fn is_gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let gone = [Errno::NODEV, Errno::NXIO, Errno::NOMEDIUM, Errno::SHUTDOWN];
    Errno::from_io_error(error).is_some_and(|errno| gone.contains(&errno))
}
