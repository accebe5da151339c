//! The walk through all directories.

use super::directory::{Decoded, Named, decode};
use super::fat::Link;
use super::{Finding, ReadError, Volume};
use crate::directory::DIRECTORY_LIMIT_BYTES;
use crate::plan::Run;
use livestick_blockio::{Extent, ReadAt, SECTOR_BYTES};

/// A file or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path, with `/` between names and at neither end; empty for the root.
    pub path: String,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Its length; of a directory that of its clusters.
    pub length_bytes: u64,
    /// Where it lies, in order, by sectors of the device. They end with whole clusters.
    pub extents: Vec<Extent>,
}

/// What is on a volume.
#[derive(Debug)]
pub struct Scan {
    /// Everything that can be reached: the root first, each directory before what is in it.
    pub entries: Vec<Entry>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The clusters of each entry.
    pub(crate) runs: Vec<Vec<Run>>,
    /// The label that the root holds.
    pub(crate) label: Option<[u8; 11]>,
    /// Which clusters are in use.
    pub(crate) taken: Taken,
}

/// A bit for each cluster.
#[derive(Debug)]
pub(crate) struct Taken {
    bits: Vec<u64>,
    pub(crate) count: u32,
}

/// Deeper ones are not entered: nobody makes them, and paths would grow without end.
const DEPTH_LIMIT: usize = 64;
/// More entries are not kept; a stick has dozens.
const ENTRIES_LIMIT: usize = 1 << 20;

impl Scan {
    /// The file of this path, spelt exactly so.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&Entry> {
        let mut files = self.entries.iter().filter(|entry| !entry.is_directory);
        files.find(|entry| entry.path == path)
    }
}

pub(super) fn scan<R: ReadAt>(volume: &Volume<R>) -> Result<Scan, ReadError> {
    let root = volume.boot.parameters.root_cluster;
    let mut walk = Walk {
        volume,
        scan: Scan {
            entries: Vec::new(),
            findings: Vec::new(),
            runs: Vec::new(),
            label: None,
            taken: Taken::new(volume.boot.parameters.clusters),
        },
    };
    let root = Named {
        name: String::new(),
        is_directory: true,
        cluster: root,
        length_bytes: 0,
    };
    walk.add(String::new(), &root)?;
    let mut next = 0;
    // Directories append what is in them.
    while next < walk.scan.entries.len() {
        if walk.scan.entries[next].is_directory {
            walk.enter(next)?;
        }
        next += 1;
    }
    Ok(walk.scan)
}

struct Walk<'a, R> {
    volume: &'a Volume<R>,
    scan: Scan,
}

impl<R: ReadAt> Walk<'_, R> {
    fn enter(&mut self, index: usize) -> Result<(), ReadError> {
        let entry = self.scan.entries[index].clone();
        let part = directory_name(&entry.path);
        if entry.path.split('/').count() > DEPTH_LIMIT {
            self.damaged(&part, "it lies too deep");
            return Ok(());
        }
        if entry.length_bytes > DIRECTORY_LIMIT_BYTES as u64 {
            self.damaged(&part, "it is longer than a directory can be");
            return Ok(());
        }
        let Decoded {
            entries,
            label,
            stray_names,
        } = decode(&self.read(&entry)?);
        if stray_names > 0 {
            self.damaged(&part, "long names belong to no file");
        }
        if index == 0 {
            self.scan.label = label;
        }
        for named in entries {
            if named.name.is_empty() || named.name.contains('/') {
                self.damaged(&part, "a name is none");
                continue;
            }
            if self.scan.entries.len() >= ENTRIES_LIMIT {
                self.damaged(&part, "there are too many files");
                break;
            }
            let path = match entry.path.is_empty() {
                true => named.name.clone(),
                false => format!("{}/{}", entry.path, named.name),
            };
            self.add(path, &named)?;
        }
        Ok(())
    }

    /// Notes an entry and follows its chain.
    fn add(&mut self, path: String, named: &Named) -> Result<(), ReadError> {
        let part = match named.is_directory {
            true => directory_name(&path),
            false => path.clone(),
        };
        let runs = self.chain(&part, named.cluster)?;
        let clusters: u64 = runs.iter().map(|run| u64::from(run.length)).sum();
        let parameters = &self.volume.boot.parameters;
        let length_bytes = match named.is_directory {
            true => clusters * parameters.cluster_bytes(),
            false => u64::from(named.length_bytes),
        };
        let expected = length_bytes.div_ceil(parameters.cluster_bytes());
        let extents = runs.iter().map(|run| Extent {
            start_lba: parameters.cluster_lba(run.start),
            length_sectors: u64::from(run.length) * u64::from(parameters.sectors_per_cluster),
        });
        let extents = extents.collect();
        if clusters != expected {
            let problem = format!("it needs {expected} clusters and has {clusters}");
            self.damaged(&part, problem);
        }
        self.scan.entries.push(Entry {
            path,
            is_directory: named.is_directory,
            length_bytes,
            extents,
        });
        self.scan.runs.push(runs);
        Ok(())
    }

    /// The clusters from this one on. What leads nowhere ends it.
    fn chain(&mut self, part: &str, first: u32) -> Result<Vec<Run>, ReadError> {
        let mut runs: Vec<Run> = Vec::new();
        if first == 0 {
            return Ok(runs);
        }
        let mut cluster = first;
        loop {
            if !self.volume.boot.parameters.holds(cluster) {
                self.damaged(
                    part,
                    format!("its clusters lead to {cluster}, which there is not"),
                );
                return Ok(runs);
            }
            if !self.scan.taken.take(cluster) {
                self.damaged(part, format!("cluster {cluster} is in use twice"));
                return Ok(runs);
            }
            match runs.last_mut() {
                Some(run) if run.end() == cluster => run.length += 1,
                _ => runs.push(Run {
                    start: cluster,
                    length: 1,
                }),
            }
            match self.volume.fat.link(&self.volume.medium, cluster)? {
                Link::Next(next) => cluster = next,
                Link::End => return Ok(runs),
                Link::Free | Link::Bad => {
                    self.damaged(part, format!("its clusters break off at {cluster}"));
                    return Ok(runs);
                }
            }
        }
    }

    fn read(&self, entry: &Entry) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        for extent in &entry.extents {
            let start = bytes.len();
            let length = usize::try_from(extent.length_bytes()).unwrap_or_default();
            bytes.resize(start + length, 0);
            let offset_bytes = extent.start_lba * SECTOR_BYTES;
            let read = self
                .volume
                .medium
                .read_exact_at(&mut bytes[start..], offset_bytes);
            read.map_err(|source| ReadError::Io {
                part: "directory",
                offset_bytes,
                source,
            })?;
        }
        Ok(bytes)
    }

    fn damaged(&mut self, part: &str, problem: impl Into<String>) {
        self.scan.findings.push(Finding::damaged(part, problem));
    }
}

impl Taken {
    fn new(clusters: u32) -> Self {
        let words = (u64::from(clusters) + 2).div_ceil(64);
        Self {
            bits: vec![0; usize::try_from(words).unwrap_or_default()],
            count: 0,
        }
    }

    /// False where it is taken already.
    fn take(&mut self, cluster: u32) -> bool {
        let free = !self.holds(cluster);
        if free {
            self.bits[cluster as usize / 64] |= 1 << (cluster % 64);
            self.count += 1;
        }
        free
    }

    pub(crate) fn holds(&self, cluster: u32) -> bool {
        let word = self.bits.get(cluster as usize / 64).copied();
        word.is_some_and(|word| word >> (cluster % 64) & 1 == 1)
    }
}

fn directory_name(path: &str) -> String {
    format!("directory /{path}")
}
