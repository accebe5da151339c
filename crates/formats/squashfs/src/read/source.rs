//! Reading from the medium.

use crate::ReadError;
use livestick_blockio::ReadAt;

/// How much memory is taken at once for something of which only the image says how long it is: an
/// image that lies about it ends before it costs more.
const STEP_BYTES: u64 = 64 << 10;

/// Fills the buffer from a place in the image.
pub(crate) fn read_exact(
    source: &impl ReadAt,
    buffer: &mut [u8],
    offset: u64,
) -> Result<(), ReadError> {
    source
        .read_exact_at(buffer, offset)
        .map_err(|source| ReadError::Input { offset, source })
}

/// Reads a list of positions, eight bytes each.
pub(crate) fn read_positions(
    source: &impl ReadAt,
    start: u64,
    count: u64,
) -> Result<Vec<u64>, ReadError> {
    let mut positions = Vec::new();
    let mut memory = Vec::new();
    let mut left = count.saturating_mul(8);
    let mut at = start;
    while left > 0 {
        let step = left.min(STEP_BYTES);
        // At most 64 KiB.
        memory.resize(usize::try_from(step).unwrap_or_default(), 0);
        read_exact(source, &mut memory, at)?;
        let numbers = memory.as_chunks::<8>().0.iter();
        positions.extend(numbers.map(|bytes| u64::from_le_bytes(*bytes)));
        left -= step;
        at = at.saturating_add(step);
    }
    Ok(positions)
}
