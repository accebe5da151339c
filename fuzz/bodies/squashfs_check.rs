//! Any bytes as an image: checked. What the checker finds nothing wrong with can be read.

use livestick_blockio::NoProgress;
use livestick_squashfs::{CheckOptions, Image, Severity, check};
use std::num::NonZeroUsize;

/// What the target does with some bytes.
pub fn run(bytes: &[u8]) {
    let options = CheckOptions {
        jobs: NonZeroUsize::MIN,
        quick: false,
    };
    // Of lzo nothing is known.
    let Ok(report) = check(&bytes, &options, &NoProgress) else {
        return;
    };
    let mounts = report.worst < Some(Severity::Mount);
    assert!(!mounts || Image::open(bytes).is_ok() || report.worst == Some(Severity::Access));
    if report.worst.is_none() {
        read(bytes);
    }
}

/// Everything in an image that is good. Its tree is one, so this ends.
fn read(bytes: &[u8]) {
    let image = Image::open(bytes).expect("it is good");
    let mut waiting = vec![image.root().expect("it is good")];
    while let Some(inode) = waiting.pop() {
        image.xattrs(&inode).expect("it is good");
        if inode.length_bytes().is_some_and(|length| length < 1 << 20) {
            let mut content = image.content(&inode).expect("it is a file");
            while content.next_piece().expect("it is good").is_some() {}
        }
        if inode.is_directory() {
            let entries = image.entries(&inode).expect("it is a directory");
            waiting.extend(entries.map(|entry| entry.expect("it is good").inode));
        }
    }
}
