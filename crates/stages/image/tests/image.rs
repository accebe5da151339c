//! Whole images, made of made-up files, as the field's own tools see them.

#![expect(clippy::unwrap_used, reason = "a test may fail so")]

use livestick_blockio::{NoProgress, Progress, Slice, WriteAt};
use livestick_handoff::{Manifest, Seal, Segments, paths};
use livestick_image::{
    BootCode, BoxError, Contents, EagerFile, Existing, Facts, Identities, Initrd, Layout, Output,
    PlanError, RootImage, Settings, Size, StickFile, Timestamp, WriteError, Written, readme,
};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

const MIB: u64 = 1 << 20;
const SEAL_OFFSET: usize = 112;

fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    std::iter::repeat_with(step).take(length).collect()
}

fn contents() -> Contents {
    let file = |path: &str, bytes: Vec<u8>| StickFile {
        path: path.to_owned(),
        bytes,
    };
    Contents {
        files: vec![
            file("syslinux/ldlinux.sys", noise(59_904)),
            file("syslinux/syslinux.cfg", b"DEFAULT live\n".to_vec()),
            file("EFI/BOOT/BOOTX64.EFI", noise(94_208)),
            file(paths::README, readme("Test", "livestick 0").into_bytes()),
            file(paths::KERNEL, noise(700_001)),
        ],
        initrd: Initrd {
            bytes: noise(300_000),
            seal_offset: SEAL_OFFSET,
        },
        facts: Facts {
            kernel_release: "6.1.0-50-amd64".to_owned(),
            title: "Test".to_owned(),
            stores: vec![],
            workload: livestick_handoff::Workload::Console,
            tool: "livestick 0".to_owned(),
            options: vec![("compression".to_owned(), "zstd:3".to_owned())],
            origins: vec![("syslinux/ldlinux.sys".to_owned(), "syslinux 3".to_owned())],
        },
    }
}

/// A root image that fits a file, whatever it holds.
fn one_file() -> Segments {
    Segments::new(Segments::LONGEST_BYTES, Segments::LONGEST_BYTES).unwrap()
}

fn settings(identities: Identities) -> Settings {
    Settings {
        label: "LIVE".parse().unwrap(),
        timestamp: Timestamp::from_unix_seconds(1_709_210_096),
        identities,
        boot_code: Some(BootCode {
            mbr: [0x90; 440],
            volume: [0x90; 512],
        }),
    }
}

/// Writes a root image of random bytes, its first ones last.
fn root_of(bytes: &[u8]) -> impl Fn(&Slice<EagerFile<'_>>) -> Result<RootImage, BoxError> {
    move |place| {
        place.write_all_at(&bytes[96..], 96)?;
        place.write_all_at(&bytes[..96], 0)?;
        let mut superblock = [0; 96];
        superblock.copy_from_slice(&bytes[..96]);
        Ok(RootImage {
            length_bytes: bytes.len() as u64,
            superblock,
        })
    }
}

fn write(path: &Path, size: Size, identities: Identities, root: &[u8]) -> Written {
    write_segments(path, size, identities, root, one_file())
}

fn write_segments(
    path: &Path,
    size: Size,
    identities: Identities,
    root: &[u8],
    longest: Segments,
) -> Written {
    let output = Output::create(path, Existing::Refuse).unwrap();
    let layout = Layout::plan(contents(), size, longest).unwrap();
    layout
        .write(output, &settings(identities), root_of(root), &NoProgress)
        .unwrap()
}

/// Runs a tool; it must succeed. `None` where the tool is missing, which is an error where
/// everything is installed.
fn run(directory: &Path, tool: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(tool);
    command.args(arguments).current_dir(directory);
    command
        .env("LC_ALL", "C.UTF-8")
        .env_remove("MTOOLS_SKIP_CHECK");
    match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip(&format!("{tool} is missing"));
            None
        }
        Err(error) => panic!("{tool}: {error}"),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{tool} {arguments:?}:\n{text}");
            Some(text)
        }
    }
}

fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    eprintln!("skipped: {reason}");
}

/// Copies what is not zero from the second MiB on: the volume alone, as `fsck.fat` wants it.
fn volume_of(image: &Path) -> PathBuf {
    let (from, path) = (File::open(image).unwrap(), image.with_extension("volume"));
    let length = from.metadata().unwrap().len();
    let to = File::create(&path).unwrap();
    to.set_len(length - MIB).unwrap();
    let mut piece = vec![0; 1 << 20];
    for offset in (MIB..length).step_by(1 << 20) {
        from.read_exact_at(&mut piece, offset).unwrap();
        if piece.iter().any(|&byte| byte != 0) {
            FileExt::write_all_at(&to, &piece, offset - MIB).unwrap();
        }
    }
    path
}

fn check_with_tools(image: &Path, files_count: usize) -> Option<()> {
    let directory = image.parent().unwrap();
    run(
        directory,
        "fsck.fat",
        &["-n", volume_of(image).to_str().unwrap()],
    );
    run(directory, "sfdisk", &["--verify", image.to_str().unwrap()]);
    let files = directory.join("files");
    fs::create_dir(&files).unwrap();
    let drive = format!("{}@@1M", image.display());
    run(
        directory,
        "mcopy",
        &[
            "-s",
            "-n",
            "-m",
            "-i",
            &drive,
            "::/",
            files.to_str().unwrap(),
        ],
    )?;
    let checked = run(&files, "sha256sum", &["--strict", "-c", paths::CHECKSUMS])?;
    assert_eq!(checked.lines().count(), files_count, "{checked}");
    assert!(
        checked.lines().all(|line| line.ends_with(": OK")),
        "{checked}"
    );
    Some(())
}

#[test]
fn a_stick_holds_what_its_own_files_say() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("stick.img");
    let root = noise(3 << 20);
    let written = write(&image, Size::Fit, Identities::Random, &root);
    assert_eq!(fs::metadata(&image).unwrap().len(), written.length_bytes);
    assert_eq!(fs::metadata(&image).unwrap().mode() & 0o7777, 0o600);
    if check_with_tools(&image, 8).is_none() {
        return;
    }
    let read = |path: &str| fs::read(directory.path().join("files").join(path)).unwrap();
    assert_eq!(read(paths::ROOT_IMAGE), root);
    let manifest = Manifest::parse(&read(paths::MANIFEST)).unwrap();
    assert_eq!(manifest.identity, written.identity);
    assert_eq!(manifest.segments.image_bytes(), 3 << 20);
    assert_eq!(manifest.image_sha256, written.root_sha256);
    assert_eq!(manifest.title, "Test");
    let (initrd, before) = (read(paths::INITRD), contents().initrd.bytes);
    let seal = SEAL_OFFSET..SEAL_OFFSET + Seal::LENGTH_BYTES;
    assert_eq!(initrd[..seal.start], before[..seal.start]);
    assert_eq!(initrd[seal.end..], before[seal.end..]);
    let seal = Seal::parse(&initrd[seal]).unwrap();
    assert_eq!(
        (seal.identity, seal.segments.image_bytes()),
        (written.identity, 3 << 20)
    );
    assert_eq!(seal.kernel_release, "6.1.0-50-amd64");
}

/// A root beyond what a file on FAT can hold, in small.
#[test]
fn a_long_root_image_lies_in_segments() {
    let longest = Segments::new(9 * MIB, 2 * MIB).unwrap();
    assert_eq!(longest.count(), 5);
    let root = noise((5 << 20) + 4096);
    for size in [Size::Fit, Size::Fixed(GIB)] {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("stick.img");
        let written = write_segments(&image, size, Identities::FromDigest, &root, longest);
        assert_eq!(written.segments.count(), 3);
        if check_with_tools(&image, 10).is_none() {
            return;
        }
        let files = directory.path().join("files");
        let pieces = written.segments.iter().map(|segment| {
            let piece = fs::read(files.join(&segment.path)).unwrap();
            assert_eq!(piece.len() as u64, segment.length_bytes);
            piece
        });
        assert!(pieces.collect::<Vec<_>>().concat() == root);
        // What no segment needed has no name.
        assert_eq!(fs::read_dir(files.join("live")).unwrap().count(), 3 + 3);
        let manifest = Manifest::parse(&fs::read(files.join(paths::MANIFEST)).unwrap()).unwrap();
        assert_eq!(manifest.segments, written.segments);
        // The same root in one file is the same image: only how it lies differs.
        let whole = write(
            &directory.path().join("whole.img"),
            size,
            Identities::FromDigest,
            &root,
        );
        assert_eq!(manifest.image_sha256, whole.root_sha256);
    }
}

#[test]
fn a_stick_of_a_fixed_size() {
    let directory = tempfile::tempdir().unwrap();
    let image = directory.path().join("stick.img");
    write(
        &image,
        Size::Fixed(GIB),
        Identities::Random,
        &noise(1 << 20),
    );
    assert_eq!(fs::metadata(&image).unwrap().len(), GIB);
    check_with_tools(&image, 8);
}

const GIB: u64 = 1 << 30;

#[test]
fn the_same_input_gives_the_same_bytes_and_else_every_stick_is_another() {
    let directory = tempfile::tempdir().unwrap();
    let root = noise(1 << 20);
    let image = |name: &str, identities| {
        let path = directory.path().join(name);
        let written = write(&path, Size::Fit, identities, &root);
        (fs::read(path).unwrap(), written.identity)
    };
    let first = image("a", Identities::FromDigest);
    assert!(first == image("b", Identities::FromDigest));
    let (other, identity) = image("c", Identities::Random);
    assert_ne!(identity, first.1);
    // The signature of the partition table.
    assert_ne!(other[440..444], first.0[440..444]);
}

#[test]
fn loaders_are_patched_where_they_lie() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stick.img");
    let output = Output::create(&path, Existing::Refuse).unwrap();
    let mut layout = Layout::plan(contents(), Size::Fit, one_file()).unwrap();
    let extent = layout.extent("syslinux/ldlinux.sys").unwrap();
    assert_eq!(extent.length_sectors, 59_904 / 512);
    let file = layout.file_mut("syslinux/ldlinux.sys").unwrap();
    file[..7].copy_from_slice(b"patched");
    assert!(layout.file_mut("nowhere").is_none());
    let root = noise(1 << 20);
    let settings = settings(Identities::Random);
    layout
        .write(output, &settings, root_of(&root), &NoProgress)
        .unwrap();
    let mut bytes = [0; 7];
    let offset = MIB + extent.start_bytes();
    File::open(path)
        .unwrap()
        .read_exact_at(&mut bytes, offset)
        .unwrap();
    assert_eq!(&bytes, b"patched");
}

/// Stops the work once so many bytes are done.
struct StopsAfter {
    bytes: u64,
    done: AtomicU64,
}

impl Progress for StopsAfter {
    fn start(&self, _stage: &str, _total_bytes: Option<u64>) {}

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn interrupted(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.bytes
    }
}

#[test]
fn interrupted_work_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let root = noise(4 << 20);
    // In the small files, while the root is read back, and at the very end.
    for bytes in [0, 100_000, 2 << 20, 4 << 20, (4 << 20) + 1_154_000] {
        let path = directory.path().join("stick.img");
        let output = Output::create(&path, Existing::Refuse).unwrap();
        let layout = Layout::plan(contents(), Size::Fit, one_file()).unwrap();
        let done = AtomicU64::new(0);
        let progress = StopsAfter { bytes, done };
        let settings = settings(Identities::Random);
        let written = layout.write(output, &settings, root_of(&root), &progress);
        assert!(
            matches!(written, Err(WriteError::Interrupted)),
            "{bytes}: {written:?}"
        );
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

fn failing_with(
    size: Size,
    write_root: impl FnOnce(&Slice<EagerFile<'_>>) -> Result<RootImage, BoxError>,
) -> WriteError {
    let directory = tempfile::tempdir().unwrap();
    let output = Output::create(&directory.path().join("x"), Existing::Refuse).unwrap();
    let layout = Layout::plan(contents(), size, one_file()).unwrap();
    let settings = settings(Identities::Random);
    let written = layout.write(output, &settings, write_root, &NoProgress);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    written.unwrap_err()
}

#[test]
fn what_stops_the_root_image_is_named() {
    let error = failing_with(Size::Fit, |_| Err("no such tree".into()));
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(source.to_string(), "no such tree");

    let size = Size::Fixed(400 * MIB);
    let limit = Layout::plan(contents(), size, one_file())
        .unwrap()
        .root_limit_bytes();
    assert!((300 * MIB..400 * MIB).contains(&limit), "{limit}");
    let error = failing_with(size, |place| {
        assert_eq!(place.length(), limit);
        place.write_all_at(&[0; 2], limit - 1)?;
        unreachable!("the place is full")
    });
    assert!(
        matches!(error, WriteError::RootTooLong { limit_bytes } if limit_bytes == limit),
        "{error}"
    );
}

#[test]
fn contents_that_cannot_be_are_refused() {
    let error = |change: fn(&mut Contents)| {
        let mut contents = contents();
        change(&mut contents);
        Layout::plan(contents, Size::Fit, one_file()).unwrap_err()
    };
    let outside = error(|contents| contents.initrd.seal_offset = 300_000 - Seal::LENGTH_BYTES + 1);
    assert!(
        matches!(outside, PlanError::SealOutside { .. }),
        "{outside}"
    );
    let seal = error(|contents| contents.facts.kernel_release = "x".repeat(65));
    assert!(matches!(seal, PlanError::Seal { .. }), "{seal}");
    let manifest = error(|contents| contents.facts.title = "x".repeat(Manifest::LIMIT_BYTES));
    assert!(
        matches!(manifest, PlanError::ManifestTooLong { .. }),
        "{manifest}"
    );
    let twice = error(|contents| contents.files[0].path = "LIVE/manifest".to_owned());
    assert!(matches!(twice, PlanError::Volume { .. }), "{twice}");
}

/// A small filesystem in memory, until it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "livestick-test"])
            .arg(directory.path())
            .output();
        match mount {
            Ok(output) if output.status.success() => Some(Self(directory)),
            _ => {
                skip("cannot mount a tmpfs: only root may");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_named_and_left_empty() {
    let root = noise(8 << 20);
    // Too small for the files; for the root image; for what was held back behind it.
    for (size, is_told_before) in [("512k", true), ("4m", false), ("9100k", false)] {
        let Some(disk) = SmallDisk::mount(size) else {
            return;
        };
        let path = disk.0.path().join("stick.img");
        let output = Output::create(&path, Existing::Refuse).unwrap();
        let layout = Layout::plan(contents(), Size::Fit, one_file()).unwrap();
        let settings = settings(Identities::Random);
        let error = layout
            .write(output, &settings, root_of(&root), &NoProgress)
            .unwrap_err();
        match &error {
            WriteError::NoSpace {
                path: named,
                free_bytes,
                needed_bytes,
            } => {
                assert_eq!(*named, path);
                assert!(is_told_before, "{size}: {error}");
                assert!(free_bytes < needed_bytes, "{size}: {error}");
            }
            WriteError::Full {
                path: named,
                stored_bytes,
            } => {
                assert_eq!(*named, path);
                assert!(!is_told_before, "{size}: {error}");
                assert!(
                    (1 << 20..10 << 20).contains(stored_bytes),
                    "{size}: {error}"
                );
            }
            other => panic!("{size}: {other:?}"),
        }
        assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 0);
    }
}
