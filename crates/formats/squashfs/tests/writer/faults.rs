//! What goes wrong while an image is written, and what must not depend on chance.

use crate::support::image::{
    METADATA, Memory, Mounted, Nothing, add, assert_holds, image, new_tree, noise, options, text,
    with_watchdog,
};
use crate::support::reading::assert_reads;
use livestick_blockio::{NoProgress, Progress, ReadAt, WriteAt};
use livestick_squashfs::{
    Changing, Compression, Image, Options, Unreadable, WriteError, XzFilter, write,
};
use livestick_tree::{
    Content, ContentSource, Device, Kind, Metadata, NodeId, SourceFile, Stamp, Tree,
};
use std::collections::HashMap;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const BLOCK: usize = 128 << 10;

/// What a file does each time it is opened, from the first time on; the last stays.
type Script = Vec<Act>;

#[derive(Clone)]
enum Act {
    /// It has these bytes and this change time.
    Steady(Vec<u8>, i64),
    /// It has these bytes, and is changed while it is open.
    Restless(Vec<u8>),
    /// It breaks off with an error at this place.
    Broken(Vec<u8>, usize),
    /// It ends at this place, though it said that it is longer: it was cut after it was opened.
    Cut(Vec<u8>, usize),
    Gone,
    Refused,
}

#[derive(Default)]
struct Scripted {
    files: HashMap<NodeId, (Script, AtomicUsize)>,
}

impl Scripted {
    fn add(&mut self, tree: &mut Tree, name: &str, length: usize, script: Script) -> NodeId {
        let kind = Kind::File {
            length_bytes: length as u64,
            content: Content::Source,
        };
        let id = add(tree, Tree::ROOT, name, kind);
        self.files.insert(id, (script, AtomicUsize::new(0)));
        id
    }
}

impl ContentSource for Scripted {
    fn open(&self, _: &Tree, node: NodeId) -> io::Result<Box<dyn SourceFile>> {
        let (script, opened) = &self.files[&node];
        let time = opened.fetch_add(1, Ordering::Relaxed);
        match script[time.min(script.len() - 1)].clone() {
            Act::Gone => Err(io::ErrorKind::NotFound.into()),
            Act::Refused => Err(io::ErrorKind::PermissionDenied.into()),
            act => Ok(Box::new(ScriptedFile(act, AtomicU64::new(0)))),
        }
    }
}

struct ScriptedFile(Act, AtomicU64);

impl ScriptedFile {
    fn bytes(&self) -> &[u8] {
        match &self.0 {
            Act::Steady(bytes, _)
            | Act::Restless(bytes)
            | Act::Broken(bytes, _)
            | Act::Cut(bytes, _) => bytes,
            Act::Gone | Act::Refused => &[],
        }
    }
}

impl ReadAt for ScriptedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.0 {
            Act::Broken(_, at) if offset + buffer.len() as u64 > at as u64 => {
                Err(io::Error::other("the medium is worn out"))
            }
            Act::Cut(ref bytes, at) => bytes[..at].read_at(buffer, offset),
            _ => self.bytes().read_at(buffer, offset),
        }
    }
}

impl SourceFile for ScriptedFile {
    fn stamp(&self) -> io::Result<Stamp> {
        let seconds = match self.0 {
            Act::Steady(_, seconds) => seconds,
            _ => 0,
        };
        let changes = match self.0 {
            Act::Restless(_) => self.1.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        Ok(Stamp {
            length_bytes: self.bytes().len() as u64,
            changed: (seconds, i64::try_from(changes).unwrap()),
        })
    }

    fn data_from(&self, offset: u64) -> io::Result<Option<Range<u64>>> {
        Ok(Some(offset..u64::MAX))
    }
}

#[test]
fn a_file_that_changed_is_read_again_until_it_holds_still() {
    let mut tree = new_tree();
    let mut source = Scripted::default();
    // No two large ones are planned with one length: those would be opened to compare them.
    let (small, large) = (text(1, 500), noise(2, 3 * BLOCK + 77));
    let longer = noise(4, 4 * BLOCK + 9);
    let mut expected = HashMap::new();
    for (name, planned, script) in [
        ("grown", 400, vec![Act::Steady(small.clone(), 0)]),
        ("shrunk", 800, vec![Act::Steady(small.clone(), 0)]),
        (
            "restless",
            500,
            vec![Act::Restless(small.clone()), Act::Steady(small.clone(), 0)],
        ),
        ("grown to large", 500, vec![Act::Steady(large.clone(), 0)]),
        (
            "shrunk to small",
            6 * BLOCK,
            vec![Act::Steady(small.clone(), 0)],
        ),
        ("emptied", 5 * BLOCK, vec![Act::Steady(Vec::new(), 0)]),
        (
            "restless large",
            large.len(),
            vec![
                Act::Restless(large.clone()),
                Act::Restless(large.clone()),
                Act::Steady(large.clone(), 0),
            ],
        ),
        (
            "cut",
            small.len(),
            vec![
                Act::Cut(small.clone(), 300),
                Act::Steady(small[..300].to_vec(), 1),
            ],
        ),
        (
            "cut large",
            longer.len(),
            vec![
                Act::Cut(longer.clone(), 2 * BLOCK + 5),
                Act::Steady(longer[..2 * BLOCK + 5].to_vec(), 1),
            ],
        ),
        ("steady", 500, vec![Act::Steady(small.clone(), 0)]),
        (
            "another large",
            2 * BLOCK + 1,
            vec![Act::Steady(noise(3, 2 * BLOCK + 1), 0)],
        ),
    ] {
        let Act::Steady(bytes, _) = script.last().unwrap().clone() else {
            panic!("{name} has no end");
        };
        expected.insert(source.add(&mut tree, name, planned, script), bytes);
    }
    let (image, summary) = image(&tree, &source, &options()).unwrap();
    assert_eq!(summary.changed.len(), 9, "{:?}", summary.changed);
    assert!(!summary.changed.contains(&b"steady".to_vec()));
    assert_holds(&image, &tree, &|id| expected[&id].clone());
}

#[test]
fn a_file_that_never_holds_still_is_an_error_that_names_it() {
    for bytes in [text(1, 500), noise(1, 3 * BLOCK)] {
        let mut tree = new_tree();
        let mut source = Scripted::default();
        source.add(&mut tree, "log", bytes.len(), vec![Act::Restless(bytes)]);
        let error = image(&tree, &source, &options()).unwrap_err();
        assert!(
            matches!(&error, WriteError::Changed { path } if path == b"log"),
            "{error:?}"
        );
    }
}

/// Unless the caller wants what was read at last; what is missing of it by then is zeros. A file that
/// looks equal to one of them is stored by itself.
#[test]
fn a_file_that_never_holds_still_is_kept_where_that_is_asked_for() {
    let mut tree = new_tree();
    let mut source = Scripted::default();
    let (small, large) = (text(1, 500), noise(1, 3 * BLOCK));
    let filled = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at..].fill(0);
        bytes
    };
    let mut expected = HashMap::new();
    for (name, act, bytes) in [
        ("small", Act::Restless(small.clone()), small.clone()),
        ("large", Act::Restless(large.clone()), large.clone()),
        ("cut", Act::Cut(small.clone(), 300), filled(&small, 300)),
        (
            "cut large",
            Act::Cut(large.clone(), BLOCK + 5),
            filled(&large, BLOCK + 5),
        ),
        ("steady", Act::Steady(small.clone(), 0), small.clone()),
        ("steady large", Act::Steady(large.clone(), 0), large.clone()),
    ] {
        expected.insert(source.add(&mut tree, name, bytes.len(), vec![act]), bytes);
    }
    let options = Options {
        changing: Changing::Keep,
        ..options()
    };
    let (image, mut summary) = image(&tree, &source, &options).unwrap();
    summary.torn.sort();
    assert_eq!(
        summary.torn,
        [&b"cut"[..], b"cut large", b"large", b"small"]
    );
    assert!(summary.changed.is_empty(), "{:?}", summary.changed);
    let image = Image::open(&image[..]).unwrap();
    assert_reads(&image, &tree, &|id| expected[&id].clone());
}

/// A file that is gone or broken, under two names, between files that are not.
fn with_unreadable(broken: &[(usize, Act)]) -> (Tree, Scripted) {
    let mut tree = new_tree();
    let mut source = Scripted::default();
    let below = add(&mut tree, Tree::ROOT, "below", Kind::empty_directory());
    for number in 0..10_usize {
        let bytes = text(number as u64, number * 40_000);
        let name = format!("good{number}");
        source.add(&mut tree, &name, bytes.len(), vec![Act::Steady(bytes, 0)]);
    }
    for (number, (length, act)) in broken.iter().enumerate() {
        let name = format!("bad{number}");
        let id = source.add(&mut tree, &name, *length, vec![act.clone()]);
        tree.link(below, name.as_bytes(), id).unwrap();
    }
    (tree, source)
}

fn unreadable() -> Vec<(usize, Act)> {
    let large = noise(9, 5 * BLOCK);
    vec![
        (100, Act::Refused),
        (large.len(), Act::Refused),
        (500, Act::Broken(text(1, 500), 0)),
        (large.len(), Act::Broken(large, 2 * BLOCK)),
    ]
}

#[test]
fn an_unreadable_file_is_an_error_that_names_it() {
    for bad in unreadable() {
        let (tree, source) = with_unreadable(&[bad]);
        let error = image(&tree, &source, &options()).unwrap_err();
        let WriteError::Unreadable { path, .. } = &error else {
            panic!("{error:?}");
        };
        assert_eq!(path, b"bad0");
        assert_eq!(error.to_string(), "`bad0` cannot be read");
    }
}

#[test]
fn unreadable_files_are_left_out_under_all_their_names() {
    let (tree, source) = with_unreadable(&unreadable());
    let skip = Options {
        unreadable: Unreadable::Skip,
        ..options()
    };
    let (image, summary) = image(&tree, &source, &skip).unwrap();
    let mut skipped = summary.skipped.clone();
    skipped.sort();
    let names: Vec<_> = (0..4).map(|n| format!("bad{n}").into_bytes()).collect();
    assert_eq!(skipped, names);
    assert_eq!(summary.counts.files, 10);

    let mut left = tree.clone();
    let below = left.lookup(b"below").unwrap();
    for name in &names {
        left.remove(below, name);
        left.remove(Tree::ROOT, name);
    }
    assert_holds(&image, &left, &|id| match &source.files[&id].0[0] {
        Act::Steady(bytes, _) => bytes.clone(),
        _ => panic!("an unreadable file is there"),
    });
}

/// A system that runs deletes files between the scan and the reading: no reason to end the work.
#[test]
fn files_that_are_gone_are_left_out_under_all_their_names() {
    let (tree, source) = with_unreadable(&[(100, Act::Gone), (5 * BLOCK, Act::Gone)]);
    let (image, summary) = image(&tree, &source, &options()).unwrap();
    let mut vanished = summary.vanished.clone();
    vanished.sort();
    assert_eq!(vanished, [b"bad0", b"bad1"]);
    assert!(summary.skipped.is_empty());

    let mut left = tree.clone();
    let below = left.lookup(b"below").unwrap();
    for name in &vanished {
        left.remove(below, name);
        left.remove(Tree::ROOT, name);
    }
    assert_holds(&image, &left, &|id| match &source.files[&id].0[0] {
        Act::Steady(bytes, _) => bytes.clone(),
        _ => panic!("a file that is gone is there"),
    });
}

/// Two large files are compared, and then the first of them changes before it is stored: the second
/// must not become what the first is now.
#[test]
fn a_duplicate_whose_original_changes_is_stored_by_itself() {
    let mut tree = new_tree();
    let mut source = Scripted::default();
    let (then, now) = (noise(1, 3 * BLOCK), noise(2, 3 * BLOCK));
    let first = source.add(
        &mut tree,
        "a",
        then.len(),
        vec![Act::Steady(then.clone(), 1), Act::Steady(now.clone(), 2)],
    );
    source.add(
        &mut tree,
        "b",
        then.len(),
        vec![Act::Steady(then.clone(), 1)],
    );
    let (image, summary) = image(&tree, &source, &options()).unwrap();
    assert_eq!(summary.duplicate_files, 0);
    assert_holds(&image, &tree, &|id| {
        if id == first {
            now.clone()
        } else {
            then.clone()
        }
    });
}

/// The same with small files: the first is read, then changes, then the second is compared with it.
#[test]
fn a_small_duplicate_whose_original_changes_is_stored_by_itself() {
    let mut tree = new_tree();
    let mut source = Scripted::default();
    let (then, now) = (noise(1, 300), noise(2, 300));
    source.add(
        &mut tree,
        "a",
        300,
        vec![Act::Steady(then.clone(), 1), Act::Steady(now, 2)],
    );
    source.add(&mut tree, "b", 300, vec![Act::Steady(then.clone(), 1)]);
    let (image, summary) = image(&tree, &source, &options()).unwrap();
    assert_eq!(summary.duplicate_files, 0);
    assert_holds(&image, &tree, &|_| then.clone());
}

/// Small and large files, duplicates, holes; thousands of them.
fn mixed() -> Tree {
    let mut tree = new_tree();
    for number in 0..2000_u64 {
        let length = usize::try_from(number * 7919 % 9000).unwrap();
        let bytes = match number % 3 {
            0 => text(number % 500, length),
            1 => noise(number, length),
            _ => text(7, usize::try_from(number % 50).unwrap()),
        };
        let name = format!("{number}.{}", ["txt", "so", "gz"][(number % 3) as usize]);
        add(&mut tree, Tree::ROOT, &name, Kind::inline_file(bytes));
    }
    for number in 0..30_u64 {
        let half = noise(number % 20, BLOCK * (number % 5) as usize + 1234);
        let bytes = [
            half.clone(),
            vec![0; 2 * BLOCK],
            text(number % 20, half.len()),
        ]
        .concat();
        add(
            &mut tree,
            Tree::ROOT,
            &format!("large{number}"),
            Kind::inline_file(bytes),
        );
    }
    tree
}

#[test]
fn the_bytes_depend_on_neither_threads_nor_memory() {
    with_watchdog(|| {
        let tree = mixed();
        let (expected, summary) = image(&tree, &Nothing, &options()).unwrap();
        assert!(summary.duplicate_files > 100 && summary.fragments > 10);
        for jobs in [1, 2, 8, 32] {
            for memory_bytes in [0, 3 * BLOCK, 5 << 20, 1 << 30] {
                let options = Options {
                    jobs: NonZeroUsize::new(jobs).unwrap(),
                    memory_bytes,
                    ..options()
                };
                let (image, _) = image(&tree, &Nothing, &options).unwrap();
                assert!(image == expected, "{jobs} jobs, {memory_bytes} bytes");
            }
        }
        assert_holds(&expected, &tree, &|_| unreachable!());
    });
}

/// Every compressor keeps something from block to block. It must not show.
#[test]
fn the_bytes_of_no_compressor_depend_on_threads() {
    with_watchdog(|| {
        let tree = mixed();
        for compression in [
            Compression::Gzip { level: 6 },
            Compression::Lz4 { level: 1 },
            Compression::Lz4 { level: 2 },
            Compression::Lz4 { level: 9 },
            Compression::Xz {
                level: 1,
                filter: XzFilter::Auto,
            },
            Compression::Xz {
                level: 1,
                filter: XzFilter::None,
            },
        ] {
            for block_size_bytes in [4 << 10, 128 << 10] {
                let with = |jobs: usize| {
                    let options = Options {
                        compression,
                        block_size_bytes,
                        jobs: NonZeroUsize::new(jobs).unwrap(),
                        ..options()
                    };
                    image(&tree, &Nothing, &options).unwrap().0
                };
                assert!(with(1) == with(4), "{compression}");
            }
        }
    });
}

/// With two buffers, many readers and blocks of 4 KiB, the readers that are ahead would take all
/// there is, if the head of the line had none of its own.
#[test]
fn a_tiny_memory_with_many_threads_does_not_hang() {
    with_watchdog(|| {
        let tree = mixed();
        for round in 0..5 {
            let options = Options {
                jobs: NonZeroUsize::new(1 << round).unwrap(),
                memory_bytes: 0,
                block_size_bytes: 4096,
                ..options()
            };
            image(&tree, &Nothing, &options).unwrap();
        }
    });
}

/// A medium that is full after so many bytes.
struct Full(u64);

impl WriteAt for Full {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match offset + bytes.len() as u64 > self.0 {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => Ok(()),
        }
    }
}

#[test]
fn a_full_medium_stops_everything() {
    with_watchdog(|| {
        let tree = mixed();
        for jobs in [1, 8] {
            for memory_bytes in [0, 64 << 20] {
                for space in [0, 1 << 20, 3 << 20] {
                    let options = Options {
                        jobs: NonZeroUsize::new(jobs).unwrap(),
                        memory_bytes,
                        ..options()
                    };
                    let full = Full(space);
                    let error = write(&tree, &Nothing, &full, &options, &NoProgress).unwrap_err();
                    let WriteError::Output(source) = &error else {
                        panic!("{error:?}");
                    };
                    assert_eq!(source.kind(), io::ErrorKind::StorageFull);
                }
            }
        }
    });
}

/// Interrupts once so many bytes are done.
struct Impatient {
    done: AtomicU64,
    limit: u64,
}

impl Progress for Impatient {
    fn start(&self, _: &str, _: Option<u64>) {}

    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn interrupted(&self) -> bool {
        self.done.load(Ordering::Relaxed) >= self.limit
    }
}

#[test]
fn an_interrupt_stops_everything_and_progress_adds_up() {
    with_watchdog(|| {
        let tree = mixed();
        let (_, summary) = image(&tree, &Nothing, &options()).unwrap();
        for limit in [0, 1, 1 << 20, summary.content_bytes] {
            let progress = Impatient {
                done: AtomicU64::new(0),
                limit,
            };
            let memory = Memory::default();
            let error = write(&tree, &Nothing, &memory, &options(), &progress).unwrap_err();
            assert!(matches!(error, WriteError::Interrupted), "{error:?}");
            let image = memory.0.into_inner().unwrap();
            assert!(!image.starts_with(b"hsqs"));
        }
        let progress = Impatient {
            done: AtomicU64::new(0),
            limit: u64::MAX,
        };
        write(&tree, &Nothing, &Memory::default(), &options(), &progress).unwrap();
        assert_eq!(progress.done.into_inner(), summary.content_bytes);
    });
}

#[test]
fn what_the_format_cannot_hold_is_an_error() {
    let fails = |tree: &Tree| image(tree, &Nothing, &options()).unwrap_err();

    let mut tree = new_tree();
    for number in 0..70_000 {
        let metadata = Metadata {
            uid: number,
            ..METADATA
        };
        let name = format!("{number}");
        tree.add(
            Tree::ROOT,
            name.as_bytes(),
            metadata,
            Kind::Fifo,
            Box::default(),
        )
        .unwrap();
    }
    assert!(matches!(fails(&tree), WriteError::Ids));

    for length in [0, 4097, 65_536] {
        let mut tree = new_tree();
        add(
            &mut tree,
            Tree::ROOT,
            "link",
            Kind::Symlink(vec![b'x'; length].into()),
        );
        let error = fails(&tree);
        assert!(
            matches!(&error, WriteError::Symlink { path, length_bytes } if path == b"link" && *length_bytes == length),
            "{error:?}"
        );
    }

    let mut tree = new_tree();
    let device = Device {
        major: 4096,
        minor: 0,
    };
    add(&mut tree, Tree::ROOT, "device", Kind::BlockDevice(device));
    assert!(matches!(
        fails(&tree),
        WriteError::Device { major: 4096, .. }
    ));

    let mut tree = new_tree();
    let huge = Kind::File {
        length_bytes: 1 << 60,
        content: Content::Source,
    };
    add(&mut tree, Tree::ROOT, "huge", huge);
    assert!(matches!(fails(&tree), WriteError::FileSize { .. }));
}

#[test]
fn options_are_checked() {
    let fails = |options: Options| image(&new_tree(), &Nothing, &options).unwrap_err();
    for block_size_bytes in [0, 2048, 5000, 2 << 20] {
        let options = Options {
            block_size_bytes,
            ..options()
        };
        assert!(matches!(fails(options), WriteError::BlockSize(_)));
    }
    for compression in [
        Compression::Zstd { level: 0 },
        Compression::Zstd { level: 23 },
        Compression::Gzip { level: 0 },
        Compression::Gzip { level: 13 },
        Compression::Lz4 { level: 0 },
        Compression::Lz4 { level: 13 },
        Compression::Xz {
            level: 10,
            filter: XzFilter::Auto,
        },
    ] {
        let options = Options {
            compression,
            ..options()
        };
        assert!(matches!(fails(options), WriteError::Level { .. }));
    }
    let compression = Compression::Xz {
        level: 11,
        filter: XzFilter::None,
    };
    let error = fails(Options {
        compression,
        ..options()
    });
    assert_eq!(error.to_string(), "xz has no level 11, only 0 to 9");
}

/// Quadratic work, such as walking a list of all files of a length, would take minutes.
#[test]
fn sixty_thousand_small_files_of_one_length() {
    with_watchdog(|| {
        let mut tree = new_tree();
        for number in 0..60_000 {
            let name = format!("{number}");
            add(
                &mut tree,
                Tree::ROOT,
                &name,
                Kind::inline_file(noise(number, 100)),
            );
        }
        let (image, summary) = image(&tree, &Nothing, &options()).unwrap();
        assert_eq!(summary.duplicate_files, 0);
        assert_eq!(summary.stored_bytes, 6_000_000);
        if let Some(mounted) = Mounted::new(&image) {
            let file = mounted.path().join("59999");
            assert_eq!(std::fs::read(file).unwrap(), noise(59_999, 100));
        }
    });
}
