//! A stick becomes plain storage again.

use crate::stick::Stick;
use crate::{DeviceError, Medium};
use livestick_blockio::Progress;
use livestick_volume::{Label, Options, Plan, Size, Timestamp};
use rustix::rand::{GetRandomFlags, getrandom};

/// What a stick became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The device's size.
    pub size_bytes: u64,
}

/// Gives a device one empty FAT32 partition that takes all of it.
///
/// # Errors
/// Where there can be none of that size, or the device fails; then it has no partition at all.
pub fn restore<M: Medium>(
    medium: M,
    label: Label,
    timestamp: Timestamp,
    progress: &dyn Progress,
) -> Result<Restored, DeviceError> {
    let size_bytes = medium.size_bytes();
    let plan = Plan::new(&[], Size::Fixed(size_bytes));
    let plan = plan.map_err(|source| DeviceError::Plan { source })?;
    let [serial, mbr_signature] = [random()?, random()?];
    let options = Options {
        label,
        serial,
        mbr_signature,
        timestamp,
        boot_code: None,
    };
    let finished = plan.finish(&[], &options);
    let finished = finished.map_err(|source| DeviceError::Finish { source })?;

    if progress.interrupted() {
        return Err(DeviceError::NotBegun);
    }
    progress.start("look", None);
    let stick = Stick::begin(medium)?;
    progress.start("write", None);
    for zeros in &finished.zeros {
        if progress.interrupted() {
            return Err(DeviceError::Interrupted);
        }
        stick.zero(zeros.start_bytes()..zeros.start_bytes() + zeros.length_bytes())?;
    }
    for write in &finished.writes {
        stick.put(&write.bytes, write.offset_bytes)?;
    }
    stick.finish(progress)?;
    Ok(Restored { size_bytes })
}

/// Any number but 0, which stands for "none".
fn random() -> Result<u32, DeviceError> {
    let mut bytes = [0; 4];
    // So few bytes come at once or not at all: getrandom(2).
    let filled = getrandom(&mut bytes, GetRandomFlags::empty());
    filled.map_err(|error| DeviceError::Random {
        source: error.into(),
    })?;
    Ok(u32::from_le_bytes(bytes).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::{Fault, Faulty};
    use livestick_blockio::NoProgress;
    use livestick_volume::{Volume, check};

    #[test]
    fn a_stick_becomes_one_empty_partition() {
        let size = 600 << 20;
        let stick = Faulty::new(size, Fault::None);
        stick.fill_with_an_old_stick();
        let time = Timestamp::from_unix_seconds(0);
        restore(&stick, "USB".parse().unwrap(), time, &NoProgress).unwrap();
        let volume = Volume::open(&stick).unwrap();
        let scan = volume.scan().unwrap();
        assert_eq!(scan.entries.len(), 1);
        assert_eq!(scan.findings, []);
        assert_eq!(check(&volume, &scan, size).unwrap(), []);
        assert!(volume.boot().partition.length_sectors * 512 > size - (3 << 20));
    }

    #[test]
    fn a_stick_that_is_too_small_stays_as_it_is() {
        let stick = Faulty::new(100 << 20, Fault::None);
        let time = Timestamp::from_unix_seconds(0);
        let error = restore(&stick, "USB".parse().unwrap(), time, &NoProgress).unwrap_err();
        assert!(matches!(error, DeviceError::Plan { .. }), "{error}");
        assert!(stick.is_untouched());
    }
}
