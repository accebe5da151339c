//! Which block devices there are (from sysfs), and what is on them (from their first bytes). Nothing
//! here mounts or writes.

mod content;
mod device;

pub use content::{Content, Table, vfat_serial};
pub use device::{BlockDevice, Transport};
