//! Reads and compresses the units that were chosen, on several threads.

use super::packing::{Packing, Piece, Unit};
use crate::codec::{CodeBytes, Encoder, Machine};
use crate::plan::Plan;
use crate::{Options, Unreadable, WriteError};
use livestick_blockio::Progress;
use livestick_tree::{ContentSource, SourceFile};
use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

/// How many earlier files of the same length something is compared with. Of tiny files there may be
/// thousands of one length; they are few bytes together.
const COMPARED_FILES: usize = 4;
/// How many of the files in a fragment are compared; the others are taken to be like these.
const COMPARED_PIECES: usize = 8;
/// How much of a file tells whose code it is.
const HEADER_BYTES: usize = 64;

/// What became of a unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sample {
    /// How much was compressed of it; less than it is long where files have shrunk or may be
    /// skipped.
    pub(super) length_bytes: u64,
    /// What of that would be stored.
    pub(super) stored_bytes: u64,
    /// How long that took.
    pub(super) time: Duration,
}

/// Compresses units; the samples are in the same order.
pub(super) fn compress(
    plan: &Plan<'_>,
    packing: &Packing,
    units: &[Unit],
    source: &dyn ContentSource,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Vec<Sample>, WriteError> {
    let sampler = Sampler {
        plan,
        packing,
        source,
        options,
        alike: alike(plan),
    };
    let next = AtomicUsize::new(0);
    let samples = Mutex::new(vec![Sample::default(); units.len()]);
    let work = || -> Result<(), WriteError> {
        let mut buffers = Buffers::new(options)?;
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(unit) = units.get(index) else {
                return Ok(());
            };
            if progress.interrupted() {
                return Err(WriteError::Interrupted);
            }
            let sample = sampler.sample(unit, &mut buffers)?;
            samples.lock().unwrap_or_else(PoisonError::into_inner)[index] = sample;
            progress.advance(sample.length_bytes);
        }
    };
    std::thread::scope(|scope| {
        let threads = 0..options.jobs.get().min(units.len());
        let start = |_| {
            let thread = Builder::new().name("squashfs-sample".into());
            thread.spawn_scoped(scope, work).map_err(WriteError::Thread)
        };
        let threads: Vec<_> = threads.map(start).collect::<Result<_, _>>()?;
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })?;
    Ok(samples.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// For each length that several files have: those files, in the order of the plan.
fn alike(plan: &Plan<'_>) -> HashMap<u64, Vec<usize>> {
    let mut alike: HashMap<u64, Vec<usize>> = HashMap::new();
    for (index, file) in plan
        .files
        .iter()
        .enumerate()
        .filter(|(_, file)| file.collides)
    {
        alike.entry(file.length_bytes).or_default().push(index);
    }
    alike
}

struct Sampler<'a> {
    plan: &'a Plan<'a>,
    packing: &'a Packing,
    source: &'a dyn ContentSource,
    options: &'a Options,
    alike: HashMap<u64, Vec<usize>>,
}

/// What a thread needs: an encoder, and room for what it reads, compares and writes.
struct Buffers {
    encoder: Encoder,
    input: Vec<u8>,
    other: Vec<u8>,
    output: Vec<u8>,
}

impl Buffers {
    fn new(options: &Options) -> Result<Self, WriteError> {
        Ok(Self {
            encoder: Encoder::for_data(options.compression, options.block_size_bytes)?,
            input: Vec::with_capacity(options.block_bytes()),
            other: Vec::new(),
            output: vec![0; options.block_bytes()],
        })
    }

    /// Compresses the input, of which a part is stored elsewhere already.
    fn encode(
        &mut self,
        machine: Option<Machine>,
        duplicate: Share,
        start: Instant,
    ) -> Result<Sample, WriteError> {
        let length_bytes = self.input.len() as u64;
        let is_zero = self.input.iter().all(|byte| *byte == 0);
        let stored = match is_zero || duplicate.is_all() {
            true => 0,
            false => {
                let encoded = self
                    .encoder
                    .encode(&self.input, machine, &mut self.output)?;
                encoded.unwrap_or(self.input.len()) as u64
            }
        };
        Ok(Sample {
            length_bytes,
            stored_bytes: duplicate.rest_of(stored),
            time: start.elapsed(),
        })
    }
}

/// A part of a whole, both in bytes.
#[derive(Clone, Copy, Default)]
struct Share {
    part: u64,
    whole: u64,
}

impl Share {
    fn is_all(self) -> bool {
        self.whole > 0 && self.part == self.whole
    }

    /// What remains of a number without this share.
    fn rest_of(self, number: u64) -> u64 {
        // A block at most, 1 MiB, times another.
        number - number * self.part / self.whole.max(1)
    }
}

impl Sampler<'_> {
    fn sample(&self, unit: &Unit, buffers: &mut Buffers) -> Result<Sample, WriteError> {
        let start = Instant::now();
        buffers.input.clear();
        match *unit {
            Unit::Block {
                file,
                offset,
                length,
            } => {
                let piece = Piece {
                    file,
                    offset,
                    length,
                };
                let Some(machine) = self.read(piece, &mut buffers.input)? else {
                    return Ok(Sample::default());
                };
                let mut duplicate = Share::default();
                if self.is_duplicate(piece, &buffers.input, &mut buffers.other) {
                    duplicate = Share { part: 1, whole: 1 };
                }
                buffers.encode(machine, duplicate, start)
            }
            Unit::Fragment { number, .. } => {
                let (code, duplicate) = self.fragment(number, buffers)?;
                let machine = code.most(buffers.input.len());
                buffers.encode(machine, duplicate, start)
            }
        }
    }

    /// Reads all pieces of a fragment; says whose code it is, and how much of it is elsewhere too.
    fn fragment(
        &self,
        number: usize,
        buffers: &mut Buffers,
    ) -> Result<(CodeBytes, Share), WriteError> {
        let pieces = &self.packing.pieces[self.packing.fragments[number].pieces.clone()];
        let every = pieces.len().div_ceil(COMPARED_PIECES).max(1);
        let mut code = CodeBytes::default();
        let mut duplicate = Share::default();
        for (index, piece) in pieces.iter().enumerate() {
            let start = buffers.input.len();
            let Some(machine) = self.read(*piece, &mut buffers.input)? else {
                continue;
            };
            code.add(machine, buffers.input.len() - start);
            if index % every == 0 {
                duplicate.whole += piece.length as u64;
                let bytes = &buffers.input[start..];
                if self.is_duplicate(*piece, bytes, &mut buffers.other) {
                    duplicate.part += piece.length as u64;
                }
            }
        }
        Ok((code, duplicate))
    }

    /// Appends a piece of a file and says whose code the file is; `None` where it cannot be read and
    /// may be left out. What is gone since the scan is not there.
    fn read(
        &self,
        piece: Piece,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Option<Machine>>, WriteError> {
        let start = bytes.len();
        let mut header = [0; HEADER_BYTES];
        let read = self.open(piece.file).and_then(|open| {
            bytes.resize(start + piece.length, 0);
            let count = read_up_to(&*open, &mut bytes[start..], piece.offset)?;
            bytes.truncate(start + count);
            if piece.offset == 0 {
                return Ok(Machine::of(&bytes[start..]));
            }
            let count = read_up_to(&*open, &mut header, 0)?;
            Ok(Machine::of(&header[..count]))
        });
        match (read, self.options.unreadable) {
            (Ok(machine), _) => Ok(Some(machine)),
            (Err(error), policy)
                if policy == Unreadable::Skip || error.kind() == io::ErrorKind::NotFound =>
            {
                bytes.truncate(start);
                Ok(None)
            }
            (Err(source), _) => Err(WriteError::Unreadable {
                path: self.plan.tree.source_path(self.plan.files[piece.file].node),
                source,
            }),
        }
    }

    /// Whether an earlier file of the same length has the same bytes in the same place.
    fn is_duplicate(&self, piece: Piece, bytes: &[u8], other: &mut Vec<u8>) -> bool {
        let length = self.plan.files[piece.file].length_bytes;
        let alike = self.alike.get(&length).map_or(&[][..], Vec::as_slice);
        let earlier = alike.iter().take_while(|file| **file < piece.file);
        other.resize(bytes.len(), 0);
        earlier.take(COMPARED_FILES).any(|file| {
            let read = self.open(*file);
            read.and_then(|open| open.read_exact_at(other, piece.offset))
                .is_ok_and(|()| other == bytes)
        })
    }

    fn open(&self, file: usize) -> io::Result<Box<dyn SourceFile>> {
        self.plan.tree.open(self.plan.files[file].node, self.source)
    }
}

/// Fills the buffer, unless the file ends first.
fn read_up_to(open: &dyn SourceFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match open.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
