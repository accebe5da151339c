//! The one who decides: what is a duplicate, what shares a fragment, what is written after what.
//! It touches no bytes but to copy small files and ends of files into fragments.

use super::layout::{Placement, Placements};
use super::{Buffer, Commit, Item, Job, Read, Shared, State, Step, Stopped};
use crate::codec::{CodeBytes, Machine};
use crossbeam_channel::{Receiver, Sender};
use livestick_tree::Stamp;
use std::collections::hash_map::Entry;

/// Drains batches in order until all have been.
pub(super) fn run<'a>(
    shared: &'a Shared<'_>,
    batches: usize,
    ordered: &Receiver<Receiver<Item<'a>>>,
    jobs: Sender<Job<'a>>,
    commits: Sender<Commit<'a>>,
    placements: &mut Placements,
) {
    let mut sequencer = Sequencer {
        shared,
        jobs,
        commits,
        placements,
        next: 0,
        fragment: None,
        code: CodeBytes::default(),
    };
    // Whoever stopped has said why.
    let _ = sequencer.drain(batches, ordered);
}

struct Sequencer<'a, 'b, 'c> {
    shared: &'a Shared<'b>,
    jobs: Sender<Job<'a>>,
    commits: Sender<Commit<'a>>,
    placements: &'c mut Placements,
    /// The number of the next step of the writer.
    next: u64,
    /// The fragment that is being filled.
    fragment: Option<Buffer<'a>>,
    /// How much of it is whose code.
    code: CodeBytes,
}

impl<'a> Sequencer<'a, '_, '_> {
    fn drain(
        &mut self,
        batches: usize,
        ordered: &Receiver<Receiver<Item<'a>>>,
    ) -> Result<(), Stopped> {
        for number in 0..batches {
            self.shared.buffers.set_head(number);
            let items = ordered.recv().map_err(|_| Stopped)?;
            for item in items {
                self.take(item)?;
            }
            // A reader that stopped has left its batch unfinished.
            self.shared.check()?;
        }
        self.close_fragment()
    }

    fn take(&mut self, item: Item<'a>) -> Result<(), Stopped> {
        match item {
            Item::Small(buffer, files) => {
                self.shared.check()?;
                for (read, range) in files {
                    self.small(read, &buffer.bytes()[range])?;
                }
                Ok(())
            }
            Item::Block {
                file,
                machine,
                bytes,
            } => self.job(Some(file), machine, bytes),
            Item::Hole { file, blocks } => {
                let block_bytes = u64::from(self.shared.options.block_size_bytes);
                self.step(Step::Hole {
                    file,
                    blocks,
                    length_bytes: blocks * block_bytes,
                })
            }
            Item::End(read, tail) => {
                // What was torn is in the image alone: nothing can be compared with it.
                if self.shared.plan.files[read.file].collides && read.state != State::Torn {
                    self.placements.large.insert(read.file, read.stamp);
                }
                self.store(read, tail.as_ref().map_or(&[], Buffer::bytes))
            }
            Item::Void { file } => self.step(Step::Void { file }),
            Item::Duplicate {
                file,
                original,
                stamp,
            } => {
                self.duplicate(file, original, stamp);
                Ok(())
            }
            Item::Skip { file, vanished } => {
                self.placements.files[file] = match vanished {
                    true => Placement::Vanished,
                    false => Placement::Absent,
                };
                self.step(Step::Void { file })
            }
        }
    }

    /// Places a file that is shorter than a block.
    fn small(&mut self, read: Read, bytes: &[u8]) -> Result<(), Stopped> {
        if let Some(hash) = read.hash {
            match self.placements.small.entry((read.length_bytes, hash)) {
                Entry::Occupied(known) => {
                    let (original, stamp) = *known.get();
                    if self.shared.holds(original, stamp, bytes) {
                        self.same(read.file, original, read.length_bytes);
                        self.note_change(read);
                        return Ok(());
                    }
                }
                Entry::Vacant(entry) => {
                    entry.insert((read.file, read.stamp));
                }
            }
        }
        self.store(read, bytes)
    }

    /// Places what follows the whole blocks of a file.
    fn store(&mut self, read: Read, tail: &[u8]) -> Result<(), Stopped> {
        let mut place = None;
        if read.zero_tail {
            let block_bytes = u64::from(self.shared.options.block_size_bytes);
            self.step(Step::Hole {
                file: read.file,
                blocks: 1,
                length_bytes: read.length_bytes % block_bytes,
            })?;
        } else if !tail.is_empty() {
            place = Some(self.add_to_fragment(tail, read.machine)?);
        }
        self.placements.files[read.file] = Placement::Stored(read.length_bytes, place);
        self.note_change(read);
        Ok(())
    }

    fn note_change(&mut self, read: Read) {
        match read.state {
            State::Steady => {}
            State::Changed => self.placements.changed.push(read.file),
            State::Torn => self.placements.torn.push(read.file),
        }
    }

    /// A large file that was compared with an earlier one: it holds if that has not changed since.
    fn duplicate(&mut self, file: usize, original: usize, stamp: Stamp) {
        if self.placements.large.get(&original) == Some(&stamp) {
            self.same(file, original, stamp.length_bytes);
        } else {
            self.placements.deferred.push(file);
        }
    }

    fn same(&mut self, file: usize, original: usize, length_bytes: u64) {
        self.placements.files[file] = Placement::Same(original);
        self.shared.progress.advance(length_bytes);
    }

    /// Next fit: only one fragment is open, so that neighbours share it.
    fn add_to_fragment(
        &mut self,
        bytes: &[u8],
        machine: Option<Machine>,
    ) -> Result<(u32, u32), Stopped> {
        if self
            .fragment
            .as_ref()
            .is_some_and(|open| open.room() < bytes.len())
        {
            self.close_fragment()?;
        }
        let buffers = &self.shared.buffers;
        let fragment = self.fragment.get_or_insert_with(|| buffers.take_now());
        // A fragment is at most a block, 1 MiB.
        let offset = u32::try_from(fragment.bytes().len()).unwrap_or(u32::MAX);
        fragment.push(bytes);
        self.code.add(machine, bytes.len());
        Ok((self.placements.fragments, offset))
    }

    fn close_fragment(&mut self) -> Result<(), Stopped> {
        match self.fragment.take() {
            Some(fragment) => {
                self.placements.fragments += 1;
                let machine = std::mem::take(&mut self.code).most(fragment.bytes().len());
                self.job(None, machine, fragment)
            }
            None => Ok(()),
        }
    }

    fn job(
        &mut self,
        file: Option<usize>,
        machine: Option<Machine>,
        bytes: Buffer<'a>,
    ) -> Result<(), Stopped> {
        let sequence = self.number();
        let job = Job {
            sequence,
            file,
            machine,
            bytes,
        };
        self.jobs.send(job).map_err(|_| Stopped)
    }

    fn step(&mut self, step: Step<'a>) -> Result<(), Stopped> {
        let sequence = self.number();
        self.commits
            .send(Commit { sequence, step })
            .map_err(|_| Stopped)
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }
}
