//! What `/init` is told: by the kernel command line, by the machine's OEM strings, and by the files
//! that the builder put into the initramfs.

use crate::failure::Failure;
use crate::smbios;
use livestick_handoff::{CommandLine, ModulePlan, ParseError, Seal, oem, paths};
use std::fs;

/// What command line and machine ask for.
#[derive(Debug)]
pub struct Instructions {
    pub command_line: CommandLine,
    /// The serial ports to log to.
    pub log_ports: Vec<String>,
    /// The serial port on which the system reports its state once it is up.
    pub beacon_port: Option<String>,
}

impl Instructions {
    pub fn read() -> Self {
        let strings = smbios::oem_strings();
        let ports = |prefix| {
            let ports = strings
                .iter()
                .filter_map(move |string| string.strip_prefix(prefix));
            ports.filter(|port| is_port(port)).map(str::to_owned)
        };
        Self {
            command_line: command_line(),
            log_ports: ports(oem::LOG).collect(),
            beacon_port: ports(oem::BEACON).next(),
        }
    }
}

pub fn command_line() -> CommandLine {
    CommandLine::parse(&fs::read_to_string("/proc/cmdline").unwrap_or_default())
}

pub fn seal() -> Result<Seal, Failure> {
    read(paths::SEAL, Seal::parse)
}

pub fn module_plan() -> Result<ModulePlan, Failure> {
    read(paths::MODULE_PLAN, ModulePlan::parse)
}

fn read<T>(path: &'static str, parse: fn(&[u8]) -> Result<T, ParseError>) -> Result<T, Failure> {
    let bytes = fs::read(path).map_err(|source| Failure::Unreadable { path, source })?;
    parse(&bytes).map_err(|source| Failure::Senseless { path, source })
}

/// A port's name becomes part of a path and of a unit, so it is taken for nothing else.
fn is_port(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_plain_name() {
        assert!(is_port("ttyS0") && is_port("hvc0"));
        for name in ["", "../sda", "ttyS0;reboot", "tty S0", "tty%i"] {
            assert!(!is_port(name), "{name}");
        }
    }
}
