//! A directory that holds a root becomes a [`Tree`](livestick_tree::Tree).
//!
//! The source is scanned through a detached, read-only clone of its mount, so that what is mounted
//! over it is not in the way, nothing is attached anywhere, and not even an access time changes.
//! What a stick does not need is left out and what it needs is added, in memory only.

mod error;
mod exclude;
mod facts;
mod fstab;
mod mounts;
mod rules;
mod scan;
mod source;
mod walk;
mod xattr;

pub use error::CaptureError;
pub use exclude::{Exclusions, PatternError};
pub use facts::{Facts, facts};
pub use source::{Capture, Options, Report, Source, Unreadable};
