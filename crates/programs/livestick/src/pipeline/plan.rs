//! What a build would do, in figures, with nothing written.

use crate::failure::{Exit, Failure};
use crate::pipeline::audit::AuditReport;
use crate::pipeline::build::{TOO_LONG_HINT, planned, squashfs_options, volume_settings};
use crate::pipeline::built::{Built, Ram};
use crate::pipeline::failures::{no_output, no_squashfs};
use crate::pipeline::stick::{self, Boot};
use crate::pipeline::{source, warnings};
use crate::progress::Display;
use crate::report::size;
use crate::settings;
use livestick_blockio::Progress;
use livestick_handoff::RamBudget;
use livestick_image::{Existing, Output};
use livestick_squashfs::Estimate;
use livestick_survey::{Packages, Sizes};
use serde::Serialize;
use std::path::PathBuf;

/// What a cheap stick writes in a second.
const STICK_BYTES_PER_SECOND: u64 = 20_000_000;
/// What sticks are sold as.
const STICK_SIZES_GB: [u64; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// What a build would do.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// What is known of the stick.
    #[serde(flatten)]
    pub stick: Built,
    /// Where the root is.
    pub source: String,
    /// How the root is compressed.
    pub compression: String,
    /// Why a build would be refused.
    pub refusal: Option<Refusal>,
    /// How large it gets, and how long it takes.
    pub estimate: Figures,
    /// What SquashFS cannot hold.
    pub not_held: NotHeld,
    /// Secrets in it.
    pub audit: AuditReport,
    /// Whose database says which package brought a file.
    pub package_manager: Option<&'static str>,
    /// What takes the space.
    pub sizes: Sizes,
}

/// Why a build would be refused, and what to do about it.
#[derive(Debug, Serialize)]
pub struct Refusal {
    /// Why.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

/// How large it gets, and how long it takes, going by a sample.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// The root image.
    pub root_image_bytes: u64,
    /// The stick's image, where there can be one.
    pub image_bytes: Option<u64>,
    /// The smallest stick that holds it, as it is sold.
    pub stick_gigabytes: Option<u64>,
    /// How much was compressed to find that out.
    pub sampled_bytes: u64,
    /// How long a build takes.
    pub build_seconds: u64,
    /// How long a slow stick takes to be written, at 20 MB/s.
    pub write_seconds: Option<u64>,
    /// With how many threads.
    pub threads: usize,
}

/// What SquashFS cannot hold.
#[derive(Debug, Serialize)]
pub struct NotHeld {
    /// ACLs and other attributes.
    pub attributes: Vec<LostAttribute>,
    /// How many files have a time before 1970 or after 2106.
    pub times: u64,
}

/// An attribute that SquashFS cannot hold.
#[derive(Debug, Serialize)]
pub struct LostAttribute {
    /// The file's path.
    pub path: String,
    /// The attribute.
    pub name: String,
}

/// Decides on everything and looks it over; writes nothing. Where a build would be refused, it also
/// says why.
pub fn plan(
    mut settings: settings::Plan,
    display: &Display,
) -> Result<(Plan, Option<Failure>), Failure> {
    let output = output(&settings)?;
    let names = output.iter().flat_map(Output::names);
    let names: Vec<_> = names.map(PathBuf::from).collect();
    display.start("prepare", None);
    let prepared = source::prepare(&settings.stick)?;
    let mut boot = stick::boot(&prepared, &settings.stick, display);
    if display.interrupted() {
        return Err(Failure::interrupted());
    }
    let settings = &mut settings.stick;
    let (capture, options) = source::foresee(&prepared, settings, &names, display)?;
    let longest = stick::longest(&capture.tree, settings, &squashfs_options(settings))?;
    if let Ok(boot) = &mut boot {
        boot.make_room(&capture.tree, settings, longest)?;
    }
    let ready = boot.as_ref().ok();
    let workload = stick::workload(&capture.tree);
    let mut built = planned(
        &prepared,
        capture.report,
        &options,
        ready,
        longest,
        workload,
    );
    let (tree, files) = (&capture.tree, prepared.source.files());
    let found = warnings::of_plan(&prepared, settings, &options, tree, ready);
    built.warnings.extend(found);
    let packages = Packages::read(tree, files);
    let audit = AuditReport::with_packages(&prepared, settings, tree, &packages, display)?;
    built.warnings.extend(audit.warning());
    let estimate = livestick_survey::estimate(tree, files, &squashfs_options(settings), display)
        .map_err(no_squashfs)?;
    if display.interrupted() {
        return Err(Failure::interrupted());
    }
    built.ram = Ram::of(RamBudget::new(workload, estimate.length_bytes));
    let lost = warnings::of_format(&estimate.lost_xattrs, &estimate.clamped_times);
    built.warnings.extend(lost);
    let figures = Figures::new(&estimate, boot.as_ref().ok(), settings);
    let space = boot.as_ref().ok().zip(output.as_ref());
    built.warnings.extend(space.and_then(|(boot, output)| {
        let needed_bytes = boot.layout.least_bytes() + estimate.length_bytes;
        warnings::of_space(output.free_bytes().ok()?, needed_bytes)
    }));
    let refusal = match boot {
        Ok(_) if figures.image_bytes.is_none() => Some(too_long(&figures)),
        Ok(_) => None,
        Err(failure) => Some(failure),
    };
    built.stages = display.finish();
    let plan = Plan {
        source: settings.source.display().to_string(),
        compression: settings.compression.to_string(),
        refusal: refusal.as_ref().map(Refusal::of),
        estimate: figures,
        not_held: NotHeld::of(&estimate),
        audit,
        package_manager: packages.manager,
        sizes: Sizes::new(tree, &packages, &estimate),
        stick: built,
    };
    Ok((plan, refusal))
}

/// The root does not fit into the size that was asked for.
fn too_long(figures: &Figures) -> Failure {
    let message = format!(
        "the root image takes about {}, more than a stick of that --size has for it",
        size(figures.root_image_bytes)
    );
    Failure::message(Exit::Refused, message).hint(TOO_LONG_HINT)
}

/// Where a build would make the image, where that is known: a file in the making, which goes away.
fn output(settings: &settings::Plan) -> Result<Option<Output>, Failure> {
    let Some((path, force)) = &settings.output else {
        return Ok(None);
    };
    let existing = match force {
        true => Existing::Replace,
        false => Existing::Refuse,
    };
    Output::create(path, existing).map(Some).map_err(no_output)
}

impl Figures {
    fn new(estimate: &Estimate, boot: Option<&Boot>, settings: &settings::Stick) -> Self {
        let image_bytes = boot.and_then(|boot| {
            let volume = volume_settings(settings, boot.boot_code.clone());
            boot.layout.length_bytes(estimate.length_bytes, &volume)
        });
        let threads = settings.jobs.get();
        let root = estimate.thread_time.as_secs() / threads as u64;
        Self {
            root_image_bytes: estimate.length_bytes,
            image_bytes,
            stick_gigabytes: image_bytes.and_then(stick_gigabytes),
            sampled_bytes: estimate.sampled_bytes,
            build_seconds: root + 1,
            write_seconds: image_bytes.map(|bytes| bytes / STICK_BYTES_PER_SECOND),
            threads,
        }
    }
}

/// A stick of a size in GB holds that many, and rarely more.
fn stick_gigabytes(image_bytes: u64) -> Option<u64> {
    let mut sizes = STICK_SIZES_GB.into_iter();
    sizes.find(|size| size * 1_000_000_000 >= image_bytes)
}

impl Refusal {
    fn of(failure: &Failure) -> Self {
        Self {
            reason: format!("{:#}", failure.error),
            hint: failure.hint.clone(),
        }
    }
}

impl NotHeld {
    fn of(estimate: &Estimate) -> Self {
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let lost = estimate.lost_xattrs.iter();
        Self {
            attributes: lost
                .map(|lost| LostAttribute {
                    path: lossy(&lost.path),
                    name: lossy(&lost.name),
                })
                .collect(),
            times: estimate.clamped_times.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stick_holds_what_it_is_sold_as() {
        assert_eq!(stick_gigabytes(781_000_000), Some(1));
        assert_eq!(stick_gigabytes(1_000_000_001), Some(2));
        assert_eq!(stick_gigabytes(u64::MAX), None);
    }
}
