//! What goes wrong with an image, and what to do about it.

use crate::failure::{Exit, Failure};
use crate::pipeline::source;
use livestick_image::OutputError;
use std::io;

/// There can be no file where the image should be.
pub fn no_output(error: OutputError) -> Failure {
    let hint = match &error {
        OutputError::Exists { .. } => Some("replace it with --force, or choose another name"),
        OutputError::NotAFile { path } if path.is_dir() => {
            Some("give the image a name in that directory")
        }
        OutputError::NotAFile { .. } => Some("a stick is written with --to, an image file with -o"),
        _ => None,
    };
    let failure = Failure::new(Exit::Refused, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// A SquashFS image cannot be made.
pub fn no_squashfs(error: livestick_squashfs::WriteError) -> Failure {
    use livestick_squashfs::WriteError as Root;
    let hint = match &error {
        Root::Interrupted => return Failure::interrupted(),
        Root::Unreadable { .. } => Some(source::UNREADABLE_HINT),
        Root::Changed { .. } => Some(
            "stop what writes to it while the image is made, leave it out with --exclude, or take it as \
             it is with --keep-changing",
        ),
        Root::Symlink { .. } | Root::Device { .. } | Root::FileSize { .. } => {
            Some("leave it out with --exclude")
        }
        Root::Ids => Some("give the files fewer owners: --all-root, --force-uid or --force-gid"),
        Root::Output(source) => match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge => {
                Some("free some space, or choose another place")
            }
            _ => None,
        },
        _ => None,
    };
    let failure = Failure::new(Exit::Failed, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
