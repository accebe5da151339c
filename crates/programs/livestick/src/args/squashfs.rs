//! `livestick squashfs`.

use crate::args::Reporting;
use clap::{Args, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// The commands of the SquashFS engine.
#[derive(Debug, Subcommand)]
pub enum Squashfs {
    /// Make a SquashFS image of a directory or a tar archive.
    ///
    /// What people type from habit for `mksquashfs` is understood too, such as `-comp xz -b 256K
    /// -noappend -e proc sys`.
    Create(Box<Create>),
    /// List what is in an image.
    List(List),
    /// Write the files of an image into a directory.
    Extract(Extract),
    /// Check an image: every rule of the kernel, and every block.
    Check(Check),
}

/// Where an image is.
#[derive(Debug, Args)]
pub struct ImagePlace {
    /// The image: a file or a device.
    pub image: PathBuf,

    /// Where in it the image begins, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub offset: u64,
}

/// `livestick squashfs list`.
#[derive(Debug, Args)]
pub struct List {
    /// The image.
    #[command(flatten)]
    pub image: ImagePlace,

    /// Which files, with all that is below them; without any: all.
    #[arg(value_name = "PATH")]
    pub paths: Vec<OsString>,

    /// As `ls -l` has it: kind and permissions, owner, length, time (UTC), path.
    #[arg(short, long)]
    pub long: bool,

    /// Print one JSON document.
    #[arg(long, conflicts_with = "long")]
    pub json: bool,
}

/// `livestick squashfs extract`.
#[derive(Debug, Args)]
pub struct Extract {
    /// The image.
    #[command(flatten)]
    pub image: ImagePlace,

    /// Which files, with all that is below them; `*`, `?` and `[a-z]` stand for what they do in a
    /// shell. Without any: all.
    #[arg(value_name = "PATTERN")]
    pub patterns: Vec<OsString>,

    /// The directory to write into; it is made where it is missing.
    #[arg(short, long, value_name = "DIR", default_value = "squashfs-root")]
    pub directory: PathBuf,

    /// Write into a directory that is not empty, and replace files there.
    #[arg(long)]
    pub force: bool,

    /// Leave out what is damaged, name it, and extract the rest.
    #[arg(long)]
    pub keep_going: bool,

    /// Whose the files are.
    #[arg(long, value_enum, default_value_t = Owners::Automatic)]
    pub owners: Owners,

    /// How to report.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// Whose extracted files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Owners {
    /// As in the image for root, otherwise yours.
    Automatic,
    /// As in the image.
    Restore,
    /// Yours.
    Mine,
}

/// `livestick squashfs check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The image.
    #[command(flatten)]
    pub image: ImagePlace,

    /// Do not read the contents of files: only what the image says of them.
    #[arg(long)]
    pub quick: bool,

    /// Decompress with this many threads. Without it: as many as there are processors.
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,

    /// How to report.
    #[command(flatten)]
    pub reporting: Reporting,
}

/// `livestick squashfs create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The directory to make an image of, or a tar archive, compressed with gzip, xz, zstd or not;
    /// `-` is an archive from standard input. It is never written.
    #[arg(value_name = "DIR|TAR")]
    pub source: PathBuf,

    /// The image file to make; a block device, with --force; `-` is standard output.
    #[arg(value_name = "OUT")]
    pub output: PathBuf,

    /// Where on the device the image begins, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub offset: u64,

    /// How to compress: zstd[:1-22], gzip[:1-12], xz[:0-9] or lz4[:1-12]; zstd alone is zstd:9.
    #[arg(
        short = 'z',
        long,
        value_name = "CODEC[:LEVEL]",
        default_value = "zstd"
    )]
    pub compression: String,

    /// The level, for those who are used to giving it apart.
    #[arg(long, hide = true, value_name = "LEVEL")]
    pub compression_level: Option<u32>,

    /// With xz: leave the machine code of programs as it is, for kernels without xz's filters.
    #[arg(long)]
    pub no_filter: bool,

    /// Bytes of a block, a power of two from 4K to 1M.
    #[arg(short, long, value_name = "SIZE", default_value = "128K")]
    pub block_size: String,

    /// Compress with this many threads. Without it: as many as there are processors.
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,

    /// Leave out what matches, in the syntax of `mksquashfs -wildcards`: anchored at the root, or
    /// anywhere with a leading `... `. May be given several times.
    #[arg(short = 'x', long = "exclude", value_name = "PATTERN")]
    pub exclude: Vec<OsString>,

    /// Leave out what matches a line of this file; empty lines and those with a leading `#` do not
    /// count. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,

    /// Store files in the order of this list: lines of a path and a priority, -32768 to 32767, the
    /// highest first. A directory stands for all that is below it; what is not listed has 0.
    #[arg(long, value_name = "FILE")]
    pub sort: Option<PathBuf>,

    /// Give all files to root, user and group.
    #[arg(long, conflicts_with_all = ["force_uid", "force_gid"])]
    pub all_root: bool,

    /// Give all files to this user.
    #[arg(long, value_name = "UID")]
    pub force_uid: Option<u32>,

    /// Give all files to this group.
    #[arg(long, value_name = "GID")]
    pub force_gid: Option<u32>,

    /// Leave out all extended attributes.
    #[arg(long, conflicts_with_all = ["xattrs_include", "xattrs_exclude"])]
    pub no_xattrs: bool,

    /// Take only the extended attributes whose names match, such as `security.*`.
    #[arg(long, value_name = "PATTERN")]
    pub xattrs_include: Vec<String>,

    /// Leave out the extended attributes whose names match.
    #[arg(long, value_name = "PATTERN")]
    pub xattrs_exclude: Vec<String>,

    /// Add a file that the source lacks, as a line `PATH TYPE MODE UID GID [MORE]`: a directory
    /// (type `d`), a device (`c` or `b`, more: MAJOR MINOR), a pipe (`p`) or a symbolic link (`l` or
    /// `s`, more: TARGET). May be given several times.
    #[arg(long, value_name = "LINE")]
    pub add: Vec<String>,

    /// Leave out files that cannot be read, and name them, instead of giving up.
    #[arg(long)]
    pub skip_unreadable: bool,

    /// Keep files that change each time they are read, as logs may, and name them, instead of giving
    /// up: what was read at last, with zeros for what is missing at the end by then.
    #[arg(long)]
    pub keep_changing: bool,

    /// Where the output cannot be written at any place, as a pipe cannot: make the image in a
    /// temporary file first (in $TMPDIR, or /tmp).
    #[arg(long)]
    pub spool: bool,

    /// Replace an image that is there, or what is on a device.
    #[arg(long)]
    pub force: bool,

    /// Say what would be made, going by a sample of the contents, and make nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// How to report.
    #[command(flatten)]
    pub reporting: Reporting,
}
