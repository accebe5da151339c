//! Where an image is written to.

use crate::failure::{Exit, Failure};
use crate::pipeline::failures::no_output;
use crate::settings::Destination;
use anyhow::Context;
use livestick_blockio::{Slice, WriteAt};
use livestick_image::{Existing, Output, OutputError};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// What a kernel looks at to see what is on a device, and some more.
const FRONT_BYTES: usize = 4096;

/// A destination, open.
pub enum Target {
    /// A file that appears when it is whole.
    File(Output),
    /// A device, or a part of one, from some place on.
    Device(Device),
    /// Standard output, which can be written at any place.
    Direct(File),
    /// A temporary file, which is copied to standard output once it is whole.
    Spool(File),
}

/// A device that nobody else uses.
pub struct Device {
    path: PathBuf,
    file: File,
    offset_bytes: u64,
    length_bytes: u64,
}

impl WriteAt for Target {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self {
            Self::File(output) => output.file().write_all_at(bytes, offset),
            Self::Device(device) => device.slice().write_all_at(bytes, offset),
            Self::Direct(file) | Self::Spool(file) => file.write_all_at(bytes, offset),
        }
    }
}

impl Target {
    /// Opens a destination. Best done before any other work.
    pub fn open(destination: &Destination) -> Result<Self, Failure> {
        match destination {
            Destination::Named {
                path,
                existing,
                offset_bytes,
            } => named(path, *existing, *offset_bytes),
            Destination::StandardOutput { spool } => standard_output(*spool),
        }
    }

    /// What must not be read as part of the source.
    pub fn names(&self) -> Vec<PathBuf> {
        match self {
            Self::File(output) => output.names().map(PathBuf::from).collect(),
            Self::Device(_) | Self::Direct(_) | Self::Spool(_) => Vec::new(),
        }
    }

    /// To be called before anything is written: from now on there is no image where one may have
    /// been, so that none is taken for it, half old and half new.
    pub fn begin(&self) -> Result<(), Failure> {
        let Self::Device(device) = self else {
            return Ok(());
        };
        device
            .slice()
            .write_all_at(&[0; FRONT_BYTES], 0)
            .and_then(|()| device.file.sync_data())
            .with_context(|| format!("cannot write to {}", device.path.display()))?;
        Ok(())
    }

    /// There will be no image: takes away what would look like a part of one.
    pub fn give_up(self) {
        if let Self::Direct(file) = self {
            // It was empty before. Where it cannot be made so again, it has no superblock.
            let _ = file.set_len(0);
        }
    }

    /// The image is whole: gives it its name.
    pub fn publish(self) -> Result<(), Failure> {
        match self {
            Self::File(output) => {
                output.publish().map_err(no_output)?;
            }
            Self::Device(device) => {
                // What does not fit onto a worn medium shows only now.
                let synced = device.file.sync_all();
                synced.with_context(|| format!("cannot write to {}", device.path.display()))?;
            }
            Self::Direct(_) => {}
            Self::Spool(mut file) => {
                let copied = file
                    .rewind()
                    .and_then(|()| io::copy(&mut file, &mut io::stdout().lock()));
                copied.context("cannot write the image to standard output")?;
            }
        }
        Ok(())
    }
}

fn named(path: &Path, existing: Existing, offset_bytes: u64) -> Result<Target, Failure> {
    let is_device = path
        .metadata()
        .is_ok_and(|found| found.file_type().is_block_device());
    if is_device {
        return Device::open(path, existing, offset_bytes).map(Target::Device);
    }
    if offset_bytes > 0 {
        let message = format!(
            "{} is not a device, and --offset is for those",
            path.display()
        );
        return Err(Failure::message(Exit::Usage, message));
    }
    let output = Output::create(path, existing).map_err(|error| {
        let is_directory = path.is_dir();
        let is_file = !matches!(error, OutputError::NotAFile { .. });
        let failure = no_output(error);
        match is_file || is_directory {
            true => failure,
            // Its hint is for sticks.
            false => failure.hint(
                "an image goes into a file, onto a block device, or to standard output, which is `-`",
            ),
        }
    })?;
    Ok(Target::File(output))
}

impl Device {
    fn open(path: &Path, existing: Existing, offset_bytes: u64) -> Result<Self, Failure> {
        let shown = path.display();
        if existing == Existing::Refuse {
            let message = format!("{shown} is a device, and what is on it would be overwritten");
            return Err(Failure::message(Exit::Refused, message)
                .hint("if that is what you want, say --force"));
        }
        let refused = |error| Failure::new(Exit::Refused, error);
        // Of a device, this asks that nobody else uses it: open(2).
        let flags = OFlags::RDWR | OFlags::EXCL | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty());
        if let Err(Errno::BUSY) = opened {
            let message = format!("{shown} is in use");
            return Err(Failure::message(Exit::Refused, message).hint("unmount it first"));
        }
        let mut file = opened
            .map(File::from)
            .with_context(|| format!("cannot open {shown}"))
            .map_err(refused)?;
        let length = file
            .seek(SeekFrom::End(0))
            .with_context(|| format!("cannot tell how long {shown} is"))
            .map_err(refused)?;
        let length_bytes = length.saturating_sub(offset_bytes);
        if length_bytes < FRONT_BYTES as u64 {
            let message = format!("{shown} has {length} bytes: there is no room for an image");
            return Err(Failure::message(Exit::Refused, message));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            offset_bytes,
            length_bytes,
        })
    }

    fn slice(&self) -> Slice<&File> {
        Slice::new(&self.file, self.offset_bytes, self.length_bytes)
    }
}

fn standard_output(spool: bool) -> Result<Target, Failure> {
    let output = io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map(File::from)
        .context("cannot use standard output")?;
    let is_file = output.metadata().is_ok_and(|metadata| metadata.is_file());
    if is_file && can_start_over(&output) {
        return Ok(Target::Direct(output));
    }
    if spool {
        let file = tempfile::tempfile().context("cannot make a temporary file")?;
        return Ok(Target::Spool(file));
    }
    let message = "standard output cannot be written at any place, and an image's first bytes are \
                   written last";
    Err(Failure::message(Exit::Refused, message)
        .hint("name a file or a device, or allow a temporary file with --spool"))
}

/// Whether the image can begin where the file does: nothing is in it, and it is not opened for
/// appending, which would put all writes at its end.
fn can_start_over(file: &File) -> bool {
    let flags = rustix::fs::fcntl_getfl(file);
    file.metadata().is_ok_and(|metadata| metadata.len() == 0)
        && flags.is_ok_and(|flags| !flags.contains(OFlags::APPEND))
}
