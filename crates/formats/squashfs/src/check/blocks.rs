//! Data blocks and fragments.

use super::paths::{NameId, Names};
use super::report::CRASH_WARNING;
use super::tables::stop;
use super::{CheckReport, Finding, Severity};
use crate::ReadError;
use crate::format::{DATA_STORED, RawFragment};
use crate::read::Image;
use crate::read::content::BlockPlace;
use crate::read::decode::Decoder;
use crate::read::source::read_exact;
use crate::read::stored::BlockSize;
use crate::read::superblock::CompressorOptions;
use livestick_blockio::{Progress, ReadAt};
use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How many bad blocks are kept.
const BAD_LIMIT: usize = 1000;

/// How long a block must be once it is decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Length {
    /// A data block: so long.
    Exactly(u32),
    /// A fragment: at least so long.
    AtLeast(u32),
}

/// A block that has to be decompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Block {
    start: u64,
    size: BlockSize,
    length: Length,
}

/// What the files need of a fragment.
#[derive(Clone, Copy)]
struct Need {
    bytes: u32,
    /// The first file in it.
    name: NameId,
}

/// What has to be decompressed, each block once, with a file that it belongs to.
#[derive(Default)]
pub(super) struct Wanted {
    blocks: HashMap<Block, NameId>,
    fragments: HashMap<u32, Need>,
    /// The names of all files, once the tree was walked.
    pub(super) names: Option<Names>,
}

impl Wanted {
    pub(super) fn block(&mut self, block: &BlockPlace, name: NameId) {
        let block = Block {
            start: block.start,
            size: block.size,
            // At most a block, 1 MiB.
            length: Length::Exactly(u32::try_from(block.length_bytes).unwrap_or_default()),
        };
        self.blocks.entry(block).or_insert(name);
    }

    /// A file ends so many bytes into a fragment, at most a block.
    pub(super) fn fragment(&mut self, number: u32, end: u64, name: NameId) {
        let bytes = u32::try_from(end).unwrap_or_default();
        let need = self.fragments.entry(number).or_insert(Need { bytes, name });
        need.bytes = need.bytes.max(bytes);
    }

    /// Looks at the fragment table.
    pub(super) fn add_fragments<R: ReadAt>(
        &mut self,
        image: &Image<R>,
        report: &mut CheckReport,
        progress: &dyn Progress,
    ) -> Result<(), ReadError> {
        let Some(rows) = &image.layout.fragments else {
            return Ok(());
        };
        for number in 0..image.superblock.fragments {
            stop(progress)?;
            let need = self.fragments.get(&number).copied();
            let Ok(raw) = image.stored.row::<RawFragment>(rows, number.into()) else {
                // The blocks of the table were looked at before.
                break;
            };
            let (start, size) = (raw.start.get(), BlockSize(raw.size.get()));
            let place = ("fragment", start);
            let Some(need) = need else {
                report.note(Severity::Odd, place, "no file is in it");
                continue;
            };
            if let Err(error) = image.stored.stored_bytes("fragment", start, size) {
                let path = self.path(need.name);
                report.error(Severity::Access, path, &error);
                continue;
            }
            let block = Block {
                start,
                size,
                length: Length::AtLeast(need.bytes),
            };
            self.blocks.entry(block).or_insert(need.name);
        }
        Ok(())
    }

    /// Whether the data lies where it should, and fills that.
    pub(super) fn check_gaps<R: ReadAt>(&self, image: &Image<R>, report: &mut CheckReport) {
        let superblock = &image.superblock;
        let options = CompressorOptions::read(&image.stored.source, superblock);
        // What is wrong with them was said before.
        let (_, start) = options.unwrap_or((None, 0));
        let mut at = start;
        let mut unused: u64 = 0;
        for (block, _) in self.sorted() {
            let end = block.start + u64::from(block.size.length_bytes().unwrap_or_default());
            if block.start < start || end > superblock.inode_table {
                let place = ("data", block.start);
                report.note(Severity::Odd, place, "a block lies among the tables");
            }
            unused += block.start.saturating_sub(at);
            at = at.max(end);
        }
        unused += superblock.inode_table.saturating_sub(at);
        if start > 0 && unused > 0 && report.findings_count == 0 {
            let problem = format!("{unused} bytes belong to no file");
            report.note(Severity::Odd, ("data", start), problem);
        }
    }

    /// Decompresses everything.
    pub(super) fn decompress<R: ReadAt + Sync>(
        &self,
        image: &Image<R>,
        jobs: NonZeroUsize,
        report: &mut CheckReport,
        progress: &dyn Progress,
    ) -> Result<(), ReadError> {
        let blocks = self.affordable(image, report);
        let total = blocks.iter().map(|(block, _)| stored_bytes(block)).sum();
        progress.start("data", Some(total));
        let bad = decompress(image, &blocks, jobs, progress)?;
        report.blocks = blocks.len() as u64;
        report.stored_bytes = total;
        let kept = bad.kept.len() as u64;
        for (block, problem) in bad.kept {
            let table = match block.length {
                Length::Exactly(_) => "data",
                Length::AtLeast(_) => "fragment",
            };
            report.add(Finding {
                severity: Severity::Access,
                path: self.blocks.get(&block).and_then(|name| self.path(*name)),
                place: Some((table, block.start)),
                problem,
            });
        }
        report.findings_count += bad.count - kept;
        Ok(())
    }

    /// The blocks as long as they do not take more than the image: others overlap, and could make
    /// any amount of work.
    fn affordable<R>(&self, image: &Image<R>, report: &mut CheckReport) -> Vec<(Block, NameId)> {
        let mut blocks = self.sorted();
        let mut left = image.superblock.bytes_used;
        let within = blocks.iter().position(|(block, _)| {
            let rest = left.checked_sub(stored_bytes(block));
            left = rest.unwrap_or_default();
            rest.is_none()
        });
        if let Some(count) = within {
            let place = ("data", blocks[count].0.start);
            let problem = "blocks overlap; those from here on were not decompressed";
            report.note(Severity::Access, place, problem);
            blocks.truncate(count);
        }
        blocks
    }

    fn sorted(&self) -> Vec<(Block, NameId)> {
        let mut blocks: Vec<_> = self
            .blocks
            .iter()
            .map(|(block, name)| (*block, *name))
            .collect();
        blocks.sort_unstable_by_key(|(block, _)| *block);
        blocks
    }

    fn path(&self, name: NameId) -> Option<Vec<u8>> {
        self.names.as_ref().map(|names| names.path(name))
    }
}

fn stored_bytes(block: &Block) -> u64 {
    u64::from(block.size.length_bytes().unwrap_or_default())
}

/// Blocks that are damaged.
#[derive(Default)]
struct Bad {
    kept: Vec<(Block, String)>,
    count: u64,
}

/// Decompresses blocks in as many threads as there are jobs.
fn decompress<R: ReadAt + Sync>(
    image: &Image<R>,
    blocks: &[(Block, NameId)],
    jobs: NonZeroUsize,
    progress: &dyn Progress,
) -> Result<Bad, ReadError> {
    let next = AtomicUsize::new(0);
    let bad = Mutex::new(Bad::default());
    let work = || {
        let mut worker = Worker::new(image);
        while let Some((block, _)) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
            stop(progress)?;
            if let Some(problem) = worker.fault(block) {
                let mut bad = bad.lock().unwrap_or_else(PoisonError::into_inner);
                bad.count += 1;
                if bad.kept.len() < BAD_LIMIT {
                    bad.kept.push((*block, problem));
                }
            }
            progress.advance(stored_bytes(block));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let helpers: Vec<_> = (1..jobs.get().min(blocks.len()))
            .map(|_| std::thread::Builder::new().spawn_scoped(scope, work))
            .collect();
        let mut done = work();
        for helper in helpers {
            let helped = match helper.map_err(ReadError::Thread) {
                // A panic is passed on.
                Ok(helper) => helper
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
                Err(error) => Err(error),
            };
            done = done.and(helped);
        }
        done
    })?;
    let mut bad = bad.into_inner().unwrap_or_else(PoisonError::into_inner);
    bad.kept.sort_unstable_by_key(|(block, _)| *block);
    Ok(bad)
}

/// Decompresses, with memory of its own.
struct Worker<'a, R> {
    image: &'a Image<R>,
    decoder: Decoder,
    stored: Vec<u8>,
    data: Vec<u8>,
}

impl<'a, R: ReadAt> Worker<'a, R> {
    fn new(image: &'a Image<R>) -> Self {
        Self {
            image,
            decoder: Decoder::new(image.superblock.compressor),
            stored: Vec::new(),
            data: vec![0; image.superblock.block_bytes()],
        }
    }

    /// What is wrong with a block.
    fn fault(&mut self, block: &Block) -> Option<String> {
        // At most a block: that was checked when it was found.
        let length = block.size.0 & (DATA_STORED - 1);
        self.stored.resize(length as usize, 0);
        if let Err(error) = read_exact(&self.image.stored.source, &mut self.stored, block.start) {
            return Some(Finding::from_error(Severity::Access, None, &error).problem);
        }
        let length = if block.size.is_stored() {
            self.stored.len()
        } else {
            match self.decoder.decode(&self.stored, &mut self.data) {
                Ok(length) => length,
                Err(_) => return Some("it cannot be decompressed".to_owned()),
            }
        };
        match block.length {
            Length::Exactly(wanted) if length != wanted as usize => Some(format!(
                "it has {length} bytes, and its file needs {wanted}"
            )),
            Length::AtLeast(wanted) if length < wanted as usize => Some(format!(
                "it has {length} bytes, and a file in it ends after {wanted}; {CRASH_WARNING}"
            )),
            _ => None,
        }
    }
}
