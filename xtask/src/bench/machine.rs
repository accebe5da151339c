//! What a benchmark ran on.

use anyhow::{Context, Result};
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

/// A tool, and the option that makes it tell its version.
pub type Tool<'a> = (&'a str, &'a str);

/// What sticks are made and booted with.
pub const STICK_TOOLS: [Tool<'_>; 2] = [
    ("mksquashfs", "-version"),
    ("qemu-system-x86_64", "--version"),
];

/// What sticks are booted with.
pub const BOOT_TOOLS: [Tool<'_>; 1] = [("qemu-system-x86_64", "--version")];

/// One sentence: processor, memory, system, and the versions of these tools and of our own.
pub fn describe(tools: &[Tool<'_>]) -> Result<String> {
    let cpu = first_value(&read("/proc/cpuinfo")?, "model name").unwrap_or_default();
    let cores = available_parallelism().context("cannot count the processors")?;
    let memory = first_value(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default();
    let kibibytes: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
    let system = read("/etc/os-release")?;
    let system = system
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .unwrap_or_default();
    let tools = tools
        .iter()
        .map(|(tool, option)| Ok(version(tool, option)? + "; "));
    Ok(format!(
        "On {cores} cores of {cpu}, {} GiB, {}, Linux {}; {}livestick {}, {}.\n",
        kibibytes >> 20,
        system.trim_matches('"'),
        upstream(&read("/proc/sys/kernel/osrelease")?),
        tools.collect::<Result<String>>()?,
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
pub fn version(tool: &str, option: &str) -> Result<String> {
    let output = Command::new(tool)
        .arg(option)
        .output()
        .with_context(|| format!("cannot start {tool}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(without_parentheses(text.lines().next().unwrap_or(tool)))
}

fn without_parentheses(line: &str) -> String {
    match (line.find(" ("), line.find(')')) {
        (Some(start), Some(end)) if start < end => [&line[..start], &line[end + 1..]].concat(),
        _ => line.to_owned(),
    }
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
    fn a_version_stands_before_or_behind_the_parentheses() {
        for (line, shown) in [
            (
                "mksquashfs version 4.5.1 (2022/03/17)",
                "mksquashfs version 4.5.1",
            ),
            ("gensquashfs (squashfs-tools-ng) 1.2.0", "gensquashfs 1.2.0"),
            ("tool 1.0 :) (2022", "tool 1.0 :) (2022"),
        ] {
            assert_eq!(without_parentheses(line), shown);
        }
    }

    #[test]
    fn a_kernel_is_named_by_its_version() {
        assert_eq!(upstream("6.1.0-56-amd64\n"), "6.1.0");
    }
}
