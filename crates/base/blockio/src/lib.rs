//! Positioned reads and writes, extents, and progress.
