//! Everything that moves file contents: from the source, through the compressors, to the image.
//!
//! ```text
//! readers ──items──► sequencer ──jobs──► compressors ──commits──► writer
//!  several            one                 several                  the caller's thread
//! ```
//!
//! Readers take batches of files in the order of the plan. Each batch has a channel of its own, and
//! the sequencer drains these one after the other, so it sees every item in the order of the plan
//! whoever read it. It decides what is a duplicate and what shares a fragment, and numbers what is
//! to be written. The writer commits by these numbers. Nothing that ends up in the image depends on
//! which thread was faster.
//!
//! Channels have no limits of their own: what is in them is limited by [`Buffers`].

mod buffers;
mod compressors;
mod content;
mod duplicates;
mod layout;
mod readers;
mod sequencer;
mod writer;

pub(crate) use layout::{Contents, FileSizes, Layout, Sizes};

use crate::codec::Machine;
use crate::output::Output;
use crate::plan::Plan;
use crate::{Options, WriteError};
use buffers::{Buffer, Buffers};
use crossbeam_channel::{Receiver, Sender, unbounded};
use duplicates::Duplicates;
use livestick_blockio::{Progress, WriteAt};
use livestick_tree::{ContentSource, Stamp};
use readers::Claims;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, Scope};

/// Readers mostly wait: for the medium, or for a buffer. Two keep a disk busy while a third thread
/// compares duplicates; more than eight only crowd each other.
const READERS: (usize, usize) = (2, 8);

/// Reads, compresses and writes the contents of all files of a plan.
pub(crate) fn run<W: WriteAt>(
    plan: &Plan<'_>,
    source: &dyn ContentSource,
    options: &Options,
    progress: &dyn Progress,
    output: &mut Output<'_, W>,
) -> Result<Layout, WriteError> {
    let mut layout = Layout::new(plan.files.len());
    let mut duplicates = Some(Duplicates::new(plan, options.block_bytes()));
    let mut batches = plan.batches();
    while !batches.is_empty() {
        let shared = Shared::new(plan, source, options, progress);
        let claims = Claims::new(batches, duplicates.take());
        shared.round(&claims, &mut layout, output);
        shared.result()?;
        // Later rounds are for files whose original changed after it had been compared with them.
        batches = layout
            .take_deferred()
            .into_iter()
            .map(|file| file..file + 1)
            .collect();
    }
    Ok(layout)
}

/// The work stops: the reason is in [`Shared::failure`].
#[derive(Clone, Copy, Debug)]
struct Stopped;

/// What every thread needs.
struct Shared<'a> {
    plan: &'a Plan<'a>,
    source: &'a dyn ContentSource,
    options: &'a Options,
    progress: &'a dyn Progress,
    buffers: Buffers,
    stopped: AtomicBool,
    failure: Mutex<Option<WriteError>>,
}

/// What a reader tells the sequencer. Files are named by their place in the plan.
enum Item<'a> {
    /// Whole files that are shorter than a block.
    Small(Buffer<'a>, Vec<SmallFile>),
    /// The next block of a file; the last one may be shorter.
    Block {
        file: usize,
        machine: Option<Machine>,
        bytes: Buffer<'a>,
    },
    /// The next blocks of a file are all zeros.
    Hole { file: usize, blocks: u64 },
    /// A file has been read to its end; what goes into a fragment.
    End(Read, Option<Buffer<'a>>),
    /// What was sent of a file is not to be used.
    Void { file: usize },
    /// A file is equal to an earlier one, as long as that has this stamp.
    Duplicate {
        file: usize,
        original: usize,
        stamp: Stamp,
    },
    /// A file cannot be read, or is gone, and is left out.
    Skip { file: usize, vanished: bool },
}

/// A file that shares a buffer with others, and where in it its bytes are.
type SmallFile = (Read, Range<usize>);

/// A file that was read.
#[derive(Clone, Copy)]
struct Read {
    file: usize,
    /// How long it was.
    length_bytes: u64,
    /// The state that it was in.
    stamp: Stamp,
    /// The hash of a small file that may be a duplicate.
    hash: Option<u128>,
    state: State,
    /// What follows its last whole block is all zeros, and there is something.
    zero_tail: bool,
    /// Whose code it is.
    machine: Option<Machine>,
}

/// How a file was found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// As it had been scanned, and it held still.
    Steady,
    /// Not as it had been scanned, or it changed at first.
    Changed,
    /// It never held still.
    Torn,
}

/// What is to be compressed.
struct Job<'a> {
    sequence: u64,
    /// The file that this is a block of; otherwise it is a fragment.
    file: Option<usize>,
    /// Whose code it is, or most of it.
    machine: Option<Machine>,
    bytes: Buffer<'a>,
}

/// What is to be written next, once everything with a lower number has been.
struct Commit<'a> {
    sequence: u64,
    step: Step<'a>,
}

/// One step of the writer.
enum Step<'a> {
    Block {
        file: usize,
        block: Compressed<'a>,
    },
    Hole {
        file: usize,
        blocks: u64,
        length_bytes: u64,
    },
    Void {
        file: usize,
    },
    Fragment(Compressed<'a>),
}

/// A block as it will be on the disk.
struct Compressed<'a> {
    bytes: Buffer<'a>,
    /// It did not get smaller.
    stored: bool,
    /// How long it was.
    length_bytes: u64,
}

impl<'a> Shared<'a> {
    fn new(
        plan: &'a Plan<'a>,
        source: &'a dyn ContentSource,
        options: &'a Options,
        progress: &'a dyn Progress,
    ) -> Self {
        Self {
            plan,
            source,
            options,
            progress,
            buffers: Buffers::new(options.memory_bytes, options.block_bytes()),
            stopped: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// Starts all threads, writes on this one, and waits until every one has ended.
    fn round<'b, W: WriteAt>(
        &'b self,
        claims: &'b Claims,
        layout: &mut Layout,
        output: &mut Output<'_, W>,
    ) {
        let (order, ordered) = unbounded();
        let (jobs, work) = unbounded();
        let (commits, committed) = unbounded();
        let (placements, runs) = layout.parts();
        std::thread::scope(|scope| {
            let started = self
                .start_readers(scope, claims, order)
                .and_then(|()| self.start_compressors(scope, work, &commits))
                .and_then(|()| {
                    let batches = claims.len();
                    self.start(scope, "squashfs-order", move || {
                        sequencer::run(self, batches, &ordered, jobs, commits, placements);
                    })
                });
            if let Err(error) = started {
                self.fail(WriteError::Thread(error));
            }
            let _guard = StopOnPanic(self);
            writer::run(self, committed, runs, output);
        });
    }

    fn start_readers<'scope, 'b: 'scope>(
        &'b self,
        scope: &'scope Scope<'scope, '_>,
        claims: &'b Claims,
        order: Sender<Receiver<Item<'b>>>,
    ) -> io::Result<()> {
        let (least, most) = READERS;
        for _ in 0..self.options.jobs.get().clamp(least, most) {
            let order = order.clone();
            self.start(scope, "squashfs-read", move || {
                readers::run(self, claims, &order);
            })?;
        }
        Ok(())
    }

    fn start_compressors<'scope, 'b: 'scope>(
        &'b self,
        scope: &'scope Scope<'scope, '_>,
        work: Receiver<Job<'b>>,
        commits: &Sender<Commit<'b>>,
    ) -> io::Result<()> {
        for _ in 0..self.options.jobs.get() {
            let work = work.clone();
            let commits = commits.clone();
            self.start(scope, "squashfs-pack", move || {
                compressors::run(self, &work, &commits);
            })?;
        }
        Ok(())
    }

    fn start<'scope, 'b: 'scope>(
        &'b self,
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        work: impl FnOnce() + Send + 'scope,
    ) -> io::Result<()> {
        let guarded = move || {
            let _guard = StopOnPanic(self);
            work();
        };
        Builder::new()
            .name(name.into())
            .spawn_scoped(scope, guarded)
            .map(|_| ())
    }

    /// To be called often: whether the work goes on.
    fn check(&self) -> Result<(), Stopped> {
        if self.stopped.load(Ordering::Relaxed) {
            return Err(Stopped);
        }
        if self.progress.interrupted() {
            return Err(self.fail(WriteError::Interrupted));
        }
        Ok(())
    }

    /// Stops everything; the first reason counts.
    fn fail(&self, error: WriteError) -> Stopped {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
        self.stop();
        Stopped
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.buffers.stop();
    }

    fn result(self) -> Result<(), WriteError> {
        let failure = self.failure.into_inner();
        match failure.unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn path(&self, file: usize) -> Vec<u8> {
        self.plan.tree.source_path(self.plan.files[file].node)
    }
}

/// The caller's own code may panic in one of our threads. Then the others must not wait for it.
struct StopOnPanic<'a, 'b>(&'a Shared<'b>);

impl Drop for StopOnPanic<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}
