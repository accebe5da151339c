//! What lies on the stick besides the root.

use crate::failure::{Exit, Failure};
use crate::pipeline::built::InitramfsSize;
use crate::pipeline::source::{Prepared, no_kernel, require_init};
use crate::settings;
use anyhow::Context;
use livestick_blockio::Progress;
use livestick_bootloader::{Firmware, LoaderFiles, Menu, syslinux};
use livestick_handoff::paths;
use livestick_image::{BootCode, Facts, Initrd, Layout, StickFile};
use livestick_initramfs::{Contents, Initramfs, Selection, WriteOptions};
use livestick_tree::{RootDirectory, RootFiles};
use std::num::NonZeroU32;
use std::path::Path;

/// `/init`, which `build.rs` built.
static INIT: &[u8] = include_bytes!(env!("LIVESTICK_INIT"));

/// The program and its version, for manifest and README.
const TOOL: &str = concat!("livestick ", env!("CARGO_PKG_VERSION"));

/// What lies on the stick besides the root, each file in its place.
pub struct Boot {
    /// The kernel, and those that were not chosen.
    pub selection: Selection,
    /// The initramfs, in numbers.
    pub initramfs: InitramfsSize,
    /// Which byte of the stick holds what.
    pub layout: Layout,
    /// What makes it boot on BIOS.
    pub boot_code: Option<BootCode>,
}

/// Decides on everything besides the root; fails where the root cannot boot from a stick.
pub fn boot(
    prepared: &Prepared,
    settings: &settings::Stick,
    progress: &dyn Progress,
) -> Result<Boot, Failure> {
    require_init(prepared, settings)?;
    let files = prepared.source.files();
    let selection =
        livestick_initramfs::select_kernel(files, settings.kernel.as_deref()).map_err(no_kernel)?;
    let loaders = loaders(prepared, settings)?;
    progress.start("initramfs", None);
    let (initramfs, contents) = initramfs(prepared, &selection, settings)?;
    let size = InitramfsSize {
        bytes: initramfs.bytes.len() as u64,
        codec: initramfs.codec.to_string(),
        modules: initramfs.modules as u64,
        microcode_bytes: initramfs.microcode_bytes as u64,
        has_shell: initramfs.has_shell,
        missing_firmware: contents.missing_firmware,
    };
    let (layout, boot_code) = layout(prepared, &selection, settings, loaders, initramfs)?;
    Ok(Boot {
        selection,
        initramfs: size,
        layout,
        boot_code,
    })
}

/// Collects the loaders and the menu from this machine's packages.
fn loaders(prepared: &Prepared, settings: &settings::Stick) -> Result<LoaderFiles, Failure> {
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
fn initramfs(
    prepared: &Prepared,
    selection: &Selection,
    settings: &settings::Stick,
) -> Result<(Initramfs, Contents), Failure> {
    let mut contents =
        Contents::gather(prepared.source.files(), &selection.kernel).map_err(no_kernel)?;
    if contents.busybox.is_none() {
        contents.busybox = busybox_of_this_machine();
    }
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

/// For the shell of the rescue screen, where the root has none. It is only a help: without it the
/// stick works as well.
fn busybox_of_this_machine() -> Option<Vec<u8>> {
    let machine = RootDirectory::open(Path::new("/")).ok()?;
    livestick_initramfs::static_busybox(&machine).ok().flatten()
}

/// Gives everything its place, and tells SYSLINUX where its own file lies.
fn layout(
    prepared: &Prepared,
    selection: &Selection,
    settings: &settings::Stick,
    loaders: LoaderFiles,
    initramfs: Initramfs,
) -> Result<(Layout, Option<BootCode>), Failure> {
    let kernel = &selection.kernel;
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
            options: manifest_options(settings),
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

/// What the manifest says of the choices that were made.
fn manifest_options(settings: &settings::Stick) -> Vec<(String, String)> {
    let mut options = vec![
        ("compression", settings.compression.to_string()),
        ("firmware", firmware_name(settings.firmware).to_owned()),
    ];
    if !settings.cmdline.is_empty() {
        options.push(("cmdline", settings.cmdline.clone()));
    }
    let patterns = settings.exclusions.patterns().iter();
    options.extend(patterns.map(|pattern| ("exclude", pattern.clone())));
    let options = options.into_iter();
    options
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Which firmware the stick boots on, in words.
pub fn firmware_name(firmware: Firmware) -> &'static str {
    match firmware {
        Firmware::Bios => "BIOS",
        Firmware::Uefi => "UEFI",
        Firmware::Both => "BIOS and UEFI",
    }
}
