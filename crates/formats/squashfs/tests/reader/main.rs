//! The reader and the checker from outside: what the writer made, what other tools made, and what
//! was damaged.

#![allow(clippy::unwrap_used)]

mod damage;
mod extract;
mod kernel;
mod trees;

#[path = "../support/mod.rs"]
mod support;
