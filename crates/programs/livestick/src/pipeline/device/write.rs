//! An image goes onto sticks.

use super::image::{self, Opened};
use super::target::{self, Target};
use crate::failure::{Exit, Failure};
use crate::progress::Bars;
use crate::settings::{ImageFile, Write};
use anyhow::Context;
use livestick_blockio::{Progress, ReadAt};
use livestick_device::{Claimed, Copied, Destination, DeviceError, Image, Store};
use serde::Serialize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What came of it.
#[derive(Debug, Serialize)]
pub struct WrittenSticks {
    /// The image; `None` where it came from standard input.
    pub image: Option<PathBuf>,
    /// Its length, uncompressed, where it was read to its end.
    pub bytes: Option<u64>,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// How long it took.
    pub seconds: f64,
    /// Each stick, in the order in which they were named.
    pub sticks: Vec<StickResult>,
    /// What the owner should know.
    pub warnings: Vec<String>,
    /// The code to exit with.
    #[serde(skip)]
    exit: Option<Exit>,
}

/// A stick.
#[derive(Debug, Serialize)]
pub struct StickResult {
    /// Its node.
    pub device: PathBuf,
    /// Vendor and model.
    pub model: String,
    /// Its size.
    pub bytes: u64,
    /// Whether everything on it was read back and is as it should be; `None` where nothing was to be
    /// written.
    pub good: Option<bool>,
    /// The length of its volume, where that has grown.
    pub volume_bytes: Option<u64>,
    /// What is wrong with it.
    pub error: Option<String>,
    /// What to do about it.
    pub hint: Option<&'static str>,
    /// Whether what was on it before is left as it was.
    #[serde(skip)]
    untouched: bool,
}

/// Writes them all at once, and reads them back.
pub fn write(settings: &Write, bars: &Bars) -> Result<WrittenSticks, Failure> {
    let targets = target::choose(&settings.devices, &settings.consent)?;
    let mut image = image::open(&settings.image)?;
    // Of a compressed image its first sector alone tells, and all is wiped before its last is read.
    require_room(&targets, image.length_bytes.max(image.volume_end_bytes))?;
    require_other_stores(&targets, image.store)?;
    let mut warnings = Vec::new();
    if image.volume_end_bytes.is_none() {
        warnings.push(FOREIGN.to_owned());
    }
    let mut written = WrittenSticks {
        image: match &settings.image {
            ImageFile::Path(path) => Some(path.clone()),
            ImageFile::StandardInput => None,
        },
        bytes: image.length_bytes,
        dry_run: settings.dry_run,
        seconds: 0.0,
        sticks: Vec::new(),
        warnings,
        exit: None,
    };
    if settings.dry_run {
        written.sticks = targets.iter().map(StickResult::untouched).collect();
        return Ok(written);
    }
    target::confirm(&targets, &settings.consent, &|| bars.interrupted())?;
    let claimed = targets
        .iter()
        .map(target::claim)
        .collect::<Result<Vec<_>, _>>()?;
    let start = Instant::now();
    let Transferred { copied, is_foreign } =
        transfer(&mut image, settings.grow, &targets, claimed, bars);
    written.seconds = start.elapsed().as_secs_f64();
    written.exit = exit(&copied.sticks, bars.interrupted());
    written.bytes = copied.image_bytes.as_ref().ok().copied();
    if let Err(error) = copied.image_bytes {
        written
            .warnings
            .push(format!("the image cannot be read to its end: {error}"));
    }
    if is_foreign {
        written.warnings.push(FOREIGN.to_owned());
    }
    let results = targets.iter().zip(copied.sticks);
    let results = results.map(|(target, result)| StickResult::new(target, result));
    written.sticks = results.collect();
    let unused = written.sticks.iter().filter_map(StickResult::unused);
    written.warnings.extend(unused);
    Ok(written)
}

const FOREIGN: &str = "the image is not one of livestick's: the stick holds the same, and nobody has looked whether \
     that is whole";

/// What became of the sticks, and of the image on the way.
struct Transferred {
    copied: Copied,
    /// It has a volume such as livestick's, and no manifest.
    is_foreign: bool,
}

fn transfer(
    image: &mut Opened,
    grow: bool,
    targets: &[Target],
    claimed: Vec<Claimed>,
    bars: &Bars,
) -> Transferred {
    let progress: Vec<_> = targets
        .iter()
        .map(|target| bars.add(target.name()))
        .collect();
    let destinations = claimed.into_iter().zip(&progress);
    let destinations = destinations.map(|(medium, progress)| Destination { medium, progress });
    let has_volume = image.volume_end_bytes.is_some();
    let is_foreign = AtomicBool::new(false);
    let check = |medium: &dyn ReadAt, size_bytes: u64, progress: &dyn Progress| {
        let is_ours = image::is_whole(medium, size_bytes, progress)?;
        is_foreign.fetch_or(!is_ours, Ordering::Relaxed);
        Ok(())
    };
    let copied = livestick_device::copy(
        Image {
            reader: &mut image.reader,
            length_bytes: image.length_bytes,
            least_bytes: image.volume_end_bytes.unwrap_or_default(),
            grow: grow && has_volume,
            check: has_volume.then_some(&check),
        },
        destinations.collect(),
    );
    Transferred {
        copied,
        is_foreign: is_foreign.into_inner(),
    }
}

impl WrittenSticks {
    /// The failure that it is, if any stick is not good.
    pub fn verdict(&self) -> Result<(), Failure> {
        let Some(exit) = self.exit else {
            return Ok(());
        };
        let bad = self
            .sticks
            .iter()
            .filter(|stick| stick.good == Some(false))
            .count();
        let kept = self.sticks.iter().filter(|stick| stick.untouched).count();
        let untouched = kept == self.sticks.len();
        let message = match (exit, self.sticks.len()) {
            (Exit::Interrupted, _) if untouched => return Err(Failure::nothing_written()),
            (Exit::Interrupted, _) => "interrupted; what was not finished boots nowhere".to_owned(),
            (_, 1) if untouched => "the stick was not written".to_owned(),
            (_, 1) => "the stick is not good, and boots nowhere".to_owned(),
            (_, all) if kept > 0 => format!(
                "{bad} of {all} sticks are not good; on {kept} of them may be what was there before"
            ),
            (_, all) => format!("{bad} of {all} sticks are not good, and boot nowhere"),
        };
        let failure = Failure::message(exit, message);
        // Of several, each has its own beside its name.
        Err(match &self.sticks[..] {
            [
                StickResult {
                    hint: Some(hint), ..
                },
            ] => failure.hint(*hint),
            _ => failure,
        })
    }
}

/// Less than that is not worth a word.
const UNUSED_AT_LEAST_BYTES: u64 = 1 << 30;

impl StickResult {
    /// What is said where the volume cannot take all of the stick.
    fn unused(&self) -> Option<String> {
        let unused = self.bytes - self.volume_bytes?;
        (unused > UNUSED_AT_LEAST_BYTES).then(|| {
            format!(
                "{}: {unused} bytes stay unused: the volume of an image grows no further, and `livestick \
                 build --to` makes one that takes the whole stick",
                self.device.display()
            )
        })
    }

    /// One that nobody wrote.
    fn untouched(target: &Target) -> Self {
        Self {
            good: None,
            untouched: true,
            ..Self::new(target, Ok(None))
        }
    }

    fn new(target: &Target, result: Result<Option<u64>, DeviceError>) -> Self {
        let hint = result.as_ref().err().and_then(DeviceError::hint);
        let untouched = result.as_ref().is_err_and(DeviceError::is_untouched);
        let (good, volume_bytes, error) = match result {
            Ok(volume_bytes) => (Some(true), volume_bytes, None),
            Err(error) => (
                Some(false),
                None,
                Some(format!("{:#}", anyhow::Error::new(error))),
            ),
        };
        Self {
            device: target.disk.device.node(),
            model: target.disk.device.model.clone(),
            bytes: target.disk.device.size_bytes,
            good,
            volume_bytes,
            error,
            hint,
            untouched,
        }
    }
}

/// Better before anything is wiped.
fn require_room(targets: &[Target], length_bytes: Option<u64>) -> Result<(), Failure> {
    let Some(needed_bytes) = length_bytes else {
        return Ok(());
    };
    let small = targets
        .iter()
        .find(|target| target.disk.device.size_bytes < needed_bytes);
    let Some(small) = small else {
        return Ok(());
    };
    let size_bytes = small.disk.device.size_bytes;
    let error = DeviceError::TooSmallToBegin {
        size_bytes,
        needed_bytes,
    };
    let error = anyhow::Error::new(error).context(small.name().to_owned());
    Err(Failure::new(Exit::Refused, error).hint("take a larger stick"))
}

/// What is read must not change by what is written, nor be lost by it: a stick that is its own source
/// would hold whatever was written last, and pass for good.
fn require_other_stores(targets: &[Target], image: Option<Store>) -> Result<(), Failure> {
    let mut taken: Vec<(Store, String)> = Vec::new();
    taken.extend(image.map(|store| (store, "the image".to_owned())));
    for target in targets {
        let name = target.name();
        let store = target.disk.store();
        let store = store.with_context(|| format!("cannot tell what stores {name}"));
        let Some(store) = store.map_err(|error| Failure::new(Exit::Refused, error))? else {
            continue;
        };
        if let Some((_, what)) = taken.iter().find(|(other, _)| *other == store) {
            let node = target.disk.device.node();
            let message = format!(
                "{} is not written: it holds the bytes of {what}",
                node.display()
            );
            return Err(Failure::message(Exit::Refused, message)
                .hint("copy the image to another disk, or name another stick"));
        }
        taken.push((store, name.to_owned()));
    }
    Ok(())
}

fn exit(sticks: &[Result<Option<u64>, DeviceError>], interrupted: bool) -> Option<Exit> {
    let mut errors = sticks
        .iter()
        .filter_map(|stick| stick.as_ref().err())
        .peekable();
    errors.peek()?;
    if interrupted {
        return Some(Exit::Interrupted);
    }
    let unverified = |error: &DeviceError| {
        matches!(
            error,
            DeviceError::Differs { .. }
                | DeviceError::Fake { .. }
                | DeviceError::ImageDamaged { .. }
        )
    };
    match errors.any(unverified) {
        true => Some(Exit::Unverified),
        false => Some(Exit::Failed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(errors: Vec<DeviceError>) -> String {
        let results: Vec<_> = errors.into_iter().map(Err).collect();
        let exit = exit(&results, false);
        let sticks = results
            .into_iter()
            .map(|result: Result<Option<u64>, DeviceError>| StickResult {
                device: PathBuf::from("/dev/sdz"),
                model: String::new(),
                bytes: 1,
                good: Some(false),
                volume_bytes: None,
                error: None,
                hint: None,
                untouched: result.is_err_and(|error| error.is_untouched()),
            });
        let written = WrittenSticks {
            image: None,
            bytes: None,
            dry_run: false,
            seconds: 0.0,
            sticks: sticks.collect(),
            warnings: vec![],
            exit,
        };
        written.verdict().unwrap_err().error.to_string()
    }

    #[test]
    fn a_stick_boots_nowhere_only_where_that_is_so() {
        let differs = || DeviceError::Differs { offset_bytes: 0 };
        let kept = || DeviceError::TakesNoWrites;
        assert!(said(vec![differs()]).contains("boots nowhere"));
        assert!(said(vec![differs(), differs()]).contains("boot nowhere"));
        for errors in [vec![kept()], vec![kept(), kept()], vec![differs(), kept()]] {
            let said = said(errors);
            assert!(!said.contains("nowhere"), "{said}");
        }
    }
}
