//! Checks images: the rules by which Linux reads them, and then every block.

mod blocks;
mod inodes;
mod options;
mod paths;
mod report;
mod tables;
mod tree;
mod xattrs;

pub use report::{CheckReport, Finding, Severity};

use crate::ReadError;
use crate::format::PADDING_BYTES;
use crate::read::Image;
use crate::read::layout::Layout;
use crate::read::superblock::{LZO, Superblock};
use livestick_blockio::{Progress, ReadAt};
use std::num::NonZeroUsize;
use tables::MetadataMaps;
use tree::Walk;
use zerocopy::byteorder::little_endian::U32;

/// How an image is checked.
#[derive(Clone, Copy, Debug)]
pub struct CheckOptions {
    /// How many threads decompress.
    pub jobs: NonZeroUsize,
    /// Only superblock, tables and the tree are looked at, no data blocks and fragments.
    pub quick: bool,
}

impl Default for CheckOptions {
    /// Everything, with as many jobs as the machine has processors.
    fn default() -> Self {
        Self {
            jobs: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            quick: false,
        }
    }
}

/// Checks an image, which begins at position 0 of `source`: superblock, tables, the whole tree, and
/// then all data, each block once. What is wrong stands in the report, an image that is none
/// included.
///
/// About 100 bytes of memory are taken for a file and 32 for a block. Progress is two stages: the
/// metadata, of unknown length, and the data, in bytes as stored.
///
/// # Errors
/// [`ReadError::Interrupted`], [`ReadError::Thread`], and [`ReadError::UnsupportedCompressor`] where
/// the image is compressed with lzo, which kernels read and we do not: then nothing is known.
pub fn check<R: ReadAt + Sync>(
    source: &R,
    options: &CheckOptions,
    progress: &dyn Progress,
) -> Result<CheckReport, ReadError> {
    progress.start("metadata", None);
    let mut report = CheckReport::default();
    let Some(image) = open(source, &mut report)? else {
        return Ok(report);
    };
    let maps = MetadataMaps::read(&image, &mut report, progress)?;
    tables::check_rows(&image, &mut report, progress)?;
    xattrs::check(&image, &maps, &mut report, progress)?;
    let mut walk = Walk::new(&image, &maps, &mut report, progress);
    walk.run()?;
    let mut wanted = walk.finish()?;
    wanted.add_fragments(&image, &mut report, progress)?;
    wanted.check_gaps(&image, &mut report);
    if !options.quick {
        wanted.decompress(&image, options.jobs, &mut report, progress)?;
    }
    Ok(report)
}

/// What has to be right before anything else can be looked at. `None`: it is not.
fn open<'a, R: ReadAt>(
    source: &'a R,
    report: &mut CheckReport,
) -> Result<Option<Image<&'a R>>, ReadError> {
    let superblock = match Superblock::read(source) {
        Ok(superblock) => superblock,
        Err(error @ ReadError::UnsupportedCompressor(LZO)) => return Err(error),
        Err(error) => {
            report.error(Severity::Mount, None, &error);
            return Ok(None);
        }
    };
    report.superblock = Some(superblock.clone());
    check_superblock(&superblock, report);
    check_end(source, &superblock, report);
    options::check(source, &superblock, report);
    let (layout, faults) = Layout::read(source, &superblock);
    for fault in &faults {
        report.error(Severity::Mount, None, fault);
    }
    if !faults.is_empty() {
        return Ok(None);
    }
    let mut image = Image::assemble(source, superblock, layout);
    image.ids = match image.read_ids() {
        Ok(ids) => ids,
        Err(error) => {
            // The root's owner is in the first block wherever there are few, and nearly always
            // where there are many: without it nothing can be mounted.
            let ids = image.layout.ids.as_ref();
            let first = ids.map(|ids| image.stored.row::<U32>(ids, 0));
            let severity = match first {
                Some(Err(_)) => Severity::Mount,
                _ => Severity::Access,
            };
            report.error(severity, None, &error);
            return Ok(None);
        }
    };
    match image.root() {
        Ok(root) if root.is_directory() => Ok(Some(image)),
        Ok(_) => {
            let place = ("inode table", image.layout.inodes.start);
            report.note(Severity::Mount, place, "the root is not a directory");
            Ok(None)
        }
        Err(error) => {
            // Of the inode table the kernel knows only where it begins.
            image.layout.inodes.end = image.superblock.bytes_used;
            let severity = match image.root() {
                Ok(root) if root.is_directory() => Severity::Access,
                _ => Severity::Mount,
            };
            report.error(severity, Some(Vec::new()), &error);
            Ok(None)
        }
    }
}

fn check_superblock(superblock: &Superblock, report: &mut CheckReport) {
    let unknown = superblock.flags.unknown();
    if unknown != 0 {
        let problem = format!("the flags {unknown:#06x} have no meaning");
        report.note(Severity::Odd, ("superblock", 0), problem);
    }
    if superblock.root_excess != 0 {
        let problem = "root_inode has bits that have no meaning";
        report.note(Severity::Odd, ("superblock", 0), problem);
    }
    if superblock.fragments == 0 && superblock.fragment_table.is_some_and(|table| table == 0) {
        let problem = "the fragment table is the superblock";
        report.note(Severity::Odd, ("superblock", 0), problem);
    }
}

/// The end of the image must be there, and behind it should be zeros up to whole pages.
fn check_end(source: &impl ReadAt, superblock: &Superblock, report: &mut CheckReport) {
    let end = superblock.bytes_used;
    let mut last = [0];
    // The superblock says that it is not empty.
    if source.read_exact_at(&mut last, end - 1).is_err() {
        let problem = "the medium ends before the image does";
        report.note(Severity::Mount, ("superblock", 0), problem);
        return;
    }
    // At most 2^63 before, and less than 4096 more.
    let missing = end.next_multiple_of(PADDING_BYTES) - end;
    let mut padding = vec![0; usize::try_from(missing).unwrap_or_default()];
    if source.read_exact_at(&mut padding, end).is_err() {
        let problem = "it is not padded to 4 KiB, which loop devices need";
        report.note(Severity::Odd, ("end", end), problem);
    } else if padding.iter().any(|byte| *byte != 0) {
        report.note(Severity::Odd, ("end", end), "the padding is not zeros");
    }
}
