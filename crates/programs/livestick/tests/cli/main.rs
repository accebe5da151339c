//! The program as people and scripts use it.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod squashfs;
mod support;
