//! Real devices, and what is on them.

mod against;
mod devices;
mod image;
mod inspect;
mod output;
mod restore;
mod target;
mod verify;
mod write;

pub use devices::{Listed, Row, devices};
pub use inspect::{Inspected, inspect};
pub use output::StickOutput;
pub use restore::{RestoredStick, restore};
pub use target::{Target, choose_one, claim, confirm};
pub use verify::{Verified, verify};
pub use write::{StickResult, WrittenSticks, write};

use crate::failure::{Exit, Failure};
use livestick_device::DeviceError;

/// What is wrong with a stick, and what to do about it.
pub fn device_failed(name: &str, error: DeviceError) -> Failure {
    let exit = match &error {
        DeviceError::Interrupted => Exit::Interrupted,
        DeviceError::Differs { .. } | DeviceError::Fake { .. } => Exit::Unverified,
        DeviceError::Plan { .. } => Exit::Refused,
        _ => Exit::Failed,
    };
    let hint = error.hint();
    let failure = Failure::new(exit, anyhow::Error::new(error).context(name.to_owned()));
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
