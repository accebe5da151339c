//! The root image as files of a size that FAT can hold.

use crate::paths;

const MIB: u64 = 1 << 20;

/// How the root image lies on the stick: as one file, or where that would pass what FAT holds, as
/// several that `/init` joins, each but the last of the same length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segments {
    image_bytes: u64,
    segment_bytes: u64,
}

/// One of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its path on the stick: [`paths::ROOT_IMAGE`], then with `.001`, `.002`, … behind it.
    pub path: String,
    /// How long it is.
    pub length_bytes: u64,
}

impl Segments {
    /// The longest segment: the last whole MiB below the 4 GiB - 1 of FAT. A loop device leaves out
    /// a partial sector at the end of its file, and so would lose bytes between two segments.
    pub const LONGEST_BYTES: u64 = 4095 * MIB;
    /// How many there can be: as many as the suffix has numbers for.
    pub const COUNT_LIMIT: u64 = 1000;

    /// An image of that length, cut into segments of this one. `None` where they are not of a whole
    /// number of MiB, too long for FAT, or too many.
    #[must_use]
    pub fn new(image_bytes: u64, segment_bytes: u64) -> Option<Self> {
        let whole = segment_bytes > 0 && segment_bytes.is_multiple_of(MIB);
        let segments = Self {
            image_bytes,
            segment_bytes,
        };
        let possible = whole
            && segment_bytes <= Self::LONGEST_BYTES
            && image_bytes.div_ceil(segment_bytes) <= Self::COUNT_LIMIT;
        possible.then_some(segments)
    }

    /// The length of the whole image, in bytes.
    #[must_use]
    pub fn image_bytes(&self) -> u64 {
        self.image_bytes
    }

    /// The length of every segment but the last, in bytes.
    #[must_use]
    pub fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// How many files there are: one at least.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.image_bytes.div_ceil(self.segment_bytes).max(1)
    }

    /// The files, in the order in which they make the image.
    pub fn iter(&self) -> impl Iterator<Item = Segment> + use<> {
        let Self {
            image_bytes,
            segment_bytes,
        } = *self;
        (0..self.count()).map(move |number| Segment {
            path: match number {
                0 => paths::ROOT_IMAGE.to_owned(),
                number => format!("{}.{number:03}", paths::ROOT_IMAGE),
            },
            length_bytes: (image_bytes - number * segment_bytes).min(segment_bytes),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(image_bytes: u64) -> Vec<(String, u64)> {
        let segments = Segments::new(image_bytes, 64 * MIB).unwrap();
        let files = segments.iter();
        let files: Vec<_> = files.map(|file| (file.path, file.length_bytes)).collect();
        assert_eq!(files.len() as u64, segments.count());
        files
    }

    #[test]
    fn only_the_last_segment_is_shorter() {
        let name = |suffix: &str| format!("{}{suffix}", paths::ROOT_IMAGE);
        assert_eq!(files(0), [(name(""), 0)]);
        assert_eq!(files(4096), [(name(""), 4096)]);
        assert_eq!(files(64 * MIB), [(name(""), 64 * MIB)]);
        assert_eq!(
            files(128 * MIB + 4096),
            [
                (name(""), 64 * MIB),
                (name(".001"), 64 * MIB),
                (name(".002"), 4096)
            ]
        );
    }

    #[test]
    fn what_cannot_be_joined_is_none() {
        for segment_bytes in [0, 4096, MIB + 512, Segments::LONGEST_BYTES + MIB, u64::MAX] {
            assert_eq!(Segments::new(1, segment_bytes), None, "{segment_bytes}");
        }
        assert!(Segments::new(1000 * MIB, MIB).is_some());
        assert_eq!(Segments::new(1000 * MIB + 1, MIB), None);
        assert!(Segments::new(u64::MAX, Segments::LONGEST_BYTES).is_none());
    }
}
