//! Extraction: what is selected, what is in the way, and what must never happen.

use crate::support::image::{METADATA, Nothing, add, image, new_tree, options};
use crate::support::plain::plain;
use livestick_blockio::NoProgress;
use livestick_squashfs::{
    Compression, Existing, ExtractOptions, ExtractSummary, Image, Options, Owners, ReadError,
    UnrestoredPart,
};
use livestick_tree::{Kind, Metadata, Tree};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn write(tree: &Tree) -> Vec<u8> {
    let options = Options {
        compression: Compression::Gzip { level: 1 },
        ..options()
    };
    image(tree, &Nothing, &options).unwrap().0
}

/// Where to extract to, with a place outside that must stay as it is.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("outside")).unwrap();
        Self { directory }
    }

    fn target(&self) -> PathBuf {
        self.directory.path().join("target")
    }

    fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    fn extract(&self, bytes: &[u8], options: &ExtractOptions) -> Result<ExtractSummary, ReadError> {
        let image = Image::open(bytes)?;
        image.extract(&self.target(), options, &NoProgress)
    }

    /// Nothing is outside but what was there.
    fn assert_clean(&self) {
        assert_eq!(fs::read_dir(self.outside()).unwrap().count(), 0);
        let names = fs::read_dir(self.directory.path()).unwrap();
        assert!(names.count() <= 2);
    }
}

fn replace() -> ExtractOptions {
    ExtractOptions {
        existing: Existing::Replace,
        owners: Owners::Caller,
        ..ExtractOptions::default()
    }
}

fn small_tree() -> Tree {
    let mut tree = new_tree();
    let etc = add(&mut tree, Tree::ROOT, "etc", Kind::empty_directory());
    add(&mut tree, etc, "passwd", Kind::inline_file(*b"root"));
    add(&mut tree, etc, "shadow", Kind::inline_file(*b"secret"));
    let usr = add(&mut tree, Tree::ROOT, "usr", Kind::empty_directory());
    for name in ["lib32", "lib64", "bin"] {
        let lib = add(&mut tree, usr, name, Kind::empty_directory());
        add(&mut tree, lib, "x.so", Kind::inline_file(*b"code"));
    }
    tree
}

fn names(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else {
                let path = entry.path();
                names.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    names.sort();
    names
}

#[test]
fn only_what_is_asked_for() {
    let place = Place::new();
    let bytes = write(&small_tree());
    let options = ExtractOptions {
        paths: vec!["etc/pass*".into(), "/usr/lib[36]?/".into(), "none".into()],
        ..ExtractOptions::default()
    };
    let summary = place.extract(&bytes, &options).unwrap();
    assert_eq!(
        names(&place.target()),
        ["etc/passwd", "usr/lib32/x.so", "usr/lib64/x.so"]
    );
    assert_eq!(summary.unmatched, [b"none"]);
    assert_eq!(summary.counts.files, 3);
}

#[test]
fn a_target_that_is_not_empty_is_refused_or_filled() {
    let place = Place::new();
    let bytes = write(&small_tree());
    fs::create_dir_all(place.target().join("etc")).unwrap();
    fs::write(place.target().join("etc/passwd"), "old").unwrap();
    fs::write(place.target().join("etc/other"), "kept").unwrap();
    let refused = place.extract(&bytes, &ExtractOptions::default());
    assert!(matches!(refused, Err(ReadError::TargetNotEmpty)));
    assert_eq!(names(&place.target()), ["etc/other", "etc/passwd"]);

    place.extract(&bytes, &replace()).unwrap();
    let read = |name| fs::read_to_string(place.target().join(name)).unwrap();
    assert_eq!(
        (read("etc/passwd").as_str(), read("etc/other").as_str()),
        ("root", "kept")
    );
}

#[test]
fn a_directory_is_never_removed_for_a_file() {
    let place = Place::new();
    fs::create_dir_all(place.target().join("etc/passwd/deep")).unwrap();
    let refused = place.extract(&write(&small_tree()), &replace());
    let Err(ReadError::Exists(path)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(path, b"etc/passwd");
    assert!(place.target().join("etc/passwd/deep").exists());
}

#[test]
fn links_in_the_target_are_not_followed() {
    let place = Place::new();
    fs::create_dir(place.target()).unwrap();
    symlink(place.outside(), place.target().join("etc")).unwrap();
    fs::create_dir(place.target().join("usr")).unwrap();
    symlink(
        place.outside().join("new"),
        place.target().join("usr/lib32"),
    )
    .unwrap();
    place.extract(&write(&small_tree()), &replace()).unwrap();
    place.assert_clean();
    assert!(!place.target().join("etc").is_symlink());
    assert_eq!(
        fs::read(place.target().join("usr/lib32/x.so")).unwrap(),
        b"code"
    );
}

/// Finds a name behind the superblock and changes it.
fn forge(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut forged = bytes.to_vec();
    let mut found = 0;
    for at in 96..bytes.len() - from.len() {
        if bytes[at..].starts_with(from) {
            forged[at..at + to.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0, "the metadata is compressed");
    forged
}

/// A link that leads out, and a directory.
fn forgeable() -> Tree {
    let mut tree = new_tree();
    let kind = Kind::Symlink(b"../outside".as_slice().into());
    add(&mut tree, Tree::ROOT, "aaaaaa", kind);
    let directory = add(&mut tree, Tree::ROOT, "bbbbbb", Kind::empty_directory());
    add(&mut tree, directory, "new", Kind::inline_file(*b"evil"));
    tree
}

#[test]
fn a_link_and_then_a_directory_of_the_same_name() {
    let bytes = forge(&plain(&write(&forgeable())).bytes, b"bbbbbb", b"aaaaaa");
    for options in [ExtractOptions::default(), replace()] {
        let place = Place::new();
        let refused = place.extract(&bytes, &options);
        assert!(
            matches!(
                refused,
                Err(ReadError::Exists(_) | ReadError::Extract { .. })
            ),
            "{refused:?}"
        );
        place.assert_clean();
    }
}

#[test]
fn names_that_are_none() {
    for name in [b"../x/y", b"/x/y/z", b"aa/../", b"a\0bbbb"] {
        let place = Place::new();
        let bytes = forge(&plain(&write(&forgeable())).bytes, b"bbbbbb", name);
        let refused = place.extract(&bytes, &ExtractOptions::default());
        assert!(matches!(refused, Err(ReadError::Name(_))), "{refused:?}");
        place.assert_clean();
    }
    for (name, evil) in [(&b"q"[..], &b"."[..]), (b"qq", b"..")] {
        let mut tree = new_tree();
        let text = std::str::from_utf8(name).unwrap();
        let directory = add(&mut tree, Tree::ROOT, text, Kind::empty_directory());
        add(&mut tree, directory, "new", Kind::inline_file(*b"evil"));
        let place = Place::new();
        let bytes = forge(&plain(&write(&tree)).bytes, name, evil);
        let refused = place.extract(&bytes, &ExtractOptions::default());
        assert!(matches!(refused, Err(ReadError::Name(_))), "{refused:?}");
        place.assert_clean();
    }
}

/// Deeper than what is kept open, and than one path can name.
#[test]
fn a_deep_tree_is_extracted() {
    const DEPTH: usize = 400;
    let name = "d".repeat(50);
    let mut tree = new_tree();
    let mut at = Tree::ROOT;
    for _ in 0..DEPTH {
        add(&mut tree, at, "after", Kind::inline_file(*b"x"));
        at = add(&mut tree, at, &name, Kind::empty_directory());
    }
    let last = add(&mut tree, Tree::ROOT, "zlast", Kind::empty_directory());
    add(&mut tree, last, "file", Kind::inline_file(*b"y"));
    let place = Place::new();
    let summary = place.extract(&write(&tree), &ExtractOptions::default());
    assert_eq!(summary.unwrap().counts.directories, DEPTH as u64 + 2);
    assert_eq!(fs::read(place.target().join("zlast/file")).unwrap(), b"y");
    // The time is set when a directory is left, and so tells that it was opened again.
    let time = |path: &Path| fs::metadata(path).unwrap().mtime();
    let mut path = place.target();
    for _ in 0..60 {
        path.push(&name);
        assert_eq!(time(&path), METADATA.modified_seconds, "{path:?}");
    }
}

/// A path that nobody could have made.
#[test]
fn a_tree_without_end_is_an_error_and_not_a_crash() {
    let mut tree = new_tree();
    let mut at = Tree::ROOT;
    for _ in 0..300 {
        at = add(&mut tree, at, &"d".repeat(250), Kind::empty_directory());
    }
    let place = Place::new();
    let refused = place.extract(&write(&tree), &ExtractOptions::default());
    assert!(
        matches!(refused, Err(ReadError::PathLength(_))),
        "{refused:?}"
    );
}

#[test]
fn setuid_is_left_out_with_another_owner() {
    let mut tree = new_tree();
    let metadata = Metadata {
        permissions: 0o6755,
        ..METADATA
    };
    let kind = Kind::inline_file(*b"program");
    tree.add(Tree::ROOT, b"su", metadata, kind, Box::default())
        .unwrap();
    let place = Place::new();
    let options = ExtractOptions {
        owners: Owners::Caller,
        ..ExtractOptions::default()
    };
    let summary = place.extract(&write(&tree), &options).unwrap();
    let mode = fs::metadata(place.target().join("su"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o755);
    assert_eq!(summary.unrestored_count, 1);
    assert_eq!(summary.unrestored[0].part, UnrestoredPart::SetId);
    assert_eq!(summary.unrestored[0].path, b"su");
}
