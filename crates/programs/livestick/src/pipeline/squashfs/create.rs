//! From a directory or an archive to a SquashFS image.

use super::contents::Contents;
use super::created::{Counts, Created, Losses};
use super::destination::Target;
use super::rewrite;
use crate::failure::{Exit, Failure};
use crate::pipeline::failures::no_squashfs;
use crate::pipeline::warnings;
use crate::progress::Display;
use crate::settings::{Clock, Create};
use livestick_squashfs::Summary;
use livestick_tree::Tree;
use std::path::PathBuf;

/// Makes the image.
pub fn create(mut settings: Create, display: &Display) -> Result<Created, Failure> {
    let target = Target::open(&settings.destination)?;
    let contents = Contents::read(&mut settings, &target.names(), display)?;
    let Contents {
        mut tree,
        files,
        warnings,
        unreadable,
    } = contents;
    rewrite_tree(&mut tree, &settings)?;
    let mut options = squashfs_options(&settings);
    let (priorities, missing) = rewrite::priorities(&tree, &settings.sort);
    options.priorities = priorities;
    target.begin()?;
    let written = livestick_squashfs::write(&tree, files.source(), &target, &options, display);
    let summary = match written {
        Ok(summary) => summary,
        Err(error) => {
            target.give_up();
            return Err(no_squashfs(error));
        }
    };
    let path = target.publish()?;

    let mut created = created(&settings, path, &summary, &unreadable);
    created.warnings = warnings;
    let missing = missing
        .iter()
        .map(|path| format!("--sort names `{path}`, which is not there"));
    created.warnings.extend(missing);
    created.warnings.extend(warnings::of_root(&summary));
    created.stages = display.finish();
    Ok(created)
}

fn rewrite_tree(tree: &mut Tree, settings: &Create) -> Result<(), Failure> {
    rewrite::add(tree, &settings.added).map_err(|error| Failure::new(Exit::Usage, error))?;
    rewrite::filter_xattrs(tree, &settings.xattrs);
    rewrite::give(tree, settings.owner);
    Ok(())
}

fn squashfs_options(settings: &Create) -> livestick_squashfs::Options {
    let seconds = settings.clock.seconds();
    livestick_squashfs::Options {
        block_size_bytes: settings.block_size_bytes,
        jobs: settings.jobs,
        created: u32::try_from(seconds).unwrap_or(u32::MAX),
        clamp: match settings.clock {
            Clock::Now(_) => None,
            Clock::Fixed(seconds) => i64::try_from(seconds).ok(),
        },
        unreadable: match settings.unreadable {
            livestick_capture::Unreadable::Fail => livestick_squashfs::Unreadable::Fail,
            livestick_capture::Unreadable::Skip => livestick_squashfs::Unreadable::Skip,
        },
        ..livestick_squashfs::Options::new(settings.compression)
    }
}

fn created(
    settings: &Create,
    path: Option<PathBuf>,
    summary: &Summary,
    unreadable: &[PathBuf],
) -> Created {
    Created {
        path,
        bytes: summary.length_bytes,
        compression: settings.compression.to_string(),
        block_size_bytes: settings.block_size_bytes,
        files: summary.counts.total(),
        counts: Counts::of(summary),
        content_bytes: summary.content_bytes,
        stored_bytes: summary.stored_bytes,
        fragments: summary.fragments,
        duplicate_files: summary.duplicate_files,
        duplicate_bytes: summary.duplicate_bytes,
        sparse_bytes: summary.sparse_bytes,
        losses: Losses::of(summary, unreadable),
        warnings: Vec::new(),
        stages: Vec::new(),
    }
}
