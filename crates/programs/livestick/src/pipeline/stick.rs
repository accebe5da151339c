//! What lies on the stick besides the root.

use crate::failure::{Exit, Failure};
use crate::pipeline::source::{Prepared, no_kernel};
use crate::settings;
use anyhow::Context;
use livestick_bootloader::{LoaderFiles, Menu, syslinux};
use livestick_handoff::paths;
use livestick_image::{BootCode, Facts, Initrd, Layout, StickFile};
use livestick_initramfs::{Contents, Initramfs, WriteOptions};
use livestick_tree::RootFiles;
use std::num::NonZeroU32;
use std::path::Path;

/// `/init`, which `build.rs` built.
static INIT: &[u8] = include_bytes!(env!("LIVESTICK_INIT"));

/// The program and its version, for manifest and README.
const TOOL: &str = concat!("livestick ", env!("CARGO_PKG_VERSION"));

/// Collects the loaders and the menu from this machine's packages.
pub fn loaders(prepared: &Prepared, settings: &settings::Build) -> Result<LoaderFiles, Failure> {
    let title = &prepared.facts.title;
    let menu = Menu::new(title, &settings.cmdline, settings.menu_timeout_seconds)
        .map_err(|e| Failure::new(Exit::Usage, e))?;
    livestick_bootloader::collect(settings.firmware, &menu, Path::new("/")).map_err(|error| {
        let hint = error.hint();
        let failure = Failure::new(Exit::Refused, error);
        match hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    })
}

/// Gathers the modules and writes the initramfs. Also says what of it the root lacks.
pub fn initramfs(
    prepared: &Prepared,
    settings: &settings::Build,
) -> Result<(Initramfs, Contents), Failure> {
    let contents =
        Contents::gather(prepared.source.files(), &prepared.selection.kernel).map_err(no_kernel)?;
    let threads = u32::try_from(settings.jobs.get())
        .ok()
        .and_then(NonZeroU32::new);
    let options = WriteOptions {
        init: INIT,
        modified: u32::try_from(settings.clock.seconds()).unwrap_or(u32::MAX),
        threads: threads.unwrap_or(NonZeroU32::MIN),
    };
    let initramfs = contents
        .write(&options)
        .context("cannot make the initramfs")?;
    Ok((initramfs, contents))
}

/// Gives everything its place, and tells SYSLINUX where its own file lies.
pub fn layout(
    prepared: &Prepared,
    settings: &settings::Build,
    loaders: LoaderFiles,
    initramfs: Initramfs,
    options: Vec<(String, String)>,
) -> Result<(Layout, Option<BootCode>), Failure> {
    let kernel = &prepared.selection.kernel;
    let vmlinuz = prepared
        .source
        .files()
        .read(&kernel.image)
        .with_context(|| format!("cannot read the kernel {}", kernel.image))?;
    let title = prepared.facts.title.clone();
    let readme = livestick_image::readme(&title, TOOL).into_bytes();
    let loader_files = loaders
        .files
        .into_iter()
        .map(|file| (file.path, file.bytes));
    let own_files = [(paths::README, readme), (paths::KERNEL, vmlinuz)];
    let own_files = own_files.map(|(path, bytes)| (path.to_owned(), bytes));
    let files = loader_files.chain(own_files);
    let contents = livestick_image::Contents {
        files: files
            .map(|(path, bytes)| StickFile { path, bytes })
            .collect(),
        initrd: Initrd {
            bytes: initramfs.bytes,
            seal_offset: initramfs.seal_offset,
        },
        facts: Facts {
            kernel_release: kernel.release.clone(),
            title,
            tool: TOOL.to_owned(),
            options,
            origins: loaders.origins,
        },
    };
    let mut layout =
        Layout::plan(contents, settings.size).map_err(|e| Failure::new(Exit::Refused, e))?;
    let boot_code = match loaders.boot_code {
        Some(code) => Some(patch_syslinux(&mut layout, code)?),
        None => None,
    };
    Ok((layout, boot_code))
}

fn patch_syslinux(
    layout: &mut Layout,
    code: livestick_bootloader::BootCode,
) -> Result<BootCode, Failure> {
    let mut volume = code.volume_boot_sector;
    let extent = layout.extent(syslinux::LDLINUX_SYS);
    let file = layout.file_mut(syslinux::LDLINUX_SYS);
    let (Some(extent), Some(file)) = (extent, file) else {
        return Err(anyhow::anyhow!("{} is not on the stick", syslinux::LDLINUX_SYS).into());
    };
    syslinux::patch(file, &mut volume, &[extent], syslinux::DIRECTORY)
        .context("cannot install SYSLINUX")?;
    Ok(BootCode {
        mbr: code.mbr,
        volume,
    })
}
