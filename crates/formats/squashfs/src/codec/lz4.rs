//! LZ4: blocks without a frame.

/// The level that means LZ4's fast compressor.
const FAST_LEVEL: u32 = 1;
/// Below this length the library's fast compressor keeps its table from one block to the next,
/// which changes what it finds (`LZ4_prepareTable` in `lz4.c`).
const TABLE_KEPT_BYTES: usize = 4096;

/// Whether a level is one of `lz4hc.c`.
pub(super) fn is_high(level: u32) -> bool {
    level > FAST_LEVEL
}

/// Compresses a block; the state is the thread's.
pub(super) fn encode(level: u32, input: &[u8], output: &mut [u8]) -> Option<usize> {
    if input.is_empty() || output.is_empty() {
        return None;
    }
    if is_high(level) {
        let level = i32::try_from(level).unwrap_or(lzzzz::lz4_hc::CLEVEL_MAX);
        return lzzzz::lz4_hc::compress(input, output, level).ok();
    }
    if input.len() >= TABLE_KEPT_BYTES {
        return lzzzz::lz4::compress(input, output, lzzzz::lz4::ACC_LEVEL_DEFAULT).ok();
    }
    // This one begins with an empty table, so that a block's bytes do not depend on the last one.
    let (read, written) = lzzzz::lz4::compress_fill(input, output).ok()?;
    (read == input.len()).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    /// Short blocks after others, in one thread and each in a thread of its own.
    #[test]
    fn a_block_does_not_depend_on_the_one_before() {
        let blocks: Vec<Vec<u8>> = (0..400_usize)
            .map(|number| {
                let mut block = noise(8 + number * 17 % 90);
                block.rotate_left(number % 8);
                block = block.repeat(1 + number * 7 % 60);
                block.truncate([100, 3000, 4095, 4096, 70_000][number % 5]);
                block
            })
            .collect();
        for level in 1..=12 {
            let alone = |block: &Vec<u8>| {
                std::thread::scope(|scope| scope.spawn(|| compressed(level, block)).join().unwrap())
            };
            for block in &blocks {
                assert!(compressed(level, block) == alone(block), "level {level}");
            }
        }
    }

    fn compressed(level: u32, block: &[u8]) -> Option<Vec<u8>> {
        let mut output = vec![0; block.len()];
        let length = encode(level, block, &mut output)?;
        output.truncate(length);
        Some(output)
    }
}
