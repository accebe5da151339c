//! Where an image is written to.

use crate::failure::{Exit, Failure};
use crate::pipeline::failures::no_output;
use crate::settings::Destination;
use anyhow::Context;
use livestick_image::Output;
use std::fs::File;
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::path::PathBuf;

/// A destination, open.
pub enum Target {
    /// A file that appears when it is whole.
    File(Output),
    /// Standard output, which can be written at any place.
    Direct(File),
    /// A temporary file, which is copied to standard output once it is whole.
    Spool(File),
}

impl Target {
    /// Opens a destination. Best done before any other work.
    pub fn open(destination: &Destination) -> Result<Self, Failure> {
        match destination {
            Destination::File(path, existing) => {
                let output = Output::create(path, *existing).map_err(no_output)?;
                Ok(Self::File(output))
            }
            Destination::StandardOutput { spool } => standard_output(*spool),
        }
    }

    /// The file to write the image to.
    pub fn file(&self) -> &File {
        match self {
            Self::File(output) => output.file(),
            Self::Direct(file) | Self::Spool(file) => file,
        }
    }

    /// What must not be read as part of the source.
    pub fn names(&self) -> Vec<PathBuf> {
        match self {
            Self::File(output) => output.names().map(PathBuf::from).collect(),
            Self::Direct(_) | Self::Spool(_) => Vec::new(),
        }
    }

    /// The image is whole: says where it is, if it has a name.
    pub fn publish(self) -> Result<Option<PathBuf>, Failure> {
        match self {
            Self::File(output) => {
                let path = output.path().to_owned();
                output.publish().map_err(no_output)?;
                Ok(Some(path))
            }
            Self::Direct(_) => Ok(None),
            Self::Spool(mut file) => {
                let copied = file
                    .rewind()
                    .and_then(|()| io::copy(&mut file, &mut io::stdout().lock()));
                copied.context("cannot write the image to standard output")?;
                Ok(None)
            }
        }
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
        .hint("name a file, or allow a temporary one with --spool"))
}

/// Whether the image can begin where the file does: nothing is in it, and it is not opened for
/// appending, which would put all writes at its end.
fn can_start_over(file: &File) -> bool {
    let flags = rustix::fs::fcntl_getfl(file);
    file.metadata().is_ok_and(|metadata| metadata.len() == 0)
        && flags.is_ok_and(|flags| !flags.contains(rustix::fs::OFlags::APPEND))
}
