//! Lists, claims, writes and reads back real block devices, and never the wrong one.
//!
//! - [`Disk::list`] says which disks there are and what uses them, and [`Disk::refusals`] why one may
//!   not be written. [`find`] finds the one that a path such as `/dev/disk/by-id/…` means.
//! - [`claim`] takes a disk for this process alone: nobody can mount it meanwhile.
//! - A [`Stick`] is a claimed device that is being written. Its first MiB is wiped at once and written
//!   last, after all else has been read back and found good: until then it boots nowhere.
//! - [`copy`] writes one image to many sticks, [`restore`] makes a stick plain storage again.
//!
//! All of it goes through the [`Medium`] trait, so that tests can put faults between.

mod buffer;
mod claim;
mod copy;
mod error;
#[cfg(any(test, feature = "faulty"))]
pub mod faulty;
#[cfg(test)]
mod fixture;
mod ledger;
mod medium;
mod probe;
mod reread;
mod restore;
mod snapshot;
mod stick;
mod store;
mod target;
mod verdict;
mod watched;

pub use claim::{Claimed, claim};
pub use copy::{BoxError, Check, Copied, Destination, Image, copy};
pub use error::{ClaimError, DeviceError};
pub use livestick_volume::{Label, LabelError, Timestamp};
pub use medium::Medium;
pub use restore::{Restored, restore};
pub use snapshot::{Disk, Fixed, Kind, Layer, Partition, Unseen, Use};
pub use stick::Stick;
pub use store::Store;
pub use target::{TargetError, find};
pub use verdict::Refusal;
