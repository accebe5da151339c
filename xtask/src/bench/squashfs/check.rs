//! An image counts only where it holds what it was made of.

use super::super::clear;
use super::contests::Contest;
use super::data::Data;
use super::programs::Programs;
use crate::process::run;
use anyhow::{Context, Result, bail};
use livestick_boot_tests::Mounted;
use livestick_boot_tests::compare::exact_differences;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

/// One worker and several make the same bytes of the data set, and the kernel sees its files in them.
pub fn before_timing(
    programs: &Programs,
    data: Data,
    codecs: &[&str],
    source: &Path,
    images: [&Path; 2],
) -> Result<()> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    // Now and not earlier, as later times in the source would become this one.
    let now = now.as_secs().to_string();
    for codec in codecs {
        for (jobs, image) in [(programs.jobs.max(2), images[0]), (1, images[1])] {
            run(programs
                .livestick(codec, jobs, source, image)
                .env("SOURCE_DATE_EPOCH", &now))?;
        }
        run(Command::new("cmp").args(images))
            .with_context(|| format!("{codec}: the number of workers changes the image"))?;
        holds(images[0], source, data)?;
    }
    Ok(())
}

/// Mounts the image and compares everything in it with the source.
///
/// Of a crowd the kernel lists the names, and what is compared is what `unsquashfs` unpacks: for
/// every name that is looked up, the kernel walks the directory's index from its start, in anybody's
/// image, so that a million take a quarter of an hour (`get_dir_index_using_name` in
/// `fs/squashfs/namei.c`).
fn holds(image: &Path, source: &Path, data: Data) -> Result<()> {
    eprintln!("Comparing the image with {}", source.display());
    let mounted = Mounted::try_squashfs(image).context("the kernel does not mount our image")?;
    if data != Data::Crowd {
        return same(source, mounted.path());
    }
    if names(source)? != names(mounted.path())? {
        bail!("the kernel lists other names in our image than there are in its source");
    }
    let unpacked = image.with_extension("unpacked");
    clear(std::slice::from_ref(&unpacked))?;
    run(Command::new("unsquashfs")
        .args(["-no-progress", "-quiet", "-dest"])
        .args([&unpacked, image]))?;
    same(source, &unpacked)?;
    clear(&[unpacked])
}

fn same(source: &Path, copy: &Path) -> Result<()> {
    let differences =
        exact_differences(source, copy).context("cannot compare the image with its source")?;
    if !differences.is_empty() {
        let first: Vec<_> = differences.iter().take(20).map(String::as_str).collect();
        bail!(
            "our image differs from its source in {} paths:\n{}",
            differences.len(),
            first.join("\n")
        );
    }
    Ok(())
}

fn names(folder: &Path) -> Result<BTreeSet<OsString>> {
    let names = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<_>>()
    });
    names.with_context(|| format!("cannot list {}", folder.display()))
}

/// The codecs that the contests have.
pub fn codecs(contests: &[&Contest]) -> Vec<&'static str> {
    let ours = contests.iter().flat_map(|contest| contest.ours);
    let codecs: BTreeSet<_> = ours.map(|ours| ours.codec).collect();
    codecs.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::super::contests::CONTESTS;
    use super::*;

    #[test]
    fn whatever_is_timed_is_checked_before() {
        for contest in CONTESTS {
            let checked = codecs(&[contest]);
            assert!(
                contest
                    .ours
                    .iter()
                    .all(|ours| checked.contains(&ours.codec))
            );
        }
        let root = CONTESTS.iter().filter(|contest| contest.data == Data::Root);
        let codecs = codecs(&root.collect::<Vec<_>>());
        assert_eq!(
            codecs,
            ["gzip", "gzip:10", "lz4", "xz", "zstd:15", "zstd:3"]
        );
    }
}
