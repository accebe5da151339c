//! What an archive holds.

/// One file of an archive. Its owner is root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its path, without a leading slash. A folder comes before what is in it: the kernel does not
    /// make missing ones.
    pub path: &'a str,
    /// Its permission bits, at most 0o7777.
    pub permissions: u16,
    /// What it is.
    pub kind: Kind<'a>,
}

/// What an [`Entry`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A folder.
    Directory,
    /// A regular file with these bytes.
    File(&'a [u8]),
    /// A symbolic link to this target.
    Symlink(&'a str),
    /// A character device.
    CharacterDevice {
        /// Its driver's number.
        major: u32,
        /// Its number within the driver.
        minor: u32,
    },
}
