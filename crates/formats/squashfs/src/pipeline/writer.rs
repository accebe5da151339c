//! The one who writes: in order, and so the only one who knows positions.

use super::layout::{FragmentBlock, Run, Runs};
use super::{Commit, Compressed, Shared, Step, Stopped};
use crate::WriteError;
use crate::format::DATA_STORED;
use crate::output::Output;
use crossbeam_channel::Receiver;
use livestick_blockio::WriteAt;
use std::collections::BTreeMap;

/// Writes until everything is written.
pub(super) fn run<W: WriteAt>(
    shared: &Shared<'_>,
    committed: Receiver<Commit<'_>>,
    runs: &mut Runs,
    output: &mut Output<'_, W>,
) {
    // Whoever stopped has said why. The channel ends here, so that nobody goes on for nothing.
    let _ = write(shared, committed, runs, output);
}

fn write<W: WriteAt>(
    shared: &Shared<'_>,
    committed: Receiver<Commit<'_>>,
    runs: &mut Runs,
    output: &mut Output<'_, W>,
) -> Result<(), Stopped> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for commit in committed {
        shared.check()?;
        early.insert(commit.sequence, commit.step);
        while let Some(step) = early.remove(&next) {
            let done = take(step, runs, output).map_err(|error| shared.fail(error))?;
            shared.progress.advance(done);
            next += 1;
        }
    }
    Ok(())
}

/// Takes one step; says how many bytes of files are done with it.
fn take<W: WriteAt>(
    step: Step<'_>,
    runs: &mut Runs,
    output: &mut Output<'_, W>,
) -> Result<u64, WriteError> {
    match step {
        Step::Void { file } => {
            runs.files[file] = Run::default();
            Ok(0)
        }
        Step::Hole {
            file,
            blocks,
            length_bytes,
        } => {
            // A plan has no file with more blocks than fit into memory.
            let blocks = usize::try_from(blocks).unwrap_or(usize::MAX);
            runs.extend(file, blocks, 0, output.position());
            Ok(length_bytes)
        }
        Step::Block { file, block } => {
            let position = output.position();
            let size = append(&block, runs, output)?;
            runs.extend(file, 1, size, position);
            Ok(block.length_bytes)
        }
        Step::Fragment(block) => {
            let start = output.position();
            let size = append(&block, runs, output)?;
            runs.fragments.push(FragmentBlock { start, size });
            Ok(block.length_bytes)
        }
    }
}

/// Appends a block; returns its size as the format has it.
fn append<W: WriteAt>(
    block: &Compressed<'_>,
    runs: &mut Runs,
    output: &mut Output<'_, W>,
) -> Result<u32, WriteError> {
    let bytes = block.bytes.bytes();
    output.append(bytes)?;
    runs.stored_bytes += bytes.len() as u64;
    // Never more than a block, 1 MiB.
    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    Ok(if block.stored {
        size | DATA_STORED
    } else {
        size
    })
}

impl Runs {
    /// Adds blocks of one size to a file, the first of them at a position.
    fn extend(&mut self, file: usize, blocks: usize, size: u32, position: u64) {
        let run = &mut self.files[file];
        if run.words == 0 {
            *run = Run {
                start: position,
                first_word: self.words.len(),
                words: 0,
            };
        }
        run.words += blocks;
        self.words.resize(self.words.len() + blocks, size);
    }
}
