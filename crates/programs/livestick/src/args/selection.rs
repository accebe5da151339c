//! What of a source goes in.

use clap::Args;
use std::path::PathBuf;

/// What of a source goes in.
#[derive(Debug, Args)]
#[command(next_help_heading = "What goes in")]
pub struct Selection {
    /// This machine, again: everything comes along but what no stick needs. This is the default.
    #[arg(long, conflicts_with = "generic")]
    pub clone: bool,

    /// A stick to hand to others: identity is made anew, users' histories and credentials are left
    /// out.
    #[arg(long)]
    pub generic: bool,

    /// Switch a rule off; `livestick plan --rules` lists them. May be given several times.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub keep: Vec<String>,

    /// Switch a rule of the other mode on. May be given several times.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    pub apply: Vec<String>,

    /// Leave out what matches, in the syntax of `mksquashfs -wildcards`: anchored at the root, or
    /// anywhere with a leading `... `. May be given several times.
    #[arg(short = 'x', long = "exclude", value_name = "PATTERN")]
    pub exclude: Vec<String>,

    /// Leave out what the lines of a file match. May be given several times. The lists in
    /// /etc/livestick/exclude.d come first.
    #[arg(long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,

    /// Take along another filesystem, by its mount point. May be given several times.
    #[arg(long, value_name = "DIR")]
    pub include_mount: Vec<PathBuf>,

    /// Do not take along a filesystem, such as /var on a partition of its own. May be given several
    /// times.
    #[arg(long, value_name = "DIR")]
    pub exclude_mount: Vec<PathBuf>,

    /// Leave out files that cannot be read, and name them, instead of giving up.
    #[arg(long)]
    pub skip_unreadable: bool,

    /// Keep files that change each time they are read, as logs may, and name them, instead of giving
    /// up: what was read at last, with zeros for what is missing at the end by then.
    #[arg(long)]
    pub keep_changing: bool,
}
