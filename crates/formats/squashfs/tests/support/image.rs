//! Writing images in memory, and having the kernel read them.

use livestick_blockio::{NoProgress, WriteAt};
use livestick_squashfs::{Compression, Options, Summary, WriteError, limit_bytes, write};
use livestick_tree::{ContentSource, Kind, Metadata, NodeId, SourceFile, Tree};
use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

pub const METADATA: Metadata = Metadata {
    permissions: 0o644,
    uid: 0,
    gid: 0,
    modified_seconds: 1_000_000_000,
};

pub fn options() -> Options {
    Options {
        jobs: NonZeroUsize::new(2).unwrap(),
        ..Options::new(Compression::Zstd { level: 3 })
    }
}

pub fn new_tree() -> Tree {
    Tree::new(METADATA, Box::default())
}

pub fn add(tree: &mut Tree, parent: NodeId, name: &str, kind: Kind) -> NodeId {
    tree.add(parent, name.as_bytes(), METADATA, kind, Box::default())
        .unwrap()
}

/// For trees whose contents are all in them.
pub struct Nothing;

impl ContentSource for Nothing {
    fn open(&self, _: &Tree, _: NodeId) -> io::Result<Box<dyn SourceFile>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// An image in memory.
#[derive(Default)]
pub struct Memory(pub Mutex<Vec<u8>>);

impl WriteAt for Memory {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        let mut image = self.0.lock().unwrap();
        if image.len() < start + bytes.len() {
            image.resize(start + bytes.len(), 0);
        }
        image[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

/// Writes an image, and checks what must hold for every one.
pub fn image(
    tree: &Tree,
    source: &dyn ContentSource,
    options: &Options,
) -> Result<(Vec<u8>, Summary), WriteError> {
    let memory = Memory::default();
    let summary = write(tree, source, &memory, options, &NoProgress)?;
    let image = memory.0.into_inner().unwrap();
    assert_eq!(image.len() as u64, summary.length_bytes);
    assert_eq!(image.len() % 4096, 0);
    assert_eq!(image[..96], summary.superblock);
    // Each further attempt at a large file leaves its blocks behind.
    if summary.changed.is_empty() && summary.torn.is_empty() {
        let limit = limit_bytes(tree, options);
        assert!(summary.length_bytes <= limit, "{} > {limit}", image.len());
    }
    Ok((image, summary))
}

/// Fails instead of hanging for ever.
pub fn with_watchdog<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result
        .recv_timeout(Duration::from_secs(120))
        .expect("it hangs, or panicked")
}

/// Whether something that a test needs is there. It has to be in CI.
pub fn have(what: &str, there: bool) -> bool {
    assert!(
        there || std::env::var_os("CI").is_none(),
        "{what} is missing"
    );
    if !there {
        eprintln!("skipped: {what} is missing");
    }
    there
}

pub fn is_root() -> bool {
    have("the right to mount", rustix::process::geteuid().is_root())
}

pub fn has_tool(name: &str) -> bool {
    have(name, Command::new(name).arg("--version").output().is_ok())
}

/// An image that the kernel has mounted.
pub struct Mounted {
    directory: TempDir,
}

impl Mounted {
    /// `None` where nothing can be mounted here.
    pub fn new(image: &[u8]) -> Option<Self> {
        if !is_root() {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("image");
        std::fs::write(&file, image).unwrap();
        let mounted = Self { directory };
        std::fs::create_dir(mounted.path()).unwrap();
        let status = Command::new("mount")
            .args(["-t", "squashfs", "-o", "loop,ro"])
            .arg(&file)
            .arg(mounted.path())
            .status()
            .unwrap();
        assert!(status.success(), "the kernel refuses the image");
        Some(mounted)
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("root")
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: somebody who still looks into it must not keep it mounted for ever.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Mounts an image, where that is possible, and compares everything in it with a tree. `contents`
/// says what is in the files that the tree does not hold itself.
pub fn assert_holds(image: &[u8], tree: &Tree, contents: &dyn Fn(NodeId) -> Vec<u8>) {
    let Some(mounted) = Mounted::new(image) else {
        return;
    };
    assert_same(tree, &mounted.path(), contents);
}

/// Compares a directory with a tree: names, kinds, metadata, links, attributes, contents.
pub fn assert_same(tree: &Tree, root: &Path, contents: &dyn Fn(NodeId) -> Vec<u8>) {
    let found = super::scan::scan(root).unwrap();
    let mut same = HashMap::new();
    let mut waiting = vec![(Tree::ROOT, Tree::ROOT, root.to_owned())];
    while let Some((expected, actual, path)) = waiting.pop() {
        // Hard links: what is one file here is one file there.
        assert_eq!(*same.entry(expected).or_insert(actual), actual, "{path:?}");
        assert_node(tree, expected, &found, actual, &path, contents);
        let names = |tree: &Tree, id| -> Vec<_> {
            let entries = tree.entries(id);
            entries.map(|(name, id)| (name.to_vec(), id)).collect()
        };
        let (left, right) = (names(tree, expected), names(&found, actual));
        let only_names = |list: &[(Vec<u8>, NodeId)]| -> Vec<Vec<u8>> {
            list.iter().map(|(name, _)| name.clone()).collect()
        };
        assert_eq!(only_names(&left), only_names(&right), "{path:?}");
        for ((name, expected), (_, actual)) in left.into_iter().zip(right) {
            use std::os::unix::ffi::OsStrExt;
            let name = std::ffi::OsStr::from_bytes(&name);
            waiting.push((expected, actual, path.join(name)));
        }
    }
}

fn assert_node(
    tree: &Tree,
    expected: NodeId,
    found: &Tree,
    actual: NodeId,
    path: &Path,
    contents: &dyn Fn(NodeId) -> Vec<u8>,
) {
    use std::os::unix::fs::MetadataExt;
    let (left, right) = (tree.node(expected), found.node(actual));
    let mut metadata = left.metadata;
    metadata.modified_seconds = metadata.modified_seconds.clamp(0, u32::MAX.into());
    assert_eq!(metadata, right.metadata, "{path:?}");
    let held = left.xattrs.iter().filter(|xattr| {
        let prefixes: [&[u8]; 3] = [b"user.", b"trusted.", b"security."];
        prefixes.iter().any(|prefix| xattr.name.starts_with(prefix))
    });
    assert!(held.eq(right.xattrs.iter()), "{path:?}");
    match (&left.kind, &right.kind) {
        (Kind::Directory(_), Kind::Directory(_)) => {
            let directories = tree
                .entries(expected)
                .filter(|(_, id)| matches!(tree.node(*id).kind, Kind::Directory(_)));
            let links = std::fs::symlink_metadata(path).unwrap().nlink();
            assert_eq!(links, 2 + directories.count() as u64, "{path:?}");
            return;
        }
        (Kind::File { content, .. }, Kind::File { .. }) => {
            let expected = match content {
                livestick_tree::Content::Inline(bytes) => bytes.to_vec(),
                livestick_tree::Content::Source => contents(expected),
            };
            let actual = std::fs::read(path).unwrap();
            assert!(actual == expected, "{path:?}: the contents differ");
        }
        (Kind::Symlink(left), Kind::Symlink(right)) => assert_eq!(left, right, "{path:?}"),
        (Kind::BlockDevice(left), Kind::BlockDevice(right))
        | (Kind::CharacterDevice(left), Kind::CharacterDevice(right)) => {
            assert_eq!(left, right, "{path:?}");
        }
        (Kind::Fifo, Kind::Fifo) | (Kind::Socket, Kind::Socket) => {}
        _ => panic!("{path:?} is of another kind"),
    }
    assert_eq!(left.links(), right.links(), "{path:?}");
}

/// Bytes that look random and are always the same.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Bytes that compress, different for each seed.
pub fn text(seed: u64, length: usize) -> Vec<u8> {
    let line = format!("file {seed} says what files say, again and again; ");
    line.into_bytes().into_iter().cycle().take(length).collect()
}
