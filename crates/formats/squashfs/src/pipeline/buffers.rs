//! The memory of the pipeline: buffers of one block each, a fixed number of them.
//!
//! Whoever reads ahead takes buffers that only come back when what was read before has been
//! written. If all of them were ahead, nothing could be written and none would come back. So a
//! quarter of them is only for the *head of the line*: the batch that is next to be written, and
//! the fragment that it is packed into, which the sequencer keeps open. What the head sends goes
//! straight to the compressors and the writer, who never wait for a buffer, so it always comes back.

use super::Stopped;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// The head reads into one while the open fragment keeps another.
const LEAST_RESERVE: isize = 2;
/// Fewer do not work: the reserve, and one to read ahead.
const LEAST_BUFFERS: usize = 3;

/// All buffers, and who waits for one.
pub(super) struct Buffers {
    block_bytes: usize,
    /// Kept for the head and the open fragment.
    reserve: isize,
    /// Others are only woken for as many as this, or they would wake for each one.
    refill: isize,
    state: Mutex<State>,
    head_changed: Condvar,
    refilled: Condvar,
}

struct State {
    /// How many may still be taken. Below zero where the sequencer took one without asking.
    available: isize,
    /// Memory that was used before.
    free: Vec<Box<[u8]>>,
    /// The batch that is next to be written.
    head: usize,
    stopped: bool,
}

impl Buffers {
    pub(super) fn new(memory_bytes: usize, block_bytes: usize) -> Self {
        let count = (memory_bytes / block_bytes).max(LEAST_BUFFERS);
        let count = isize::try_from(count).unwrap_or(isize::MAX);
        let reserve = (count / 4).max(LEAST_RESERVE);
        Self {
            block_bytes,
            reserve,
            refill: (count / 8).max(1),
            state: Mutex::new(State {
                available: count,
                free: Vec::new(),
                head: 0,
                stopped: false,
            }),
            head_changed: Condvar::new(),
            refilled: Condvar::new(),
        }
    }

    /// Waits for a buffer for a batch.
    pub(super) fn take(&self, batch: usize) -> Result<Buffer<'_>, Stopped> {
        let mut state = self.lock();
        loop {
            let head = batch <= state.head;
            if state.stopped {
                return Err(Stopped);
            }
            if state.available > if head { 0 } else { self.reserve } {
                state.available -= 1;
                return Ok(self.buffer(state));
            }
            let waiting = if head {
                &self.head_changed
            } else {
                &self.refilled
            };
            state = waiting.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes a buffer without waiting: for the sequencer, who gives back about as many as it takes
    /// and must never stand still.
    pub(super) fn take_now(&self) -> Buffer<'_> {
        let mut state = self.lock();
        state.available -= 1;
        self.buffer(state)
    }

    /// Says which batch is next to be written.
    pub(super) fn set_head(&self, batch: usize) {
        self.lock().head = batch;
        self.refilled.notify_all();
    }

    /// Wakes everybody who waits; from now on nobody gets anything.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.refilled.notify_all();
        self.head_changed.notify_all();
    }

    fn buffer(&self, mut state: MutexGuard<'_, State>) -> Buffer<'_> {
        let memory = state.free.pop();
        drop(state);
        Buffer {
            memory: memory.unwrap_or_else(|| vec![0; self.block_bytes].into_boxed_slice()),
            length: 0,
            owner: self,
        }
    }

    fn give_back(&self, memory: Box<[u8]>) {
        let mut state = self.lock();
        state.free.push(memory);
        state.available += 1;
        let refilled = state.available >= self.reserve + self.refill;
        drop(state);
        self.head_changed.notify_one();
        if refilled {
            self.refilled.notify_all();
        }
    }

    /// A thread that panicked leaves the counts as they should be.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A block in memory. It goes back when it is dropped.
pub(super) struct Buffer<'a> {
    memory: Box<[u8]>,
    length: usize,
    owner: &'a Buffers,
}

impl Buffer<'_> {
    /// What is in it.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[..self.length]
    }

    /// How many bytes more it holds.
    pub(super) fn room(&self) -> usize {
        self.memory.len() - self.length
    }

    /// The free part of it, to be filled from the front and then added with [`Self::grow`].
    pub(super) fn spare(&mut self) -> &mut [u8] {
        &mut self.memory[self.length..]
    }

    /// Adds the first bytes of the free part.
    pub(super) fn grow(&mut self, bytes: usize) {
        self.length += bytes;
    }

    /// Adds bytes; there must be room.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.spare()[..bytes.len()].copy_from_slice(bytes);
        self.grow(bytes.len());
    }

    /// Exchanges its memory for one of the same size with `length` bytes in it.
    pub(super) fn exchange(&mut self, memory: &mut Box<[u8]>, length: usize) {
        std::mem::swap(&mut self.memory, memory);
        self.length = length;
    }
}

impl Drop for Buffer<'_> {
    fn drop(&mut self) {
        self.owner.give_back(std::mem::take(&mut self.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_for_the_head_alone() {
        let buffers = Buffers::new(5 * 4096, 4096);
        let ahead: Vec<_> = (0..3).map(|_| buffers.take(1).unwrap()).collect();
        let fragment = buffers.take_now();
        let head = buffers.take(0).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| buffers.take(1).map(|_| ()));
            drop(head);
            drop(buffers.take(0).unwrap());
            // The waiting batch is the head now, and gets the last one.
            buffers.set_head(1);
            assert!(waiting.join().unwrap().is_ok());
        });
        drop((ahead, fragment));
    }

    #[test]
    fn a_stop_wakes_who_waits() {
        let buffers = Buffers::new(0, 4096);
        let all: Vec<_> = (0..LEAST_BUFFERS)
            .map(|_| buffers.take(0).unwrap())
            .collect();
        std::thread::scope(|scope| {
            let head = scope.spawn(|| buffers.take(0).map(|_| ()));
            let other = scope.spawn(|| buffers.take(5).map(|_| ()));
            buffers.stop();
            assert!(head.join().unwrap().is_err());
            assert!(other.join().unwrap().is_err());
        });
        drop(all);
    }
}
