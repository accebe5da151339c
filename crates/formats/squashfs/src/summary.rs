//! What was written.

/// What was written, and what could not be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// The length of the image in bytes, padding to 4 KiB included.
    pub length_bytes: u64,
    /// The length of the filesystem in bytes, without the padding.
    pub bytes_used: u64,
    /// The image's first bytes, which were written last.
    pub superblock: [u8; 96],
    /// How many files there are of each kind.
    pub counts: Counts,
    /// The lengths of all regular files together, holes and duplicates included.
    pub content_bytes: u64,
    /// What is stored of that: data blocks and fragments.
    pub stored_bytes: u64,
    /// How many fragments were made of small files and of the ends of large ones.
    pub fragments: u32,
    /// How many files are equal to another one, and share its data.
    pub duplicate_files: u64,
    /// Their lengths together, in bytes.
    pub duplicate_bytes: u64,
    /// Zeros that take no space, in bytes.
    pub sparse_bytes: u64,
    /// The source paths of the files with a time before 1970 or after 2106, which is moved to that
    /// limit.
    pub clamped_times: Vec<Vec<u8>>,
    /// The source paths of the files that were left out: [`Unreadable::Skip`](crate::Unreadable).
    pub skipped: Vec<Vec<u8>>,
    /// The source paths of the files that were scanned, and gone when they were to be read. They are left
    /// out, under all their names.
    pub vanished: Vec<Vec<u8>>,
    /// The source paths of files that changed since they were scanned or while they were read, and
    /// that were read again. What is in the image is one state of each.
    pub changed: Vec<Vec<u8>>,
    /// The source paths of files that changed each time they were read:
    /// [`Changing::Keep`](crate::Changing). What is in the image may be a mix of several states of each.
    pub torn: Vec<Vec<u8>>,
    /// The attributes that SquashFS cannot hold, POSIX ACLs among them, and that are missing.
    pub lost_xattrs: Vec<LostXattr>,
}

/// How many files there are of each kind; hard links are counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Directories, the root among them.
    pub directories: u64,
    /// Regular files.
    pub files: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Block devices.
    pub block_devices: u64,
    /// Character devices.
    pub character_devices: u64,
    /// Named pipes.
    pub fifos: u64,
    /// Sockets.
    pub sockets: u64,
    /// Names beyond the first of a file.
    pub hard_links: u64,
}

impl Counts {
    /// How many files of all kinds.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.directories
            + self.files
            + self.symlinks
            + self.block_devices
            + self.character_devices
            + self.fifos
            + self.sockets
    }
}

/// An extended attribute that SquashFS has no place for: it knows only the prefixes `user.`,
/// `trusted.` and `security.`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostXattr {
    /// The source path of the file.
    pub path: Vec<u8>,
    /// The whole name of the attribute.
    pub name: Vec<u8>,
}
