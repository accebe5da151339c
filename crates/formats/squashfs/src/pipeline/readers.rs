//! The threads that read files.

use super::content::{Holes, is_zero};
use super::duplicates::Duplicates;
use super::{Buffer, Item, Read, Shared, SmallFile, State, Stopped};
use crate::codec::Machine;
use crate::plan::{self, file_limit_bytes};
use crate::{Changing, Unreadable, WriteError};
use crossbeam_channel::{Receiver, Sender, unbounded};
use livestick_tree::SourceFile;
use std::io;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// How often a file is read until it holds still: once, and three times more.
const ATTEMPTS: usize = 4;

/// Hands out batches of files in the order of the plan.
pub(super) struct Claims {
    batches: Vec<Range<usize>>,
    /// `None` in rounds where nothing is compared.
    duplicates: Option<Duplicates>,
    next: Mutex<usize>,
}

impl Claims {
    pub(super) fn new(batches: Vec<Range<usize>>, duplicates: Option<Duplicates>) -> Self {
        Self {
            batches,
            duplicates,
            next: Mutex::new(0),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    /// The next batch: its number, its files, and where their items go. The sequencer learns of the
    /// channel while the lock is held, so that it gets them in order.
    fn next<'a>(
        &self,
        order: &Sender<Receiver<Item<'a>>>,
    ) -> Option<(usize, Range<usize>, Sender<Item<'a>>)> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *next;
        let files = self.batches.get(number)?.clone();
        *next += 1;
        let (items, drain) = unbounded();
        order.send(drain).ok()?;
        Some((number, files, items))
    }
}

/// Reads batches until there are no more.
pub(super) fn run<'a>(
    shared: &'a Shared<'_>,
    claims: &'a Claims,
    order: &Sender<Receiver<Item<'a>>>,
) {
    while let Some((number, files, items)) = claims.next(order) {
        let mut batch = Batch {
            shared,
            duplicates: claims.duplicates.as_ref(),
            number,
            items,
            small: None,
        };
        // Whoever stopped has said why.
        if batch.read(files).is_err() {
            return;
        }
    }
}

/// Why an attempt at a file failed.
enum Trouble {
    Stopped,
    Changed,
    Unreadable(io::Error),
}

impl From<Stopped> for Trouble {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Changed,
            _ => Self::Unreadable(error),
        }
    }
}

/// A batch that is being read.
struct Batch<'a, 'b> {
    shared: &'a Shared<'b>,
    duplicates: Option<&'a Duplicates>,
    number: usize,
    items: Sender<Item<'a>>,
    /// Small files that are not sent yet.
    small: Option<(Buffer<'a>, Vec<SmallFile>)>,
}

impl<'a> Batch<'a, '_> {
    fn read(&mut self, files: Range<usize>) -> Result<(), Stopped> {
        for file in files {
            let duplicates = self.duplicates;
            match duplicates.and_then(|known| known.original(self.shared, file)) {
                Some((original, stamp)) => self.send(Item::Duplicate {
                    file,
                    original,
                    stamp,
                })?,
                None => self.file(file)?,
            }
        }
        self.send_small()
    }

    fn file(&mut self, file: usize) -> Result<(), Stopped> {
        let mut expected = self.shared.plan.files[file].length_bytes;
        let last = match self.shared.options.changing {
            Changing::Fail => None,
            Changing::Keep => Some(State::Torn),
        };
        let states = (0..ATTEMPTS).map(|attempt| match attempt {
            0 => State::Steady,
            _ => State::Changed,
        });
        for state in states.chain(last) {
            self.shared.check()?;
            match self.attempt(file, &mut expected, state) {
                Ok(()) => return Ok(()),
                Err(Trouble::Stopped) => return Err(Stopped),
                Err(Trouble::Changed) => {}
                Err(Trouble::Unreadable(error)) => return self.unreadable(file, error),
            }
        }
        let path = self.shared.path(file);
        Err(self.shared.fail(WriteError::Changed { path }))
    }

    fn unreadable(&mut self, file: usize, source: io::Error) -> Result<(), Stopped> {
        let vanished = source.kind() == io::ErrorKind::NotFound;
        match self.shared.options.unreadable {
            _ if vanished => self.send(Item::Skip { file, vanished }),
            Unreadable::Skip => self.send(Item::Skip { file, vanished }),
            Unreadable::Fail => {
                let path = self.shared.path(file);
                Err(self.shared.fail(WriteError::Unreadable { path, source }))
            }
        }
    }

    /// Reads a file once. A length that is not the expected one becomes what the next attempt
    /// expects: a log that grew since the scan is fine, as long as it holds still now.
    fn attempt(&mut self, file: usize, expected: &mut u64, state: State) -> Result<(), Trouble> {
        let open = self.shared.open(file)?;
        let stamp = open.stamp()?;
        if stamp.length_bytes > file_limit_bytes(self.shared.options) {
            return Err(Trouble::Unreadable(io::ErrorKind::FileTooLarge.into()));
        }
        let expected = std::mem::replace(expected, stamp.length_bytes);
        if expected != stamp.length_bytes && state != State::Torn {
            return Err(Trouble::Changed);
        }
        let read = Read {
            file,
            length_bytes: stamp.length_bytes,
            stamp,
            hash: None,
            state,
            zero_tail: false,
            machine: None,
        };
        match usize::try_from(stamp.length_bytes) {
            Ok(length) if length < self.shared.options.block_bytes() => {
                self.small(&*open, read, length)
            }
            _ => self.large(&*open, read).inspect_err(|trouble| {
                if !matches!(trouble, Trouble::Stopped) {
                    // A failed send means that the work has stopped; the next one says so.
                    let _ = self.send(Item::Void { file });
                }
            }),
        }
    }

    /// Reads a file that is shorter than a block into a buffer that it shares with others.
    fn small(
        &mut self,
        open: &dyn SourceFile,
        mut read: Read,
        length: usize,
    ) -> Result<(), Trouble> {
        if self
            .small
            .as_ref()
            .is_some_and(|(buffer, _)| buffer.room() < length)
        {
            self.send_small()?;
        }
        let (buffer, files) = match &mut self.small {
            Some(small) => small,
            none => none.insert((self.shared.buffers.take(self.number)?, Vec::new())),
        };
        let start = buffer.bytes().len();
        let bytes = &mut buffer.spare()[..length];
        fill(open, bytes, 0, read.state)?;
        ensure_steady(open, read)?;
        let planned = &self.shared.plan.files[read.file];
        let is_whole = read.state != State::Torn && planned.length_bytes == read.length_bytes;
        if planned.collides && is_whole {
            read.hash = Some(xxhash_rust::xxh3::xxh3_128(bytes));
        }
        read.zero_tail = length > 0 && is_zero(bytes);
        read.machine = Machine::of(bytes);
        buffer.grow(length);
        files.push((read, start..start + length));
        Ok(())
    }

    /// Streams a file of a block or more. No buffer is held while another one is waited for.
    fn large(&mut self, open: &dyn SourceFile, mut read: Read) -> Result<(), Trouble> {
        self.send_small()?;
        let file = read.file;
        let block = u64::from(self.shared.options.block_size_bytes);
        let mut holes = Holes::new(open);
        let mut at = 0;
        while read.length_bytes - at >= block {
            self.shared.check()?;
            let blocks = holes.length_at(at).min(read.length_bytes - at) / block;
            if blocks > 0 {
                self.send(Item::Hole { file, blocks })?;
                at += blocks * block;
            } else {
                let bytes = self.buffer(open, read, at, self.shared.options.block_bytes())?;
                if at == 0 {
                    read.machine = Machine::of(bytes.bytes());
                }
                let machine = read.machine;
                self.send(Item::Block {
                    file,
                    machine,
                    bytes,
                })?;
                at += block;
            }
        }
        let rest = usize::try_from(read.length_bytes - at).unwrap_or(usize::MAX);
        let mut tail = None;
        if rest > 0 && holes.length_at(at) < rest as u64 {
            tail = Some(self.buffer(open, read, at, rest)?).filter(|tail| !is_zero(tail.bytes()));
        }
        ensure_steady(open, read)?;
        read.zero_tail = rest > 0 && tail.is_none();
        if plan::is_own_block(rest, self.shared.options.block_bytes())
            && let Some(bytes) = tail.take()
        {
            let machine = read.machine;
            self.send(Item::Block {
                file,
                machine,
                bytes,
            })?;
        }
        Ok(self.send(Item::End(read, tail))?)
    }

    /// A buffer with `length` bytes of a file from `at` on.
    fn buffer(
        &self,
        open: &dyn SourceFile,
        read: Read,
        at: u64,
        length: usize,
    ) -> Result<Buffer<'a>, Trouble> {
        let mut buffer = self.shared.buffers.take(self.number)?;
        fill(open, &mut buffer.spare()[..length], at, read.state)?;
        buffer.grow(length);
        Ok(buffer)
    }

    fn send_small(&mut self) -> Result<(), Stopped> {
        match self.small.take() {
            Some((buffer, files)) => self.send(Item::Small(buffer, files)),
            None => Ok(()),
        }
    }

    fn send(&self, item: Item<'a>) -> Result<(), Stopped> {
        self.items.send(item).map_err(|_| Stopped)
    }
}

/// Reads; of a file that never holds still, zeros stand for what it has no more.
fn fill(open: &dyn SourceFile, bytes: &mut [u8], at: u64, state: State) -> io::Result<()> {
    match open.read_exact_at(bytes, at) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && state == State::Torn => {
            let mut filled = 0;
            while filled < bytes.len() {
                match open.read_at(&mut bytes[filled..], at + filled as u64) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            bytes[filled..].fill(0);
            Ok(())
        }
        read => read,
    }
}

fn ensure_steady(open: &dyn SourceFile, read: Read) -> Result<(), Trouble> {
    match read.state == State::Torn || open.stamp()? == read.stamp {
        true => Ok(()),
        false => Err(Trouble::Changed),
    }
}
