//! `/init` on the stick: finds the stick by its identity, mounts the root image on it, lays an overlay
//! in RAM over that, and hands over to the root's own init.
//!
//! It never panics: what cannot go on ends on the rescue screen, with a reason and the next step.
#![cfg_attr(
    not(test),
    deny(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod aliases;
mod apart;
mod beacon;
mod boot;
mod check;
mod coldplug;
mod consoles;
mod failure;
mod hand_over;
mod hands_off;
mod instructions;
mod kernel_log;
mod keys;
mod layers;
mod loader;
mod medium;
mod meter;
mod modprobe;
mod pieces;
mod prober;
mod ram;
mod report;
mod rescue;
mod schedule;
mod search;
mod setup;
mod shutdown;
mod smbios;
mod terminals;
mod to_ram;
mod uevents;
mod usb;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

/// One program under several names, chosen by the name that it was called by.
fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_default();
    let name = Path::new(&called).file_name().and_then(OsStr::to_str);
    let arguments: Vec<_> = arguments
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    match name {
        Some(loader::INSERT) => loader::run_insert(&arguments),
        Some(prober::KNOCK) => prober::knock(&arguments),
        Some("modprobe") => modprobe::run(&arguments),
        Some(beacon::WATCHER) => beacon::watch(&arguments),
        Some(rescue::SHELL) => rescue::run_shell(),
        Some(shutdown::NAME) if std::process::id() == 1 => shutdown::run(&arguments),
        _ if std::process::id() == 1 => boot::run(),
        _ => {
            eprintln!("this is the init of a livestick's initramfs: it runs as process 1 only");
            ExitCode::FAILURE
        }
    }
}
