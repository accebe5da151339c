//! What a benchmark ran on.

use anyhow::{Context, Result};
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

/// One sentence: processor, memory, system, and the versions of the tools that matter.
pub fn describe() -> Result<String> {
    let cpu = first_value(&read("/proc/cpuinfo")?, "model name").unwrap_or_default();
    let cores = available_parallelism().context("cannot count the processors")?;
    let memory = first_value(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default();
    let kibibytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
    let system = read("/etc/os-release")?;
    let system = system
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or_default();
    Ok(format!(
        "On {cores} cores of {cpu}, {} GiB, {}, Linux {}; {}; {}; livestick {}, {}.\n",
        kibibytes >> 20,
        system.trim_matches('"'),
        upstream(&read("/proc/sys/kernel/osrelease")?),
        version("mksquashfs", "-version")?,
        version("qemu-system-x86_64", "--version")?,
        env!("CARGO_PKG_VERSION"),
        version("rustc", "--version")?,
    ))
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// A kernel's version without what its builder added.
fn upstream(release: &str) -> &str {
    release.trim().split('-').next().unwrap_or(release)
}

/// The value of the first `name : value` line.
fn first_value(text: &str, name: &str) -> Option<String> {
    let values = text.lines().filter_map(|line| line.split_once(':'));
    let value = values.into_iter().find(|(key, _)| key.trim() == name)?.1;
    Some(value.trim().to_owned())
}

/// The first line that a tool prints of itself, without what is in parentheses. Some exit with an
/// error when they are asked.
fn version(tool: &str, option: &str) -> Result<String> {
    let output = Command::new(tool)
        .arg(option)
        .output()
        .with_context(|| format!("cannot start {tool}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or(tool);
    Ok(line.split(" (").next().unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_name() {
        let text = "processor\t: 0\nmodel name\t: A CPU: fast\nmodel name\t: Another\n";
        assert_eq!(
            first_value(text, "model name").as_deref(),
            Some("A CPU: fast")
        );
        assert_eq!(first_value(text, "model"), None);
    }

    #[test]
    fn a_kernel_is_named_by_its_version() {
        assert_eq!(upstream("6.1.0-56-amd64\n"), "6.1.0");
    }
}
