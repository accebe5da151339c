//! Real directories, captured.

#![allow(clippy::unwrap_used)]

use livestick_blockio::{NoProgress, Progress};
use livestick_capture::{
    Capture, CaptureError, Cause, Exclusions, Mode, MountChoice, Options, RuleSet, Source,
    Unreadable,
};
use livestick_tree::{Content, ContentSource, Device, Kind, RootFiles, Tree, TreeFiles};
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
fn a_bind_mount_of_what_is_left_out_becomes_a_comment() {
    let root = root();
    let table = "/home/me /srv/me none bind 0 0\n/usr/bin /srv/bin none bind 0 0\n";
    fs::write(root.path().join("etc/fstab"), table).unwrap();
    let options = Options {
        exclusions: Exclusions::new(&["home/*".into()]).unwrap(),
        ..Options::default()
    };
    let source = Source::open(root.path()).unwrap();
    let Capture { tree, .. } = source.capture(&options, &NoProgress).unwrap();
    let new = TreeFiles::new(&tree, source.files()).read("etc/fstab");
    let new = String::from_utf8(new.unwrap()).unwrap();
    assert!(
        new.contains("\n#livestick# /home/me /srv/me none bind"),
        "{new}"
    );
    assert!(new.contains("\n/usr/bin /srv/bin none bind"), "{new}");
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
    let mounts: Vec<_> = report
        .mounts
        .iter()
        .map(|m| (&*m.path, m.is_taken))
        .collect();
    assert_eq!(mounts[1..], [(Path::new("home"), false)]);
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
    write("tmp/x/big", b"bytes");
    let options = Options {
        exclusions: Exclusions::new(&["... *.pyc".into(), "nothing/*".into()]).unwrap(),
        left_out: vec!["stick.img".into()],
        unreadable: Unreadable::Fail,
        ..Options::default()
    };
    let Capture { tree, report } = capture(root.path(), &options).unwrap();
    let omitted = |cause: Cause| {
        let mut omissions = report.omitted.iter();
        let found = omissions.find(|omission| omission.cause == cause).unwrap();
        (found.paths.clone(), found.files, found.bytes)
    };
    assert_eq!(omitted(Cause::Image), (vec!["stick.img".into()], 1, 9));
    assert_eq!(
        omitted(Cause::Pattern(0)),
        (vec!["home/me/a.pyc".into()], 1, 0)
    );
    assert_eq!(
        omitted(Cause::Rule("swap")),
        (vec!["swapfile".into()], 1, 8192)
    );
    let (paths, files, bytes) = omitted(Cause::Rule("temporary-files"));
    assert_eq!(paths, [PathBuf::from("tmp/"), "var/tmp/".into()]);
    assert_eq!((files, bytes), (3, 5), "tmp/x, tmp/x/big and var/tmp/y");
    assert!(tree.lookup(b"swap.img").is_some());
    let unmatched: Vec<_> = options
        .exclusions
        .unmatched()
        .map(|pattern| &*pattern.text)
        .collect();
    assert_eq!(unmatched, ["nothing/*"]);
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

#[test]
fn another_filesystem_is_put_in_its_place() {
    if !is_root() {
        return;
    }
    let root = root();
    let home = root.path().join("home");
    let flags = rustix::mount::MountFlags::empty();
    rustix::mount::mount("none", &home, "tmpfs", flags, Some(c"mode=0701")).unwrap();
    fs::create_dir(home.join("you")).unwrap();
    fs::write(home.join("you/file"), "above").unwrap();
    let choice = MountChoice {
        include: vec![home.clone()],
        exclude: Vec::new(),
    };
    let source = Source::open_with(root.path(), &choice);
    // It may go away: what was opened stays.
    rustix::mount::unmount(&home, rustix::mount::UnmountFlags::DETACH).unwrap();
    let source = source.unwrap();
    let Capture { tree, report } = source.capture(&Options::default(), &NoProgress).unwrap();
    let node = tree.lookup(b"home/you/file").unwrap();
    let mut bytes = [0; 5];
    let file = source.files().open(&tree, node).unwrap();
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"above");
    assert_eq!(
        tree.lookup(b"home/me"),
        None,
        "what lies under the mount is no part of it"
    );
    assert_eq!(
        tree.node(tree.lookup(b"home").unwrap())
            .metadata
            .permissions,
        0o701
    );
    assert!(report.mounts[1].is_taken);
    assert_eq!(
        source.files().read("home/you/../you/file").unwrap(),
        b"above"
    );
}

/// A root with systemd that was lived in.
fn lived_in() -> tempfile::TempDir {
    let root = root();
    for (path, text) in [
        ("usr/lib/systemd/systemd", ""),
        ("usr/lib/systemd/system/fstrim.timer", "[Timer]\n"),
        ("usr/bin/ssh-keygen", ""),
        ("etc/crypttab", "root UUID=1 none luks\n"),
        (
            "etc/default/grub",
            "GRUB_CMDLINE_LINUX=\"quiet resume=UUID=2\"\n",
        ),
        ("etc/machine-id", "0123\n"),
        ("etc/hostname", "box\n"),
        ("etc/hosts", "127.0.1.1 box\n"),
        ("etc/ssh/ssh_host_rsa_key", "key"),
        ("var/log/syslog", "line"),
        ("var/log/syslog.1", "old line"),
        ("var/lib/systemd/random-seed", "seed"),
        ("root/.bash_history", "secret"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn captured_in(mode: Mode, root: &Path) -> (Tree, impl Fn(&Tree, &str) -> Option<String>) {
    let options = Options {
        rules: RuleSet::new(mode, &[], &[]).unwrap(),
        ..Options::default()
    };
    let source = Source::open(root).unwrap();
    let Capture { tree, .. } = source.capture(&options, &NoProgress).unwrap();
    let read = move |tree: &Tree, path: &str| {
        let bytes = TreeFiles::new(tree, source.files()).read(path).ok()?;
        Some(String::from_utf8(bytes).unwrap())
    };
    (tree, read)
}

#[test]
fn a_clone_is_the_machine_without_its_disks() {
    let root = lived_in();
    let (tree, read) = captured_in(Mode::Clone, root.path());
    for (path, text) in [
        ("etc/crypttab", Some("#livestick# root UUID=1 none luks\n")),
        ("etc/default/grub", Some("GRUB_CMDLINE_LINUX=\"quiet\"\n")),
        ("etc/machine-id", Some("0123\n")),
        ("etc/hostname", Some("box\n")),
        ("etc/ssh/ssh_host_rsa_key", Some("key")),
        ("var/log/syslog.1", Some("old line")),
        ("root/.bash_history", Some("secret")),
        ("var/lib/systemd/random-seed", None),
    ] {
        assert_eq!(read(&tree, path).as_deref(), text, "{path}");
    }
    let mask = tree.lookup(b"etc/systemd/system/fstrim.timer").unwrap();
    assert!(matches!(&tree.node(mask).kind, Kind::Symlink(target) if **target == *b"/dev/null"));
    assert_eq!(
        tree.lookup(b"etc/systemd/system/smartd.service"),
        None,
        "not in the root"
    );
    assert_eq!(
        fs::read_to_string(root.path().join("etc/crypttab"))
            .unwrap()
            .len(),
        22
    );
}

#[test]
fn a_generic_stick_has_an_identity_of_its_own() {
    let root = lived_in();
    let (tree, read) = captured_in(Mode::Generic, root.path());
    for (path, text) in [
        ("etc/machine-id", Some("")),
        ("etc/hostname", Some("livestick\n")),
        ("etc/hosts", Some("127.0.1.1 livestick\n")),
        ("etc/ssh/ssh_host_rsa_key", None),
        ("var/log/syslog", Some("")),
        ("var/log/syslog.1", None),
        ("root/.bash_history", None),
    ] {
        assert_eq!(read(&tree, path).as_deref(), text, "{path}");
    }
    let unit = "etc/systemd/system/multi-user.target.wants/livestick-ssh-host-keys.service";
    assert!(read(&tree, unit).unwrap().contains("ssh-keygen -A"));
    assert!(matches!(
        &tree.node(tree.lookup(b"var/log/syslog").unwrap()).kind,
        Kind::File { content: Content::Inline(bytes), .. } if bytes.is_empty()
    ));
}
