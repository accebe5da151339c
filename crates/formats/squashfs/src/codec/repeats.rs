//! How much of a block comes again. It tells how well the block compresses about as well as compressing
//! it does, in a fiftieth of the time.

/// How many pieces of a block are looked at, evenly spread.
const RUNS: usize = 8;
/// How many places of a piece.
const RUN_PLACES: usize = 256;
/// How many bytes from a place on must have been seen before.
const GRAM_BYTES: usize = 4;
const SEEN_LOG: u32 = 15;

/// At how many of 2048 places in a block there are four bytes that were at one of the places before.
/// `None` for a block that is too short to tell.
pub(super) fn repeats(block: &[u8]) -> Option<u32> {
    let run_bytes = RUN_PLACES + GRAM_BYTES - 1;
    let distance_bytes = block.len() / RUNS;
    if distance_bytes < run_bytes {
        return None;
    }
    // A bit for each hash. Two of four bytes may share one, which raises the count a little.
    let mut seen = [0_u64; 1 << (SEEN_LOG - u64::BITS.ilog2())];
    let mut repeats = 0;
    for run in block.chunks_exact(distance_bytes).take(RUNS) {
        for gram in run[..run_bytes].array_windows::<GRAM_BYTES>() {
            let hash =
                u32::from_le_bytes(*gram).wrapping_mul(0x9E37_79B1) >> (u32::BITS - SEEN_LOG);
            let bit = 1 << (hash % u64::BITS);
            let word = &mut seen[(hash / u64::BITS) as usize];
            repeats += u32::from(*word & bit != 0);
            *word |= bit;
        }
    }
    Some(repeats)
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    #[test]
    fn what_comes_again_is_counted() {
        let text = b"a line of text, then one more; ".repeat(5000);
        assert_eq!(repeats(&text[..131_072]), Some(2048 - 31));
        // 2048 of 32768 hashes: about one in 32 was seen by chance.
        let by_chance = repeats(&noise(131_072)).unwrap();
        assert!((30..100).contains(&by_chance), "{by_chance}");
    }

    #[test]
    fn the_shortest_block_that_tells() {
        assert_eq!(repeats(&vec![0; 8 * 259 - 1]), None);
        assert_eq!(repeats(&vec![0; 8 * 259]), Some(2047));
        assert_eq!(repeats(&[]), None);
    }
}
