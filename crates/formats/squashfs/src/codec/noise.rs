//! Whether a block is worth a try. Slow compressors take longest for what they cannot compress.

/// How many bytes, spread over a block, tell whether it looks like noise.
const SAMPLE_BYTES: usize = 4096;
/// The sum of squares of the 256 counts in a sample of noise is `n * n / 256 + n` on average, with
/// a deviation of under 2 % of that. Music is up to twice that, text, code and tables are far above.
const NOISE_LIMIT: usize = (SAMPLE_BYTES * SAMPLE_BYTES / 256 + SAMPLE_BYTES) * 2;

/// Whether the bytes of a block are spread as evenly as those of compressed data. A look of a
/// microsecond, so that a real try is made only where it may save one.
pub(super) fn looks_like_noise(block: &[u8]) -> bool {
    if block.len() < SAMPLE_BYTES {
        return false;
    }
    let mut counts = [0_usize; 256];
    let runs = 16;
    for run in block.chunks(block.len() / runs).take(runs) {
        for byte in &run[..SAMPLE_BYTES / runs] {
            counts[usize::from(*byte)] += 1;
        }
    }
    counts.iter().map(|count| count * count).sum::<usize>() < NOISE_LIMIT
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    #[test]
    fn noise_is_told_from_text() {
        for length in [4096, 5000, 131_072, 1 << 20] {
            assert!(looks_like_noise(&noise(length)), "{length}");
            let text = b"a line of text, then one more; ".repeat(length / 31 + 1);
            assert!(!looks_like_noise(&text[..length]), "{length}");
        }
        assert!(!looks_like_noise(b"short"));
    }
}
