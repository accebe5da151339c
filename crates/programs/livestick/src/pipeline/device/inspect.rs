//! What is on a stick.

use super::verify::{BLANK, is_blank, open, unreadable};
use crate::failure::{Exit, Failure};
use livestick_handoff::{Manifest, paths};
use livestick_image::OpenedImage;
use livestick_volume::ReadError;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What a stick says of itself.
#[derive(Debug, Serialize)]
pub struct Inspected {
    /// The image or the stick.
    pub image: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// The volume.
    pub volume: VolumeFacts,
    /// The system on it; `None` where it is no stick of livestick's.
    pub system: Option<System>,
    /// Every file, in the order of the directories.
    pub files: Vec<FileFacts>,
}

/// The volume.
#[derive(Debug, Serialize)]
pub struct VolumeFacts {
    /// Its label.
    pub label: String,
    /// Its serial number, as tools write it.
    pub serial: String,
    /// Its length.
    pub bytes: u64,
    /// The length of a cluster.
    pub cluster_bytes: u64,
}

/// The system on a stick.
#[derive(Debug, Serialize)]
pub struct System {
    /// Its name.
    pub title: String,
    /// The release of its kernel.
    pub kernel: String,
    /// The stick's identity.
    pub identity: String,
    /// What made it.
    pub tool: String,
    /// SHA-256 of its root image.
    pub root_sha256: String,
    /// The length of its root image.
    pub root_bytes: u64,
    /// What was chosen.
    pub options: Vec<(String, String)>,
    /// Where the loaders came from.
    pub origins: Vec<(String, String)>,
}

/// A file.
#[derive(Debug, Serialize)]
pub struct FileFacts {
    /// Its path.
    pub path: String,
    /// Its length.
    pub bytes: u64,
}

/// Looks at a stick. Nothing is verified.
pub fn inspect(path: &Path) -> Result<Inspected, Failure> {
    let (file, bytes) = open(path)?;
    let opened = OpenedImage::open(&file).map_err(|error| match error {
        ReadError::Damaged { .. } if is_blank(&file) => {
            let message = format!("{} has no volume: {BLANK}", path.display());
            Failure::message(Exit::Refused, message).hint("write it: `livestick write --help`")
        }
        error @ ReadError::Damaged { .. } => {
            let context = format!("{} is not a stick", path.display());
            Failure::new(Exit::Refused, anyhow::Error::new(error).context(context))
        }
        error => unreadable(path, error),
    })?;
    let manifest = opened.read(paths::MANIFEST, Manifest::LIMIT_BYTES);
    let manifest = manifest.ok().flatten();
    let manifest = manifest.and_then(|bytes| Manifest::parse(&bytes).ok());
    let parameters = &opened.volume().boot().parameters;
    let files = opened.files().map(|entry| FileFacts {
        path: entry.path.clone(),
        bytes: entry.length_bytes,
    });
    Ok(Inspected {
        image: path.to_owned(),
        bytes,
        volume: VolumeFacts {
            label: parameters.label(),
            serial: format!(
                "{:04X}-{:04X}",
                parameters.serial >> 16,
                parameters.serial & 0xffff
            ),
            bytes: u64::from(parameters.total_sectors) * 512,
            cluster_bytes: parameters.cluster_bytes(),
        },
        system: manifest.map(|manifest| System {
            root_sha256: hex(&manifest.image_sha256),
            root_bytes: opened.root().length_bytes(),
            title: manifest.title,
            kernel: manifest.kernel_release,
            identity: manifest.identity.to_string(),
            tool: manifest.tool,
            options: manifest.options,
            origins: manifest.origins,
        }),
        files: files.collect(),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
