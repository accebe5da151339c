//! Makes a USB stick that boots a Linux root, without ever writing to the flash.

mod args;
mod commands;
mod failure;
mod pipeline;
mod progress;
mod report;
mod settings;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = args::Arguments::parse_from(args::translate(std::env::args_os()));
    let json = arguments.command.json();
    let result = match arguments.command {
        args::Command::Plan(plan) => commands::plan::run(*plan),
        args::Command::Build(build) => commands::build::run(*build),
        args::Command::Devices(devices) => commands::device::devices(&devices),
        args::Command::Write(write) => commands::device::write(write),
        args::Command::Verify(verify) => commands::device::verify(verify),
        args::Command::Inspect(inspect) => commands::device::inspect(&inspect),
        args::Command::Restore(restore) => commands::device::restore(restore),
        args::Command::Squashfs(squashfs) => commands::squashfs::run(squashfs),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report::print_failure(&failure, json);
            failure.exit.into()
        }
    }
}
