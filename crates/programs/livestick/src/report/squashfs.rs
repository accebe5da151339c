//! What came of `livestick squashfs`.

use super::{print_json, say, size, times};
use crate::failure::Failure;
use crate::pipeline::squashfs::{Checked, Created, Extracted, Foreseen};
use crate::settings::{OutputStyle, Volume};
use std::io::{self, Write};

/// Prints what image was made.
pub fn print_created(created: &Created, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        warn(&created.warnings);
        say(&created_text(created));
    }
    print_json(created, style)
}

/// Prints what image would be made.
pub fn print_foreseen(foreseen: &Foreseen, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        warn(&foreseen.warnings);
        say(&format!(
            "nothing was made; it would be about {} ({}): {} files{}\n{}",
            size(foreseen.estimated_bytes),
            foreseen.compression,
            foreseen.files,
            part(foreseen.estimated_bytes, foreseen.content_bytes),
            times(&foreseen.stages)
        ));
    }
    print_json(foreseen, style)
}

/// Prints what was extracted.
pub fn print_extracted(extracted: &Extracted, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        warn(&extracted.warnings);
        warn(&extracted.damaged);
        let more = extracted.damaged_count - extracted.damaged.len() as u64;
        if more > 0 {
            say(&format!("warning: {more} more things are damaged"));
        }
        say(&format!(
            "wrote {} files, {}, to {}\n{}",
            extracted.files,
            size(extracted.content_bytes),
            extracted.directory.display(),
            times(&extracted.stages)
        ));
    }
    print_json(extracted, style)
}

/// Prints what a check has found: the findings to standard output, a line each.
pub fn print_checked(checked: &Checked, style: OutputStyle) -> Result<(), Failure> {
    if style.volume > Volume::Quiet {
        if !style.json {
            print_findings(checked)?;
        }
        say(&checked_text(checked));
    }
    print_json(checked, style)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        say(&format!("warning: {warning}"));
    }
}

fn created_text(created: &Created) -> String {
    let path = created.path.as_ref();
    let name = path.map_or("standard output".to_owned(), |path| {
        path.display().to_string()
    });
    let part = part(created.bytes, created.content_bytes);
    let mut lines = vec![format!(
        "made {name}, {} ({}): {} files{part}",
        size(created.bytes),
        created.compression,
        created.files
    )];
    if created.duplicate_files > 0 {
        lines.push(format!(
            "  duplicates {} in {} files",
            size(created.duplicate_bytes),
            created.duplicate_files
        ));
    }
    if created.sparse_bytes > 0 {
        lines.push(format!("  holes      {}", size(created.sparse_bytes)));
    }
    if created.fragments > 0 {
        lines.push(format!("  fragments  {}", created.fragments));
    }
    lines.push(times(&created.stages));
    lines.join("\n")
}

/// How much of the contents the image is, where there are any. Of a few bytes that says nothing: the tables
/// alone are longer.
fn part(image_bytes: u64, content_bytes: u64) -> String {
    match content_bytes {
        0 => String::new(),
        bytes if image_bytes > bytes => format!(" of {}", size(bytes)),
        bytes => format!(", {} % of {}", image_bytes * 100 / bytes, size(bytes)),
    }
}

fn print_findings(checked: &Checked) -> Result<(), Failure> {
    let mut lines = String::new();
    for finding in &checked.findings {
        lines.push_str(&finding.line);
        lines.push('\n');
    }
    let more = checked.findings_count - checked.findings.len() as u64;
    if more > 0 {
        lines.push_str(&format!("and {more} more\n"));
    }
    match io::stdout().write_all(lines.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(error).context("cannot write the findings"))?
        }
        _ => Ok(()),
    }
}

fn checked_text(checked: &Checked) -> String {
    let how = match (&checked.compression, checked.block_size_bytes) {
        (Some(compression), Some(block)) => format!(" ({compression}, blocks of {block})"),
        _ => String::new(),
    };
    let state = match (checked.good, checked.findings_count) {
        (true, 0) => "is good".to_owned(),
        (true, 1) => "can be read; one thing is odd".to_owned(),
        (true, odd) => format!("can be read; {odd} things are odd"),
        (false, 1) => "is damaged; one thing is wrong".to_owned(),
        (false, wrong) => format!("is damaged; {wrong} things are wrong"),
    };
    format!(
        "{}{how} {state}: {} files, {}; {} blocks read\n{}",
        checked.image.display(),
        checked.files,
        size(checked.content_bytes),
        checked.blocks,
        times(&checked.stages)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_one_of_something_larger() {
        assert_eq!(part(4096, 0), "");
        assert_eq!(part(4096, 3), " of 3 B");
        assert!(part(4096, 8192).starts_with(", 50 % of "));
    }
}
