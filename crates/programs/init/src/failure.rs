//! Why the boot stopped.

use crate::check::Verdict;
use livestick_handoff::{MediumChoice, ParseError};
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
    #[error("the stick was not found{}{}; {}", within(.waited), among(.choice.as_ref()), instead(.nearest.as_deref(), .undriven.as_deref()))]
    NoMedium {
        choice: Option<MediumChoice>,
        waited: Duration,
        /// What is most like it, and why it is not the stick.
        nearest: Option<String>,
        /// The first of what a stick may be behind and there is no driver for.
        undriven: Option<String>,
    },
    #[error("the stick ({name}) was pulled out while it was read; plug it in again")]
    Pulled { name: String },
    #[error("the stick is there, but cannot be used: {reason}; write it anew")]
    BadMedium { reason: String },
    #[error("the stick is there, but the system on it cannot be read to its end; write it anew")]
    ImageUnreadable {
        #[source]
        source: io::Error,
    },
    #[error("the stick is there, but the system on it was not written to its end; write it anew")]
    Unfinished,
    #[error("the system on the stick is damaged: it is not what was written; write it anew")]
    Damaged,
    #[error("the stick is damaged: {}; write it anew", .0.summary())]
    BadFiles(Verdict),
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
    #[error("the segments of the root image cannot be joined with device-mapper")]
    Join {
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

    /// Whether the system may well start in spite of it.
    pub fn may_be_ignored(&self) -> bool {
        matches!(
            self,
            Self::BadFiles(_) | Self::Damaged | Self::ImageUnreadable { .. }
        )
    }
}

/// Where there was a limit to what was looked at.
fn among(choice: Option<&MediumChoice>) -> String {
    choice.map_or_else(String::new, |choice| {
        format!(" where `live-media={choice}` says that it is")
    })
}

/// What to look at next.
fn instead(nearest: Option<&str>, undriven: Option<&str>) -> String {
    match (nearest, undriven) {
        (Some(nearest), _) => format!("nearest is {nearest}"),
        (None, Some(undriven)) => {
            format!("is it plugged in, or behind what it has no driver for ({undriven})?")
        }
        (None, None) => "is it plugged in?".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stick_that_is_not_there_is_told_with_what_was_asked_for() {
        let failure = |choice, seconds| Failure::NoMedium {
            choice,
            waited: Duration::from_secs(seconds),
            nearest: None,
            undriven: None,
        };
        let label = MediumChoice::Label("A".to_owned());
        assert_eq!(
            failure(Some(label), 3).sentence(),
            "the stick was not found within 3 s where `live-media=LABEL=A` says that it is; is it plugged \
             in?"
        );
        assert_eq!(
            failure(None, 0).sentence(),
            "the stick was not found; is it plugged in?"
        );
        let near = Failure::NoMedium {
            choice: None,
            waited: Duration::from_secs(5),
            nearest: Some("sda1: FAT, another livestick".to_owned()),
            undriven: Some("USB controller 0000:00:01.0".to_owned()),
        };
        assert_eq!(
            near.sentence(),
            "the stick was not found within 5 s; nearest is sda1: FAT, another livestick"
        );
        let undriven = Failure::NoMedium {
            choice: None,
            waited: Duration::ZERO,
            nearest: None,
            undriven: Some("USB controller 0000:00:01.0".to_owned()),
        };
        assert_eq!(
            undriven.sentence(),
            "the stick was not found; is it plugged in, or behind what it has no driver for (USB \
             controller 0000:00:01.0)?"
        );
    }
}
