//! A stick as it is read back, for whoever looks at what is on it before it is published.

use crate::ledger::PIECE_BYTES;
use crate::stick::Stick;
use crate::{DeviceError, Medium};
use livestick_blockio::ReadAt;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Reads what was written, from the medium, so that it need not be read back once more. What nobody wrote
/// cannot be read.
pub(crate) struct Reread<'a, M> {
    stick: &'a Stick<M>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What was read last comes last. Whoever looks at a volume reads little here and there, and the
    /// medium gives a piece at least.
    pieces: Vec<(u64, Vec<u8>)>,
    /// What the device itself failed with.
    failure: Option<DeviceError>,
}

/// The two FATs, a directory and a file.
const KEPT_PIECES: usize = 4;
const PIECE: u64 = PIECE_BYTES as u64;

impl<'a, M: Medium> Reread<'a, M> {
    /// [`Stick::settle`] was called before.
    pub(crate) fn new(stick: &'a Stick<M>) -> Self {
        Self {
            stick,
            state: Mutex::default(),
        }
    }

    /// What the device failed with, whatever became of that on the way.
    pub(crate) fn into_failure(self) -> Option<DeviceError> {
        let state = self.state.into_inner();
        state.unwrap_or_else(PoisonError::into_inner).failure
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A part of one piece.
    fn read_part(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = offset / PIECE * PIECE;
        let within = usize::try_from(offset - start).unwrap_or_default();
        let mut state = self.state();
        let kept = state.pieces.iter().position(|(at, _)| *at == start);
        if let Some(kept) = kept {
            let piece = state.pieces.remove(kept);
            buffer.copy_from_slice(&piece.1[within..within + buffer.len()]);
            state.pieces.push(piece);
            return Ok(());
        }
        let mut piece = vec![0; PIECE_BYTES];
        if self.stick.reread(&mut piece, start).is_err() {
            // It may be that nothing was written to the rest of it.
            return self.stick.reread(buffer, offset).map_err(|error| {
                let nothing = matches!(&error, DeviceError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound);
                if !nothing && state.failure.is_none() {
                    state.failure = Some(error);
                }
                io::Error::other("it does not come back")
            });
        }
        buffer.copy_from_slice(&piece[within..within + buffer.len()]);
        if state.pieces.len() == KEPT_PIECES {
            state.pieces.remove(0);
        }
        state.pieces.push((start, piece));
        Ok(())
    }
}

impl<M: Medium> ReadAt for Reread<'_, M> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let room = self.stick.size_bytes().saturating_sub(offset);
        let piece = PIECE - offset % PIECE;
        let count = room.min(piece);
        let count = usize::try_from(count).map_or(buffer.len(), |count| count.min(buffer.len()));
        let buffer = &mut buffer[..count];
        if offset < PIECE {
            // It is held back, and comes last.
            return self.stick.read_at(buffer, offset);
        }
        if !buffer.is_empty() {
            self.read_part(buffer, offset)?;
        }
        Ok(count)
    }
}
