//! FAT32 and the partition table around it, for a layout that is known before it is written.
//!
//! A [`Plan`] says where every file lies, with nothing read or written. The caller writes the files'
//! bytes to these places, in any order. [`Plan::finish`] then takes the lengths that were not known
//! before and gives the bytes of everything else: partition table, boot sectors, allocation tables
//! and directories.
//!
//! ```text
//! LBA 0                  partition table, boot code
//! LBA 2048               the volume: boot sector, FSInfo, and at +6 the backup of both
//!   + reserved sectors   first FAT, then the second; right behind them:
//!   data area            on a 4 MiB boundary: directories, then the files in the order given
//! ```
//!
//! About 32 MiB of reserved sectors lie before the FATs and are never written. A volume that moves
//! to a larger device can so grow its FATs downward, and its clusters, since files begin 32 KiB apart
//! or a multiple of that: no file moves. See [`grow`].
//!
//! [`Volume`] reads a volume back, its owner's files too, and [`check`] says what is damaged.
//!
//! Every file is one contiguous run of clusters. Sources: Microsoft's *FAT32 File System
//! Specification* 1.03 (2000), and for long names *Long Filename Specification* 0.5 (1992).

mod directory;
mod finish;
mod format;
mod geometry;
mod grow;
mod label;
mod name;
mod plan;
mod read;
mod timestamp;

pub use finish::{
    BootCode, FinalLength, FinishError, Finished, MetadataWrite, Options, boot_bytes,
};
pub use geometry::{Size, VOLUME_START_LBA};
pub use grow::{GrowError, Growth, grow};
pub use label::{Label, LabelError};
pub use name::NameError;
pub use plan::{FILE_LIMIT_BYTES, Length, Place, Plan, PlanError, PlannedFile};
pub use read::{
    BootRecord, Entry, FileReader, Finding, Parameters, ReadError, Scan, Severity, Volume, check,
    volume_end_bytes,
};
pub use timestamp::Timestamp;
