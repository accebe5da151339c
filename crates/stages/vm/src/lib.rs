//! Boots an image under QEMU and watches it.
//!
//! The image is attached as a USB stick and booted as it is: QEMU keeps what the guest writes in a
//! temporary file, and what the harness has to say to `/init` travels in SMBIOS OEM strings
//! ([`livestick_handoff::oem`]). What happens to a real stick happens to this one by a script of
//! [`Step`]s: it is pulled out, plugged in, keys are pressed. [`boot`] returns when the system is up, has failed or is late, with
//! what was seen on the serial console and what was read from the stick. QEMU never outlives it.
//!
//! Sources: QEMU 7.2 (`qemu-options.hx`, `qapi/*.json`), "QEMU Machine Protocol Specification".

mod actions;
mod boot;
mod bus;
mod drives;
mod error;
mod firmware;
mod machine;
mod observer;
mod qemu;
mod qmp;
mod report;
mod script;

pub use boot::boot;
pub use bus::Bus;
pub use error::Error;
pub use machine::{Accelerator, Disk, Firmware, Machine};
pub use observer::{Until, Watch};
pub use report::{Beacon, BlockStats, Ending, Moment, Report};
pub use script::{Action, Step, When};
