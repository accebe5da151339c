//! The kernel and the checker side by side, on images with random damage.

use super::damage::{sample, try_check};
use crate::support::image::{is_root, noise};
use livestick_squashfs::{Image, Inode, InodeKind, Piece, ReadError, Severity};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// How many images are damaged.
const IMAGES: u64 = 400;
/// Damaged files can say that they are longer than anybody waits for: no more than this is read.
const READ_BYTES: u64 = 1 << 20;
/// In a damaged image a directory can be reached again and again.
const FILES_LIMIT: usize = 500;

/// What is in each file: kind, permissions, owner, and its first bytes or its target.
type Files = BTreeMap<Vec<u8>, (char, u16, u32, u32, Vec<u8>)>;

/// What the kernel makes of an image.
enum Kernel {
    Refuses,
    Fails(String),
    Reads(Files),
}

/// What the kernel is asked of the files that it finds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// All that is not their content.
    Names,
    /// Everything.
    Contents,
}

/// The checker calls an image unmountable if and only if the kernel refuses it. What the kernel
/// cannot read, the checker has found; and where the checker finds nothing that cannot be read,
/// kernel and reader find the same files with the same bytes.
///
/// Where the checker finds files that cannot be read, no content is: a file that ends behind the end
/// of its fragment crashes the kernel (6.18), and what hangs then hangs for ever.
#[test]
fn kernel_and_checker_agree_on_random_damage() {
    if !is_root() {
        return;
    }
    let sample = sample();
    let mut differ = Vec::new();
    let mut seen = BTreeMap::new();
    for seed in 0..IMAGES {
        let (at, bytes) = damaged(&sample.bytes, seed);
        // Of lzo nothing is known.
        let Ok(report) = try_check(&bytes) else {
            continue;
        };
        let ask = match report.worst {
            None | Some(Severity::Odd) => Ask::Contents,
            _ => Ask::Names,
        };
        let kernel = kernel(&bytes, ask);
        let verdict = match &kernel {
            Kernel::Refuses => "refuses",
            Kernel::Fails(_) => "fails",
            Kernel::Reads(_) => "reads",
        };
        *seen.entry((report.worst, verdict)).or_insert(0) += 1;
        let problem = match (report.worst, &kernel) {
            (Some(Severity::Mount), Kernel::Refuses) => continue,
            (Some(Severity::Access), Kernel::Fails(_) | Kernel::Reads(_)) => continue,
            (None | Some(Severity::Odd), Kernel::Reads(files)) => {
                let ours = read(&bytes).unwrap();
                match files.iter().zip(&ours).find(|(left, right)| left != right) {
                    None if files.len() == ours.len() => continue,
                    first => format!("reads other files, {first:?}"),
                }
            }
            (_, Kernel::Fails(error)) => format!("fails: {error}"),
            _ => verdict.to_owned(),
        };
        let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
        differ.push(format!("byte {at}: the kernel {problem}; {findings:#?}"));
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    // Each of them must have happened, or nothing was tested.
    for verdict in ["refuses", "reads"] {
        let count: u64 = seen
            .iter()
            .filter(|((_, found), _)| *found == verdict)
            .map(|(_, count)| count)
            .sum();
        assert!(count > IMAGES / 20, "{verdict}: {seen:?}");
    }
}

/// The checker calls some of them good, some unreadable, some unmountable.
#[test]
fn random_damage_is_of_every_kind() {
    let sample = sample();
    let mut seen = BTreeMap::new();
    for seed in 0..IMAGES {
        if let Ok(report) = try_check(&damaged(&sample.bytes, seed).1) {
            let worst = report.worst.filter(|worst| *worst > Severity::Odd);
            *seen.entry(worst).or_insert(0_u64) += 1;
        }
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen.values().all(|count| *count > IMAGES / 20), "{seen:?}");
}

/// Changes a byte or a few.
fn damaged(image: &[u8], seed: u64) -> (usize, Vec<u8>) {
    let random = noise(seed + 1, 16);
    let word = u32::from_le_bytes(random[..4].try_into().unwrap());
    let used = image.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    // A third of it is in the superblock, which is a small part of the image.
    let end = if random[4].is_multiple_of(3) {
        96
    } else {
        used
    };
    let at = usize::try_from(word).unwrap() % end;
    let mut bytes = image.to_vec();
    match random[5] % 4 {
        0 => bytes[at] ^= 1 << (random[6] % 8),
        1 => bytes[at] = [0, 0x7F, 0x80, 0xFF][usize::from(random[6] % 4)],
        2 => bytes[at] = random[6],
        _ => {
            let end = (at + 4).min(image.len());
            bytes[at..end].copy_from_slice(&random[8..8 + end - at]);
        }
    }
    // The kernel takes the minor version for a number with a sign, and mounts what is below 4.0.
    bytes[28..32].copy_from_slice(&image[28..32]);
    (at, bytes)
}

/// Mounts an image and reads what is asked for.
fn kernel(image: &[u8], ask: Ask) -> Kernel {
    let directory = tempfile::tempdir().unwrap();
    let (file, root) = (
        directory.path().join("image"),
        directory.path().join("root"),
    );
    fs::write(&file, image).unwrap();
    fs::create_dir(&root).unwrap();
    let mut mount = Command::new("mount");
    let mount = mount.args(["-t", "squashfs", "-o", "loop,ro"]);
    if !mount
        .args([&file, &root])
        .output()
        .unwrap()
        .status
        .success()
    {
        return Kernel::Refuses;
    }
    let mut files = Files::new();
    let walked = walk(&root, Vec::new(), ask, &mut files);
    let status = Command::new("umount").arg("-l").arg(&root).status();
    assert!(status.unwrap().success());
    match walked {
        Ok(()) => Kernel::Reads(files),
        Err(error) => Kernel::Fails(error),
    }
}

fn walk(path: &Path, name: Vec<u8>, ask: Ask, files: &mut Files) -> Result<(), String> {
    let failed = |error: io::Error| format!("{}: {error}", name.escape_ascii());
    let metadata = fs::symlink_metadata(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let kind = metadata.file_type();
    let mut names = Vec::new();
    let letter = if kind.is_dir() {
        for entry in fs::read_dir(path).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name().into_vec());
        }
        'd'
    } else if kind.is_file() {
        if ask == Ask::Contents {
            let file = File::open(path).map_err(failed)?;
            file.take(READ_BYTES)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
        }
        '-'
    } else if kind.is_symlink() {
        bytes = fs::read_link(path)
            .map_err(failed)?
            .into_os_string()
            .into_vec();
        'l'
    } else {
        '?'
    };
    xattrs(path).map_err(failed)?;
    let permissions = u16::try_from(metadata.mode() & 0o7777).unwrap();
    let found = (letter, permissions, metadata.uid(), metadata.gid(), bytes);
    files.insert(name.clone(), found);
    if files.len() > FILES_LIMIT {
        return Err("there is no end to it".to_owned());
    }
    for child in names {
        let below = path.join(OsStr::from_bytes(&child));
        walk(&below, [&*name, &child].join(&b'/'), ask, files)?;
    }
    Ok(())
}

/// Reads all attributes, for what the kernel says of them.
fn xattrs(path: &Path) -> io::Result<()> {
    let mut list = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut list)?;
    for name in list[..length].split(|byte| *byte == 0) {
        if !name.is_empty() {
            rustix::fs::lgetxattr(path, name, &mut [0_u8; 65536][..])?;
        }
    }
    Ok(())
}

/// What our own reader finds.
fn read(image: &[u8]) -> Result<Files, ReadError> {
    let image = Image::open(image)?;
    let mut files = Files::new();
    let mut waiting = vec![(image.root()?, Vec::new())];
    while let Some((inode, name)) = waiting.pop() {
        let (letter, bytes) = match &inode.kind {
            InodeKind::Directory(_) => ('d', Vec::new()),
            InodeKind::File(_) => ('-', start_of(&image, &inode)?),
            InodeKind::Symlink(target) => ('l', target.to_vec()),
            _ => ('?', Vec::new()),
        };
        let metadata = inode.metadata;
        let found = (
            letter,
            metadata.permissions,
            metadata.uid,
            metadata.gid,
            bytes,
        );
        files.insert(name.clone(), found);
        if inode.is_directory() {
            for entry in image.entries(&inode)? {
                let entry = entry?;
                waiting.push((entry.inode, [&*name, &*entry.name].join(&b'/')));
            }
        }
    }
    Ok(files)
}

fn start_of(image: &Image<&[u8]>, inode: &Inode) -> Result<Vec<u8>, ReadError> {
    let mut content = image.content(inode)?;
    let mut bytes = Vec::new();
    let limit = usize::try_from(READ_BYTES).unwrap();
    while bytes.len() < limit {
        match content.next_piece()? {
            None => break,
            Some(Piece::Data(piece)) => bytes.extend(piece),
            Some(Piece::Hole(length)) => {
                let length = usize::try_from(length).unwrap_or(limit).min(limit);
                bytes.resize(bytes.len() + length, 0);
            }
        }
    }
    bytes.truncate(limit);
    Ok(bytes)
}
