//! From a root to a stick's image.

use crate::failure::{Exit, Failure};
use crate::pipeline::audit::AuditReport;
use crate::pipeline::built::{
    Built, Differences, ImageSize, Mount, Outcome, Ram, RootSize, SquashfsSize,
};
use crate::pipeline::device;
use crate::pipeline::failures::no_squashfs;
use crate::pipeline::place::Place;
use crate::pipeline::source::{self, Prepared};
use crate::pipeline::stick::{self, Boot};
use crate::pipeline::warnings;
use crate::progress::Display;
use crate::settings::{self, Build, Clock, Stick};
use anyhow::Context;
use livestick_blockio::Progress;
use livestick_capture::{Mode, Options};
use livestick_handoff::{RamBudget, Segments, Workload};
use livestick_image::{
    BootCode, Destination, Identities, Layout, RootImage, Settings, Timestamp, WriteError, Written,
};
use livestick_squashfs::Summary;
use livestick_tree::Tree;
use std::path::PathBuf;

/// Makes the image.
pub fn build(mut settings: Build, display: &Display) -> Result<Built, Failure> {
    let place = Place::open(&settings, display)?;
    settings.stick.size = place.size().unwrap_or(settings.stick.size);
    display.start("prepare", None);
    let prepared = source::prepare(&settings.stick)?;
    let mut boot = stick::boot(&prepared, &settings.stick, display)?;
    let names = place.names();
    let (capture, options) = source::capture(&prepared, &mut settings.stick, &names, display)?;
    let longest = stick::longest(
        &capture.tree,
        &settings.stick,
        &squashfs_options(&settings.stick),
    )?;
    boot.make_room(&capture.tree, &settings.stick, longest)?;
    let workload = stick::workload(&capture.tree);
    let mut built = planned(
        &prepared,
        capture.report,
        &options,
        Some(&boot),
        longest,
        workload,
    );
    let found = warnings::of_plan(
        &prepared,
        &settings.stick,
        &options,
        &capture.tree,
        Some(&boot),
    );
    built.warnings.extend(found);
    let audit = AuditReport::of(&prepared, &settings.stick, &capture.tree, display)?;
    // A stick for others with secrets on it is never what was meant.
    audit.verdict(options.rules.mode() == Mode::Generic)?;
    built.warnings.extend(audit.warning());
    if display.interrupted() {
        return Err(Failure::interrupted());
    }
    let volume = volume_settings(&settings.stick, boot.boot_code);
    let root = Root {
        tree: &capture.tree,
        prepared: &prepared,
        settings: &settings.stick,
    };
    let path = place.path();
    let destination = place.begin(display)?;
    let (written, summary) = root.write(boot.layout, destination, &volume, display)?;
    built.warnings.extend(warnings::of_root(&summary));
    built.differences.add(&summary);
    built.outcome = Some(outcome(&settings, path, &written, &summary));
    let budget = RamBudget::new(workload, written.segments.image_bytes());
    built.ram = Ram::of(budget);
    built.stages = display.finish();
    Ok(built)
}

/// The root on its way into the image.
struct Root<'a> {
    tree: &'a Tree,
    prepared: &'a Prepared,
    settings: &'a Stick,
}

impl Root<'_> {
    fn write(
        &self,
        layout: Layout,
        destination: Destination,
        volume: &Settings,
        display: &Display,
    ) -> Result<(Written, Summary), Failure> {
        let options = squashfs_options(self.settings);
        let mut summary = None;
        let is_stick = matches!(destination, Destination::Device(_));
        let written = layout.write(
            destination,
            volume,
            |place| {
                let files = self.prepared.source.files();
                let made = livestick_squashfs::write(self.tree, files, place, &options, display)?;
                let image = RootImage {
                    length_bytes: made.length_bytes,
                    superblock: made.superblock,
                };
                summary = Some(made);
                Ok(image)
            },
            display,
        );
        let written = written.map_err(match is_stick {
            true => stick_not_written,
            false => not_written,
        })?;
        let summary = summary.context("the root image was not made")?;
        Ok((written, summary))
    }
}

/// What is known before anything is written.
pub fn planned(
    prepared: &Prepared,
    report: livestick_capture::Report,
    options: &Options,
    boot: Option<&Boot>,
    longest: Segments,
    workload: Workload,
) -> Built {
    Built {
        title: prepared.facts.title.clone(),
        kernel: boot.map(|boot| boot.selection.kernel.release.clone()),
        kernel_is_newest: boot.is_some_and(|boot| boot.selection.is_newest),
        other_kernels: boot.map_or_else(Vec::new, |boot| boot.selection.others.clone()),
        firmware: boot.map_or_else(Vec::new, |boot| boot.firmware.clone()),
        root: RootSize {
            bytes: report.bytes,
            files: report.files,
            segments: longest.count(),
        },
        ram: Ram::of(RamBudget::new(workload, longest.image_bytes())),
        initramfs: boot.map(|boot| boot.initramfs.clone()),
        outcome: None,
        warnings: boot
            .map(|boot| warnings::of_kernels(&boot.selection))
            .into_iter()
            .flatten()
            .chain(warnings::of_capture(&report))
            .collect(),
        mounts: report.mounts.iter().map(Mount::of).collect(),
        differences: Differences::of(report, &options.exclusions),
        stages: Vec::new(),
    }
}

fn outcome(settings: &Build, path: PathBuf, written: &Written, summary: &Summary) -> Outcome {
    Outcome {
        image: ImageSize {
            path,
            is_device: matches!(settings.place, settings::Place::Device { .. }),
            bytes: written.length_bytes,
            written_bytes: written.written_bytes,
            identity: written.identity.to_string(),
        },
        squashfs: SquashfsSize {
            bytes: written.segments.image_bytes(),
            segments: written.segments.count(),
            compression: settings.stick.compression.to_string(),
            duplicate_files: summary.duplicate_files,
            duplicate_bytes: summary.duplicate_bytes,
        },
    }
}

/// How the volume is made.
pub fn volume_settings(settings: &Stick, boot_code: Option<BootCode>) -> Settings {
    Settings {
        label: settings.label,
        timestamp: Timestamp::from_unix_seconds(settings.clock.seconds()),
        identities: match settings.clock {
            Clock::Now(_) => Identities::Random,
            Clock::Fixed(_) => Identities::FromDigest,
        },
        boot_code,
    }
}

/// How the root image is made.
pub fn squashfs_options(settings: &Stick) -> livestick_squashfs::Options {
    let seconds = settings.clock.seconds();
    livestick_squashfs::Options {
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

/// For a root that is larger than the size that was asked for.
pub const TOO_LONG_HINT: &str = "give a larger --size, leave something out with --exclude, or compress \
     harder with --compression";

fn not_written(error: WriteError) -> Failure {
    match error {
        WriteError::Interrupted => Failure::interrupted(),
        WriteError::NoSpace { .. } => Failure::new(Exit::Refused, error)
            .hint("free some space, or choose another place with --output"),
        WriteError::Full { .. } => Failure::new(Exit::Failed, error)
            .hint("free some space, or choose another place with --output"),
        WriteError::RootTooLong { .. } => Failure::new(Exit::Failed, error).hint(TOO_LONG_HINT),
        WriteError::Root { source } => match source.downcast::<livestick_squashfs::WriteError>() {
            Ok(error) => no_squashfs(*error),
            Err(source) => Failure::new(Exit::Failed, WriteError::Root { source }),
        },
        error => Failure::new(Exit::Failed, error),
    }
}

/// The same of a stick, on which something else was before.
pub fn stick_not_written(error: WriteError) -> Failure {
    const NO_ROOM_HINT: &str = "take a larger stick, leave something out with --exclude, or compress harder with --compression";
    let is_too_long = matches!(error, WriteError::RootTooLong { .. });
    let mut failure = match error {
        WriteError::Interrupted => Failure::message(Exit::Interrupted, "interrupted"),
        error => not_written(error),
    };
    if let Some((exit, hint)) = device::failure_of(&failure.error) {
        failure.exit = exit;
        failure.hint = hint.map(str::to_owned);
    } else if is_too_long {
        failure.hint = Some(NO_ROOM_HINT.to_owned());
    }
    let state = "as it is now, the stick boots nowhere";
    let hint = match &failure.hint {
        Some(hint) => format!("{hint}; {state}"),
        None => state.to_owned(),
    };
    failure.hint(hint).touched()
}
