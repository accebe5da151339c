//! What can go wrong.

use livestick_tree::shown;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Why a source cannot be captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The source cannot be opened as a directory.
    #[error("cannot open {}", .path.display())]
    Open {
        /// The source.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A filesystem that is to be taken along cannot be opened.
    #[error("cannot open the filesystem mounted at {}", .path.display())]
    Mount {
        /// Where it is mounted.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file or directory below the source cannot be read.
    #[error("`{}` cannot be read", shown(.path.as_os_str().as_bytes()))]
    Unreadable {
        /// Its path below the source.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The scan found what no tree can hold.
    #[error("cannot take the file tree in")]
    Tree {
        /// What.
        #[source]
        source: livestick_tree::TreeError,
    },
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
}
