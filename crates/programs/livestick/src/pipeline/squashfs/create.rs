//! From a directory or an archive to a SquashFS image.

use super::contents::{Contents, Files, Missing};
use super::created::{Counts, Created, Foreseen, Losses};
use super::destination::Target;
use super::rewrite;
use crate::failure::{Exit, Failure};
use crate::pipeline::failures::no_squashfs;
use crate::pipeline::warnings;
use crate::progress::Display;
use crate::settings::{Clock, Create, Destination};
use livestick_squashfs::Summary;
use livestick_tree::{Tree, shown};

/// Makes the image.
pub fn create(mut settings: Create, display: &Display) -> Result<Created, Failure> {
    let ready = Ready::get(&mut settings, display)?;
    let (target, files) = (ready.target, ready.files.source());
    target.begin()?;
    let written = livestick_squashfs::write(&ready.tree, files, &target, &ready.options, display);
    let mut summary = match written {
        Ok(summary) => summary,
        Err(error) => {
            target.give_up();
            return Err(no_squashfs(error));
        }
    };
    target.publish()?;

    ready.missing.add_acls(&mut summary.lost_xattrs);
    let mut created = created(&settings, &summary, &ready.missing);
    created.warnings = ready.warnings;
    created.warnings.extend(warnings::of_root(&summary));
    created.stages = display.finish();
    Ok(created)
}

/// Says what [`create`] would make, and makes nothing.
pub fn foresee(mut settings: Create, display: &Display) -> Result<Foreseen, Failure> {
    let ready = Ready::get(&mut settings, display)?;
    let files = ready.files.source();
    let estimate = livestick_survey::estimate(&ready.tree, files, &ready.options, display);
    let mut estimate = estimate.map_err(no_squashfs)?;
    ready.missing.add_acls(&mut estimate.lost_xattrs);
    let mut warnings = ready.warnings;
    warnings.extend(warnings::of_format(
        &estimate.lost_xattrs,
        &estimate.clamped_times,
    ));
    Ok(Foreseen {
        estimated_bytes: estimate.length_bytes,
        compression: settings.compression.to_string(),
        block_size_bytes: settings.block_size_bytes,
        files: estimate.counts.total(),
        counts: Counts::of(estimate.counts),
        content_bytes: estimate.content_bytes,
        losses: Losses::foreseen(&estimate, &ready.missing),
        warnings,
        stages: display.finish(),
    })
}

/// All that is known before anything is written.
struct Ready {
    target: Target,
    tree: Tree,
    files: Files,
    options: livestick_squashfs::Options,
    warnings: Vec<String>,
    missing: Missing,
}

impl Ready {
    fn get(settings: &mut Create, display: &Display) -> Result<Self, Failure> {
        let target = Target::open(&settings.destination)?;
        let Contents {
            mut tree,
            files,
            mut warnings,
            missing,
        } = Contents::read(settings, &target.names(), display)?;
        rewrite_tree(&mut tree, settings)?;
        let mut options = squashfs_options(settings);
        let (priorities, unknown) = rewrite::priorities(&tree, &settings.sort);
        options.priorities = priorities;
        let unknown = unknown.iter();
        warnings.extend(
            unknown.map(|path| format!("--sort names `{}`, which is not there", shown(path))),
        );
        Ok(Self {
            target,
            tree,
            files,
            options,
            warnings,
            missing,
        })
    }
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
        changing: settings.changing,
        memory_bytes: settings.memory_bytes,
        unreadable: match settings.unreadable {
            livestick_capture::Unreadable::Fail => livestick_squashfs::Unreadable::Fail,
            livestick_capture::Unreadable::Skip => livestick_squashfs::Unreadable::Skip,
        },
        ..livestick_squashfs::Options::new(settings.compression)
    }
}

fn created(settings: &Create, summary: &Summary, missing: &Missing) -> Created {
    Created {
        // As it was typed, whatever it leads to.
        path: match &settings.destination {
            Destination::Named { path, .. } => Some(path.clone()),
            Destination::StandardOutput { .. } => None,
        },
        bytes: summary.length_bytes,
        compression: settings.compression.to_string(),
        block_size_bytes: settings.block_size_bytes,
        files: summary.counts.total(),
        counts: Counts::of(summary.counts),
        content_bytes: summary.content_bytes,
        stored_bytes: summary.stored_bytes,
        fragments: summary.fragments,
        duplicate_files: summary.duplicate_files,
        duplicate_bytes: summary.duplicate_bytes,
        sparse_bytes: summary.sparse_bytes,
        losses: Losses::of(summary, missing),
        warnings: Vec::new(),
        stages: Vec::new(),
    }
}
