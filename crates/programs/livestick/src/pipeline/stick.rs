//! What lies on the stick besides the root.

use crate::failure::{Exit, Failure};
use crate::pipeline::built::{FirmwareSupport, InitramfsSize};
use crate::pipeline::loaders;
use crate::pipeline::source::{Prepared, no_kernel, require_init};
use crate::settings;
use anyhow::Context;
use livestick_blockio::Progress;
use livestick_bootloader::{LoaderFiles, syslinux};
use livestick_handoff::{Segments, Workload, paths};
use livestick_image::{BootCode, Facts, Initrd, Layout, StickFile};
use livestick_initramfs::{Contents, Initramfs, Selection, WriteOptions};
use livestick_tree::{Kind, RootDirectory, RootFiles, Tree};
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
    /// Which firmware it boots on.
    pub firmware: Vec<FirmwareSupport>,
    /// The initramfs, in numbers.
    pub initramfs: InitramfsSize,
    /// Which byte of the stick holds what.
    pub layout: Layout,
    /// What makes it boot on BIOS.
    pub boot_code: Option<BootCode>,
    files: Files,
}

/// What is to be laid out.
struct Files {
    contents: livestick_image::Contents,
    /// Not told yet where its files lie.
    boot_code: Option<livestick_bootloader::BootCode>,
}

impl Boot {
    /// Makes room for the image of this root: [`boot`] could only make room for one file of it.
    pub fn make_room(
        &mut self,
        tree: &Tree,
        settings: &settings::Stick,
        longest: Segments,
    ) -> Result<(), Failure> {
        let facts = &mut self.files.contents.facts;
        facts.stores = stores(tree);
        facts.workload = workload(tree);
        (self.layout, self.boot_code) = self.files.lay_out(settings, longest)?;
        Ok(())
    }
}

/// The files of the longest image that this root can make.
pub fn longest(
    tree: &Tree,
    settings: &settings::Stick,
    options: &livestick_squashfs::Options,
) -> Result<Segments, Failure> {
    let bytes = livestick_squashfs::limit_bytes(tree, options);
    Segments::new(bytes, settings.segment_bytes).ok_or_else(|| {
        let message = format!("the root may need {bytes} bytes, more than a stick can hold");
        Failure::message(Exit::Refused, message).hint("leave something out with --exclude")
    })
}

/// Where a root says that it starts a graphical session.
const DESKTOP_SIGNS: [&[u8]; 2] = [
    b"etc/systemd/system/display-manager.service",
    b"etc/X11/default-display-manager",
];

/// What the system on the stick will need RAM for.
pub fn workload(tree: &Tree) -> Workload {
    match DESKTOP_SIGNS.iter().any(|path| tree.lookup(path).is_some()) {
        true => Workload::Desktop,
        false => Workload::Console,
    }
}

/// Where container programs keep their layers, relative to the root.
const STORES: [&str; 4] = [
    "var/lib/containerd",
    "var/lib/containers",
    "var/lib/containers/storage",
    "var/lib/docker",
];

/// Those that are there, as real directories and empty.
fn stores(tree: &Tree) -> Vec<String> {
    let is_empty = |path: &&str| {
        let node = tree.lookup(path.as_bytes());
        let entries = node.map(|node| &tree.node(node).kind);
        matches!(entries, Some(Kind::Directory(entries)) if entries.is_empty())
    };
    let stores = STORES.iter().filter(|path| is_empty(path));
    stores.map(|path| (*path).to_owned()).collect()
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
    let image = &selection.kernel.image;
    let vmlinuz = files
        .read(image)
        .with_context(|| format!("cannot read the kernel {image}"))?;
    let loaders = loaders::collect(&prepared.facts.title, &vmlinuz, settings)?;
    let firmware = loaders::support(&loaders.support);
    progress.start("initramfs", None);
    let (initramfs, contents) = initramfs(prepared, &selection, settings)?;
    let size = InitramfsSize {
        bytes: initramfs.bytes.len() as u64,
        codec: initramfs.codec.to_string(),
        modules: initramfs.modules as u64,
        microcode_bytes: initramfs.microcode_bytes as u64,
        has_shell: initramfs.has_shell,
        missing_modules: contents.missing_modules,
        missing_firmware: contents.missing_firmware,
    };
    let facts = Facts {
        kernel_release: selection.kernel.release.clone(),
        title: prepared.facts.title.clone(),
        stores: Vec::new(),
        workload: Workload::default(),
        tool: TOOL.to_owned(),
        options: manifest_options(settings, &firmware),
        origins: loaders.origins.clone(),
    };
    let files = Files {
        boot_code: loaders.boot_code.clone(),
        contents: contents_of(facts, vmlinuz, loaders, initramfs),
    };
    let one_file = Segments::new(settings.segment_bytes, settings.segment_bytes);
    let one_file = one_file.context("the root image cannot be cut into such segments")?;
    let (layout, boot_code) = files.lay_out(settings, one_file)?;
    Ok(Boot {
        selection,
        firmware,
        initramfs: size,
        layout,
        boot_code,
        files,
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

/// What lies on the stick beside the root image.
fn contents_of(
    facts: Facts,
    vmlinuz: Vec<u8>,
    loaders: LoaderFiles,
    initramfs: Initramfs,
) -> livestick_image::Contents {
    let readme = livestick_image::readme(&facts.title, TOOL).into_bytes();
    let loader_files = loaders
        .files
        .into_iter()
        .map(|file| (file.path, file.bytes));
    let own_files = [(paths::README, readme), (paths::KERNEL, vmlinuz)];
    let own_files = own_files.map(|(path, bytes)| (path.to_owned(), bytes));
    let files = loader_files.chain(own_files);
    livestick_image::Contents {
        files: files
            .map(|(path, bytes)| StickFile { path, bytes })
            .collect(),
        initrd: Initrd {
            bytes: initramfs.bytes,
            seal_offset: initramfs.seal_offset,
        },
        facts,
    }
}

impl Files {
    /// Gives everything its place, and tells SYSLINUX where its own file lies.
    fn lay_out(
        &self,
        settings: &settings::Stick,
        longest: Segments,
    ) -> Result<(Layout, Option<BootCode>), Failure> {
        let layout = Layout::plan(self.contents.clone(), settings.size, longest);
        let mut layout = layout.map_err(|e| Failure::new(Exit::Refused, e))?;
        let boot_code = match self.boot_code.clone() {
            Some(code) => Some(patch_syslinux(&mut layout, code)?),
            None => None,
        };
        Ok((layout, boot_code))
    }
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
fn manifest_options(
    settings: &settings::Stick,
    firmware: &[FirmwareSupport],
) -> Vec<(String, String)> {
    let booted = firmware.iter().filter(|support| support.loader.is_some());
    let booted: Vec<_> = booted.map(|support| support.firmware.as_str()).collect();
    let mut options = vec![
        ("compression", settings.compression.to_string()),
        ("firmware", booted.join(", ")),
        ("mode", settings.rules.mode().as_str().to_owned()),
    ];
    let consoles = settings.consoles.iter();
    options.extend(consoles.map(|console| ("console", console.to_string())));
    if !settings.cmdline.is_empty() {
        options.push(("cmdline", settings.cmdline.clone()));
    }
    let patterns = settings.exclusions.patterns().iter();
    options.extend(patterns.map(|pattern| ("exclude", pattern.text.clone())));
    let options = options.into_iter();
    options
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
