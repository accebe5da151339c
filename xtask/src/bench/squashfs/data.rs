//! What images are made of: eight data sets, kept under `target/bench-data`.

use super::generate;
use crate::process::run;
use crate::roots::{self, Root};
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A data set. The letters are the names that results are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Data {
    /// A whole Debian root of about 1.9 GB.
    #[value(name = "A")]
    Root,
    /// Source code.
    #[value(name = "B")]
    Source,
    /// The root's programs and libraries.
    #[value(name = "C")]
    Elf,
    /// What is compressed already.
    #[value(name = "D")]
    Incompressible,
    /// A tree three times over.
    #[value(name = "E")]
    Threefold,
    /// 60,000 unique files of 100 bytes.
    #[value(name = "F")]
    Small,
    /// A file of 5 GB and sparse ones.
    #[value(name = "G")]
    Large,
    /// A directory of a million entries.
    #[value(name = "H")]
    Crowd,
}

const SOURCE_PACKAGES: [&str; 3] = ["rust-src", "golang-1.19-src", "libboost1.74-dev"];
const DEBS: [&str; 4] = [
    "chromium",
    "fonts-noto-cjk",
    "libreoffice-core",
    "openjdk-17-jre-headless",
];
/// Music, as Ogg Vorbis.
const MEDIA_PACKAGES: [&str; 1] = ["wesnoth-1.16-music"];
const NOISE_FILES: u64 = 4;
const NOISE_BYTES: u64 = 50_000_000;

/// Where the root has programs and libraries.
const ELF_FOLDERS: [&str; 3] = ["usr/bin", "usr/sbin", "usr/lib"];
/// Kernel modules, which are neither.
const NOT_ELF: &str = "usr/lib/modules";
/// The part of the root that is there three times: programs and many small files.
const THREEFOLD: [&str; 2] = ["usr/bin", "usr/share"];

impl Data {
    /// Its letter, and what it is in a few words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Root => "A, a Debian root",
            Self::Source => "B, source code",
            Self::Elf => "C, ELF files",
            Self::Incompressible => "D, incompressible files",
            Self::Threefold => "E, a tree three times over",
            Self::Small => "F, small files",
            Self::Large => "G, files larger than 4 GiB",
            Self::Crowd => "H, a directory of a million entries",
        }
    }

    /// What it is made of.
    pub fn description(self) -> String {
        match self {
            Self::Root => "A media computer's Debian root".to_owned(),
            Self::Source => format!(
                "The unpacked Debian packages {}",
                SOURCE_PACKAGES.join(", ")
            ),
            Self::Elf => "Programs and libraries of data set A".to_owned(),
            Self::Incompressible => format!(
                "The Debian packages {} as they are downloaded, the music of {}, and noise, which \
                 stands for video",
                DEBS.join(", "),
                MEDIA_PACKAGES.join(", ")
            ),
            Self::Threefold => format!("Three copies of {} of data set A", THREEFOLD.join(" and ")),
            Self::Small => "60,000 unique files of 100 hexadecimal digits".to_owned(),
            Self::Large => "A log of 5 GB, a sparse file of 6 GB with five blocks of data, and a hole of 1 GB".to_owned(),
            Self::Crowd => {
                "A million files in one directory, a tenth of them with up to 4,000 bytes, the others empty".to_owned()
            }
        }
    }
}

/// The data set's folder; it is made now where it is not there yet.
pub fn make(workspace: &Workspace, data: Data) -> Result<PathBuf> {
    let root = || roots::make(workspace, Root::Big);
    // A changed recipe needs another number, so that what the old one made is not taken for it.
    match data {
        Data::Root => root(),
        Data::Source => cached(workspace, "source-1", |folder| {
            unpack(&SOURCE_PACKAGES, folder)
        }),
        Data::Elf => {
            let root = root()?;
            let name = of_root("elf-1", &root)?;
            cached(workspace, &name, |folder| copy_elf_files(&root, folder))
        }
        Data::Incompressible => cached(workspace, "incompressible-1", incompressible),
        Data::Threefold => {
            let root = root()?;
            let name = of_root("threefold-1", &root)?;
            cached(workspace, &name, |folder| copy_thrice(&root, folder))
        }
        Data::Small => cached(workspace, "small-1", |folder| {
            generate::small_files(folder, 60_000, 100)
        }),
        Data::Large => cached(workspace, "large-1", large),
        Data::Crowd => cached(workspace, "crowd-1", |folder| {
            generate::crowd(folder, 1_000_000)
        }),
    }
}

/// Fills a folder of this name, unless that was done before.
fn cached(
    workspace: &Workspace,
    name: &str,
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let folder = workspace.target("bench-data");
    let (path, unfinished) = (folder.join(name), folder.join("unfinished"));
    if path.is_dir() {
        return Ok(path);
    }
    eprintln!("Making {}", path.display());
    run(Command::new("rm").arg("-rf").arg(&unfinished))?;
    make_folder(&unfinished)?;
    fill(&unfinished)?;
    fs::rename(&unfinished, &path)
        .with_context(|| format!("cannot rename {}", unfinished.display()))?;
    Ok(path)
}

/// The name of what is made of a root: another root, another name.
fn of_root(name: &str, root: &Path) -> Result<String> {
    let root = root.file_name().context("a root without a name")?;
    Ok(format!("{name}-of-{}", root.to_string_lossy()))
}

/// Has apt download the packages into a new folder.
fn download(packages: &[&str], folder: &Path) -> Result<()> {
    make_folder(folder)?;
    run(Command::new("apt-get").args(["--quiet", "update"]))?;
    run(Command::new("apt-get")
        .args(["--quiet", "download"])
        .args(packages)
        .current_dir(folder))
}

/// Unpacks packages into the folder, without installing anything.
fn unpack(packages: &[&str], folder: &Path) -> Result<()> {
    let debs = folder.join("debs");
    download(packages, &debs)?;
    for deb in fs::read_dir(&debs).context("cannot list the packages")? {
        let deb = deb.context("cannot list the packages")?.path();
        run(Command::new("dpkg-deb")
            .arg("--extract")
            .args([&deb, folder]))?;
    }
    fs::remove_dir_all(&debs).context("cannot remove the packages")
}

fn incompressible(folder: &Path) -> Result<()> {
    download(&DEBS, &folder.join("debs"))?;
    let (media, video) = (folder.join("media"), folder.join("video"));
    make_folder(&media)?;
    unpack(&MEDIA_PACKAGES, &media)?;
    make_folder(&video)?;
    for seed in 0..NOISE_FILES {
        generate::noise(&video.join(format!("{seed}.noise")), NOISE_BYTES, seed)?;
    }
    Ok(())
}

fn large(folder: &Path) -> Result<()> {
    generate::records(&folder.join("log"), 5_000_000_000, 1)?;
    let offsets = [0, 1 << 30, (1 << 30) + 4096, 4 << 30, 6_000_000_000 - 4096];
    generate::sparse(&folder.join("sparse"), 6_000_000_000, &offsets)?;
    generate::sparse(&folder.join("hole"), 1_000_000_000, &[])
}

fn copy_thrice(root: &Path, folder: &Path) -> Result<()> {
    for copy in ["one", "two", "three"] {
        let copy = folder.join(copy);
        make_folder(&copy)?;
        run(Command::new("cp")
            .arg("--archive")
            .args(THREEFOLD.map(|part| root.join(part)))
            .arg(&copy))?;
    }
    Ok(())
}

/// Copies them to the same paths below the folder. They are no links to the root's files: these
/// would have one name more than their images.
fn copy_elf_files(root: &Path, folder: &Path) -> Result<()> {
    let mut folders = ELF_FOLDERS.map(PathBuf::from).to_vec();
    while let Some(below) = folders.pop() {
        let context = || format!("cannot copy ELF files of {}", below.display());
        for entry in fs::read_dir(root.join(&below)).with_context(context)? {
            let entry = entry.with_context(context)?;
            let path = below.join(entry.file_name());
            let file_type = entry.file_type().with_context(context)?;
            if file_type.is_dir() && path != Path::new(NOT_ELF) {
                folders.push(path);
            } else if file_type.is_file() && is_elf(&entry.path()).with_context(context)? {
                make_folder(&folder.join(&below))?;
                fs::copy(entry.path(), folder.join(path)).with_context(context)?;
            }
        }
    }
    Ok(())
}

fn is_elf(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut start)?;
    Ok(start == b"\x7fELF")
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn letters_run_from_a_to_h() {
        let mut letters = String::new();
        for data in Data::value_variants() {
            let value = data.to_possible_value().unwrap();
            assert!(data.title().starts_with(&format!("{}, ", value.get_name())));
            letters += value.get_name();
        }
        assert_eq!(letters, "ABCDEFGH");
    }

    #[test]
    fn only_elf_files_are_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (root, copy) = (folder.path().join("root"), folder.path().join("copy"));
        for below in ["usr/bin", "usr/sbin", "usr/lib/deep", "usr/lib/modules/6"] {
            fs::create_dir_all(root.join(below)).unwrap();
            fs::write(root.join(below).join("elf"), b"\x7fELF\x02").unwrap();
            fs::write(root.join(below).join("script"), b"#!/bin/sh\n").unwrap();
            fs::write(root.join(below).join("short"), b"\x7fE").unwrap();
        }
        copy_elf_files(&root, &copy).unwrap();
        for below in ["usr/bin", "usr/sbin", "usr/lib/deep"] {
            let names = fs::read_dir(copy.join(below)).unwrap();
            let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
            assert_eq!(names, ["elf"], "{below}");
        }
        assert!(!copy.join("usr/lib/modules").exists());
    }
}
