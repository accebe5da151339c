//! Counterfeits: sticks that say they are larger than they are.
//!
//! What is written behind their end is lost, or lands on something else, since the upper bits of
//! addresses are ignored. Blocks that nothing else could have written are put all over the device, a
//! power of two from each other and evenly, and must all come back.

use crate::buffer::{Buffer, PAGE_BYTES};
use crate::{DeviceError, Medium};
use rustix::rand::{GetRandomFlags, getrandom};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The blocks that were put on a device.
#[derive(Debug)]
pub(crate) struct Probes {
    nonce: u64,
    pub(crate) places: Vec<u64>,
}

/// The first and the last MiB have other uses.
const MARGIN_BYTES: u64 = 1 << 20;
/// How many places lie evenly apart.
const EVENLY: u64 = 16;
/// No counterfeit is smaller.
const SMALLEST_POWER: u32 = 22;
const BLOCK_BYTES: u64 = PAGE_BYTES as u64;

impl Probes {
    /// Writes the blocks. The device must be larger than its two margins.
    pub(crate) fn plant(medium: &impl Medium) -> Result<Self, DeviceError> {
        let mut nonce = [0; 8];
        // So few bytes come at once or not at all: getrandom(2).
        getrandom(&mut nonce, GetRandomFlags::empty()).map_err(|error| DeviceError::Random {
            source: error.into(),
        })?;
        let probes = Self {
            nonce: u64::from_le_bytes(nonce),
            places: places(medium.size_bytes()),
        };
        // From the front on: what lands on an earlier block shows there.
        for place in &probes.places {
            let written = medium.write_all_at(&probes.block(*place), *place);
            written.map_err(|source| DeviceError::Write {
                offset_bytes: *place,
                source,
            })?;
        }
        Ok(probes)
    }

    /// Reads back those blocks that nothing was written over.
    pub(crate) fn check(
        &self,
        medium: &impl Medium,
        is_over: impl Fn(u64) -> bool,
    ) -> Result<(), DeviceError> {
        let mut lost = Vec::new();
        let mut found = Buffer::zeros(PAGE_BYTES);
        for place in self.places.iter().copied().filter(|place| !is_over(*place)) {
            let read = medium.read_exact_at(&mut found, place);
            read.map_err(|source| DeviceError::Read {
                offset_bytes: place,
                source,
            })?;
            if found[..] != self.block(place)[..] {
                lost.push(place);
            }
        }
        match lost.first() {
            None => Ok(()),
            Some(first) => Err(DeviceError::Fake {
                claimed_bytes: medium.size_bytes(),
                offset_bytes: *first,
            }),
        }
    }

    fn block(&self, place: u64) -> Buffer {
        let mut block = Buffer::zeros(PAGE_BYTES);
        for (index, bytes) in (0_u64..).zip(block.chunks_mut(16)) {
            let word =
                xxh3_128_with_seed(&[place, index].map(u64::to_le_bytes).concat(), self.nonce);
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        block
    }
}

/// In ascending order, without those that would meet.
fn places(size_bytes: u64) -> Vec<u64> {
    let last = (size_bytes - MARGIN_BYTES) / BLOCK_BYTES * BLOCK_BYTES - BLOCK_BYTES;
    let powers = (SMALLEST_POWER..u64::BITS).map(|power| MARGIN_BYTES.saturating_add(1 << power));
    let evenly = (1..EVENLY).map(|part| size_bytes / EVENLY * part / BLOCK_BYTES * BLOCK_BYTES);
    let all = [MARGIN_BYTES, last].into_iter().chain(powers).chain(evenly);
    let mut places: Vec<_> = all
        .filter(|place| (MARGIN_BYTES..=last).contains(place))
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lie_between_the_margins() {
        for size in [4 << 20, (64 << 20) + 512, 64_000_000_000, 1 << 41] {
            let places = places(size);
            assert!(places.is_sorted() && places[0] == MARGIN_BYTES);
            let last = places[places.len() - 1];
            assert!(last + BLOCK_BYTES <= size - MARGIN_BYTES);
            assert!(last + 2 * BLOCK_BYTES > size - MARGIN_BYTES);
            assert!(places.iter().all(|place| place % BLOCK_BYTES == 0));
            assert!(places.len() < 60, "{}", places.len());
        }
    }
}
