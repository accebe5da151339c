//! A device that is being written.

use crate::buffer::Buffer;
use crate::ledger::{Ledger, PIECE_BYTES, Piece};
use crate::probe::Probes;
use crate::watched::Watched;
use crate::{DeviceError, Medium};
use livestick_blockio::{Progress, ReadAt, SECTOR_BYTES, WriteAt};
use std::io;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A device that is being written, at any place and in any order. Until [`Self::finish`] has read
/// all of it back it has no partition table and boots nowhere, however the work ends.
///
/// Writes need not begin or end on sectors: the rest of a sector that nobody wrote becomes zeros.
#[derive(Debug)]
pub struct Stick<M> {
    medium: Watched<M>,
    probes: Probes,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What becomes the first MiB.
    head: Buffer,
    /// What was written behind it.
    ledger: Ledger,
}

/// What is held back: any partition table is in there.
const HEAD_BYTES: usize = 1 << 20;
const HEAD: u64 = HEAD_BYTES as u64;
/// The smallest device that is looked at: both ends, and something between.
const SIZE_AT_LEAST_BYTES: u64 = 4 << 20;
const SECTOR: usize = 512;
const _: () = assert!(SECTOR as u64 == SECTOR_BYTES);

impl<M: Medium> Stick<M> {
    /// Takes what was on the device out of use, and looks whether it is as large as it says.
    ///
    /// # Errors
    /// Where it cannot be written or read, or is a counterfeit.
    pub fn begin(medium: M) -> Result<Self, DeviceError> {
        let medium = Watched(medium);
        let size_bytes = medium.size_bytes();
        if size_bytes < SIZE_AT_LEAST_BYTES {
            return Err(DeviceError::TooSmallToBegin {
                size_bytes,
                needed_bytes: SIZE_AT_LEAST_BYTES,
            });
        }
        // What was on the device stays whole, or boots no more: this goes before all else.
        wipe_first_sector(&medium)?;
        let zeros = Buffer::zeros(HEAD_BYTES);
        // The end has the second copy of a GPT, by which the first would be repaired.
        let end = (size_bytes - HEAD) / SECTOR_BYTES * SECTOR_BYTES;
        for offset_bytes in [0, end] {
            let wiped = medium.write_all_at(&zeros, offset_bytes);
            wiped.map_err(|source| DeviceError::Write {
                offset_bytes,
                source,
            })?;
            settle(&medium)?;
        }
        let probes = Probes::plant(&medium)?;
        settle(&medium)?;
        probes.check(&medium, |_| false)?;
        Ok(Self {
            medium,
            probes,
            state: Mutex::new(State {
                head: zeros,
                ledger: Ledger::default(),
            }),
        })
    }

    /// How large the device is.
    pub fn size_bytes(&self) -> u64 {
        self.medium.size_bytes()
    }

    /// Writes zeros.
    ///
    /// # Errors
    /// Where the device cannot be written.
    pub fn zero(&self, range: Range<u64>) -> Result<(), DeviceError> {
        let zeros = Buffer::zeros(PIECE_BYTES);
        let mut offset = range.start;
        while offset < range.end {
            let length = usize::try_from(range.end - offset)
                .map_or(PIECE_BYTES, |rest| rest.min(PIECE_BYTES));
            self.put(&zeros[..length], offset)?;
            offset += length as u64;
        }
        Ok(())
    }

    /// Writes bytes.
    ///
    /// # Errors
    /// Where the device cannot be written, or is too small.
    pub fn put(&self, bytes: &[u8], offset_bytes: u64) -> Result<(), DeviceError> {
        let (size_bytes, needed_bytes) = (
            self.size_bytes(),
            offset_bytes.saturating_add(bytes.len() as u64),
        );
        // The device may say so of itself, too; but then it has another reason.
        if needed_bytes > size_bytes {
            return Err(DeviceError::TooSmall {
                size_bytes,
                needed_bytes,
            });
        }
        let written = self.write_all_at(bytes, offset_bytes);
        written.map_err(|source| DeviceError::Write {
            offset_bytes,
            source,
        })
    }

    /// Lets all that was written so far arrive on the medium, from where it is read next.
    ///
    /// # Errors
    /// Where the device does not confirm it.
    pub fn settle(&self) -> Result<(), DeviceError> {
        // What comes here at the end must not land on anything else then: it does so now.
        let wiped = self.medium.write_all_at(&Buffer::zeros(HEAD_BYTES), 0);
        wiped.map_err(|source| DeviceError::Write {
            offset_bytes: 0,
            source,
        })?;
        settle(&self.medium)
    }

    /// Reads what was written behind the first MiB. What comes back as it was need not be read again
    /// by [`Self::finish`]: that is for those who have called [`Self::settle`] since, and who write
    /// nothing more but to places that were written before that.
    ///
    /// # Errors
    /// Where the device fails, or gives back something else, or nothing was written there.
    pub fn reread(&self, buffer: &mut [u8], offset_bytes: u64) -> Result<(), DeviceError> {
        let end_bytes = offset_bytes + buffer.len() as u64;
        let mut state = self.state();
        let mut next = offset_bytes;
        for piece in state.ledger.within(offset_bytes..end_bytes) {
            if piece.start > next {
                break;
            }
            let mut found = Buffer::zeros(piece.length);
            self.reread_piece(&piece, &mut found)?;
            state.ledger.confirm(piece.start);
            let until = piece.end().min(end_bytes);
            let place = |of: u64, from: u64| usize::try_from(of - from).unwrap_or_default();
            buffer[place(next, offset_bytes)..place(until, offset_bytes)]
                .copy_from_slice(&found[place(next, piece.start)..place(until, piece.start)]);
            next = until;
        }
        match next == end_bytes {
            true => Ok(()),
            false => Err(DeviceError::Read {
                offset_bytes: next,
                source: io::Error::new(io::ErrorKind::NotFound, "nothing was written there"),
            }),
        }
    }

    /// Reads back all that was written, and then lets the device be what it has become: the first MiB
    /// is written, its partition table last.
    ///
    /// # Errors
    /// Where the device fails, or gives back something else. It boots nowhere then.
    pub fn finish(self, progress: &dyn Progress) -> Result<(), DeviceError> {
        progress.start("flush", None);
        self.settle()?;
        self.read_back(progress)?;
        progress.start("finish", None);
        let published = self.publish();
        if published.is_err() {
            // What cannot be taken back either is named by the error that there is.
            let _ = self.medium.write_all_at(&Buffer::zeros(SECTOR), 0);
            let _ = self.medium.flush();
        }
        published?;
        // Nobody has to see the partitions at once: it is whole all the same.
        let _ = self.medium.announce();
        Ok(())
    }

    fn read_back(&self, progress: &dyn Progress) -> Result<(), DeviceError> {
        let pieces = self.state().ledger.unconfirmed();
        let total_bytes: u64 = pieces.iter().map(|piece| piece.length as u64).sum();
        progress.start("read back", Some(total_bytes));
        let mut buffer = Buffer::zeros(PIECE_BYTES);
        for piece in &pieces {
            if progress.interrupted() {
                return Err(DeviceError::Interrupted);
            }
            self.reread_piece(piece, &mut buffer[..piece.length])?;
            progress.advance(piece.length as u64);
        }
        let state = self.state();
        self.probes.check(&self.medium, |place| {
            !state.ledger.within(place..place + 4096).is_empty()
        })
    }

    fn reread_piece(&self, piece: &Piece, buffer: &mut [u8]) -> Result<(), DeviceError> {
        let offset_bytes = piece.start;
        let read = self.medium.read_exact_at(buffer, offset_bytes);
        read.map_err(|source| DeviceError::Read {
            offset_bytes,
            source,
        })?;
        match piece.is(buffer) {
            true => Ok(()),
            false => Err(DeviceError::Differs { offset_bytes }),
        }
    }

    /// The rest of the first MiB, and then the first sector.
    fn publish(&self) -> Result<(), DeviceError> {
        let head = self.state().head.clone();
        let rest = Buffer::of(&head[SECTOR..]);
        let first = Buffer::of(&head[..SECTOR]);
        for (bytes, offset_bytes) in [(rest, SECTOR_BYTES), (first, 0)] {
            let written = self.medium.write_all_at(&bytes, offset_bytes);
            written.map_err(|source| DeviceError::Write {
                offset_bytes,
                source,
            })?;
            settle(&self.medium)?;
        }
        let mut found = Buffer::zeros(HEAD_BYTES);
        let read = self.medium.read_exact_at(&mut found, 0);
        read.map_err(|source| DeviceError::Read {
            offset_bytes: 0,
            source,
        })?;
        match found[..] == head[..] {
            true => Ok(()),
            false => Err(DeviceError::Differs { offset_bytes: 0 }),
        }
    }

    /// Writes behind the first MiB.
    fn write_body(&self, bytes: &[u8], offset: u64, ledger: &mut Ledger) -> io::Result<()> {
        let start = offset / SECTOR_BYTES * SECTOR_BYTES;
        let end = (offset + bytes.len() as u64).next_multiple_of(SECTOR_BYTES);
        let written = ledger.within(start..end);
        let whole = start == offset && end == offset + bytes.len() as u64;
        if written.is_empty() && whole {
            self.medium.write_all_at(bytes, offset)?;
            ledger.note(bytes, offset);
            return Ok(());
        }
        // Pieces that are written anew in part: their other bytes are needed for their digests.
        let first = written
            .first()
            .map_or(start, |piece| piece.start.min(start));
        let last = written.last().map_or(end, |piece| piece.end().max(end));
        let place = |from: u64| usize::try_from(from - first).unwrap_or_default();
        let mut all = Buffer::zeros(place(last));
        for piece in written {
            let found = &mut all[place(piece.start)..place(piece.end())];
            self.medium.read_exact_at(found, piece.start)?;
            if !piece.is(found) {
                let message = format!("other bytes come back at byte {}", piece.start);
                return Err(io::Error::other(message));
            }
        }
        all[place(offset)..][..bytes.len()].copy_from_slice(bytes);
        self.medium
            .write_all_at(&all[place(start)..place(end)], start)?;
        ledger.note(&all, first);
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: Medium> WriteAt for Stick<M> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(bytes.len() as u64);
        if end.is_none_or(|end| end > self.size_bytes()) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut state = self.state();
        let State { head, ledger } = &mut *state;
        let (in_head, behind) = match HEAD.checked_sub(offset) {
            Some(room) => bytes
                .split_at(usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()))),
            None => (&[][..], bytes),
        };
        if !in_head.is_empty() {
            let start = usize::try_from(offset).unwrap_or_default();
            head[start..start + in_head.len()].copy_from_slice(in_head);
        }
        match behind.is_empty() {
            true => Ok(()),
            false => self.write_body(behind, offset + in_head.len() as u64, ledger),
        }
    }
}

impl<M: Medium> ReadAt for Stick<M> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some(room) = HEAD.checked_sub(offset).filter(|room| *room > 0) else {
            return self.medium.read_at(buffer, offset);
        };
        let count = usize::try_from(room).map_or(buffer.len(), |room| room.min(buffer.len()));
        let start = HEAD_BYTES - usize::try_from(room).unwrap_or_default();
        buffer[..count].copy_from_slice(&self.state().head[start..start + count]);
        Ok(count)
    }
}

/// Overwrites the sector with the partition table, and looks whether that is so: a stick that is worn
/// out may refuse every write, or take each of them and forget it.
fn wipe_first_sector(medium: &impl Medium) -> Result<(), DeviceError> {
    let mut before = Buffer::zeros(SECTOR);
    let was_read = medium.read_exact_at(&mut before, 0).is_ok();
    let written = medium.write_all_at(&Buffer::zeros(SECTOR), 0);
    let written = written
        .and_then(|()| medium.flush())
        .and_then(|()| medium.forget());
    let mut found = Buffer::zeros(SECTOR);
    let read = medium.read_exact_at(&mut found, 0);
    let offset_bytes = 0;
    match (written, read) {
        (Ok(()), Ok(())) if is_zero(&found) => Ok(()),
        (Err(source), Ok(())) if is_zero(&found) => Err(DeviceError::Write {
            offset_bytes,
            source,
        }),
        (_, Ok(())) if was_read && found[..] == before[..] => Err(DeviceError::TakesNoWrites),
        (Ok(()), Ok(())) if found[510..] != *b"\x55\xaa" => {
            Err(DeviceError::Differs { offset_bytes })
        }
        (Ok(()), Ok(())) => Err(DeviceError::NotWiped {
            source: io::Error::other("other bytes come back"),
        }),
        (Err(source), _) | (Ok(()), Err(source)) => Err(DeviceError::NotWiped { source }),
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Everything is on the medium, and what is read next comes from there.
fn settle(medium: &impl Medium) -> Result<(), DeviceError> {
    let settled = medium.flush().and_then(|()| medium.forget());
    settled.map_err(|source| DeviceError::Flush { source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faulty::{Fault, Faulty, noise};
    use livestick_blockio::NoProgress;

    const MIB: u64 = 1 << 20;
    const SIZE: u64 = 32 * MIB;

    /// Writes a partition table and 9 MiB behind it, out of order, as a builder does.
    fn write(medium: &Faulty) -> Result<(), DeviceError> {
        medium.fill_with_an_old_stick();
        let stick = Stick::begin(medium)?;
        let body = noise(9 << 20);
        let mut table = [1; 512];
        table[510..].copy_from_slice(b"\x55\xaa");
        stick.put(&table, 0)?;
        stick.put(&body[100..], 2 * MIB + 100)?;
        stick.put(&body[..100], 2 * MIB)?;
        stick.put(b"in between", 4 * MIB + 7)?;
        stick.zero(12 * MIB..13 * MIB + 512)?;
        assert!(!medium.is_bootable());
        stick.finish(&NoProgress)
    }

    #[test]
    fn what_was_written_anywhere_is_there_in_the_end() {
        let medium = Faulty::new(SIZE, Fault::None);
        write(&medium).unwrap();
        let mut body = noise(9 << 20);
        body[(2 << 20) + 7..(2 << 20) + 17].copy_from_slice(b"in between");
        assert_eq!(medium.bytes(2 * MIB, body.len()), body);
        assert!(medium.is_bootable());
        assert_eq!(medium.bytes(512, 2048), [0; 2048], "of the old stick");
        assert_eq!(medium.bytes(SIZE - MIB, 1 << 20), vec![0; 1 << 20]);
    }

    #[test]
    fn no_fault_goes_unnoticed_and_none_leaves_a_stick_that_boots() {
        type Expected = fn(&DeviceError) -> bool;
        let differs: Expected = |error| {
            matches!(
                error,
                DeviceError::Differs { .. } | DeviceError::Write { .. }
            )
        };
        let fake: Expected = |error| matches!(error, DeviceError::Fake { .. });
        let untouched: Expected = |error| matches!(error, DeviceError::TakesNoWrites);
        let cases: [(Fault, Expected); 14] = [
            (Fault::ReadError(0), |error| {
                matches!(error, DeviceError::NotWiped { .. })
            }),
            (Fault::GoneAfter(0), |error| {
                matches!(error, DeviceError::NotWiped { .. })
            }),
            (Fault::WriteError(5 * MIB), |error| {
                matches!(error, DeviceError::Write { .. }) && error.hint().unwrap().contains("worn")
            }),
            (Fault::ReadError(5 * MIB), |error| {
                matches!(error, DeviceError::Read { .. } | DeviceError::Write { .. })
            }),
            (Fault::WriteError(0), untouched),
            (Fault::GoneAfter(6 * MIB), |error| {
                error.hint().unwrap().contains("unplugged")
            }),
            (Fault::Drop(5 * MIB + 8192), differs),
            (Fault::Corrupt(5 * MIB + 8500), differs),
            (Fault::Drop(2 * MIB), fake),
            (Fault::Corrupt(77), differs),
            (Fault::Drop(0), untouched),
            (Fault::LosesBehind(20 * MIB), fake),
            (Fault::WrapsAt(8 * MIB), fake),
            (Fault::WrapsAt(16 * MIB), fake),
        ];
        for (fault, expected) in cases {
            let medium = Faulty::new(SIZE, fault);
            let error = write(&medium).unwrap_err();
            assert!(expected(&error), "{fault:?}: {error}");
            // Nobody says that it boots nowhere where it may.
            assert!(
                !medium.is_bootable() || error.is_untouched(),
                "{fault:?}: {error}"
            );
            assert!(
                !matches!(error, DeviceError::TakesNoWrites) || medium.is_an_old_stick(),
                "{fault:?}: {error}"
            );
        }
    }

    /// Neither "take a larger stick" nor "it is worn out": whatever the kernel says.
    #[test]
    fn a_stick_that_is_pulled_out_is_called_so() {
        let whole = Faulty::new(SIZE, Fault::None);
        write(&whole).unwrap();
        for part in 0..60 {
            let medium = Faulty::new(SIZE, Fault::GoneAfter(whole.written_bytes() * part / 60));
            let error = write(&medium).unwrap_err();
            let hint = error.hint().unwrap_or_default();
            assert!(hint.contains("unplugged"), "{part}: {error}: {hint}");
        }
    }

    /// Counterfeits whose addresses wrap anywhere, not only at powers of two: what is read back while
    /// it is written does not hide them.
    #[test]
    fn a_stick_that_is_called_good_holds_what_was_written() {
        let body = noise(9 << 20);
        let mut good = 0;
        for number in 1..=64 {
            // Every sector from 3 to 14 MiB may be the last one.
            let limit = 3 * MIB + number * 350 * 512;
            let medium = Faulty::new(SIZE, Fault::WrapsAt(limit));
            let written = Stick::begin(&medium).and_then(|stick| {
                stick.put(&body[..100_000], 2 * MIB)?;
                stick.put(&body[100_000..], 3 * MIB)?;
                stick.put(&body[..100_000], 2 * MIB)?;
                stick.settle()?;
                let mut found = vec![0; body.len() - 100_000];
                for (index, piece) in found.chunks_mut(1 << 20).enumerate() {
                    stick.reread(piece, 3 * MIB + index as u64 * MIB)?;
                }
                assert!(found == body[100_000..]);
                stick.put(&body[1..100_001], 2 * MIB)?;
                stick.put(&[1; 512], 0)?;
                stick.finish(&NoProgress)
            });
            let is_whole = medium.bytes(0, 512) == [1; 512]
                && medium.bytes(2 * MIB, 100_000) == body[1..100_001]
                && medium.bytes(3 * MIB, body.len() - 100_000) == body[100_000..];
            assert!(written.is_err() || is_whole, "it wraps at byte {limit}");
            good += u32::from(written.is_ok());
        }
        assert!(good < 64, "no counterfeit was found");
    }

    #[test]
    fn what_has_come_back_is_not_read_again() {
        let medium = Faulty::new(SIZE, Fault::None);
        let stick = Stick::begin(&medium).unwrap();
        let body = noise(5 << 20);
        stick.put(&body, 2 * MIB).unwrap();
        stick.settle().unwrap();
        let before = medium.read_bytes();
        let mut found = vec![0; body.len() - 700];
        stick.reread(&mut found, 2 * MIB + 700).unwrap();
        assert!(found == body[700..]);
        assert!(
            stick.reread(&mut found[..10], 8 * MIB).is_err(),
            "of the past"
        );
        stick.put(b"new", 3 * MIB + 5).unwrap();
        stick.finish(&NoProgress).unwrap();
        // The piece that changed is read to be changed, and is read back, and there are probes.
        let read = medium.read_bytes() - before;
        assert!((7 * MIB..9 * MIB).contains(&read), "{read}");
    }

    #[test]
    fn nothing_is_written_behind_the_end() {
        let medium = Faulty::new(SIZE, Fault::None);
        let stick = Stick::begin(&medium).unwrap();
        for offset in [SIZE - 1, SIZE, u64::MAX - 1] {
            let error = stick.put(b"ab", offset).unwrap_err();
            assert!(matches!(error, DeviceError::TooSmall { .. }), "{error}");
        }
        let tiny = Faulty::new(MIB, Fault::None);
        assert!(Stick::begin(&tiny).is_err() && tiny.is_untouched());
    }

    #[test]
    fn what_is_held_back_can_be_read() {
        let medium = Faulty::new(SIZE, Fault::None);
        let stick = Stick::begin(&medium).unwrap();
        stick.put(b"across", MIB - 3).unwrap();
        let mut found = [0; 6];
        stick.read_exact_at(&mut found, MIB - 3).unwrap();
        assert_eq!(&found, b"across");
        assert_eq!(medium.bytes(MIB - 3, 3), [0; 3]);
    }
}
