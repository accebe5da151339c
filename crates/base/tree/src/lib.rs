//! A file tree in memory: names, metadata, extended attributes, and where each file's bytes are.
//!
//! A [`Tree`] holds no file contents but the few that were made up for it. It is filled once, from
//! a directory or an archive, rewritten by rules, and then read by whoever writes a filesystem from
//! it, who asks a [`ContentSource`] for the bytes.

mod files;
mod node;
mod root;
mod shown;
mod source;
mod tree;

pub use files::TreeFiles;
pub use node::{Content, Device, Kind, Metadata, Node, Xattr};
pub use root::{RootDirectory, RootFiles};
pub use shown::shown;
pub use source::{ContentSource, SourceFile, Stamp};
pub use tree::{NodeId, Tree, TreeError};
