//! The root that the system runs on: the image below, RAM above.

use crate::failure::Failure;
use crate::loader::Loader;
use crate::ram;
use crate::report::Report;
use crate::setup::make_folder;
use livestick_handoff::RamSize;
use livestick_sys::{JoinedDevice, LoopDevice, Part};
use rustix::fs::{
    Advice, CWD, Gid, Mode, Uid, XattrFlags, chmod, chown, getxattr, listxattr, setxattr,
};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MoveMountFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, move_mount,
    unmount,
};
use std::ffi::{CStr, CString};
use std::fs::{self, File};
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::thread;

/// Where the new root is mounted.
pub const ROOT: &str = "/sysroot";

/// Mounts image, RAM and the overlay of both at [`ROOT`]. The image is in one file or in several.
pub fn mount_all(
    image: &[File],
    size: RamSize,
    loader: &Loader,
    report: &Report,
) -> Result<(), Failure> {
    loader.load_now(&["loop", "squashfs", "overlay"]);
    if image.len() > 1 {
        loader.load_now(&["dm_mod"]);
    }
    mount_lower(image)?;
    report.step("root image mounted");
    mount_upper(size).map_err(mount_failure("the RAM for changes"))?;
    mount_overlay(report).map_err(mount_failure("the overlay of RAM over the root image"))?;
    report.step("overlay mounted");
    Ok(())
}

/// Gives these folders of the root a tmpfs each, as large as the overlay may be: container programs keep
/// their layers there and lay overlays over them, which cannot lie on an overlay in turn
/// (`Documentation/filesystems/overlayfs.rst`, "Non-standard behavior").
pub fn mount_stores(stores: &[String], size: RamSize, report: &Report) {
    for store in stores {
        match mount_store(store, size) {
            Ok(()) => report.step(&format!("tmpfs on /{store}")),
            Err(error) => report.notice(&format!("no tmpfs on /{store}: {error}")),
        }
    }
}

/// Takes down whatever is there of it.
pub fn unmount_all() {
    for target in [ROOT, UPPER, LOWER] {
        // What is not mounted need not be unmounted.
        let _ = unmount(target, UnmountFlags::DETACH);
    }
}

const LOWER: &str = "/run/initramfs/lower";
const UPPER: &str = "/run/initramfs/rw";
const UPPER_FILES: &str = "/run/initramfs/rw/upper";
const UPPER_WORK: &str = "/run/initramfs/rw/work";

/// The options of the overlay, best first. Distributions' kernels differ in their defaults, so every
/// one is given. `volatile` (Linux 5.10) leaves out syncs, which RAM has no use for; the others came
/// one by one, and a kernel that lacks one of them behaves as asked for without it.
const OVERLAY_OPTIONS: [&str; 3] = [
    ",redirect_dir=on,index=off,metacopy=off,xino=off,nfs_export=off,volatile",
    ",redirect_dir=on,index=off,metacopy=off,xino=off,nfs_export=off",
    "",
];

fn mount_failure(what: &'static str) -> impl FnOnce(io::Error) -> Failure {
    move |source| Failure::Mount { what, source }
}

/// Loop devices, and what joins them, go by themselves once the image is no longer mounted.
fn mount_lower(image: &[File]) -> Result<(), Failure> {
    if let Some(last) = image.last() {
        read_tables_ahead(last);
    }
    let attached = image.iter().map(|file| LoopDevice::attach(file.as_fd()));
    let devices: Vec<_> = attached
        .collect::<Result<_, _>>()
        .map_err(|source| Failure::Loop { source })?;
    let joined = join(image, &devices).map_err(|source| Failure::Join { source })?;
    let device = joined.as_ref().map(JoinedDevice::path);
    let device = device.or(devices.first().map(LoopDevice::path));
    let mounted =
        make_folder(LOWER, 0o755).and_then(|()| mount_squashfs(device.unwrap_or(Path::new(""))));
    mounted.map_err(|error| match image.last() {
        Some(last) if ends_in_zeros(last).unwrap_or(false) => Failure::Unfinished,
        _ => mount_failure("the root image")(error.into()),
    })
}

/// An image ends with tables, and with less than a page of padding.
fn ends_in_zeros(image: &File) -> io::Result<bool> {
    let mut end = [0; 4096];
    let start = image.metadata()?.len().saturating_sub(end.len() as u64);
    image.read_exact_at(&mut end, start)?;
    Ok(end.iter().all(|byte| *byte == 0))
}

/// Has the kernel read the end of an image, where its tables are, while it makes the loop device: mounting
/// and the first look for a file go from one table to the next, and would wait for the stick each time.
fn read_tables_ahead(image: &File) {
    let Ok(image) = image.try_clone() else { return };
    let work = move || {
        let length_bytes = image.metadata().map_or(0, |metadata| metadata.len());
        let start = length_bytes.saturating_sub(TABLES_BYTES);
        let _ = rustix::fs::fadvise(
            &image,
            start,
            NonZeroU64::new(TABLES_BYTES),
            Advice::WillNeed,
        );
    };
    // Without a thread it is slower, no more.
    let _ = thread::Builder::new().spawn(work);
}

/// The tables of a root of 40,000 files take 0.85 MB.
const TABLES_BYTES: u64 = 1 << 20;

/// One device of all segments; `None` where there is only one. Its name has the first loop device's in
/// it, which nobody else has at the same time.
fn join(image: &[File], devices: &[LoopDevice]) -> io::Result<Option<JoinedDevice>> {
    let (Some(first), 2..) = (devices.first(), devices.len()) else {
        return Ok(None);
    };
    let mut parts = Vec::new();
    for (file, device) in image.iter().zip(devices) {
        parts.push(Part {
            device: device.path(),
            length_bytes: file.metadata()?.len(),
        });
    }
    let first = first.path().file_name().unwrap_or_default();
    let name = format!("livestick-{}", first.to_string_lossy());
    JoinedDevice::join(&name, &parts).map(Some)
}

/// By the newer calls, which take option by option, and keep quiet about those that are unknown.
fn mount_squashfs(device: &Path) -> Result<(), Errno> {
    let context = fsopen("squashfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "source", device)?;
    fsconfig_set_flag(&context, "ro")?;
    // Decompression on every processor is a choice since Linux 6.2.
    let _ = fsconfig_set_string(&context, "threads", "percpu");
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_RDONLY | MountAttrFlags::MOUNT_ATTR_NOATIME;
    let mounted = fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&mounted, "", CWD, LOWER, flags)
}

fn mount_upper(size: RamSize) -> io::Result<()> {
    make_folder(UPPER, 0o755)?;
    let options = CString::new(format!("mode=0755,{}", tmpfs_limits(size)))?;
    mount(
        "tmpfs",
        UPPER,
        "tmpfs",
        MountFlags::empty(),
        options.as_c_str(),
    )?;
    make_folder(UPPER_FILES, 0o755)?;
    make_folder(UPPER_WORK, 0o755)?;
    copy_attributes(Path::new(LOWER), Path::new(UPPER_FILES))
}

fn tmpfs_limits(size: RamSize) -> String {
    format!("size={size},nr_inodes={}", size.inodes(ram::total_bytes()))
}

fn mount_store(store: &str, size: RamSize) -> io::Result<()> {
    let target = Path::new(ROOT).join(store);
    let metadata = fs::symlink_metadata(&target)?;
    if !metadata.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    let options = CString::new(format!(
        "mode={:o},uid={},gid={},{}",
        metadata.mode() & 0o7777,
        metadata.uid(),
        metadata.gid(),
        tmpfs_limits(size)
    ))?;
    let options = options.as_c_str();
    Ok(mount(
        "tmpfs",
        &target,
        "tmpfs",
        MountFlags::empty(),
        options,
    )?)
}

/// The upper folder's owner, mode and attributes are those of `/` on the running system.
fn copy_attributes(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::metadata(from)?;
    let (owner, group) = (Uid::from_raw(metadata.uid()), Gid::from_raw(metadata.gid()));
    chown(to, Some(owner), Some(group))?;
    chmod(to, Mode::from_raw_mode(metadata.mode() & 0o7777))?;
    // Most roots have none, and some kernels refuse some kinds on a tmpfs: then it runs without.
    let mut names = vec![0; XATTR_LIST_LIMIT_BYTES];
    let length = listxattr(from, &mut names).unwrap_or(0);
    names.truncate(length);
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0; XATTR_VALUE_LIMIT_BYTES];
        if let Ok(length) = getxattr(from, name, &mut value) {
            value.truncate(length);
            let _ = setxattr(to, name, &value, XattrFlags::empty());
        }
    }
    Ok(())
}

/// `XATTR_LIST_MAX` and `XATTR_SIZE_MAX` of `linux/limits.h`.
const XATTR_LIST_LIMIT_BYTES: usize = 65_536;
const XATTR_VALUE_LIMIT_BYTES: usize = 65_536;

fn mount_overlay(report: &Report) -> io::Result<()> {
    make_folder(ROOT, 0o755)?;
    let mut texts = Vec::new();
    for options in OVERLAY_OPTIONS {
        let layers = format!("lowerdir={LOWER},upperdir={UPPER_FILES},workdir={UPPER_WORK}");
        texts.push(CString::new(layers + options)?);
    }
    let flags = MountFlags::empty();
    mount_with_first(&texts, |options| {
        let mounted = mount("overlay", ROOT, "overlay", flags, options);
        mounted.inspect_err(|error| report.step(&format!("overlay with {options:?}: {error}")))
    })?;
    Ok(())
}

/// Mounts with the first options that this kernel knows: one that it does not know is `EINVAL`.
fn mount_with_first<T: AsRef<CStr>>(
    choices: &[T],
    mount: impl Fn(&CStr) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut result = Err(Errno::INVAL);
    for options in choices {
        result = mount(options.as_ref());
        if result != Err(Errno::INVAL) {
            break;
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    fn mounts(answers: &[Result<(), Errno>]) -> (Result<(), Errno>, usize) {
        let rest = RefCell::new(answers.iter());
        let choices = [c"a", c"b", c"c"];
        let result = mount_with_first(&choices, |_| *rest.borrow_mut().next().unwrap());
        (result, answers.len() - rest.borrow().len())
    }

    #[test]
    fn options_are_dropped_only_where_they_are_unknown() {
        let unknown = Err(Errno::INVAL);
        assert_eq!(mounts(&[Ok(())]), (Ok(()), 1));
        assert_eq!(mounts(&[unknown, Ok(()), Ok(())]), (Ok(()), 2));
        assert_eq!(
            mounts(&[unknown, Err(Errno::IO), Ok(())]),
            (Err(Errno::IO), 2)
        );
        assert_eq!(mounts(&[unknown, unknown, unknown]), (unknown, 3));
    }

    #[test]
    fn mode_and_attributes_are_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::create_dir(&to).unwrap();
        chmod(&from, Mode::from_raw_mode(0o1751)).unwrap();
        setxattr(&from, "user.colour", b"green", XattrFlags::empty()).unwrap();
        copy_attributes(&from, &to).unwrap();
        assert_eq!(fs::metadata(&to).unwrap().mode() & 0o7777, 0o1751);
        let mut value = [0; 16];
        let length = getxattr(&to, "user.colour", &mut value).unwrap();
        assert_eq!(&value[..length], b"green");
    }
}
