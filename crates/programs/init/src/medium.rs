//! Is this device the stick?

use crate::failure::chain;
use crate::loader::Loader;
use crate::setup::make_folder;
use livestick_disks::{BlockDevice, Content, vfat_serial};
use livestick_handoff::{Identity, Manifest, MediumChoice, ParseError, Seal, Segment, paths};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the stick is mounted.
pub const MOUNT_POINT: &str = "/run/initramfs/medium";

/// The stick, mounted.
#[derive(Debug)]
pub struct Medium {
    pub device: BlockDevice,
    pub manifest: Manifest,
    /// The root image on it: its segments.
    pub image: Vec<File>,
}

/// What makes a medium the right one.
#[derive(Debug)]
pub struct Wanted {
    pub seal: Seal,
    /// What `live-media=` says.
    pub choice: Option<MediumChoice>,
}

/// Why a device is not the stick.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    #[error("no medium in the drive")]
    NoMedium,
    #[error("cannot be read")]
    Unreadable(#[source] io::Error),
    #[error("does not answer")]
    Silent,
    #[error("not what `live-media={0}` asks for")]
    NotChosen(MediumChoice),
    #[error("the same stick as {0}, which is used")]
    Twin(String),
    #[error("not looked at: {0} is the stick")]
    NotNeeded(String),
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
    #[error("`{0}` is missing")]
    Missing(String),
    #[error("`{0}` cannot be read")]
    NoImage(String, #[source] io::Error),
    #[error(
        "`{path}` has {found_bytes} bytes instead of {expected_bytes}: it \
         was not written to its end"
    )]
    WrongLength {
        path: String,
        found_bytes: u64,
        expected_bytes: u64,
    },
    #[error("`{IMAGE}` does not begin like a SquashFS")]
    WrongMagic,
    #[error("`{IMAGE}` is not the image that it was built with")]
    WrongSuperblock,
}

/// What may be the stick, as far as its first bytes tell.
#[derive(Debug)]
pub struct Sniffed {
    /// Kept open until it is mounted, so that what was read stays in the page cache.
    _node: File,
    content: Content,
}

impl Medium {
    /// Looks at the first bytes of the device.
    pub fn sniff(device: &BlockDevice, wanted: &Wanted) -> Result<Sniffed, Rejection> {
        if device.size_bytes == 0 {
            return Err(Rejection::NoMedium);
        }
        let node = File::open(device.node()).map_err(Rejection::Unreadable)?;
        let content = Content::of(&node).map_err(Rejection::Unreadable)?;
        if !matches!(content, Content::Vfat { .. }) {
            return Err(Rejection::OtherContent(content));
        }
        if let Some(choice) = &wanted.choice
            && !is_chosen(choice, device, &content, &node)
        {
            return Err(Rejection::NotChosen(choice.clone()));
        }
        Ok(Sniffed {
            _node: node,
            content,
        })
    }
}

impl Sniffed {
    /// Mounts it read-only at `mount_point`, where it may stay mounted even if it is not the stick.
    pub fn mount(
        self,
        device: &BlockDevice,
        wanted: &Wanted,
        loader: &Loader,
        mount_point: &str,
    ) -> Result<Medium, Rejection> {
        loader.load_now(&["nls_cp437", "nls_ascii", "vfat"]);
        if let Err(error) = mount_vfat(&device.node(), mount_point) {
            return Err(Rejection::Mount(self.content, error));
        }
        let folder = Path::new(mount_point);
        let manifest = manifest(self.content, folder, &wanted.seal)?;
        let image = open_image(folder, &wanted.seal)?;
        Ok(Medium {
            device: device.clone(),
            manifest,
            image,
        })
    }
}

/// Mounts a stick that turned out to be the right one, whatever is wrong with what is on it.
pub fn mount_again(device: &BlockDevice) -> io::Result<()> {
    mount_vfat(&device.node(), MOUNT_POINT)
}

/// Unmounts what is mounted there, even if something of it is still in use: of a stick that was pulled
/// out and plugged in again, both mounts.
pub fn release(mount_point: &str) {
    while unmount(mount_point, UnmountFlags::DETACH).is_ok() {}
}

impl Rejection {
    /// The whole reason on one line.
    pub fn sentence(&self) -> String {
        chain(self)
    }

    /// Whether it is the stick that was looked for, if a damaged one.
    pub fn is_right_stick(&self) -> bool {
        match self {
            Self::Missing(_)
            | Self::NoImage(..)
            | Self::WrongLength { .. }
            | Self::WrongMagic
            | Self::WrongSuperblock => true,
            Self::NoMedium
            | Self::Unreadable(_)
            | Self::Silent
            | Self::NotChosen(_)
            | Self::Twin(_)
            | Self::NotNeeded(_)
            | Self::OtherContent(_)
            | Self::Mount(..)
            | Self::NoManifest(..)
            | Self::BadManifest(..)
            | Self::OtherIdentity(..) => false,
        }
    }

    /// Whether nothing is known of it.
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Silent)
    }

    /// How much what is rejected is like the stick, the lower, the more; `None` where it is not.
    pub fn likeness(&self) -> Option<u8> {
        match self {
            Self::BadManifest(..) => Some(0),
            // It is there, or in a folder that cannot be read.
            Self::NoManifest(_, error) if error.kind() != io::ErrorKind::NotFound => Some(1),
            Self::OtherIdentity(..) => Some(2),
            Self::Mount(..) => Some(3),
            _ => None,
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

/// A disk stands for its partitions.
fn is_chosen(choice: &MediumChoice, device: &BlockDevice, content: &Content, node: &File) -> bool {
    match choice {
        MediumChoice::Device(name) => *name == device.name || Some(name) == device.disk.as_ref(),
        MediumChoice::Label(wanted) => match content {
            Content::Vfat { label: Some(label) } => label.eq_ignore_ascii_case(wanted),
            _ => false,
        },
        MediumChoice::Uuid(uuid) => {
            let serial = vfat_serial(node).ok().flatten();
            serial.is_some_and(|serial| serial == *uuid)
        }
    }
}

fn mount_vfat(node: &Path, mount_point: &str) -> io::Result<()> {
    make_folder(paths::LIVE, 0o755)?;
    make_folder(mount_point, 0o755)?;
    let flags = MountFlags::RDONLY
        | MountFlags::NOSUID
        | MountFlags::NODEV
        | MountFlags::NOEXEC
        | MountFlags::NOATIME;
    let options = c"codepage=437,iocharset=ascii,utf8=1";
    Ok(mount(node, mount_point, "vfat", flags, options)?)
}

fn manifest(content: Content, folder: &Path, seal: &Seal) -> Result<Manifest, Rejection> {
    let manifest = match read_limited(&folder.join(MANIFEST), Manifest::LIMIT_BYTES) {
        Ok(bytes) => Manifest::parse(&bytes),
        Err(error) => return Err(Rejection::NoManifest(content, error)),
    };
    match manifest {
        Err(error) => Err(Rejection::BadManifest(content, error)),
        Ok(manifest) if manifest.identity != seal.identity => {
            Err(Rejection::OtherIdentity(content, manifest.identity))
        }
        Ok(manifest) => Ok(manifest),
    }
}

/// Reads a file of a medium that may not be what it looks like: not more of it than makes sense.
pub fn read_limited(path: &Path, limit_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(limit_bytes as u64)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn open_image(folder: &Path, seal: &Seal) -> Result<Vec<File>, Rejection> {
    let segments = seal.segments.iter();
    let segments = segments.map(|segment| open_segment(folder, segment));
    let segments: Vec<_> = segments.collect::<Result<_, _>>()?;
    let no_image = |error| Rejection::NoImage(IMAGE.to_owned(), error);
    let mut superblock = [0; SUPERBLOCK_BYTES];
    let first = segments.first().ok_or(io::ErrorKind::NotFound.into());
    first
        .and_then(|first| first.read_exact_at(&mut superblock, 0))
        .map_err(no_image)?;
    if !superblock.starts_with(SQUASHFS_MAGIC) {
        return Err(Rejection::WrongMagic);
    }
    if Sha256::digest(superblock).as_slice() != seal.superblock_sha256 {
        return Err(Rejection::WrongSuperblock);
    }
    Ok(segments)
}

fn open_segment(folder: &Path, segment: Segment) -> Result<File, Rejection> {
    let Segment { path, length_bytes } = segment;
    let opened = File::open(folder.join(&path));
    let opened = opened.and_then(|file| Ok((file.metadata()?.len(), file)));
    match opened {
        Ok((found_bytes, file)) if found_bytes == length_bytes => Ok(file),
        Ok((found_bytes, _)) => Err(Rejection::WrongLength {
            path,
            found_bytes,
            expected_bytes: length_bytes,
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Rejection::Missing(path)),
        Err(error) => Err(Rejection::NoImage(path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use livestick_disks::Transport;
    use std::io::Write;

    #[test]
    fn a_segment_must_be_there_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let segment = |name: &str| Segment {
            path: name.to_owned(),
            length_bytes: 4,
        };
        std::fs::write(folder.path().join("whole"), [0; 4]).unwrap();
        std::fs::write(folder.path().join("short"), [0; 3]).unwrap();
        assert!(open_segment(folder.path(), segment("whole")).is_ok());
        let reason = |name| {
            open_segment(folder.path(), segment(name))
                .unwrap_err()
                .sentence()
        };
        assert_eq!(reason("missing"), "`missing` is missing");
        assert!(reason("short").starts_with("`short` has 3 bytes instead of 4"));
    }

    #[test]
    fn only_what_was_asked_for_is_chosen() {
        let device = BlockDevice {
            name: "sdb1".to_owned(),
            disk: Some("sdb".to_owned()),
            size_bytes: 1 << 30,
            removable: true,
            transport: Transport::Usb,
            model: String::new(),
        };
        let content = Content::Vfat {
            label: Some("STICK".to_owned()),
        };
        let mut node = tempfile::tempfile().unwrap();
        node.write_all(&[0; 512]).unwrap();
        let chosen = |text: &str| is_chosen(&text.parse().unwrap(), &device, &content, &node);
        for text in ["/dev/sdb1", "/dev/sdb", "LABEL=stick"] {
            assert!(chosen(text), "{text}");
        }
        for text in ["/dev/sdb2", "/dev/sd", "LABEL=STICK2", "UUID=0000-0000"] {
            assert!(!chosen(text), "{text}");
        }
    }
}
