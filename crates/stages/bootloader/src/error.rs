//! Why no loader can be put on the stick.

use crate::Firmware;
use livestick_kernel::EfiError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the loader files cannot be collected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Loader packages are not installed.
    #[error("{missing}")]
    Missing {
        /// What is missing.
        missing: MissingFiles,
        /// This distribution's command that installs packages, where it is known.
        install: Option<&'static str>,
        /// What to build instead, if something can be built without the missing files.
        way_out: Option<String>,
    },
    /// Firmware with Secure Boot would refuse the kernel.
    #[error("the kernel is not signed, and firmware with Secure Boot starts only what is")]
    KernelNotSigned,
    /// The firmware that was asked for cannot start the kernel.
    #[error("the kernel does not start on {firmware}: it was built without {option}")]
    KernelOption {
        /// The firmware.
        firmware: Firmware,
        /// What it would have to be built with.
        option: &'static str,
    },
    /// A loader for Secure Boot is not signed.
    #[error("{path} is not signed")]
    NotSigned {
        /// Where it is.
        path: PathBuf,
    },
    /// A file is no loader for UEFI.
    #[error("{path} is not a loader for UEFI")]
    NotALoader {
        /// Where it is.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: EfiError,
    },
    /// GRUB cannot give the words to the kernel as they were typed.
    #[error("GRUB would put a backslash before the {character:?} of the kernel command line")]
    GrubCommandLine {
        /// The character.
        character: char,
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
            } if !missing.packages().is_empty() => {
                let command = format!("`{install} {}`", missing.packages().join(" "));
                let hints = [Some(command), way_out.clone()];
                Some(hints.into_iter().flatten().collect::<Vec<_>>().join(", or "))
            }
            Self::Missing { way_out, .. } => way_out.clone(),
            Self::KernelNotSigned => Some(
                "install a signed one in the root (Debian's linux-image-amd64 is signed), or leave \
                 Secure Boot out with `--secure-boot auto`"
                    .to_owned(),
            ),
            Self::KernelOption { .. } => {
                Some("choose another kernel with --kernel, or leave that firmware out".to_owned())
            }
            Self::NotSigned { .. } | Self::NotALoader { .. } => {
                Some("install the distribution's own, or use `--secure-boot no`".to_owned())
            }
            Self::GrubCommandLine { .. } => Some(
                "say it without that character, or leave GRUB out with `--secure-boot no` and \
                 `--firmware bios,uefi`"
                    .to_owned(),
            ),
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
    /// The package that holds it, where the distribution has one.
    pub package: Option<&'static str>,
}

/// Files that are not on this machine, at least one. It reads as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingFiles {
    /// The files.
    pub files: Vec<Missing>,
    /// Whether the packages are this machine's distribution's; otherwise they are Debian's.
    pub distribution_is_known: bool,
}

impl MissingFiles {
    /// The packages, each once.
    fn packages(&self) -> Vec<&'static str> {
        let mut packages = Vec::new();
        for package in self.files.iter().filter_map(|missing| missing.package) {
            if !packages.contains(&package) {
                packages.push(package);
            }
        }
        packages
    }
}

impl fmt::Display for MissingFiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.files.iter().map(|missing| missing.file).collect();
        let (are, them) = match files.len() {
            1 => ("is", "it"),
            _ => ("are", "them"),
        };
        write!(formatter, "{} {are} not installed", files.join(", "))?;
        let packages = self.packages();
        let noun = match packages.len() {
            0 => return write!(formatter, ", and this distribution does not package {them}"),
            1 => "package",
            _ => "packages",
        };
        let whose = match self.distribution_is_known {
            true => "",
            false => "Debian's ",
        };
        write!(formatter, " ({whose}{noun} {})", packages.join(", "))
    }
}
