//! The corpus of the fuzz targets, without the fuzzer: what each target does with each file.

#![allow(clippy::unwrap_used)]

#[path = "../../../../fuzz/bodies/tar.rs"]
mod tar;

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
fn the_corpus_of_tar() {
    replay("tar", tar::run);
}
