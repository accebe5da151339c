//! Real directories, captured.

#![allow(clippy::unwrap_used)]

use livestick_blockio::{NoProgress, Progress};
use livestick_capture::{Capture, CaptureError, Exclusions, Options, Source, Unreadable};
use livestick_tree::{ContentSource, Device, Kind, Tree};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Most of what this checks only root can see; a missing right skips visibly, and fails in CI.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        assert!(std::env::var_os("CI").is_none(), "this test needs root");
        eprintln!("skipped: not root");
    }
    root
}

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for directory in [
        "etc",
        "usr/bin",
        "proc/1",
        "dev",
        "tmp/x",
        "var/tmp/y",
        "run/z",
        "home/me",
    ] {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    fs::write(root.path().join("etc/fstab"), "UUID=1 / ext4 rw 0 1\n").unwrap();
    fs::write(root.path().join("usr/bin/tool"), "tool").unwrap();
    root
}

fn capture(root: &Path, options: &Options) -> Result<Capture, CaptureError> {
    Source::open(root)?.capture(options, &NoProgress)
}

fn names(tree: &Tree, path: &str) -> Vec<String> {
    let directory = tree.lookup(path.as_bytes()).unwrap();
    let names = tree.entries(directory);
    names
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect()
}

#[test]
fn what_the_running_system_fills_is_left_out_and_what_it_needs_is_added() {
    let root = root();
    let Capture { tree, report } = capture(root.path(), &Options::default()).unwrap();
    for path in ["proc", "run", "tmp", "var/tmp", "sys"] {
        assert_eq!(names(&tree, path), [""; 0], "{path}");
    }
    assert_eq!(names(&tree, "dev"), ["console", "initctl", "null"]);
    let console = &tree.node(tree.lookup(b"dev/console").unwrap()).kind;
    let number = Device { major: 5, minor: 1 };
    assert!(matches!(console, Kind::CharacterDevice(device) if *device == number));
    let Kind::File { length_bytes, .. } = tree.node(tree.lookup(b"etc/fstab").unwrap()).kind else {
        panic!("fstab is not a file");
    };
    assert!(length_bytes > 30);
    assert_eq!(report.replaced, [PathBuf::from("etc/fstab")]);
    assert!(report.added.contains(&"sys".into()), "{report:?}");
}

#[test]
fn metadata_links_holes_and_attributes_come_along() {
    if !is_root() {
        return;
    }
    let root = root();
    let tool = root.path().join("usr/bin/tool");
    fs::hard_link(&tool, root.path().join("usr/bin/same")).unwrap();
    symlink("/usr/bin/tool", root.path().join("home/me/link")).unwrap();
    rustix::fs::chown(&tool, Some(rustix::fs::Uid::from_raw(123_456)), None).unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o4711)).unwrap();
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&tool, "trusted.b", b"2", flags).unwrap();
    rustix::fs::setxattr(&tool, "trusted.a", b"", flags).unwrap();
    let link = root.path().join("home/me/link");
    rustix::fs::lsetxattr(&link, "trusted.link", b"x", flags).unwrap();

    let Capture { tree, .. } = capture(root.path(), &Options::default()).unwrap();
    let id = tree.lookup(b"usr/bin/tool").unwrap();
    assert_eq!(tree.lookup(b"usr/bin/same"), Some(id));
    let node = tree.node(id);
    assert_eq!(node.links(), 2);
    assert_eq!(node.metadata.permissions, 0o4711);
    assert_eq!(node.metadata.uid, 123_456);
    assert_eq!(
        node.metadata.modified_seconds,
        tool.metadata().unwrap().mtime()
    );
    let xattrs: Vec<_> = node.xattrs.iter().map(|x| (&*x.name, &*x.value)).collect();
    assert_eq!(
        xattrs,
        [(&b"trusted.a"[..], &b""[..]), (b"trusted.b", b"2")]
    );
    let link = tree.node(tree.lookup(b"home/me/link").unwrap());
    assert!(matches!(&link.kind, Kind::Symlink(target) if **target == *b"/usr/bin/tool"));
    assert_eq!(&*link.xattrs[0].name, b"trusted.link");
}

#[test]
fn a_mount_is_looked_through_and_the_source_stays_untouched() {
    if !is_root() {
        return;
    }
    let root = root();
    let hidden = root.path().join("home/hidden");
    fs::write(&hidden, "below").unwrap();
    let before = hidden.metadata().unwrap();
    let home = root.path().join("home");
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", &home, "tmpfs", flags, None).unwrap();
    fs::write(home.join("shadow"), "above").unwrap();

    let source = Source::open(root.path()).unwrap();
    let captured = source.capture(&Options::default(), &NoProgress);
    let mut bytes = [0; 5];
    let read = captured.as_ref().map(|Capture { tree, .. }| {
        let node = tree.lookup(b"home/hidden").unwrap();
        source
            .files()
            .open(tree, node)
            .unwrap()
            .read_exact_at(&mut bytes, 0)
    });
    read.unwrap().unwrap();
    rustix::mount::unmount(&home, rustix::mount::UnmountFlags::empty()).unwrap();

    let Capture { tree, report } = captured.unwrap();
    assert_eq!(&bytes, b"below");
    assert_eq!(tree.lookup(b"home/shadow"), None);
    assert_eq!(report.mounts, [PathBuf::from("home")]);
    let after = hidden.metadata().unwrap();
    assert_eq!(
        (after.atime(), after.atime_nsec()),
        (before.atime(), before.atime_nsec())
    );
}

#[test]
fn exclusions_swap_and_the_image_itself_are_left_out() {
    let root = root();
    let write = |path: &str, bytes: &[u8]| fs::write(root.path().join(path), bytes).unwrap();
    let mut swap = vec![0; 8192];
    swap[4086..4096].copy_from_slice(b"SWAPSPACE2");
    write("swapfile", &swap);
    write("swap.img", b"not swap");
    write("stick.img", b"old image");
    write("home/me/a.pyc", b"");
    let options = Options {
        exclusions: Exclusions::new(&["... *.pyc".into(), "nothing/*".into()]).unwrap(),
        left_out: vec!["stick.img".into()],
        unreadable: Unreadable::Fail,
    };
    let Capture { tree, report } = capture(root.path(), &options).unwrap();
    assert_eq!(report.excluded, [PathBuf::from("home/me/a.pyc")]);
    let mut left_out = report.left_out;
    left_out.sort();
    assert_eq!(left_out, [PathBuf::from("stick.img"), "swapfile".into()]);
    assert!(tree.lookup(b"swap.img").is_some());
    assert_eq!(
        options.exclusions.unmatched().collect::<Vec<_>>(),
        ["nothing/*"]
    );
}

#[test]
fn a_missing_source_and_an_interruption_are_errors() {
    let missing = Source::open(Path::new("/nonexistent/root")).unwrap_err();
    assert!(matches!(missing, CaptureError::Open { .. }));

    struct Stop;
    impl Progress for Stop {
        fn start(&self, _: &str, _: Option<u64>) {}
        fn advance(&self, _: u64) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    let root = root();
    let stopped = Source::open(root.path())
        .unwrap()
        .capture(&Options::default(), &Stop);
    assert!(matches!(stopped, Err(CaptureError::Interrupted)));
}
