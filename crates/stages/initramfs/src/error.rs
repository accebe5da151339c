//! Why there is no initramfs for a root.

use livestick_kernel::{ImageError, IndexError, ModuleError};
use std::io;

/// Why a kernel and what belongs to it cannot be taken from a root. Paths are relative to the root.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// There is no kernel in `boot` or beside its modules.
    #[error("there is no kernel in boot/ or lib/modules/")]
    NoKernel,
    /// The only kernel there is cannot be used.
    #[error("{path} cannot be used as a kernel")]
    Image {
        /// Its path.
        path: String,
        /// What is wrong.
        #[source]
        source: ImageError,
    },
    /// The kernel that was asked for is not there.
    #[error("there is no kernel {requested}; there is {}", available.join(", "))]
    NotThere {
        /// The release that was asked for.
        requested: String,
        /// The releases that are there, the newest first.
        available: Vec<String>,
    },
    /// The kernel's modules are not there.
    #[error("the kernel {release} has no modules: lib/modules/{release} is missing or empty")]
    NoModules {
        /// Its release.
        release: String,
    },
    /// The kernel cannot read a USB stick, as the kernels that are made for clouds.
    #[error(
        "the kernel {release} cannot read a USB stick: {missing} is neither a module nor built in"
    )]
    NoUsb {
        /// Its release.
        release: String,
        /// What it lacks.
        missing: &'static str,
    },
    /// A module without which no stick boots is neither a file nor built in.
    #[error(
        "the kernel {release} has no {module}: neither as a module nor built in (CONFIG_{option})"
    )]
    CoreModule {
        /// Its release.
        release: String,
        /// The module.
        module: &'static str,
        /// The option that provides it, without `CONFIG_`.
        option: &'static str,
    },
    /// A module without which no stick boots needs one that is not there.
    #[error("the kernel {release} has {module}, but not {dependency}, which it needs")]
    CoreDependency {
        /// Its release.
        release: String,
        /// The module.
        module: String,
        /// What it needs.
        dependency: String,
    },
    /// A file or a folder cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// Its path.
        path: String,
        /// The operating system's reason.
        #[source]
        source: io::Error,
    },
    /// A compressed file cannot be unpacked.
    #[error("{path} cannot be unpacked")]
    Unpack {
        /// Its path.
        path: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// An index of modules cannot be read.
    #[error("the modules of {directory} cannot be listed")]
    Index {
        /// The folder of the kernel's modules.
        directory: String,
        /// What is wrong.
        #[source]
        source: IndexError,
    },
    /// A module cannot be read.
    #[error("{path} cannot be used as a kernel module")]
    Module {
        /// Its path.
        path: String,
        /// What is wrong.
        #[source]
        source: ModuleError,
    },
}
