//! What a stick is made of.

use crate::args;
use crate::failure::{Exit, Failure};
use crate::settings::{Clock, Firmware, changing, compression, jobs, memory, selection};
use anyhow::Context;
use livestick_bootloader::Console;
use livestick_capture::{Exclusions, MountChoice, RuleSet, Unreadable};
use livestick_handoff::{CommandLine, Segments};
use livestick_image::{Label, Size};
use livestick_squashfs::{Changing, Compression};
use livestick_survey::Allowed;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

/// What a stick is made of.
#[derive(Debug)]
pub struct Stick {
    /// The directory that holds the root.
    pub source: PathBuf,
    /// How to compress the root.
    pub compression: Compression,
    /// What the user leaves out.
    pub exclusions: Exclusions,
    /// The secrets that may go on the stick.
    pub allowed: Allowed,
    /// The rules in force.
    pub rules: RuleSet,
    /// What the user says about other filesystems.
    pub mounts: MountChoice,
    /// The kernel that the user asked for.
    pub kernel: Option<String>,
    /// Which firmware the stick is to boot on.
    pub firmware: Firmware,
    /// The volume's label.
    pub label: Label,
    /// Words added to every entry's kernel command line.
    pub cmdline: String,
    /// The consoles of menu and system, besides the screen.
    pub consoles: Vec<Console>,
    /// Seconds that the boot menu waits.
    pub menu_timeout_seconds: u32,
    /// How large the image is.
    pub size: Size,
    /// The longest file of the root image.
    pub segment_bytes: u64,
    /// How many threads compress.
    pub jobs: NonZeroUsize,
    /// What to do with files that cannot be read.
    pub unreadable: Unreadable,
    /// What to do with files that never hold still.
    pub changing: Changing,
    /// How much file content may be in memory at once.
    pub memory_bytes: usize,
    /// When the image is made.
    pub clock: Clock,
}

impl Stick {
    /// Checks what was typed.
    pub fn new(args: args::Stick) -> Result<Self, Failure> {
        let usage = |error: anyhow::Error| Failure::new(Exit::Usage, error);
        Ok(Self {
            compression: compression::parse(&args.compression, compression::FOR_STICKS)
                .map_err(usage)?,
            allowed: Allowed::new(&args.allow_secret).map_err(|e| usage(e.into()))?,
            exclusions: selection::exclusions(&args.selection)?,
            rules: selection::rules(&args.selection)?,
            label: Label::from_str(&args.label)
                .with_context(|| format!("--label `{}` cannot be used", args.label))
                .map_err(usage)?,
            size: args
                .size
                .as_deref()
                .map_or(Ok(Size::Fit), size)
                .map_err(usage)?,
            segment_bytes: args
                .segment_size
                .as_deref()
                .map_or(Ok(Segments::LONGEST_BYTES), segment_bytes)
                .map_err(usage)?,
            clock: Clock::of_environment().map_err(usage)?,
            firmware: Firmware::new(&args.firmware, args.secure_boot).map_err(usage)?,
            consoles: consoles(&args.console).map_err(usage)?,
            jobs: jobs(args.jobs).map_err(usage)?,
            changing: changing(args.selection.keep_changing),
            memory_bytes: memory::budget_bytes(),
            unreadable: match args.selection.skip_unreadable {
                true => Unreadable::Skip,
                false => Unreadable::Fail,
            },
            mounts: MountChoice {
                include: args.selection.include_mount,
                exclude: args.selection.exclude_mount,
            },
            source: args.source,
            kernel: args.kernel,
            cmdline: match args.use_internal_disks {
                true => format!("{} {}", CommandLine::USE_INTERNAL_DISKS, args.cmdline)
                    .trim_end()
                    .to_owned(),
                false => args.cmdline,
            },
            menu_timeout_seconds: args.menu_timeout,
        })
    }
}

fn consoles(texts: &[String]) -> anyhow::Result<Vec<Console>> {
    let consoles = texts.iter().map(|text| {
        text.parse()
            .with_context(|| format!("--console `{text}` cannot be used"))
    });
    consoles.collect()
}

fn size(text: &str) -> anyhow::Result<Size> {
    let size = bytesize::ByteSize::from_str(text)
        .map_err(|_| anyhow::anyhow!("--size `{text}` is not a size such as 8G or 8GiB"))?;
    // A whole number of sectors, and never more than was asked for.
    Ok(Size::Fixed(size.as_u64() / 512 * 512))
}

fn segment_bytes(text: &str) -> anyhow::Result<u64> {
    let size = bytesize::ByteSize::from_str(text).map(|size| size.as_u64());
    let size = size.ok().filter(|size| Segments::new(0, *size).is_some());
    size.with_context(|| {
        format!("--segment-size `{text}` is not a whole number of MiB, such as 64MiB, below 4GiB")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_decimal_unless_they_say_otherwise() {
        assert_eq!(size("8G").unwrap(), Size::Fixed(8_000_000_000));
        assert_eq!(size("1GiB").unwrap(), Size::Fixed(1 << 30));
        assert_eq!(size("1000").unwrap(), Size::Fixed(512));
        assert!(size("big").is_err());
    }

    #[test]
    fn segments_are_of_whole_mebibytes_that_fat_can_hold() {
        assert_eq!(segment_bytes("64MiB").unwrap(), 64 << 20);
        assert_eq!(segment_bytes("4095MiB").unwrap(), Segments::LONGEST_BYTES);
        for text in ["0", "64M", "4GiB", "many"] {
            assert!(segment_bytes(text).is_err(), "{text}");
        }
    }
}
