//! `livestick squashfs`.

use crate::args::Reporting;
use clap::{Args, Subcommand};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The commands of the SquashFS engine.
#[derive(Debug, Subcommand)]
pub enum Squashfs {
    /// Make a SquashFS image of a directory.
    ///
    /// What people type from habit for `mksquashfs` is understood too, such as `-comp xz -b 256K
    /// -noappend -e proc sys`.
    Create(Box<Create>),
}

/// `livestick squashfs create`.
#[derive(Debug, Args)]
pub struct Create {
    /// The directory to make an image of. It is never written.
    #[arg(value_name = "DIR")]
    pub source: PathBuf,

    /// The image file to make; `-` is standard output.
    #[arg(value_name = "OUT")]
    pub output: PathBuf,

    /// How to compress: zstd[:1-22] or gzip[:1-12].
    #[arg(
        short = 'z',
        long,
        value_name = "CODEC[:LEVEL]",
        default_value = "zstd:9"
    )]
    pub compression: String,

    /// The level, for those who are used to giving it apart.
    #[arg(long, hide = true, value_name = "LEVEL")]
    pub compression_level: Option<u32>,

    /// Bytes of a block, a power of two from 4K to 1M.
    #[arg(short, long, value_name = "SIZE", default_value = "128K")]
    pub block_size: String,

    /// Compress with this many threads. Without it: as many as there are processors.
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// Leave out what matches, in the syntax of `mksquashfs -wildcards`: anchored at the root, or
    /// anywhere with a leading `... `. May be given several times.
    #[arg(short = 'x', long = "exclude", value_name = "PATTERN")]
    pub exclude: Vec<String>,

    /// Leave out what matches a line of this file; empty lines and those with a leading `#` do not
    /// count. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,

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
    /// (type `d`), a device (`c` or `b`, more: MAJOR MINOR), a pipe (`p`) or a link (`l`, more:
    /// TARGET). May be given several times.
    #[arg(long, value_name = "LINE")]
    pub add: Vec<String>,

    /// Leave out files that cannot be read, and name them, instead of giving up.
    #[arg(long)]
    pub skip_unreadable: bool,

    /// Where the output cannot be written at any place, as a pipe cannot: make the image in a
    /// temporary file first (in $TMPDIR, or /tmp).
    #[arg(long)]
    pub spool: bool,

    /// Replace an image that is there.
    #[arg(long)]
    pub force: bool,

    /// How to report.
    #[command(flatten)]
    pub reporting: Reporting,
}
