//! The only crate with unsafe code: system calls that rustix does not cover.
