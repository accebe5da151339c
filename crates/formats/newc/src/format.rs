//! The header of an entry, as it lies in the archive.

/// The path of the entry that ends an archive.
pub(crate) const TRAILER: &str = "TRAILER!!!";
/// Its length with the final NUL.
pub(crate) const TRAILER_PATH_BYTES: u32 = 11;
/// Length of a header.
pub(crate) const HEADER_BYTES: usize = MAGIC.len() + FIELDS * DIGITS;
/// Headers and data begin at a multiple of this.
pub(crate) const ALIGNMENT: usize = 4;
/// The longest path and the longest link target, the final NUL included: the kernel's `PATH_MAX`.
/// It skips longer ones without a word.
pub(crate) const PATH_LIMIT_BYTES: usize = 4096;

/// The file type in a mode.
pub(crate) const TYPE_MASK: u32 = 0o170_000;
pub(crate) const TYPE_DIRECTORY: u32 = 0o040_000;
pub(crate) const TYPE_FILE: u32 = 0o100_000;
pub(crate) const TYPE_SYMLINK: u32 = 0o120_000;
pub(crate) const TYPE_CHARACTER_DEVICE: u32 = 0o020_000;

const MAGIC: &[u8; 6] = b"070701";
const FIELDS: usize = 13;
const DIGITS: usize = 8;

/// The fields of a header that mean something in an initramfs. Owner, group and the number of the
/// device that the file was on are written as 0.
#[derive(Default)]
pub(crate) struct Header {
    pub inode: u32,
    pub mode: u32,
    pub links: u32,
    pub modified: u32,
    pub data_bytes: u32,
    pub device_major: u32,
    pub device_minor: u32,
    /// With the final NUL.
    pub path_bytes: u32,
}

impl Header {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let fields: [u32; FIELDS] = [
            self.inode,
            self.mode,
            0,
            0,
            self.links,
            self.modified,
            self.data_bytes,
            0,
            0,
            self.device_major,
            self.device_minor,
            self.path_bytes,
            0,
        ];
        let mut bytes = MAGIC.to_vec();
        for field in fields {
            bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        bytes
    }

    /// `None` where these bytes are not a header.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let digits = bytes.get(..HEADER_BYTES)?.strip_prefix(MAGIC)?;
        let mut fields = [0; FIELDS];
        for (field, digits) in fields.iter_mut().zip(digits.chunks(DIGITS)) {
            *field = parse_hex(digits)?;
        }
        let [
            inode,
            mode,
            _,
            _,
            links,
            modified,
            data_bytes,
            _,
            _,
            device_major,
            device_minor,
            path_bytes,
            _,
        ] = fields;
        Some(Self {
            inode,
            mode,
            links,
            modified,
            data_bytes,
            device_major,
            device_minor,
            path_bytes,
        })
    }
}

/// Unlike `from_str_radix`, takes no sign.
fn parse_hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        Some(value << 4 | char::from(*digit).to_digit(16)?)
    })
}
