//! The program as people and scripts use it.

#![allow(clippy::unwrap_used)]

mod bad_input;
mod cut_off;
mod device;
mod disk;
mod firmware;
mod images;
mod page;
mod plan;
mod squashfs;
mod squashfs_limits;
mod support;
