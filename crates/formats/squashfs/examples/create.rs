//! Makes an image of a directory: `create DIRECTORY IMAGE [CODEC [LEVEL [JOBS [MEMORY]]]]`.
//! The codecs are zstd, gzip, xz, xz-plain (without filters) and lz4.

#[path = "../tests/support/scan.rs"]
mod scan;

use livestick_blockio::NoProgress;
use livestick_squashfs::{Compression, Options, XzFilter};
use livestick_tree::RootDirectory;
use std::error::Error;
use std::fs::File;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("no directory")?);
    let image = PathBuf::from(arguments.next().ok_or("no image")?);
    let mut text = arguments.map(|argument| argument.into_string().unwrap_or_default());
    let codec = text.next().unwrap_or_default();
    let level = text.next().map(|level| level.parse()).transpose()?;
    let compression = match codec.as_str() {
        "gzip" => Compression::Gzip {
            level: level.unwrap_or(6),
        },
        "xz" | "xz-plain" => Compression::Xz {
            level: level.unwrap_or(6),
            filter: match codec.as_str() {
                "xz" => XzFilter::Auto,
                _ => XzFilter::None,
            },
        },
        "lz4" => Compression::Lz4 {
            level: level.unwrap_or(1),
        },
        _ => Compression::Zstd {
            level: level.unwrap_or(3),
        },
    };
    let mut options = Options::new(compression);
    if let Some(jobs) = text.next() {
        options.jobs = jobs.parse()?;
    }
    if let Some(memory) = text.next() {
        options.memory_bytes = memory.parse()?;
    }
    let tree = scan::scan(&directory)?;
    let source = RootDirectory::open(&directory)?;
    let output = File::create(&image)?;
    let summary = livestick_squashfs::write(&tree, &source, &output, &options, &NoProgress)?;
    println!(
        "{} bytes from {}: {:?}, {} fragments, {} duplicates, {} bytes of holes, {} changed",
        summary.length_bytes,
        summary.content_bytes,
        summary.counts,
        summary.fragments,
        summary.duplicate_files,
        summary.sparse_bytes,
        summary.changed.len(),
    );
    for lost in &summary.lost_xattrs {
        let (path, name) = (lost.path.escape_ascii(), lost.name.escape_ascii());
        println!("{path}: {name} cannot be held");
    }
    Ok(())
}
