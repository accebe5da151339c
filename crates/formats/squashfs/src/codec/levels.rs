//! What zstd's levels mean here.
//!
//! The library derives a level's parameters from the length of what it is given, and changes them
//! between versions. So that a block's bytes depend on the options alone, the parameters are pinned:
//! these are those of libzstd 1.5.7 (`lib/compress/clevels.h`) for a whole block.
//!
//! Two rows for blocks up to 128 KiB differ, both measured on blocks of a Debian system:
//!
//! - Level 3: its tables are half as large, and fit into a core's nearest caches. Blocks in which little
//!   comes again get rows of [`sparse`] besides, which are faster still and lose hardly anything there.
//! - Level 15: the better estimate of costs (`btultra`) with an eighth of the tries and a far shorter
//!   target: fewer bytes than `mksquashfs` makes with its level 15, in less time.

use zstd_safe::Strategy::{
    self, ZSTD_btlazy2 as BtLazy2, ZSTD_btopt as BtOpt, ZSTD_btultra as BtUltra,
    ZSTD_btultra2 as BtUltra2, ZSTD_dfast as DFast, ZSTD_fast as Fast, ZSTD_greedy as Greedy,
    ZSTD_lazy as Lazy, ZSTD_lazy2 as Lazy2,
};

/// zstd's own parameters; the logarithms are those of bytes and of table entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters {
    pub(super) window_log: u32,
    pub(super) chain_log: u32,
    pub(super) hash_log: u32,
    pub(super) search_log: u32,
    pub(super) min_match: u32,
    pub(super) target_length: u32,
    pub(super) strategy: Strategy,
}

/// The parameters of a level, 1 to 22, for blocks of a length. A window never exceeds the block:
/// the kernel has no room for more.
pub(super) fn parameters(level: u32, block_bytes: usize) -> Parameters {
    let table = match block_bytes {
        0..=0x4000 => &UP_TO_16_KIB,
        0x4001..=0x2_0000 => &UP_TO_128_KIB,
        0x2_0001..=0x4_0000 => &UP_TO_256_KIB,
        _ => &ABOVE_256_KIB,
    };
    let row = usize::try_from(level.clamp(1, 22) - 1).unwrap_or_default();
    let mut parameters = table[row];
    parameters.window_log = parameters
        .window_log
        .min(block_bytes.ilog2().max(WINDOW_LOG_LEAST));
    parameters
}

/// Rows for blocks in which little comes again, as [`super::repeats`] counts it: each for fewer repeats
/// than the number before it, the fewest first. Most of what is in such blocks is machine code.
///
/// Measured on every eighth block of a Debian system, against level 3's own row: time × 0.89, bytes
/// × 1.0016, since the shorter matches that the first row finds make up for what the second misses. With
/// the second row for all blocks it would be 0.85 and 1.011.
pub(super) fn sparse(level: u32, block_bytes: usize) -> &'static [(u32, Parameters)] {
    match (level, block_bytes) {
        (3, 0x2_0000) => &SPARSE,
        _ => &[],
    }
}

const SPARSE: [(u32, Parameters); 2] = [
    (450, row(17, 13, 15, 1, 4, 0, Fast)),
    (750, row(17, 13, 15, 1, 5, 0, Fast)),
];

/// zstd's smallest window, 1 KiB.
const WINDOW_LOG_LEAST: u32 = 10;

/// A row as the library's source has it.
const fn row(
    window_log: u32,
    chain_log: u32,
    hash_log: u32,
    search_log: u32,
    min_match: u32,
    target_length: u32,
    strategy: Strategy,
) -> Parameters {
    Parameters {
        window_log,
        chain_log,
        hash_log,
        search_log,
        min_match,
        target_length,
        strategy,
    }
}

const ABOVE_256_KIB: [Parameters; 22] = [
    row(19, 13, 14, 1, 7, 0, Fast),
    row(20, 15, 16, 1, 6, 0, Fast),
    row(21, 16, 17, 1, 5, 0, DFast),
    row(21, 18, 18, 1, 5, 0, DFast),
    row(21, 18, 19, 3, 5, 2, Greedy),
    row(21, 18, 19, 3, 5, 4, Lazy),
    row(21, 19, 20, 4, 5, 8, Lazy),
    row(21, 19, 20, 4, 5, 16, Lazy2),
    row(22, 20, 21, 4, 5, 16, Lazy2),
    row(22, 21, 22, 5, 5, 16, Lazy2),
    row(22, 21, 22, 6, 5, 16, Lazy2),
    row(22, 22, 23, 6, 5, 32, Lazy2),
    row(22, 22, 22, 4, 5, 32, BtLazy2),
    row(22, 22, 23, 5, 5, 32, BtLazy2),
    row(22, 23, 23, 6, 5, 32, BtLazy2),
    row(22, 22, 22, 5, 5, 48, BtOpt),
    row(23, 23, 22, 5, 4, 64, BtOpt),
    row(23, 23, 22, 6, 3, 64, BtUltra),
    row(23, 24, 22, 7, 3, 256, BtUltra2),
    row(25, 25, 23, 7, 3, 256, BtUltra2),
    row(26, 26, 24, 7, 3, 512, BtUltra2),
    row(27, 27, 25, 9, 3, 999, BtUltra2),
];

const UP_TO_256_KIB: [Parameters; 22] = [
    row(18, 13, 14, 1, 6, 0, Fast),
    row(18, 14, 14, 1, 5, 0, DFast),
    row(18, 16, 16, 1, 4, 0, DFast),
    row(18, 16, 17, 3, 5, 2, Greedy),
    row(18, 17, 18, 5, 5, 2, Greedy),
    row(18, 18, 19, 3, 5, 4, Lazy),
    row(18, 18, 19, 4, 4, 4, Lazy),
    row(18, 18, 19, 4, 4, 8, Lazy2),
    row(18, 18, 19, 5, 4, 8, Lazy2),
    row(18, 18, 19, 6, 4, 8, Lazy2),
    row(18, 18, 19, 5, 4, 12, BtLazy2),
    row(18, 19, 19, 7, 4, 12, BtLazy2),
    row(18, 18, 19, 4, 4, 16, BtOpt),
    row(18, 18, 19, 4, 3, 32, BtOpt),
    row(18, 18, 19, 6, 3, 128, BtOpt),
    row(18, 19, 19, 6, 3, 128, BtUltra),
    row(18, 19, 19, 8, 3, 256, BtUltra),
    row(18, 19, 19, 6, 3, 128, BtUltra2),
    row(18, 19, 19, 8, 3, 256, BtUltra2),
    row(18, 19, 19, 10, 3, 512, BtUltra2),
    row(18, 19, 19, 12, 3, 512, BtUltra2),
    row(18, 19, 19, 13, 3, 999, BtUltra2),
];

const UP_TO_128_KIB: [Parameters; 22] = [
    row(17, 12, 13, 1, 6, 0, Fast),
    row(17, 13, 15, 1, 5, 0, Fast),
    row(17, 14, 15, 2, 5, 0, DFast),
    row(17, 17, 17, 2, 4, 0, DFast),
    row(17, 16, 17, 3, 4, 2, Greedy),
    row(17, 16, 17, 3, 4, 4, Lazy),
    row(17, 16, 17, 3, 4, 8, Lazy2),
    row(17, 16, 17, 4, 4, 8, Lazy2),
    row(17, 16, 17, 5, 4, 8, Lazy2),
    row(17, 16, 17, 6, 4, 8, Lazy2),
    row(17, 17, 17, 5, 4, 8, BtLazy2),
    row(17, 18, 17, 7, 4, 12, BtLazy2),
    row(17, 18, 17, 3, 4, 12, BtOpt),
    row(17, 18, 17, 4, 3, 32, BtOpt),
    row(17, 17, 17, 3, 3, 16, BtUltra),
    row(17, 18, 17, 6, 3, 128, BtUltra),
    row(17, 18, 17, 8, 3, 256, BtUltra),
    row(17, 18, 17, 10, 3, 512, BtUltra),
    row(17, 18, 17, 5, 3, 256, BtUltra2),
    row(17, 18, 17, 7, 3, 512, BtUltra2),
    row(17, 18, 17, 9, 3, 512, BtUltra2),
    row(17, 18, 17, 11, 3, 999, BtUltra2),
];

const UP_TO_16_KIB: [Parameters; 22] = [
    row(14, 14, 15, 1, 5, 0, Fast),
    row(14, 14, 15, 1, 4, 0, Fast),
    row(14, 14, 15, 2, 4, 0, DFast),
    row(14, 14, 14, 4, 4, 2, Greedy),
    row(14, 14, 14, 3, 4, 4, Lazy),
    row(14, 14, 14, 4, 4, 8, Lazy2),
    row(14, 14, 14, 6, 4, 8, Lazy2),
    row(14, 14, 14, 8, 4, 8, Lazy2),
    row(14, 15, 14, 5, 4, 8, BtLazy2),
    row(14, 15, 14, 9, 4, 8, BtLazy2),
    row(14, 15, 14, 3, 4, 12, BtOpt),
    row(14, 15, 14, 4, 3, 24, BtOpt),
    row(14, 15, 14, 5, 3, 32, BtUltra),
    row(14, 15, 15, 6, 3, 64, BtUltra),
    row(14, 15, 15, 7, 3, 256, BtUltra),
    row(14, 15, 15, 5, 3, 48, BtUltra2),
    row(14, 15, 15, 6, 3, 128, BtUltra2),
    row(14, 15, 15, 7, 3, 256, BtUltra2),
    row(14, 15, 15, 8, 3, 256, BtUltra2),
    row(14, 15, 15, 8, 3, 512, BtUltra2),
    row(14, 15, 15, 9, 3, 512, BtUltra2),
    row(14, 15, 15, 10, 3, 999, BtUltra2),
];
