//! Archives from outside: what the field's own tools make, what nobody would, and any tree at all.

#![allow(clippy::unwrap_used)]

mod bsdtar;
mod compressed;
mod gnu;
mod hostile;
mod property;
mod replaced;
mod support;
