//! Reads a volume back: what its boot sector says, its directories, and where every file lies.
//!
//! Nothing is trusted. What is wrong becomes a [`Finding`] and the walk goes on with the rest; every
//! cluster is taken once, so that no chain and no directory can lead in circles.

mod boot;
mod check;
mod directory;
mod fat;
mod file;
mod scan;

pub use boot::{BootRecord, Parameters, volume_end_bytes};
pub use check::check;
pub use file::FileReader;
pub use scan::{Entry, Scan};

pub(crate) use directory::relink;

use fat::Fat;
use livestick_blockio::ReadAt;
use std::fmt;
use std::io;

/// A volume that is read.
#[derive(Debug)]
pub struct Volume<R> {
    pub(crate) medium: R,
    pub(crate) boot: BootRecord,
    fat: Fat,
}

/// Why there is no volume to read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The medium cannot be read.
    #[error("the {part} cannot be read, at byte {offset_bytes}")]
    Io {
        /// What lies there.
        part: &'static str,
        /// Where, on the device.
        offset_bytes: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A part without which nothing else can be found is damaged, or was never there.
    #[error("the {part} is none: {problem}")]
    Damaged {
        /// Which.
        part: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What that means.
    pub severity: Severity,
    /// The part that it concerns: `FAT`, `directory live`, `live/vmlinuz`.
    pub part: String,
    /// What is wrong.
    pub problem: String,
}

/// What a finding means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is lost: what systems leave behind that were not shut down, and wrong hints.
    Odd,
    /// Something is damaged.
    Damaged,
}

impl<R: ReadAt> Volume<R> {
    /// Opens the volume in the first partition of a device or an image of one.
    ///
    /// # Errors
    /// Where the medium cannot be read, or partition table or boot sector make no sense.
    pub fn open(medium: R) -> Result<Self, ReadError> {
        let boot = BootRecord::read(&medium)?;
        let fat = Fat::new(&boot.parameters);
        Ok(Self { medium, boot, fat })
    }

    /// What partition table and boot sector say.
    #[must_use]
    pub fn boot(&self) -> &BootRecord {
        &self.boot
    }

    /// Every file and directory, and what is wrong with them.
    ///
    /// # Errors
    /// Where the medium cannot be read.
    pub fn scan(&self) -> Result<Scan, ReadError> {
        scan::scan(self)
    }

    /// The bytes of a file that [`Self::scan`] found.
    pub fn file<'a>(&'a self, entry: &Entry) -> FileReader<&'a R> {
        FileReader::new(&self.medium, entry)
    }
}

impl Finding {
    pub(crate) fn damaged(part: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            severity: Severity::Damaged,
            part: part.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn odd(part: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            severity: Severity::Odd,
            ..Self::damaged(part, problem)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.part, self.problem)
    }
}
