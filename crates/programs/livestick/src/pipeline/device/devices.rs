//! Which disks there are.

use crate::failure::Failure;
use anyhow::Context;
use livestick_device::{Disk, Fixed, Kind, Refusal};
use livestick_disks::Transport;
use serde::Serialize;
use std::path::PathBuf;

/// Every disk.
#[derive(Debug, Serialize)]
pub struct Listed {
    /// In the order of their names.
    pub devices: Vec<Row>,
}

/// A disk.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its node.
    pub path: PathBuf,
    /// Vendor and model.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// Its size.
    pub bytes: u64,
    /// How it is connected.
    pub bus: String,
    /// The size of its sectors.
    pub sector_bytes: u64,
    /// What is on it.
    pub content: String,
    /// Whether it can be written without more ado.
    pub usable: bool,
    /// Why not.
    pub reasons: Vec<String>,
    /// Whether `--allow-fixed` would make it usable.
    pub fixed: bool,
    /// What this user cannot see may stand against it, and nothing else does.
    #[serde(skip)]
    pub unknown: bool,
}

/// Lists them; those without hardware only where `all` says so.
pub fn devices(all: bool) -> Result<Listed, Failure> {
    let disks = Disk::list().context("cannot list the disks of this machine")?;
    let disks = disks.into_iter().filter(|disk| {
        let hardware = disk.device.transport != Transport::Virtual && disk.kind != Kind::Composed;
        all || hardware
    });
    let rows = disks.map(|mut disk| {
        disk.look();
        Row::new(&disk)
    });
    Ok(Listed {
        devices: rows.collect(),
    })
}

impl Row {
    fn new(disk: &Disk) -> Self {
        let refusals = disk.refusals(Fixed::Refuse);
        Self {
            path: disk.device.node(),
            model: disk.device.model.clone(),
            serial: disk.serial.clone(),
            bytes: disk.device.size_bytes,
            bus: disk.device.transport.to_string(),
            sector_bytes: disk.sector_bytes,
            content: content(disk),
            usable: refusals.is_empty(),
            reasons: refusals.iter().map(ToString::to_string).collect(),
            unknown: !disk.unseen.is_empty() && refusals.iter().all(is_denied),
            fixed: !refusals.is_empty() && disk.refusals(Fixed::Allow).is_empty(),
        }
    }
}

/// Whether this user alone cannot tell, or must name the disk besides.
fn is_denied(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Unseen(unseen) => unseen.denied,
        Refusal::Fixed { .. } => true,
        _ => false,
    }
}

/// What is on a disk, in a few words.
pub fn content(disk: &Disk) -> String {
    let parts = disk.partitions.iter().map(|part| match &part.content {
        Some(content) => format!("{} {content}", part.name),
        None => part.name.clone(),
    });
    let parts: Vec<_> = parts.collect();
    match &disk.content {
        _ if !parts.is_empty() => parts.join(", "),
        Some(content) => content.to_string(),
        None => String::new(),
    }
}
