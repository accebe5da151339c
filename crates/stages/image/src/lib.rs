//! Which byte of the stick holds what; written once, front to back.
//!
//! [`Layout::plan`] gives every small file its clusters, and the root image the last ones. The
//! loaders are then patched with their places, and [`Layout::write`] streams everything into an
//! [`Output`], an image file that appears when it is whole and not before:
//!
//! 1. the small files;
//! 2. the root image, by the caller's closure, straight into its place;
//! 3. the root image is read once for its digest, since its first bytes are final only at the end;
//! 4. the initramfs, which was held back for its seal, the manifest and `SHA256SUMS`;
//! 5. allocation tables and directories, boot sectors, and the partition table last of all.
//!
//! Nothing is written twice and nothing is spooled. A [`Device`] takes an image as a file does.
//!
//! An [`OpenedImage`] is a stick that is read back, and [`verify`] holds it against its own manifest.

mod checksums;
mod destination;
mod eager_file;
mod error;
mod identity;
mod layout;
mod opened;
mod output;
mod readme;
mod verify;
mod write;

pub use destination::{Destination, Device};
pub use eager_file::EagerFile;
pub use error::{BoxError, OutputError, PlanError, WriteError};
pub use identity::Identities;
pub use layout::{Contents, Facts, Initrd, Layout, StickFile};
pub use livestick_volume::{BootCode, Label, LabelError, Size, Timestamp};
pub use opened::{OpenedImage, RootReader};
pub use output::{Existing, Output};
pub use readme::readme;
pub use verify::{Verification, VerifyError, verify};
pub use write::{RootImage, Settings, Written};
