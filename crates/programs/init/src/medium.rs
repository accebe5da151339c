//! Is this device the stick?

use crate::failure::chain;
use crate::loader::Loader;
use crate::setup::make_folder;
use livestick_disks::{BlockDevice, Content};
use livestick_handoff::{Identity, Manifest, ParseError, Seal, paths};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the stick is mounted.
pub const MOUNT_POINT: &str = "/run/initramfs/medium";

/// The stick, mounted at [`MOUNT_POINT`].
#[derive(Debug)]
pub struct Medium {
    pub device: BlockDevice,
    /// The root image on it.
    pub image: File,
}

/// Why a device is not the stick.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    #[error("no medium in the drive")]
    NoMedium,
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    #[error("{}", describe(.0))]
    OtherContent(Content),
    #[error("{0}, cannot be mounted")]
    Mount(Content, #[source] io::Error),
    #[error("{0}, `{MANIFEST}` cannot be read")]
    NoManifest(Content, #[source] io::Error),
    #[error("{0}, `{MANIFEST}` is damaged")]
    BadManifest(Content, #[source] ParseError),
    #[error("{0}, another livestick (identity {1})")]
    OtherIdentity(Content, Identity),
    #[error("`{IMAGE}` cannot be read")]
    NoImage(#[source] io::Error),
    #[error(
        "`{IMAGE}` has {found_bytes} bytes instead of {expected_bytes}: it \
         was not written to its end"
    )]
    WrongLength {
        found_bytes: u64,
        expected_bytes: u64,
    },
    #[error("`{IMAGE}` does not begin like a SquashFS")]
    WrongMagic,
    #[error("`{IMAGE}` is not the image that it was built with")]
    WrongSuperblock,
}

impl Medium {
    /// Looks at what is on the device; mounts it read-only where it may be the stick, and leaves it
    /// mounted where it is.
    pub fn probe(device: BlockDevice, seal: &Seal, loader: &Loader) -> Result<Self, Rejection> {
        if device.size_bytes == 0 {
            return Err(Rejection::NoMedium);
        }
        // Kept open until it is mounted, so that what was read stays in the page cache.
        let node = File::open(device.node()).map_err(Rejection::Unreadable)?;
        let content = Content::of(&node).map_err(Rejection::Unreadable)?;
        if !matches!(content, Content::Vfat { .. }) {
            return Err(Rejection::OtherContent(content));
        }
        loader.load_now(&["nls_cp437", "nls_ascii", "vfat"]);
        if let Err(error) = mount_vfat(&device.node()) {
            return Err(Rejection::Mount(content, error));
        }
        match check(content, seal) {
            Ok(image) => Ok(Self { device, image }),
            Err(rejection) => {
                release();
                Err(rejection)
            }
        }
    }
}

/// Unmounts the stick.
pub fn release() {
    // Where nothing is mounted, that is as wished.
    let _ = unmount(MOUNT_POINT, UnmountFlags::DETACH);
}

impl Rejection {
    /// The whole reason on one line.
    pub fn sentence(&self) -> String {
        chain(self)
    }

    /// Whether it is the stick that was looked for, if a damaged one.
    pub fn is_right_stick(&self) -> bool {
        match self {
            Self::NoImage(_)
            | Self::WrongLength { .. }
            | Self::WrongMagic
            | Self::WrongSuperblock => true,
            Self::NoMedium
            | Self::Unreadable(_)
            | Self::OtherContent(_)
            | Self::Mount(..)
            | Self::NoManifest(..)
            | Self::BadManifest(..)
            | Self::OtherIdentity(..) => false,
        }
    }
}

const MANIFEST: &str = paths::MANIFEST;
const IMAGE: &str = paths::ROOT_IMAGE;
/// What the seal has a digest of.
const SUPERBLOCK_BYTES: usize = 96;
const SQUASHFS_MAGIC: &[u8] = b"hsqs";

fn describe(content: &Content) -> impl fmt::Display {
    match content {
        Content::Partitions(_) => format!("{content}, each listed by itself"),
        _ => format!("{content}, no livestick"),
    }
}

fn mount_vfat(node: &Path) -> io::Result<()> {
    make_folder(paths::LIVE, 0o755)?;
    make_folder(MOUNT_POINT, 0o755)?;
    let flags = MountFlags::RDONLY
        | MountFlags::NOSUID
        | MountFlags::NODEV
        | MountFlags::NOEXEC
        | MountFlags::NOATIME;
    let options = c"codepage=437,iocharset=ascii,utf8=1";
    Ok(mount(node, MOUNT_POINT, "vfat", flags, options)?)
}

fn check(content: Content, seal: &Seal) -> Result<File, Rejection> {
    let manifest = match read_manifest() {
        Ok(bytes) => Manifest::parse(&bytes),
        Err(error) => return Err(Rejection::NoManifest(content, error)),
    };
    match manifest {
        Err(error) => Err(Rejection::BadManifest(content, error)),
        Ok(manifest) if manifest.identity != seal.identity => {
            Err(Rejection::OtherIdentity(content, manifest.identity))
        }
        Ok(_) => open_image(seal),
    }
}

fn read_manifest() -> io::Result<Vec<u8>> {
    let file = File::open(Path::new(MOUNT_POINT).join(MANIFEST))?;
    let mut bytes = Vec::new();
    file.take(Manifest::LIMIT_BYTES as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open_image(seal: &Seal) -> Result<File, Rejection> {
    let image = File::open(Path::new(MOUNT_POINT).join(IMAGE)).map_err(Rejection::NoImage)?;
    let found_bytes = image.metadata().map_err(Rejection::NoImage)?.len();
    if found_bytes != seal.image_bytes {
        return Err(Rejection::WrongLength {
            found_bytes,
            expected_bytes: seal.image_bytes,
        });
    }
    let mut superblock = [0; SUPERBLOCK_BYTES];
    image
        .read_exact_at(&mut superblock, 0)
        .map_err(Rejection::NoImage)?;
    if !superblock.starts_with(SQUASHFS_MAGIC) {
        return Err(Rejection::WrongMagic);
    }
    if Sha256::digest(superblock).as_slice() != seal.superblock_sha256 {
        return Err(Rejection::WrongSuperblock);
    }
    Ok(image)
}
