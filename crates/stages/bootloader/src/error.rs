//! Why no loader can be put on the stick.

use std::io;
use std::path::PathBuf;

/// Why the loader files cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Loader packages are not installed.
    #[error("{}", describe(missing, install.is_some()))]
    Missing {
        /// What is missing.
        missing: Vec<Missing>,
        /// This distribution's command that installs packages, where it is known.
        install: Option<&'static str>,
        /// What to build instead, if something can be built without the missing files.
        way_out: Option<&'static str>,
    },
    /// A file is there but cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The boot code is not of a length that fits before the partition table.
    #[error("{path} is {length_bytes} bytes long; the boot code of a disk has 1 to 440")]
    BootCodeLength {
        /// Where it is.
        path: PathBuf,
        /// How long it is.
        length_bytes: usize,
    },
    /// Files of different builds of SYSLINUX do not work together.
    #[error("the packages `{installer}` and `{modules}` are of different versions")]
    VersionsDiffer {
        /// The installer's package, with its version.
        installer: String,
        /// The modules' package, with its version.
        modules: String,
    },
    /// The scratch image that SYSLINUX is installed to cannot be written or read.
    #[error("cannot use the scratch image for SYSLINUX")]
    Scratch {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The installer cannot be started.
    #[error("cannot start {path}")]
    InstallerStart {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The installer ran and failed.
    #[error("{path} failed: {message}")]
    InstallerFailed {
        /// Where it is.
        path: PathBuf,
        /// What it said.
        message: String,
    },
    /// The installer ran, and what it installs is not there.
    #[error("{path} installed no {file}: version 6 or later is needed")]
    NotInstalled {
        /// Where the installer is.
        path: PathBuf,
        /// What is not there.
        file: &'static str,
    },
}

impl Error {
    /// What to do about it, on one line, where there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing {
                missing,
                install: Some(install),
                way_out,
            } => {
                let command = format!("{install} {}", packages(missing).join(" "));
                Some(join_hint(&command, *way_out))
            }
            Self::Missing { way_out, .. } => way_out.map(str::to_owned),
            Self::VersionsDiffer { .. } | Self::NotInstalled { .. } => {
                Some("bring the SYSLINUX packages up to date".to_owned())
            }
            _ => None,
        }
    }
}

/// A file of a loader package that is not on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The file's name.
    pub file: &'static str,
    /// The package that holds it.
    pub package: &'static str,
}

fn describe(missing: &[Missing], distribution_is_known: bool) -> String {
    let files: Vec<_> = missing.iter().map(|missing| missing.file).collect();
    let packages = packages(missing);
    let (are, noun) = (
        if files.len() == 1 { "is" } else { "are" },
        if packages.len() == 1 {
            "package"
        } else {
            "packages"
        },
    );
    let debian = if distribution_is_known {
        ""
    } else {
        "Debian's "
    };
    format!(
        "{} {are} not installed ({debian}{noun} {})",
        files.join(", "),
        packages.join(", ")
    )
}

/// The packages, each once.
fn packages(missing: &[Missing]) -> Vec<&'static str> {
    let mut packages = Vec::new();
    for Missing { package, .. } in missing {
        if !packages.contains(package) {
            packages.push(*package);
        }
    }
    packages
}

fn join_hint(command: &str, way_out: Option<&str>) -> String {
    match way_out {
        Some(way_out) => format!("`{command}`, or {way_out}"),
        None => format!("`{command}`"),
    }
}
