//! A device in memory that fails as devices do: for tests, those of other crates too.

#![allow(clippy::unwrap_used, reason = "it is for tests")]

use crate::Medium;
use livestick_blockio::{ReadAt, WriteAt};
use rustix::io::Errno;
use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard};

/// How it fails.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Not at all.
    None,
    /// A write of this byte is an error.
    WriteError(u64),
    /// A read of this byte is an error.
    ReadError(u64),
    /// What is written to this sector never arrives.
    Drop(u64),
    /// What is written to this byte arrives with a bit changed.
    Corrupt(u64),
    /// It is pulled out once so many bytes were written; the kernel's word for that differs.
    GoneAfter(u64),
    /// It has only so many bytes; the rest is lost.
    LosesBehind(u64),
    /// It has only so many bytes; the rest lands on them again.
    WrapsAt(u64),
}

/// A device whose own cache keeps what was not flushed.
#[derive(Debug)]
pub struct Faulty {
    size_bytes: u64,
    fault: Fault,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Sectors that are safe; others are zeros.
    stable: HashMap<u64, [u8; 512]>,
    /// Writes since the last flush.
    cached: Vec<(u64, [u8; 512])>,
    /// Of each sector in there, the last one.
    latest: HashMap<u64, usize>,
    written_bytes: u64,
    read_bytes: u64,
    /// How often it was asked since it was pulled out.
    pulled: u64,
}

impl Faulty {
    /// One of so many bytes, zeros all of them.
    #[must_use]
    pub fn new(size_bytes: u64, fault: Fault) -> Self {
        Self {
            size_bytes,
            fault,
            state: Mutex::default(),
        }
    }

    /// How much was written so far.
    pub fn written_bytes(&self) -> u64 {
        self.state().written_bytes
    }

    /// How much was read so far.
    pub fn read_bytes(&self) -> u64 {
        self.state().read_bytes
    }

    /// Whether nothing was ever written.
    pub fn is_untouched(&self) -> bool {
        self.written_bytes() == 0
    }

    /// Whether firmware would try to boot it.
    pub fn is_bootable(&self) -> bool {
        self.bytes(510, 2) == b"\x55\xaa"
    }

    /// What is there by now, flushed or not.
    pub fn bytes(&self, offset: u64, length: usize) -> Vec<u8> {
        let state = self.state();
        let sector = |number: u64| {
            let cached = state
                .latest
                .get(&number)
                .map(|index| state.cached[*index].1);
            cached
                .or_else(|| state.stable.get(&number).copied())
                .unwrap_or([0; 512])
        };
        let (first, within) = (offset / 512, usize::try_from(offset % 512).unwrap());
        let count = (within + length).div_ceil(512) as u64;
        let bytes: Vec<u8> = (first..first + count).flat_map(sector).collect();
        bytes[within..within + length].to_vec()
    }

    /// A partition table from before.
    pub fn fill_with_an_old_stick(&self) {
        let mut state = self.state();
        for sector in 0..4096 {
            let mut bytes = [0x5a; 512];
            bytes[510..].copy_from_slice(b"\x55\xaa");
            state.stable.insert(sector, bytes);
        }
    }

    /// Whether that is still all there.
    pub fn is_an_old_stick(&self) -> bool {
        let of_old = |(index, byte): (usize, &u8)| match index % 512 {
            510 => *byte == 0x55,
            511 => *byte == 0xaa,
            _ => *byte == 0x5a,
        };
        self.bytes(0, 4096 * 512).iter().enumerate().all(of_old)
    }

    /// Of what was not flushed, some arrives and some does not.
    pub fn lose_power(&self, seed: u64) {
        let mut state = self.state();
        state.latest.clear();
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for (sector, bytes) in std::mem::take(&mut state.cached) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            if random.is_multiple_of(2) {
                state.stable.insert(sector, bytes);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn write_sector(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut bytes = <[u8; 512]>::try_from(bytes).unwrap();
        let mut sector = offset / 512;
        let here = |byte: u64| byte / 512 == offset / 512;
        match self.fault {
            Fault::WriteError(byte) if here(byte) => return Err(Errno::IO.into()),
            Fault::GoneAfter(_) if self.is_gone() => return Err(self.pulled()),
            Fault::Drop(byte) if here(byte) => return Ok(()),
            Fault::Corrupt(byte) if here(byte) => bytes[usize::try_from(byte % 512).unwrap()] ^= 4,
            Fault::LosesBehind(limit) if offset >= limit => return Ok(()),
            Fault::WrapsAt(limit) => sector = offset % limit / 512,
            _ => {}
        }
        let mut state = self.state();
        state.written_bytes += 512;
        let is_there = state.stable.contains_key(&sector) || state.latest.contains_key(&sector);
        if is_there || bytes != [0; 512] {
            let index = state.cached.len();
            state.cached.push((sector, bytes));
            state.latest.insert(sector, index);
        }
        Ok(())
    }

    /// What the kernel says of a disk that was pulled out, in turns.
    fn pulled(&self) -> io::Error {
        let errors = [Errno::NODEV, Errno::IO, Errno::NOSPC];
        let mut state = self.state();
        state.pulled += 1;
        // Sectors, so that the first word differs by where it was pulled out.
        let turn = state.pulled + state.written_bytes / 512;
        errors[usize::try_from(turn).unwrap() % errors.len()].into()
    }

    fn is_gone(&self) -> bool {
        matches!(self.fault, Fault::GoneAfter(limit) if self.written_bytes() >= limit)
    }
}

impl ReadAt for Faulty {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if self.is_gone() {
            return Err(self.pulled());
        }
        let range = offset..offset + buffer.len() as u64;
        self.state().read_bytes += buffer.len() as u64;
        match self.fault {
            Fault::ReadError(byte) if range.contains(&byte) => return Err(Errno::IO.into()),
            Fault::WrapsAt(limit) => {
                for (index, sector) in (0..).zip(buffer.chunks_mut(512)) {
                    let found = self.bytes((offset + index * 512) % limit, sector.len());
                    sector.copy_from_slice(&found);
                }
            }
            _ => buffer.copy_from_slice(&self.bytes(offset, buffer.len())),
        }
        Ok(buffer.len())
    }
}

impl WriteAt for Faulty {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        assert!(offset.is_multiple_of(512) && bytes.len().is_multiple_of(512));
        assert!(offset + bytes.len() as u64 <= self.size_bytes);
        let mut offset = offset;
        for sector in bytes.chunks(512) {
            self.write_sector(offset, sector)?;
            offset += 512;
        }
        Ok(())
    }
}

impl Medium for &Faulty {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn is_there(&self) -> bool {
        !self.is_gone()
    }

    fn flush(&self) -> io::Result<()> {
        if self.is_gone() {
            return Err(self.pulled());
        }
        let mut state = self.state();
        state.latest.clear();
        for (sector, bytes) in std::mem::take(&mut state.cached) {
            match bytes == [0; 512] {
                true => drop(state.stable.remove(&sector)),
                false => drop(state.stable.insert(sector, bytes)),
            }
        }
        Ok(())
    }

    fn forget(&self) -> io::Result<()> {
        Ok(())
    }

    fn announce(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Bytes that look random, the same every time.
#[must_use]
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(step).take(length).collect()
}
