//! How a command fails: what is said, and the exit code.

use std::fmt;
use std::process::ExitCode;

/// The exit codes, which scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The work failed.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Refused before anything was written.
    Refused = 3,
    /// What should be whole is damaged.
    Unverified = 4,
    /// The audit found secrets.
    Secrets = 5,
    /// Interrupted; what was half-made is gone.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ends without having done its work.
#[derive(Debug)]
pub struct Failure {
    /// The code to exit with.
    pub exit: Exit,
    /// What happened, to what.
    pub error: anyhow::Error,
    /// What to do next, where there is something.
    pub hint: Option<String>,
    /// Whether the command's own document tells of it already.
    reported: bool,
    /// Whether a device is not as it was any more.
    touched: bool,
}

impl Failure {
    /// A failure with its exit code.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: None,
            reported: false,
            touched: false,
        }
    }

    /// A failure in words.
    pub fn message(
        exit: Exit,
        message: impl fmt::Display + fmt::Debug + Send + Sync + 'static,
    ) -> Self {
        Self::new(exit, anyhow::Error::msg(message))
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The command's own document has told of it.
    #[must_use]
    pub fn reported(self) -> Self {
        Self {
            reported: true,
            ..self
        }
    }

    /// Whether the command's own document tells of it already.
    pub fn is_reported(&self) -> bool {
        self.reported
    }

    /// A device was written before, in part.
    #[must_use]
    pub fn touched(self) -> Self {
        Self {
            touched: true,
            ..self
        }
    }

    /// Whether a device was written before, in part.
    pub fn is_touched(&self) -> bool {
        self.touched
    }

    /// The caller asked to stop.
    pub fn interrupted() -> Self {
        Self::message(Exit::Interrupted, "interrupted; nothing half-made was left")
    }

    /// The caller asked to stop before a device was written.
    pub fn nothing_written() -> Self {
        Self::message(Exit::Interrupted, "interrupted; nothing was written")
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Exit::Failed, error)
    }
}
