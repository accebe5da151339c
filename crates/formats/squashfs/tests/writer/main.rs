//! The writer from outside: what it makes, judged by the kernel and the field's own tools.

#![allow(clippy::unwrap_used)]

mod faults;
mod kernel;
#[path = "../support/mod.rs"]
mod support;
