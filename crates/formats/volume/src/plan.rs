//! Which cluster holds what.

use crate::directory::{Directories, PathError};
use crate::finish::{self, FinalLength, FinishError, Finished, Options};
use crate::geometry::{self, FIRST_CLUSTER, Geometry, TooLarge};
use crate::{NameError, Size, VOLUME_START_LBA};
use livestick_blockio::{Extent, SECTOR_BYTES};
use std::collections::HashMap;

/// The longest file that FAT can hold: 4 GiB and a byte less.
pub const FILE_LIMIT_BYTES: u64 = 0xffff_ffff;

/// A file that the volume shall hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    /// Its path, with `/` between names and at neither end. Directories are made as needed.
    pub path: String,
    /// How long it is.
    pub length: Length,
}

/// What is known of a file's length, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// It has this length.
    Exact(u64),
    /// Its clusters are reserved for this length; [`Plan::finish`] hears the true one. Where no other
    /// kind comes after it on a [`Size::Fixed`] volume but [`Self::Maybe`], it gets what space there
    /// is, up to this.
    AtMost(u64),
    /// As `AtMost`, but only where there is need: without a final length there is no such file.
    Maybe(u64),
}

/// The space of a file on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Where it begins.
    pub offset_bytes: u64,
    /// How many bytes of the file it can take.
    pub limit_bytes: u64,
}

/// Where every file lies. Nothing is read or written to make one.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) size: Size,
    pub(crate) geometry: Geometry,
    pub(crate) directories: Directories,
    /// The clusters of each directory.
    pub(crate) directory_runs: Vec<Run>,
    /// In the caller's order, which is their order on the device.
    pub(crate) files: Vec<PlacedFile>,
    by_path: HashMap<String, usize>,
}

/// Why there can be no such volume.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A name that FAT cannot hold.
    #[error("FAT cannot hold the path `{path}`")]
    Name {
        /// The path with that name.
        path: String,
        /// What is wrong with it.
        #[source]
        source: NameError,
    },
    /// Two paths that FAT cannot tell apart, or a file where another path has a directory.
    #[error("`{path}` meets another path: FAT does not tell upper from lower case")]
    Taken {
        /// The path that came second.
        path: String,
    },
    /// More names than a directory can hold.
    #[error(
        "the directory of `{path}` holds too many names: FAT stops at 65,536 entries of 13 characters"
    )]
    DirectoryFull {
        /// A path in it.
        path: String,
    },
    /// A file that FAT cannot hold.
    #[error("`{path}` has {length_bytes} bytes, and FAT holds at most 4 GiB - 1 in a file")]
    FileTooLong {
        /// Its path.
        path: String,
        /// Its length or the length reserved for it.
        length_bytes: u64,
    },
    /// The device is too small for the files, or for a FAT32 volume.
    #[error("{size_bytes} bytes are too few: the volume needs {needed_bytes}")]
    TooSmall {
        /// How large the device is.
        size_bytes: u64,
        /// How large it must be, to a few MiB.
        needed_bytes: u64,
    },
    /// The device, or what all files need together, is larger than FAT and partition table can say.
    #[error("the volume would be larger than the 2 TiB that FAT and the partition table can say")]
    TooLarge,
}

/// A run of clusters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

impl Run {
    /// The cluster behind it.
    pub(crate) fn end(&self) -> u32 {
        self.start + self.length
    }
}

#[derive(Clone, Debug)]
pub(crate) struct PlacedFile {
    pub(crate) path: String,
    pub(crate) start_cluster: u32,
    pub(crate) length: PlacedLength,
}

/// As [`Length`], once checked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PlacedLength {
    Exact(u32),
    AtMost(u32),
    Maybe(u32),
}

impl Plan {
    /// Places the files on the volume in the order given, each in one run of clusters, behind the
    /// directories that they need. Each begins on a multiple of 32 KiB, so that [`crate::grow`] can make
    /// clusters as large.
    ///
    /// # Errors
    /// Where FAT cannot hold a path or a file, or the size does not suffice.
    pub fn new(files: &[PlannedFile], size: Size) -> Result<Self, PlanError> {
        let directories = directories(files)?;
        let mut lengths = files.iter().map(checked).collect::<Result<Vec<_>, _>>()?;
        let directory_lengths = directories.lengths_bytes().map(u32::try_from);
        let directory_lengths = directory_lengths
            .collect::<Result<Vec<u32>, _>>()
            .map_err(|_| PlanError::TooLarge)?;
        let geometry = geometry_for(size, &directory_lengths, &mut lengths)?;

        let mut next = FIRST_CLUSTER;
        let mut place = |length_bytes: u32| {
            let length = length_bytes.div_ceil(geometry.cluster_bytes());
            let start = next;
            // Within the geometry's limit, which was made for the sum.
            next += length.next_multiple_of(geometry::clusters_apart(geometry.sectors_per_cluster));
            Run { start, length }
        };
        let directory_runs = directory_lengths.into_iter().map(&mut place).collect();
        let files: Vec<_> = files
            .iter()
            .zip(lengths)
            .map(|(file, length)| PlacedFile {
                path: file.path.clone(),
                start_cluster: place(length.limit_bytes()).start,
                length,
            })
            .collect();
        let by_path = files.iter().enumerate();
        let by_path = by_path.map(|(index, file)| (file.path.clone(), index));
        Ok(Self {
            size,
            geometry,
            directories,
            directory_runs,
            by_path: by_path.collect(),
            files,
        })
    }

    /// The space of a file; `None` where the plan has no such path.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<Place> {
        let file = self.file(path)?;
        let lba = self.geometry.cluster_lba(file.start_cluster);
        Some(Place {
            offset_bytes: lba * SECTOR_BYTES,
            limit_bytes: u64::from(file.length.limit_bytes()),
        })
    }

    /// The sectors of a file, counted from the start of the volume; `None` where the plan has no
    /// such path. One run, as every file's.
    #[must_use]
    pub fn extent(&self, path: &str) -> Option<Extent> {
        let file = self.file(path)?;
        let lba = self.geometry.cluster_lba(file.start_cluster);
        Some(Extent {
            start_lba: lba - u64::from(VOLUME_START_LBA),
            length_sectors: u64::from(file.length.limit_bytes()).div_ceil(SECTOR_BYTES),
        })
    }

    /// What must be written besides the files, once the lengths of all [`Length::AtMost`] files are
    /// known.
    ///
    /// # Errors
    /// Where a length is missing, belongs to no such file, or exceeds what was reserved.
    pub fn finish(
        &self,
        lengths: &[FinalLength<'_>],
        options: &Options,
    ) -> Result<Finished, FinishError> {
        finish::finish(self, lengths, options)
    }

    pub(crate) fn file_index(&self, path: &str) -> Option<usize> {
        self.by_path.get(path).copied()
    }

    fn file(&self, path: &str) -> Option<&PlacedFile> {
        self.files.get(self.file_index(path)?)
    }
}

impl PlacedLength {
    pub(crate) fn limit_bytes(self) -> u32 {
        match self {
            Self::Exact(bytes) | Self::AtMost(bytes) | Self::Maybe(bytes) => bytes,
        }
    }
}

impl From<TooLarge> for PlanError {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

fn directories(files: &[PlannedFile]) -> Result<Directories, PlanError> {
    let paths = files.iter().map(|file| file.path.as_str());
    Directories::new(paths).map_err(|(path, error)| {
        let path = path.to_owned();
        match error {
            PathError::Name(source) => PlanError::Name { path, source },
            PathError::Taken => PlanError::Taken { path },
            PathError::Full => PlanError::DirectoryFull { path },
        }
    })
}

fn checked(file: &PlannedFile) -> Result<PlacedLength, PlanError> {
    let narrow = |length_bytes: u64| {
        u32::try_from(length_bytes).map_err(|_| PlanError::FileTooLong {
            path: file.path.clone(),
            length_bytes,
        })
    };
    match file.length {
        Length::Exact(bytes) => narrow(bytes).map(PlacedLength::Exact),
        Length::AtMost(bytes) => narrow(bytes).map(PlacedLength::AtMost),
        Length::Maybe(bytes) => narrow(bytes).map(PlacedLength::Maybe),
    }
}

/// The geometry that holds all of it. On a fixed size, the limits of the last files give way.
fn geometry_for(
    size: Size,
    directories: &[u32],
    files: &mut [PlacedLength],
) -> Result<Geometry, PlanError> {
    let sectors_per_cluster = geometry::sectors_per_cluster(size);
    let cluster_bytes = geometry::cluster_bytes(sectors_per_cluster);
    let apart = geometry::clusters_apart(sectors_per_cluster);
    let apart_bytes = u64::from(apart) * u64::from(cluster_bytes);
    let clusters = |bytes: u32| u64::from(bytes.div_ceil(cluster_bytes).next_multiple_of(apart));
    let files_need = |files: &[PlacedLength]| -> u64 {
        files
            .iter()
            .map(|length| clusters(length.limit_bytes()))
            .sum()
    };
    let directories_need: u64 = directories.iter().map(|&bytes| clusters(bytes)).sum();
    let Size::Fixed(size_bytes) = size else {
        return Ok(Geometry::fit(directories_need + files_need(files))?);
    };
    let (others, open) = files.split_at_mut(open_from(files));
    let needed = directories_need + files_need(others);
    let geometry = Geometry::fixed(size_bytes)?;
    let geometry = geometry.filter(|geometry| u64::from(geometry.clusters_limit) >= needed);
    let Some(geometry) = geometry else {
        return Err(PlanError::TooSmall {
            size_bytes,
            needed_bytes: Geometry::sufficient_bytes(needed, sectors_per_cluster)?,
        });
    };
    let rest = u64::from(geometry.clusters_limit) - needed;
    let mut rest_bytes = rest * u64::from(cluster_bytes);
    for file in open {
        if let PlacedLength::AtMost(limit) | PlacedLength::Maybe(limit) = file {
            *limit = u32::try_from(rest_bytes).map_or(*limit, |rest| rest.min(*limit));
            rest_bytes = rest_bytes.saturating_sub(u64::from(*limit).next_multiple_of(apart_bytes));
        }
    }
    Ok(geometry)
}

/// Where the files begin that share what space there is: the last one with a reserved length, and
/// those that may follow it.
fn open_from(files: &[PlacedLength]) -> usize {
    let firm = |length: &PlacedLength| !matches!(length, PlacedLength::Maybe(_));
    match files.iter().rposition(firm) {
        Some(last) if matches!(files[last], PlacedLength::AtMost(_)) => last,
        Some(last) => last + 1,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn file(path: &str, length: Length) -> PlannedFile {
        PlannedFile {
            path: path.to_owned(),
            length,
        }
    }

    fn error(files: &[PlannedFile]) -> PlanError {
        Plan::new(files, Size::Fit).unwrap_err()
    }

    #[test]
    fn files_lie_in_order_on_boundaries_of_the_largest_clusters() {
        const APART_BYTES: u64 = 32_768;
        let files = [
            file("a", Length::Exact(5000)),
            file("b/c", Length::AtMost(1)),
            file("d", Length::Exact(0)),
            file("e", Length::AtMost(FILE_LIMIT_BYTES)),
        ];
        let plan = Plan::new(&files, Size::Fit).unwrap();
        let offset = |path| plan.place(path).unwrap().offset_bytes;
        // The root and `b` come first.
        let data = offset("a") - 2 * APART_BYTES;
        assert_eq!(data % (4 * MIB), 0);
        assert_eq!(offset("b/c"), data + 3 * APART_BYTES);
        assert_eq!(offset("e"), data + 4 * APART_BYTES);
        assert_eq!(plan.place("e").unwrap().limit_bytes, FILE_LIMIT_BYTES);
        assert_eq!(plan.place("nowhere"), None);
        let extent = plan.extent("a").unwrap();
        assert_eq!(extent.start_bytes() + MIB, offset("a"));
        assert_eq!(extent.length_sectors, 10);
    }

    #[test]
    fn paths_that_cannot_be_are_named() {
        let here = |path| file(path, Length::Exact(1));
        let taken = |path: &str| PlanError::Taken {
            path: path.to_owned(),
        };
        assert_eq!(error(&[here("a/b"), here("A/c")]), taken("A/c"));
        assert_eq!(error(&[here("a/b"), here("a/B")]), taken("a/B"));
        assert_eq!(error(&[here("a"), here("a/b")]), taken("a/b"));
        assert_eq!(error(&[here("a/b"), here("a")]), taken("a"));
        for path in ["/a", "a/", "a//b", "", "a/../b", "a:b", "x."] {
            assert!(matches!(error(&[here(path)]), PlanError::Name { .. }));
        }
    }

    #[test]
    fn limits_of_fat_are_errors() {
        let long = PlanError::FileTooLong {
            path: "a".to_owned(),
            length_bytes: 1 << 32,
        };
        assert_eq!(error(&[file("a", Length::Exact(1 << 32))]), long);
        let name = |number| file(&format!("d/{number:020}"), Length::Exact(0));
        let many: Vec<_> = (0..21_845).map(name).collect();
        assert_eq!(
            error(&many),
            PlanError::DirectoryFull {
                path: many[0].path.clone()
            }
        );
        assert!(Plan::new(&many[..21_844], Size::Fit).is_ok());
        let large = Plan::new(&[], Size::Fixed(3 << 40)).unwrap_err();
        assert_eq!(large, PlanError::TooLarge);
    }

    #[test]
    fn a_size_that_is_too_small_names_one_that_is_not() {
        for length in [1, 300 * MIB, 1234 * MIB, FILE_LIMIT_BYTES] {
            let files = [file("a", Length::Exact(length))];
            let too_small = Plan::new(&files, Size::Fixed(200 * MIB)).unwrap_err();
            let PlanError::TooSmall { needed_bytes, .. } = too_small else {
                panic!("{too_small}")
            };
            assert!(Plan::new(&files, Size::Fixed(needed_bytes)).is_ok());
            let less = Size::Fixed(needed_bytes - 10 * MIB);
            assert!(Plan::new(&files, less).is_err());
        }
    }

    #[test]
    fn the_last_file_takes_what_a_fixed_size_leaves() {
        let files = [
            file("a", Length::Exact(100 * MIB)),
            file("b", Length::AtMost(FILE_LIMIT_BYTES)),
        ];
        let plan = Plan::new(&files, Size::Fixed(512 * MIB)).unwrap();
        let place = plan.place("b").unwrap();
        assert_eq!(place.offset_bytes + place.limit_bytes, 511 * MIB);
        let roomy = Plan::new(&files, Size::Fixed(6 << 30)).unwrap();
        assert_eq!(roomy.place("b").unwrap().limit_bytes, FILE_LIMIT_BYTES);
    }

    #[test]
    fn the_last_files_share_what_a_fixed_size_leaves() {
        let files = [
            file("a", Length::AtMost(MIB)),
            file("b", Length::AtMost(256 * MIB)),
            file("c", Length::Maybe(256 * MIB)),
            file("d", Length::Maybe(256 * MIB)),
        ];
        let plan = Plan::new(&files, Size::Fixed(512 * MIB)).unwrap();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|path| plan.place(path).unwrap());
        assert_eq!((a.limit_bytes, b.limit_bytes), (MIB, 256 * MIB));
        assert_eq!(b.offset_bytes + b.limit_bytes, c.offset_bytes);
        assert_eq!(c.offset_bytes + c.limit_bytes, 511 * MIB);
        assert_eq!(d.limit_bytes, 0);
    }
}
