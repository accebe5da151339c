//! Checks an image, and extracts it: `extract IMAGE [DIRECTORY]`.

use livestick_blockio::NoProgress;
use livestick_squashfs::{CheckOptions, ExtractOptions, Image, check};
use std::error::Error;
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let file = File::open(arguments.next().ok_or("no image")?)?;
    let begun = Instant::now();
    let report = check(&file, &CheckOptions::default(), &NoProgress)?;
    for finding in &report.findings {
        println!("{finding}");
    }
    println!(
        "{} findings; {:?}, {} bytes; {} blocks of {} bytes, in {:.1?}",
        report.findings_count,
        report.counts,
        report.content_bytes,
        report.blocks,
        report.stored_bytes,
        begun.elapsed(),
    );
    let Some(directory) = arguments.next().map(PathBuf::from) else {
        return Ok(());
    };
    let begun = Instant::now();
    let summary =
        Image::open(file)?.extract(&directory, &ExtractOptions::default(), &NoProgress)?;
    for lost in &summary.unrestored {
        let path = lost.path.escape_ascii();
        println!("{path}: no {:?}: {}", lost.part, lost.source);
    }
    println!(
        "{:?}, {} bytes, {} of them holes; {} not restored, in {:.1?}",
        summary.counts,
        summary.content_bytes,
        summary.sparse_bytes,
        summary.unrestored_count,
        begun.elapsed(),
    );
    Ok(())
}
