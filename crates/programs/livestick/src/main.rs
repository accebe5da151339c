//! Makes a USB stick that boots a Linux root, without ever writing to the flash.

mod args;
mod commands;
mod failure;
mod pipeline;
mod progress;
mod report;
mod settings;

use clap::Parser;
use failure::{Exit, Failure};
use std::process::ExitCode;

fn main() -> ExitCode {
    let words = match args::translate(std::env::args_os()) {
        Ok(words) => words,
        Err(unknown) => {
            let failure = Failure::new(Exit::Usage, unknown).hint(
                "`livestick squashfs create --help` lists the options, and the table in \
                 docs/squashfs.md says what they are called in mksquashfs",
            );
            report::print_failure(&failure, false);
            return failure.exit.into();
        }
    };
    let arguments = args::Arguments::parse_from(words);
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
