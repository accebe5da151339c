//! Where the checkout and its build products are.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};
use std::path::{Path, PathBuf};

/// The checkout, as cargo sees it.
pub struct Workspace {
    /// What `cargo metadata` says of the workspace's own packages.
    pub metadata: Metadata,
}

impl Workspace {
    /// Asks cargo about the workspace that this program belongs to.
    pub fn find() -> Result<Self> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cannot read the workspace with `cargo metadata`")?;
        Ok(Self { metadata })
    }

    /// The top of the checkout.
    pub fn root(&self) -> &Path {
        self.metadata.workspace_root.as_std_path()
    }

    /// A path below cargo's target directory, where everything that is made goes.
    pub fn target(&self, below: &str) -> PathBuf {
        self.metadata.target_directory.as_std_path().join(below)
    }
}
