//! How long an image will be, from a sample of its blocks.
//!
//! The writer's own rules say from lengths alone which blocks and fragments there will be. Some of
//! these are read and compressed, spread evenly over all bytes in the order of the plan, in which
//! files that are alike lie together; the tables are made in full, and thrown away.

mod packing;
mod sample;
mod strata;

use crate::codec::compressor_options;
use crate::format::{PADDING_BYTES, SUPERBLOCK_BYTES};
use crate::output::Output;
use crate::pipeline::Layout;
use crate::plan::Plan;
use crate::summary::{Counts, LostXattr};
use crate::{Options, WriteError, tables};
use livestick_blockio::{Progress, WriteAt};
use livestick_tree::{ContentSource, NodeId, Tree};
use packing::Packing;
use std::io;
use std::time::Duration;
use strata::Strata;

/// What an image is likely to become, and what it certainly cannot hold.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Estimate {
    /// The length of the image in bytes.
    pub length_bytes: u64,
    /// The lengths of all regular files together, holes and duplicates included.
    pub content_bytes: u64,
    /// What will be stored of that.
    pub stored_bytes: u64,
    /// How much of the contents was compressed to find that out.
    pub sampled_bytes: u64,
    /// How long one thread will take to read and compress all contents, going by the sample.
    pub thread_time: Duration,
    /// How many files there are of each kind.
    pub counts: Counts,
    /// The files whose times are before 1970 or after 2106, and will be moved to that limit.
    pub clamped_times: Vec<Vec<u8>>,
    /// The attributes that SquashFS cannot hold, POSIX ACLs among them.
    pub lost_xattrs: Vec<LostXattr>,
    /// By the index of the node.
    stored: Vec<u64>,
}

impl Estimate {
    /// What is likely to be stored of the contents of a file, in bytes; 0 for all that is none.
    #[must_use]
    pub fn stored_bytes_of(&self, node: NodeId) -> u64 {
        self.stored.get(node.index()).copied().unwrap_or_default()
    }
}

/// Estimates what [`write`](crate::write()) would make of a tree, with about `sample_bytes` of its
/// contents compressed. All of it is, where there is no more. The same input gives the same
/// estimate, but for the time.
///
/// Progress is one stage, in bytes of the sample.
///
/// # Errors
/// Where the format cannot hold the tree; where a file of the sample cannot be read, unless such
/// files are to be skipped.
pub fn estimate(
    tree: &Tree,
    source: &dyn ContentSource,
    options: &Options,
    sample_bytes: u64,
    progress: &dyn Progress,
) -> Result<Estimate, WriteError> {
    options.check()?;
    let plan = Plan::new(tree, options)?;
    let packing = Packing::new(&plan, options.block_bytes());
    let chosen = packing.choose(&plan, sample_bytes);
    progress.start(
        "sample",
        Some(chosen.iter().map(|unit| unit.length_bytes()).sum()),
    );
    let samples = sample::compress(&plan, &packing, &chosen, source, options, progress)?;
    let strata = Strata::new(&plan, &packing, &chosen, &samples);

    let mut stored = vec![0; tree.capacity()];
    for (file, planned) in plan.files.iter().enumerate() {
        stored[planned.node.index()] = strata.stored_bytes(file, &packing, planned.length_bytes);
    }
    let stored_bytes: u64 = stored.iter().sum();
    let layout = Layout::of_sizes(&strata.sizes(&plan, &packing));
    let mut output = Output::new(&Nowhere);
    let (_, tally) = tables::write(&plan, &layout, options, &mut output)?;
    let header = compressor_options(options.compression, options.block_size_bytes)
        .map_or(SUPERBLOCK_BYTES, |bytes| SUPERBLOCK_BYTES + bytes.len() + 2);
    let length: u64 = header as u64 + stored_bytes + output.position();
    Ok(Estimate {
        length_bytes: length.next_multiple_of(PADDING_BYTES),
        content_bytes: plan.content_bytes,
        stored_bytes,
        sampled_bytes: samples.iter().map(|sample| sample.length_bytes).sum(),
        thread_time: strata.thread_time(),
        counts: tally.counts,
        clamped_times: tally.clamped_times,
        lost_xattrs: tally.lost_xattrs,
        stored,
    })
}

/// Takes everything and keeps nothing.
struct Nowhere;

impl WriteAt for Nowhere {
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Compression, Summary};
    use livestick_blockio::NoProgress;
    use livestick_tree::{Kind, Metadata, RootDirectory, Xattr};
    use std::num::NonZeroUsize;

    const METADATA: Metadata = Metadata {
        permissions: 0o644,
        uid: 0,
        gid: 0,
        modified_seconds: -1,
    };
    const BLOCK: usize = 128 << 10;

    fn options(jobs: usize) -> Options {
        Options {
            jobs: NonZeroUsize::new(jobs).unwrap(),
            ..Options::new(Compression::Zstd { level: 1 })
        }
    }

    /// Bytes that compress to about `bits` eighths.
    fn bytes(length: usize, bits: u32, seed: u64) -> Vec<u8> {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3] & u8::try_from((1_u32 << bits) - 1).unwrap()
        };
        (0..length).map(|_| next()).collect()
    }

    fn add(tree: &mut Tree, name: &str, bytes: Vec<u8>) -> NodeId {
        let kind = Kind::inline_file(bytes);
        let added = tree.add(Tree::ROOT, name.as_bytes(), METADATA, kind, Box::default());
        added.unwrap()
    }

    /// Small and large files of every class.
    fn mixed() -> Tree {
        let mut tree = Tree::new(METADATA, Box::default());
        for seed in 0..40 {
            let length = usize::try_from(seed).unwrap() * 977 + 1;
            add(&mut tree, &format!("{seed}.txt"), bytes(length, 3, seed));
            add(
                &mut tree,
                &format!("{seed}.so"),
                bytes(length * 9, 5, seed + 100),
            );
            add(
                &mut tree,
                &format!("{seed}.gz"),
                bytes(length + 9, 8, seed + 200),
            );
        }
        add(&mut tree, "large", bytes(BLOCK * 20 + 7, 4, 1000));
        add(&mut tree, "large.gz", bytes(BLOCK * 3 + BLOCK / 2, 8, 1001));
        tree
    }

    fn estimated(tree: &Tree, jobs: usize, sample_bytes: usize) -> Estimate {
        let source = RootDirectory::open("/".as_ref()).unwrap();
        let sample_bytes = sample_bytes as u64;
        estimate(tree, &source, &options(jobs), sample_bytes, &NoProgress).unwrap()
    }

    fn written(tree: &Tree) -> Summary {
        let source = RootDirectory::open("/".as_ref()).unwrap();
        let image = tempfile::tempfile().unwrap();
        crate::write(tree, &source, &image, &options(2), &NoProgress).unwrap()
    }

    #[track_caller]
    fn assert_close(estimate: u64, truth: u64, percent: u64) {
        let difference = estimate.abs_diff(truth);
        assert!(
            difference * 100 <= truth * percent,
            "{estimate}, not {truth}"
        );
    }

    #[test]
    fn what_is_compressed_whole_is_known_to_the_byte() {
        let tree = mixed();
        let estimate = estimated(&tree, 2, usize::MAX >> 1);
        let summary = written(&tree);
        assert_eq!(estimate.sampled_bytes, summary.content_bytes);
        // Ratios are rounded down, at each file once.
        assert_close(estimate.stored_bytes, summary.stored_bytes, 1);
        assert_close(estimate.length_bytes, summary.length_bytes, 1);
        assert_eq!(estimate.counts, summary.counts);
        assert_eq!(estimate.clamped_times, summary.clamped_times);
    }

    #[test]
    fn a_fifth_is_enough_and_threads_change_nothing() {
        let tree = mixed();
        let sample_bytes = BLOCK * 12;
        let estimate = estimated(&tree, 1, sample_bytes);
        let summary = written(&tree);
        assert!(estimate.sampled_bytes <= sample_bytes as u64);
        assert_close(estimate.length_bytes, summary.length_bytes, 10);
        let again = estimated(&tree, 3, sample_bytes);
        assert_eq!(estimate.length_bytes, again.length_bytes);
        assert_eq!(estimate.stored, again.stored);
        assert!(estimate.thread_time > Duration::ZERO);
    }

    #[test]
    fn what_compresses_badly_takes_more_of_the_image() {
        let tree = mixed();
        let estimate = estimated(&tree, 2, BLOCK * 20);
        let of = |name: &str| estimate.stored_bytes_of(tree.lookup(name.as_bytes()).unwrap());
        assert_close(of("large"), (BLOCK * 20 + 7) as u64 / 2, 5);
        assert_close(of("large.gz"), (BLOCK * 3 + BLOCK / 2) as u64, 5);
        assert!(of("39.txt") * 2 < of("39.gz"));
        assert_eq!(estimate.stored_bytes_of(Tree::ROOT), 0);
    }

    #[test]
    fn holes_and_what_is_there_twice_take_no_space() {
        let mut tree = Tree::new(METADATA, Box::default());
        add(&mut tree, "a", bytes(BLOCK * 10, 8, 1));
        add(&mut tree, "b", bytes(BLOCK * 10, 8, 1));
        add(&mut tree, "zeros", vec![0; BLOCK * 10]);
        for name in 0..30 {
            add(&mut tree, &format!("small{name}"), bytes(5000, 8, 2));
        }
        for sample_bytes in [BLOCK * 40, BLOCK * 16] {
            let estimate = estimated(&tree, 2, sample_bytes);
            assert_close(estimate.length_bytes, written(&tree).length_bytes, 10);
        }
    }

    #[test]
    fn what_the_format_cannot_hold_is_told_by_path() {
        let mut tree = Tree::new(METADATA, Box::default());
        let file = add(&mut tree, "file", b"some words".to_vec());
        tree.node_mut(file).xattrs = Box::new([Xattr {
            name: Box::from(*b"system.posix_acl_access"),
            value: Box::from(*b"x"),
        }]);
        let estimate = estimated(&tree, 1, 0);
        assert_eq!(estimate.lost_xattrs[0].path, b"file");
        assert_eq!(estimate.clamped_times.len(), 2);
        assert!(estimated(&Tree::new(METADATA, Box::default()), 1, 0).length_bytes >= 4096);
    }

    #[test]
    fn files_that_cannot_be_read_fail_or_are_left_out() {
        let mut tree = Tree::new(METADATA, Box::default());
        let kind = Kind::File {
            length_bytes: 10,
            content: livestick_tree::Content::Source,
        };
        tree.add(Tree::ROOT, b"odd", METADATA, kind.clone(), Box::default())
            .unwrap();
        tree.add(Tree::ROOT, b"gone", METADATA, kind, Box::default())
            .unwrap();
        // What is a directory by now cannot be read as a file.
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("odd")).unwrap();
        let source = RootDirectory::open(folder.path()).unwrap();
        let estimate = |unreadable| {
            let options = Options {
                unreadable,
                ..options(1)
            };
            estimate(&tree, &source, &options, 1 << 20, &NoProgress)
        };
        let failed = estimate(crate::Unreadable::Fail).unwrap_err();
        assert!(failed.to_string().contains("odd"), "{failed}");
        assert_eq!(estimate(crate::Unreadable::Skip).unwrap().stored_bytes, 0);
    }
}
