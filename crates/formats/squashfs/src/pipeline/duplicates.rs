//! Which large files are equal, found out before anything of them is compressed.
//!
//! Files of the same length are a group. A group is looked at when a reader comes to the first of
//! it; while it is, the other readers and the compressors go on. Small files are not looked at
//! here: they are in memory whole when the sequencer decides on them.

use super::{Shared, Stopped};
use crate::plan::Plan;
use livestick_tree::Stamp;
use std::collections::HashMap;
use std::sync::OnceLock;

/// The groups of large files of the same length.
pub(super) struct Duplicates {
    block_bytes: u64,
    groups: Vec<Group>,
    /// The group of a file.
    of: HashMap<usize, usize>,
}

struct Group {
    /// In the order of the plan.
    files: Vec<usize>,
    originals: OnceLock<Originals>,
}

/// For each file that is equal to an earlier one: that one, and its state when they were compared.
type Originals = HashMap<usize, (usize, Stamp)>;

impl Duplicates {
    pub(super) fn new(plan: &Plan<'_>, block_bytes: usize) -> Self {
        let block_bytes = block_bytes as u64;
        let mut groups: Vec<Group> = Vec::new();
        let mut by_length = HashMap::new();
        let mut of = HashMap::new();
        for (index, file) in plan.files.iter().enumerate() {
            if !file.collides || file.length_bytes < block_bytes {
                continue;
            }
            let group = *by_length.entry(file.length_bytes).or_insert_with(|| {
                groups.push(Group {
                    files: Vec::new(),
                    originals: OnceLock::new(),
                });
                groups.len() - 1
            });
            groups[group].files.push(index);
            of.insert(index, group);
        }
        Self {
            block_bytes,
            groups,
            of,
        }
    }

    /// The file that this one is equal to, and the state of that one.
    pub(super) fn original(&self, shared: &Shared<'_>, file: usize) -> Option<(usize, Stamp)> {
        let group = &self.groups[*self.of.get(&file)?];
        let originals = group
            .originals
            // Once stopped, it no longer matters what is found.
            .get_or_init(|| self.compare(shared, group).unwrap_or_default());
        originals.get(&file).copied()
    }

    /// Most files of one length differ at once; what remains is hashed whole; what remains of that
    /// is compared byte by byte.
    fn compare(&self, shared: &Shared<'_>, group: &Group) -> Result<Originals, Stopped> {
        let mut originals = Originals::new();
        let alike = match group.files.len() {
            2 => vec![group.files.clone()],
            _ => self.alike(shared, &group.files)?,
        };
        for files in alike {
            let Some((first, others)) = files.split_first() else {
                continue;
            };
            for other in others {
                if let Some(stamp) = shared.equal(*first, *other)? {
                    originals.insert(*other, (*first, stamp));
                }
            }
        }
        Ok(originals)
    }

    fn alike(&self, shared: &Shared<'_>, files: &[usize]) -> Result<Vec<Vec<usize>>, Stopped> {
        let mut alike = Vec::new();
        for files in split(shared, files, self.block_bytes)? {
            alike.extend(split(shared, &files, u64::MAX)?);
        }
        Ok(alike)
    }
}

/// Splits files by the hash of their first bytes; those that are like no other fall out.
fn split(
    shared: &Shared<'_>,
    files: &[usize],
    limit_bytes: u64,
) -> Result<Vec<Vec<usize>>, Stopped> {
    let mut by_hash: HashMap<u128, Vec<usize>> = HashMap::new();
    for file in files {
        if let Some(hash) = shared.hash(*file, limit_bytes)? {
            by_hash.entry(hash).or_default().push(*file);
        }
    }
    by_hash.retain(|_, files| files.len() > 1);
    Ok(by_hash.into_values().collect())
}
