//! The settings of `livestick squashfs create`.

use crate::args;
use crate::failure::{Exit, Failure};
use crate::settings::{Clock, OutputStyle, changing, compression, jobs, memory};
use anyhow::{Context, bail};
use livestick_capture::{Exclusions, Unreadable};
use livestick_image::Existing;
use livestick_squashfs::{
    Changing, CheckOptions, Compression, Damage, ExtractOptions, Owners, XzFilter,
};
use livestick_tree::{Device, Kind, Metadata, shown};
use std::ffi::OsString;
use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The settings of `livestick squashfs create`.
#[derive(Debug)]
pub struct Create {
    /// What to make an image of.
    pub source: PathBuf,
    /// Where the image goes.
    pub destination: Destination,
    /// How to compress.
    pub compression: Compression,
    /// Bytes of a block.
    pub block_size_bytes: u32,
    /// How many threads compress.
    pub jobs: NonZeroUsize,
    /// What the user leaves out.
    pub exclusions: Exclusions,
    /// The order in which files are stored: paths and priorities.
    pub sort: Vec<(Vec<u8>, i16)>,
    /// Whom all files belong to, where that is not as in the source.
    pub owner: (Option<u32>, Option<u32>),
    /// Which extended attributes are taken.
    pub xattrs: XattrFilter,
    /// What the source lacks.
    pub added: Vec<Added>,
    /// What to do with files that cannot be read.
    pub unreadable: Unreadable,
    /// What to do with files that never hold still.
    pub changing: Changing,
    /// How much file content may be in memory at once.
    pub memory_bytes: usize,
    /// When the image is made.
    pub clock: Clock,
    /// Whether to make nothing, and only say what would be made.
    pub dry_run: bool,
    /// How to report.
    pub output_style: OutputStyle,
}

/// Where an image goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file of this name, or a device.
    Named {
        /// Its name.
        path: PathBuf,
        /// What happens to what is there.
        existing: Existing,
        /// Where on a device the image begins.
        offset_bytes: u64,
    },
    /// Standard output; through a temporary file where that cannot be written at any place.
    StandardOutput {
        /// Whether the user allows the temporary file.
        spool: bool,
    },
}

/// Which extended attributes are taken, by their names.
#[derive(Debug, Default)]
pub struct XattrFilter {
    /// None at all.
    pub none: bool,
    /// Where there are any: only these.
    pub include: Option<Exclusions>,
    /// Not these.
    pub exclude: Exclusions,
}

/// A file that the source lacks.
#[derive(Clone, Debug)]
pub struct Added {
    /// Its path, without a leading slash.
    pub path: String,
    /// Owner, permissions; the time is the image's.
    pub metadata: Metadata,
    /// What it is.
    pub kind: Kind,
}

/// Where an image is.
#[derive(Clone, Debug)]
pub struct ImagePlace {
    /// The file or the device.
    pub path: PathBuf,
    /// Where in it the image begins.
    pub offset_bytes: u64,
}

/// The settings of `livestick squashfs list`.
#[derive(Debug)]
pub struct List {
    /// The image.
    pub image: ImagePlace,
    /// Which files; none: all.
    pub paths: Vec<Vec<u8>>,
    /// How a file is listed.
    pub style: ListStyle,
}

/// How a file is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListStyle {
    /// Its path.
    Paths,
    /// As `ls -l` has it.
    Long,
    /// An object of a JSON array.
    Json,
}

/// The settings of `livestick squashfs extract`.
#[derive(Debug)]
pub struct Extract {
    /// The image.
    pub image: ImagePlace,
    /// Where to.
    pub directory: PathBuf,
    /// What, and how.
    pub options: ExtractOptions,
    /// How to report.
    pub output_style: OutputStyle,
}

/// The settings of `livestick squashfs check`.
#[derive(Debug)]
pub struct Check {
    /// The image.
    pub image: ImagePlace,
    /// How thoroughly.
    pub options: CheckOptions,
    /// How to report.
    pub output_style: OutputStyle,
}

impl From<args::ImagePlace> for ImagePlace {
    fn from(args: args::ImagePlace) -> Self {
        Self {
            path: args.image,
            offset_bytes: args.offset,
        }
    }
}

impl From<args::List> for List {
    fn from(args: args::List) -> Self {
        Self {
            image: args.image.into(),
            paths: bytes(args.paths),
            style: match (args.json, args.long) {
                (true, _) => ListStyle::Json,
                (false, true) => ListStyle::Long,
                (false, false) => ListStyle::Paths,
            },
        }
    }
}

impl From<args::Extract> for Extract {
    fn from(args: args::Extract) -> Self {
        let options = ExtractOptions {
            existing: match args.force {
                true => livestick_squashfs::Existing::Replace,
                false => livestick_squashfs::Existing::Refuse,
            },
            damage: match args.keep_going {
                true => Damage::PassOver,
                false => Damage::Fail,
            },
            owners: match args.owners {
                args::Owners::Automatic => Owners::Automatic,
                args::Owners::Restore => Owners::Restore,
                args::Owners::Mine => Owners::Caller,
            },
            paths: bytes(args.patterns),
        };
        Self {
            image: args.image.into(),
            directory: args.directory,
            options,
            output_style: args.reporting.into(),
        }
    }
}

impl Check {
    /// Checks what was typed.
    pub fn new(args: args::Check) -> Result<Self, Failure> {
        Ok(Self {
            image: args.image.into(),
            options: CheckOptions {
                jobs: jobs(args.jobs).map_err(|error| Failure::new(Exit::Usage, error))?,
                quick: args.quick,
            },
            output_style: args.reporting.into(),
        })
    }
}

impl Create {
    /// Checks what was typed.
    pub fn new(args: args::Create) -> Result<Self, Failure> {
        Self::check(args).map_err(|error| Failure::new(Exit::Usage, error))
    }

    fn check(args: args::Create) -> anyhow::Result<Self> {
        let clock = Clock::of_environment()?;
        let compression = compression(&args)?;
        let output_style = OutputStyle::from(args.reporting);
        let destination = destination(&args)?;
        let is_standard = matches!(destination, Destination::StandardOutput { .. });
        if is_standard && output_style.json {
            bail!("standard output cannot take both the image and the --json report");
        }
        let mut patterns = bytes(args.exclude);
        for path in &args.exclude_from {
            patterns.extend(lines(path)?);
        }
        let all_root = args.all_root.then_some(0);
        let include = !args.xattrs_include.is_empty();
        Ok(Self {
            compression,
            block_size_bytes: block_size(&args.block_size)?,
            exclusions: Exclusions::of_bytes(&patterns)?,
            sort: args.sort.as_deref().map_or(Ok(Vec::new()), sort_list)?,
            owner: (args.force_uid.or(all_root), args.force_gid.or(all_root)),
            xattrs: XattrFilter {
                none: args.no_xattrs,
                include: match include {
                    true => Some(Exclusions::new(&args.xattrs_include)?),
                    false => None,
                },
                exclude: Exclusions::new(&args.xattrs_exclude)?,
            },
            added: args
                .add
                .iter()
                .map(|line| added(line, clock))
                .collect::<anyhow::Result<_>>()?,
            jobs: jobs(args.jobs)?,
            changing: changing(args.keep_changing),
            memory_bytes: memory::budget_bytes(),
            unreadable: match args.skip_unreadable {
                true => Unreadable::Skip,
                false => Unreadable::Fail,
            },
            source: args.source,
            destination,
            clock,
            dry_run: args.dry_run,
            output_style,
        })
    }
}

/// The codec, with a level that may be given apart.
fn compression(args: &args::Create) -> anyhow::Result<Compression> {
    let text = &args.compression;
    let parsed = match args.compression_level {
        Some(_) if text.contains(':') => {
            bail!("--compression `{text}` has a level, and another is given apart")
        }
        Some(level) => compression::parse(&format!("{text}:{level}"), compression::ALL)?,
        None => compression::parse(text, compression::ALL)?,
    };
    Ok(match parsed {
        Compression::Xz { level, .. } if args.no_filter => Compression::Xz {
            level,
            filter: XzFilter::None,
        },
        parsed => parsed,
    })
}

fn destination(args: &args::Create) -> anyhow::Result<Destination> {
    if args.output == Path::new("-") {
        if args.offset > 0 {
            bail!("--offset is for devices, and standard output begins where it is");
        }
        return Ok(Destination::StandardOutput { spool: args.spool });
    }
    Ok(Destination::Named {
        path: args.output.clone(),
        existing: match args.force {
            true => Existing::Replace,
            false => Existing::Refuse,
        },
        offset_bytes: args.offset,
    })
}

/// Names need not be UTF-8.
fn bytes(words: Vec<OsString>) -> Vec<Vec<u8>> {
    words.into_iter().map(OsString::into_vec).collect()
}

/// The lines of a list, without comments.
fn lines(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let list =
        fs::read(path).with_context(|| format!("cannot read the list {}", path.display()))?;
    let lines = list.split(|byte| *byte == b'\n');
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let counts = |line: &&[u8]| !line.trim_ascii().is_empty() && !line.starts_with(b"#");
    Ok(lines.filter(counts).map(<[u8]>::to_vec).collect())
}

/// Lines of a path, which may hold spaces, and a priority.
fn sort_list(path: &Path) -> anyhow::Result<Vec<(Vec<u8>, i16)>> {
    let parse = |line: Vec<u8>| {
        sort_line(&line).with_context(|| {
            let (list, line) = (path.display(), shown(&line));
            format!("{list}: `{line}` is not a path and a priority from -32768 to 32767")
        })
    };
    lines(path)?.into_iter().map(parse).collect()
}

fn sort_line(line: &[u8]) -> Option<(Vec<u8>, i16)> {
    let line = line.trim_ascii_end();
    let space = line.iter().rposition(|byte| matches!(byte, b' ' | b'\t'))?;
    let (path, priority) = (line[..space].trim_ascii_end(), &line[space + 1..]);
    let priority = std::str::from_utf8(priority).ok()?.parse().ok()?;
    Some((trim_slashes(path).to_vec(), priority))
}

fn trim_slashes(mut path: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] | [rest @ .., b'/'] = path {
        path = rest;
    }
    path
}

/// A number of bytes, or of KiB or MiB with a `K` or an `M`, small or not. The library checks that it is a size
/// that blocks have.
fn block_size(text: &str) -> anyhow::Result<u32> {
    let units = [('K', 10), ('M', 20)];
    let with_unit = units.iter().find_map(|(unit, log)| {
        let is_unit = |letter: char| letter.eq_ignore_ascii_case(unit);
        Some((text.strip_suffix(is_unit)?, log))
    });
    let (digits, log) = with_unit.unwrap_or((text, &0));
    let size = digits.parse::<u32>().ok();
    let size = size.and_then(|size| size.checked_mul(1 << log));
    match size.filter(|size| size.is_power_of_two() && (4096..=1 << 20).contains(size)) {
        Some(size) => Ok(size),
        None => bail!("--block-size `{text}` is not a power of two from 4K to 1M"),
    }
}

/// Reads `PATH TYPE MODE UID GID [MORE]`.
fn added(line: &str, clock: Clock) -> anyhow::Result<Added> {
    let wrong = || format!("--add `{line}` is not `PATH TYPE MODE UID GID [MORE]`");
    let mut words = line.split_whitespace();
    let mut next = || words.next().with_context(wrong);
    let (path, file_type, mode, uid, gid) = (next()?, next()?, next()?, next()?, next()?);
    let mut number = |of: &str| -> anyhow::Result<u32> {
        let word = words.next().with_context(wrong)?;
        word.parse()
            .with_context(|| format!("--add `{line}`: `{word}` is no {of}"))
    };
    let kind = match file_type {
        "d" => Kind::empty_directory(),
        "p" => Kind::Fifo,
        "c" | "b" => {
            let device = Device {
                major: number("major number")?,
                minor: number("minor number")?,
            };
            match file_type {
                "c" => Kind::CharacterDevice(device),
                _ => Kind::BlockDevice(device),
            }
        }
        "l" | "s" => Kind::Symlink(words.next().with_context(wrong)?.as_bytes().into()),
        other => bail!("--add `{line}`: there is no type `{other}`, only d, c, b, p, l and s"),
    };
    if words.next().is_some() {
        bail!("--add `{line}` has too many words");
    }
    let permissions = u16::from_str_radix(mode, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777);
    let seconds = i64::try_from(clock.seconds()).unwrap_or(i64::MAX);
    Ok(Added {
        path: path.trim_matches('/').to_owned(),
        metadata: Metadata {
            permissions: permissions
                .with_context(|| format!("--add `{line}`: `{mode}` is no octal mode"))?,
            uid: uid.parse().with_context(wrong)?,
            gid: gid.parse().with_context(wrong)?,
            modified_seconds: seconds,
        },
        kind,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_size_has_a_unit() {
        assert_eq!(block_size("128K").unwrap(), 131_072);
        assert_eq!(block_size("1M").unwrap(), 1 << 20);
        assert_eq!(block_size("64k").unwrap(), 65_536);
        assert_eq!(block_size("4096").unwrap(), 4096);
        for wrong in ["", "K", "2K", "2M", "5000", "128G", "-1", "8192M"] {
            assert!(block_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_to_sort_may_hold_any_byte_but_a_line_feed() {
        let line = |line: &[u8]| sort_line(line);
        assert_eq!(
            line(b"/usr/a b\xff/ \t-7 "),
            Some((b"usr/a b\xff".to_vec(), -7))
        );
        assert_eq!(line(b"/ 32767"), Some((Vec::new(), 32767)));
        for wrong in [&b"usr"[..], b"usr 40000", b"usr \xff", b""] {
            assert_eq!(line(wrong), None);
        }
    }

    #[test]
    fn a_line_adds_a_file() {
        let clock = Clock::Fixed(7);
        let console = added("/dev/console c 600 0 5 5 1", clock).unwrap();
        assert_eq!(console.path, "dev/console");
        assert_eq!(console.metadata.permissions, 0o600);
        assert_eq!(console.metadata.gid, 5);
        assert_eq!(console.metadata.modified_seconds, 7);
        let device = Device { major: 5, minor: 1 };
        assert!(matches!(console.kind, Kind::CharacterDevice(found) if found == device));
        let link = added("bin l 777 0 0 usr/bin", clock).unwrap();
        assert!(matches!(link.kind, Kind::Symlink(target) if &*target == b"usr/bin"));
    }

    #[test]
    fn a_line_that_is_wrong_is_quoted() {
        for (line, word) in [
            ("dev", "is not `PATH"),
            ("dev x 755 0 0", "no type `x`"),
            ("dev d 999 0 0", "`999` is no octal mode"),
            ("dev d 755 0 0 more", "too many words"),
            ("null c 666 0 0 1", "is not `PATH"),
            ("null c 666 0 0 1 y", "`y` is no minor number"),
        ] {
            let error = added(line, Clock::Fixed(0)).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
