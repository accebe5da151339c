//! A stick becomes plain storage again.

use super::{device_failed, target};
use crate::failure::Failure;
use crate::progress::Bars;
use crate::settings::Restore;
use livestick_device::Timestamp;
use serde::Serialize;
use std::path::PathBuf;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct RestoredStick {
    /// The stick.
    pub device: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The volume's label.
    pub label: String,
    /// Whether nothing was to be done.
    pub dry_run: bool,
}

/// Gives it one empty FAT32 partition.
pub fn restore(settings: &Restore, bars: &Bars) -> Result<RestoredStick, Failure> {
    let targets = target::choose(std::slice::from_ref(&settings.device), &settings.consent)?;
    for target in targets.iter().filter(|_| !settings.dry_run) {
        let interrupted = || bars.interrupted();
        target::confirm(
            std::slice::from_ref(target),
            &settings.consent,
            &interrupted,
        )?;
        let claimed = target::claim(target)?;
        let bar = bars.add(target.name());
        let timestamp = Timestamp::from_unix_seconds(settings.clock.seconds());
        let restored = livestick_device::restore(claimed, settings.label, timestamp, &bar);
        drop(bar);
        restored.map_err(|error| device_failed(target.name(), error))?;
    }
    let disk = targets.first().map(|target| &target.disk.device);
    Ok(RestoredStick {
        device: disk.map_or_else(|| settings.device.clone(), |disk| disk.node()),
        bytes: disk.map_or(0, |disk| disk.size_bytes),
        label: settings.label.to_string(),
        dry_run: settings.dry_run,
    })
}
