//! How much memory a stick takes, and how it is shared out.

use std::fmt;

const MIB: u64 = 1 << 20;
/// Neither a file's content nor its inode takes less in memory.
const PAGE_BYTES: u64 = 4096;

/// A part of the machine's RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RamSize {
    /// Per cent of the machine's RAM, from 1 to 100.
    Percent(u8),
    /// Bytes, at least 1.
    Bytes(u64),
}

impl RamSize {
    /// How many bytes that is on a machine with so much RAM.
    #[must_use]
    pub fn of(self, ram_bytes: u64) -> u64 {
        match self {
            Self::Percent(percent) => ram_bytes / 100 * u64::from(percent),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// How many files an overlay of this size may hold: one for each page that it may take. The
    /// kernel's own limit goes by the machine's RAM alone, and a small overlay could fill all of it
    /// with empty files.
    #[must_use]
    pub fn inodes(self, ram_bytes: u64) -> u64 {
        (self.of(ram_bytes) / PAGE_BYTES).max(INODES_AT_LEAST)
    }
}

/// What a booted system makes in `/run`, `/tmp` and `/var` before anybody does anything.
const INODES_AT_LEAST: u64 = 16_384;

/// As tmpfs takes it for its `size=` option.
impl fmt::Display for RamSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percent(percent) => write!(formatter, "{percent}%"),
            Self::Bytes(bytes) => write!(formatter, "{bytes}"),
        }
    }
}

/// `50%`, `512M`, `1g`, or bytes.
impl std::str::FromStr for RamSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        if let Some(percent) = text.strip_suffix('%') {
            let percent = percent.parse().map_err(|_| NotASize)?;
            let sane = (1..=100).contains(&percent);
            return sane.then_some(Self::Percent(percent)).ok_or(NotASize);
        }
        let (digits, shift) = match text.chars().last().map(|unit| unit.to_ascii_lowercase()) {
            Some('k') => (&text[..text.len() - 1], 10),
            Some('m') => (&text[..text.len() - 1], 20),
            Some('g') => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        let number: u64 = digits.parse().map_err(|_| NotASize)?;
        let bytes = number.checked_mul(1 << shift).filter(|bytes| *bytes > 0);
        bytes.map(Self::Bytes).ok_or(NotASize)
    }
}

/// The text is not a size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is neither a percentage from 1% to 100% nor a number of bytes with an optional K, M or G"
)]
pub struct NotASize;

/// What runs from the stick, as far as its need for RAM goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Workload {
    /// Kernel, init system, services and a login prompt.
    #[default]
    Console,
    /// A display server and a desktop with one program on it, too.
    Desktop,
}

impl Workload {
    /// What kernel and system take, in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        match self {
            Self::Console => RamBudget::SYSTEM_BYTES,
            Self::Desktop => RamBudget::SYSTEM_BYTES + 640 * MIB,
        }
    }
}

/// How much RAM a stick needs, by rule of thumb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RamBudget {
    /// The RAM of a machine on which it comes up and is of use, in bytes.
    pub least_bytes: u64,
    /// The same with the root image in RAM, in bytes.
    pub to_ram_bytes: u64,
}

impl RamBudget {
    /// What the kernel and a system without a desktop take, in bytes. The copy to RAM wants as much
    /// left over.
    pub const SYSTEM_BYTES: u64 = 256 * MIB;
    /// What is left for changes and programs at the least, in bytes.
    pub const CHANGES_BYTES: u64 = 128 * MIB;

    /// That of a stick whose root image has this length.
    #[must_use]
    pub fn new(workload: Workload, image_bytes: u64) -> Self {
        let least_bytes = workload.bytes() + Self::CHANGES_BYTES;
        Self {
            least_bytes,
            to_ram_bytes: least_bytes.saturating_add(image_bytes),
        }
    }

    /// What changes can take on a machine with so much RAM before it runs out, in bytes; `in_ram` is
    /// how much of the image is in RAM.
    #[must_use]
    pub fn left_for_changes(&self, ram_bytes: u64, in_ram: u64, overlay: RamSize) -> u64 {
        let system_bytes = self.least_bytes.saturating_sub(Self::CHANGES_BYTES);
        let rest = ram_bytes.saturating_sub(system_bytes);
        overlay.of(ram_bytes).min(rest.saturating_sub(in_ram))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn sizes_are_checked() {
        assert_eq!("100%".parse(), Ok(RamSize::Percent(100)));
        assert_eq!("4096".parse(), Ok(RamSize::Bytes(4096)));
        assert_eq!("300k".parse(), Ok(RamSize::Bytes(300 << 10)));
        for text in [
            "",
            "0",
            "0%",
            "101%",
            "%",
            "M",
            "-1",
            "5T",
            "99999999999G",
            "5€",
        ] {
            assert_eq!(text.parse::<RamSize>(), Err(NotASize), "{text}");
        }
    }

    #[test]
    fn files_are_limited_as_bytes_are() {
        let half = RamSize::Percent(50);
        assert_eq!(half.of(2 * GIB) / MIB, 1023); // Whole per cents of it, in bytes.
        assert_eq!(half.inodes(2 * GIB), half.of(2 * GIB) / 4096);
        assert_eq!(RamSize::Bytes(64 * MIB).inodes(64 * GIB), 16_384);
        assert_eq!(RamSize::Bytes(GIB).inodes(64 * GIB), 262_144);
    }

    #[test]
    fn what_is_left_never_is_what_is_taken() {
        let budget = RamBudget::new(Workload::Console, GIB);
        assert_eq!(budget.to_ram_bytes - budget.least_bytes, GIB);
        let half = RamSize::Percent(50);
        let left = |in_ram| budget.left_for_changes(2 * GIB, in_ram, half);
        assert_eq!(left(0), half.of(2 * GIB));
        assert_eq!(left(GIB), 768 * MIB);
        assert_eq!(left(2 * GIB), 0);
        let bytes = budget.left_for_changes(budget.to_ram_bytes, GIB, half);
        assert_eq!(bytes, RamBudget::CHANGES_BYTES);
        let desktop = RamBudget::new(Workload::Desktop, GIB);
        assert!(desktop.least_bytes > budget.least_bytes);
        assert!(desktop.left_for_changes(2 * GIB, GIB, half) < left(GIB));
    }
}
