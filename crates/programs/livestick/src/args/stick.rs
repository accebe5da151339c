//! What a stick is made of: the same for every command that plans one.

use crate::args::Selection;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What a stick is made of.
#[derive(Debug, Args)]
pub struct Stick {
    /// The directory that holds the root; without it, the system that runs. It is never written.
    #[arg(default_value = "/")]
    pub source: PathBuf,

    /// What of the source goes in.
    #[command(flatten)]
    pub selection: Selection,

    /// How to compress the root: zstd[:1-22] or gzip[:1-12].
    #[arg(
        short = 'z',
        long,
        value_name = "CODEC[:LEVEL]",
        default_value = "zstd:9"
    )]
    pub compression: String,

    /// The kernel to boot, as `ls /lib/modules` prints it. Without it: the newest.
    #[arg(short, long, value_name = "VERSION")]
    pub kernel: Option<String>,

    /// Let a secret go on the stick: by its path, in the syntax of --exclude, or by the name of the
    /// rule that finds it. May be given several times.
    #[arg(long, value_name = "PATTERN")]
    pub allow_secret: Vec<String>,

    /// Which firmware the stick boots on, with commas between. Without it: BIOS and 64-bit UEFI, and
    /// 32-bit UEFI where this machine has a loader for it.
    #[arg(long, value_enum, value_name = "KIND,...", value_delimiter = ',')]
    pub firmware: Vec<Firmware>,

    /// Whether the stick boots on UEFI with Secure Boot on.
    #[arg(long, value_enum, default_value_t = SecureBoot::Auto)]
    pub secure_boot: SecureBoot,

    /// The volume's label, at most 11 characters.
    #[arg(long, default_value = "LIVESTICK")]
    pub label: String,

    /// Words to add to the kernel command line of every menu entry.
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "",
        allow_hyphen_values = true
    )]
    pub cmdline: String,

    /// Seconds that the boot menu waits; 0 boots at once.
    #[arg(long, value_name = "SECONDS", default_value_t = 2)]
    pub menu_timeout: u32,

    /// A console for the menu and the system, besides the screen: ttyS0,115200, ... May be given
    /// several times; the last one is where the system's messages go.
    #[arg(long, value_name = "NAME[,SPEED]")]
    pub console: Vec<String>,

    /// The image's size, such as 8G (decimal) or 8GiB. Without it: as small as can be.
    #[arg(long, value_name = "SIZE")]
    pub size: Option<String>,

    /// Cut the root image into files of this size, to try with little data what happens beyond 4 GiB.
    #[arg(long, value_name = "SIZE", hide = true)]
    pub segment_size: Option<String>,

    /// Let the system on the stick use the computer's own disks as it is set up to: RAID, LVM, ZFS,
    /// encrypted disks, swap. Without it, it leaves them alone until it is told to by hand.
    #[arg(long)]
    pub use_internal_disks: bool,

    /// Compress with this many threads. Without it: as many as there are processors.
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
}

/// Which firmware a stick boots on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Firmware {
    /// BIOS, through SYSLINUX.
    Bios,
    /// 64-bit UEFI, through shim and GRUB or systemd-boot.
    Uefi,
    /// 32-bit UEFI on a 64-bit machine, through GRUB.
    Uefi32,
    /// BIOS and 64-bit UEFI.
    Both,
    /// All of them.
    All,
}

/// Whether a stick boots with Secure Boot on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SecureBoot {
    /// Where this machine has the signed loaders, and the kernel is signed.
    Auto,
    /// It must.
    Yes,
    /// It need not: systemd-boot is the loader for 64-bit UEFI.
    No,
}
