//! Where the contents of each file went.

use livestick_tree::Stamp;
use std::collections::HashMap;

/// Where everything is, and what was noticed on the way. Files are named by their place in the
/// plan.
pub(crate) struct Layout {
    placements: Placements,
    runs: Runs,
}

/// What the sequencer decided.
pub(super) struct Placements {
    pub(super) files: Vec<Placement>,
    /// Small files by length and hash.
    pub(super) small: HashMap<(u64, u128), (usize, Stamp)>,
    /// Large files that others may be equal to, and the state in which they were read.
    pub(super) large: HashMap<usize, Stamp>,
    /// Files that have to be read in another round.
    pub(super) deferred: Vec<usize>,
    pub(super) changed: Vec<usize>,
    pub(super) torn: Vec<usize>,
    pub(super) fragments: u32,
}

/// Where a file is.
#[derive(Clone, Copy)]
pub(super) enum Placement {
    /// Nowhere: it was left out.
    Absent,
    /// Nowhere: it was gone.
    Vanished,
    /// In its blocks, and its end in a fragment: which, and from which byte on.
    Stored(u64, Option<(u32, u32)>),
    /// Where an equal file is.
    Same(usize),
}

/// What the writer wrote.
pub(super) struct Runs {
    pub(super) files: Vec<Run>,
    /// The sizes of blocks as inodes have them.
    pub(super) words: Vec<u32>,
    pub(super) fragments: Vec<FragmentBlock>,
    pub(super) stored_bytes: u64,
}

/// The blocks of a file.
#[derive(Clone, Copy, Default)]
pub(super) struct Run {
    pub(super) start: u64,
    pub(super) first_word: usize,
    pub(super) words: usize,
}

/// A fragment in the image: its position, and its size as the fragment table has it.
#[derive(Clone, Copy)]
pub(crate) struct FragmentBlock {
    pub(crate) start: u64,
    pub(crate) size: u32,
}

/// The contents of one file, as its inode has them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Contents<'a> {
    pub(crate) length_bytes: u64,
    pub(crate) start: u64,
    pub(crate) words: &'a [u32],
    pub(crate) fragment: Option<(u32, u32)>,
    /// Another file has the same contents, and came first.
    pub(crate) duplicate: bool,
}

impl Contents<'_> {
    /// How many of its bytes are zeros that take no space.
    pub(crate) fn sparse_bytes(&self, block_bytes: u64) -> u64 {
        let holes = self.words.iter().filter(|word| **word == 0).count() as u64;
        let missing = match (self.words.last(), self.length_bytes % block_bytes) {
            // The last block is a hole, and shorter than the others.
            (Some(0), rest) if rest > 0 && self.fragment.is_none() => block_bytes - rest,
            _ => 0,
        };
        holes * block_bytes - missing
    }
}

/// How large everything would be, for tables that are made before the data.
pub(crate) struct Sizes {
    /// In the order of the plan.
    pub(crate) files: Vec<FileSizes>,
    /// What would be stored of each fragment, in bytes.
    pub(crate) fragments: Vec<u64>,
}

/// How large a file would be.
pub(crate) struct FileSizes {
    pub(crate) length_bytes: u64,
    /// How many blocks of its own it has.
    pub(crate) blocks: u64,
    /// What would be stored of these, in bytes.
    pub(crate) stored_bytes: u64,
    /// Its place in a fragment.
    pub(crate) fragment: Option<(u32, u32)>,
}

impl Layout {
    /// A layout of which only the sizes are known. Blocks that are all of one size would compress
    /// too well in the tables, so they vary.
    pub(crate) fn of_sizes(sizes: &Sizes) -> Self {
        let mut layout = Self::new(sizes.files.len());
        let mut varied = Varied::default();
        let mut start = 0;
        for (file, sizes) in sizes.files.iter().enumerate() {
            let first_word = layout.runs.words.len();
            let average = sizes.stored_bytes / sizes.blocks.max(1);
            let words = (0..sizes.blocks).map(|_| varied.size(average));
            layout.runs.words.extend(words);
            layout.runs.files[file] = Run {
                start,
                first_word,
                words: layout.runs.words.len() - first_word,
            };
            layout.placements.files[file] = Placement::Stored(sizes.length_bytes, sizes.fragment);
            start += sizes.stored_bytes;
        }
        for stored_bytes in &sizes.fragments {
            let size = varied.size(*stored_bytes);
            layout.runs.fragments.push(FragmentBlock { start, size });
            start += stored_bytes;
        }
        layout
    }

    pub(super) fn new(files: usize) -> Self {
        Self {
            placements: Placements {
                files: vec![Placement::Absent; files],
                small: HashMap::new(),
                large: HashMap::new(),
                deferred: Vec::new(),
                changed: Vec::new(),
                torn: Vec::new(),
                fragments: 0,
            },
            runs: Runs {
                files: vec![Run::default(); files],
                words: Vec::new(),
                fragments: Vec::new(),
                stored_bytes: 0,
            },
        }
    }

    pub(super) fn parts(&mut self) -> (&mut Placements, &mut Runs) {
        (&mut self.placements, &mut self.runs)
    }

    pub(super) fn take_deferred(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.placements.deferred)
    }

    /// The contents of a file; `None` where it was left out.
    pub(crate) fn contents(&self, file: usize) -> Option<Contents<'_>> {
        match self.placements.files[file] {
            Placement::Absent | Placement::Vanished => None,
            Placement::Same(original) => self.contents(original).map(|contents| Contents {
                duplicate: true,
                ..contents
            }),
            Placement::Stored(length_bytes, fragment) => {
                let run = self.runs.files[file];
                Some(Contents {
                    length_bytes,
                    start: run.start,
                    words: &self.runs.words[run.first_word..][..run.words],
                    fragment,
                    duplicate: false,
                })
            }
        }
    }

    pub(crate) fn fragments(&self) -> &[FragmentBlock] {
        &self.runs.fragments
    }

    /// Bytes of blocks and fragments in the image.
    pub(crate) fn stored_bytes(&self) -> u64 {
        self.runs.stored_bytes
    }

    /// Files that were not read at the first try, in the order of the plan.
    pub(crate) fn changed(&self) -> &[usize] {
        &self.placements.changed
    }

    /// Files that never held still, in the order of the plan.
    pub(crate) fn torn(&self) -> &[usize] {
        &self.placements.torn
    }

    /// Whether a file was gone when its turn came.
    pub(crate) fn is_vanished(&self, file: usize) -> bool {
        matches!(self.placements.files.get(file), Some(Placement::Vanished))
    }
}

/// Sizes around an average, the same ones each time: a linear congruential generator (Knuth's MMIX).
#[derive(Default)]
struct Varied(u64);

impl Varied {
    /// Up to an eighth less, and never nothing, which would be a hole.
    fn size(&mut self, average: u64) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let less = (self.0 >> 33) % (average / 8 + 1);
        // A block is at most 1 MiB.
        u32::try_from(average - less).unwrap_or(u32::MAX).max(1)
    }
}
