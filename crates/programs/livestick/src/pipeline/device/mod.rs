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
use std::io;

/// What is wrong with a stick, and what to do about it.
pub fn device_failed(name: &str, error: DeviceError) -> Failure {
    let (exit, hint, untouched) = (exit(&error), error.hint(), error.is_untouched());
    let mut failure = Failure::new(exit, anyhow::Error::new(error).context(name.to_owned()));
    failure.hint = hint.map(str::to_owned);
    match untouched {
        true => failure,
        false => failure.touched(),
    }
}

/// The same of an error whose cause, however deep, is a stick; `None` where it is something else.
pub fn failure_of(error: &anyhow::Error) -> Option<(Exit, Option<&'static str>)> {
    let device = error.chain().find_map(|cause| {
        let within = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        let within = within.and_then(|within| within.downcast_ref::<DeviceError>());
        within.or_else(|| cause.downcast_ref::<DeviceError>())
    });
    device.map(|device| (exit(device), device.hint()))
}

fn exit(error: &DeviceError) -> Exit {
    match error {
        DeviceError::NotBegun | DeviceError::Interrupted => Exit::Interrupted,
        DeviceError::Differs { .. }
        | DeviceError::Fake { .. }
        | DeviceError::ImageDamaged { .. } => Exit::Unverified,
        DeviceError::Plan { .. } => Exit::Refused,
        _ => Exit::Failed,
    }
}
