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

/// With these, images are made and checked before anything is timed. With the slower codecs this
/// would take longer than the benchmark: there the first image that is timed is compared.
const QUICK: [&str; 3] = ["zstd:3", "gzip", "lz4"];
/// This one always, so that every data set is checked before.
const ALWAYS: &str = QUICK[0];

/// Whether images of this codec are checked before anything is timed.
pub fn is_quick(codec: &str) -> bool {
    QUICK.contains(&codec)
}

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
pub fn holds(image: &Path, source: &Path, data: Data) -> Result<()> {
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

/// The quick codecs that the contests have, and the one that is always among them.
pub fn codecs(contests: &[&Contest]) -> Vec<&'static str> {
    let used: Vec<_> = contests
        .iter()
        .flat_map(|contest| contest.ours)
        .map(|ours| ours.codec)
        .collect();
    QUICK
        .into_iter()
        .filter(|codec| *codec == ALWAYS || used.contains(codec))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::contests::CONTESTS;
    use super::*;
    use clap::ValueEnum;

    #[test]
    fn every_data_set_is_checked_before_it_is_timed() {
        let codecs_of = |data| {
            let contests = CONTESTS.iter().filter(|contest| contest.data == data);
            codecs(&contests.collect::<Vec<_>>())
        };
        assert_eq!(codecs_of(Data::Root), ["zstd:3", "gzip", "lz4"]);
        assert_eq!(codecs_of(Data::Small), ["zstd:3", "gzip"]);
        for data in Data::value_variants() {
            assert!(codecs_of(*data).contains(&"zstd:3"), "{data:?}");
        }
    }
}
