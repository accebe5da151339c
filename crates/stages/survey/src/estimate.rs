//! How much is compressed to know how large an image will be.

use livestick_blockio::Progress;
use livestick_squashfs::{Compression, Estimate, Options, WriteError};
use livestick_tree::{ContentSource, Tree};

/// What the fast codecs compress in a second or two, and enough for a few percent.
const SAMPLE_BYTES: u64 = 96 << 20;
/// The same for those that take ten times as long.
const SLOW_SAMPLE_BYTES: u64 = 16 << 20;

/// Estimates an image with a sample that takes no more than some seconds.
///
/// # Errors
/// As [`livestick_squashfs::estimate`].
pub fn estimate(
    tree: &Tree,
    source: &dyn ContentSource,
    options: &Options,
    progress: &dyn Progress,
) -> Result<Estimate, WriteError> {
    let sample_bytes = match options.compression {
        Compression::Zstd { level: 13.. } | Compression::Gzip { level: 10.. } => SLOW_SAMPLE_BYTES,
        Compression::Xz { .. } => SLOW_SAMPLE_BYTES,
        _ => SAMPLE_BYTES,
    };
    livestick_squashfs::estimate(tree, source, options, sample_bytes, progress)
}
