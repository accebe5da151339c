//! A directory that holds a root becomes a [`Tree`](livestick_tree::Tree).
//!
//! The source is scanned through a detached, read-only clone of its mount, so that what is mounted
//! over it is not in the way, nothing is attached anywhere, and not even an access time changes.
//! Other filesystems that belong to it are put in their places, each through a clone of its own.
//! What a stick does not need is left out and what it needs is added, by [named rules](rules), in
//! memory only.

mod error;
mod exclude;
mod facts;
mod files;
mod filter;
mod fstab;
mod mounts;
mod pattern;
mod report;
mod rewrite;
mod rule;
mod scan;
mod source;
mod walk;
mod xattr;

pub use error::CaptureError;
pub use exclude::{Exclusions, Origin, Pattern, PatternError};
pub use facts::{Facts, can_log_in, facts};
pub use files::Files;
pub use filter::Cause;
pub use mounts::{MountChoice, MountDecision, MountReason};
pub use report::{Capture, Omission, Report};
pub use rule::{Mode, Rule, RuleSet, UnknownRule, rules};
pub use source::{Options, Source, Unreadable};
