//! The corpus of the fuzz targets, without the fuzzer: what each target does with each file.

#![allow(clippy::unwrap_used)]

#[path = "../../../../fuzz/bodies/squashfs_check.rs"]
mod squashfs_check;
#[path = "../../../../fuzz/bodies/squashfs_read.rs"]
mod squashfs_read;

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../fuzz/corpus");
    let files = std::fs::read_dir(format!("{corpus}/{target}")).unwrap();
    let mut count = 0;
    for file in files {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        // Where one fails, its name is what one wants to know.
        println!("{}", path.display());
        run(&bytes);
        count += 1;
    }
    assert!(count > 0, "{target} has no corpus");
}

#[test]
fn the_corpus_of_squashfs_check() {
    replay("squashfs_check", squashfs_check::run);
}

#[test]
fn the_corpus_of_squashfs_read() {
    replay("squashfs_read", squashfs_read::run);
}
