//! SquashFS 4.0 writer.
