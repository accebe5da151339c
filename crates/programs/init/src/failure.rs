//! Why the boot stopped.

use livestick_handoff::ParseError;
use std::io;
use std::time::Duration;

/// What the rescue screen says first: what failed, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the initramfs is damaged: `{path}` cannot be read; make the stick anew")]
    Unreadable {
        path: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the initramfs is damaged: `{path}` makes no sense; make the stick anew")]
    Senseless {
        path: &'static str,
        #[source]
        source: ParseError,
    },
    #[error(
        "the running kernel is {running}, but this initramfs was made for {sealed}: kernel and \
         initramfs of one stick belong together"
    )]
    KernelRelease { running: String, sealed: String },
    #[error("the stick was not found{}; is it plugged in?", within(.waited))]
    NoMedium { waited: Duration },
    #[error("the stick is there, but cannot be used: {reason}; write it anew")]
    BadMedium { reason: String },
    #[error("{what} cannot be mounted")]
    Mount {
        what: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("the root image cannot be attached to a loop device")]
    Loop {
        #[source]
        source: io::Error,
    },
    #[error("the system on the stick has no program to start: looked for {looked_for}")]
    NoInit { looked_for: String },
    #[error("changing over to the system on the stick failed: {step}")]
    Switch {
        step: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("`{program}` cannot be started")]
    Start {
        program: String,
        #[source]
        source: io::Error,
    },
}

impl Failure {
    /// The whole reason on one line.
    pub fn sentence(&self) -> String {
        chain(self)
    }
}

/// A search that was only one look took no time worth telling.
fn within(waited: &Duration) -> String {
    match waited.as_secs() {
        0 => String::new(),
        seconds => format!(" within {seconds} s"),
    }
}

/// An error with its causes, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
