//! What the sample says of all the rest.
//!
//! Files of which several blocks were compressed speak for themselves alone; everything else is
//! taken to be like what was compressed of its class, blocks and fragments apart.

use super::packing::{Packing, Unit};
use super::sample::Sample;
use crate::pipeline::{FileSizes, Sizes};
use crate::plan::{Class, Plan};
use std::collections::HashMap;
use std::time::Duration;

/// How many blocks of a file must be in the sample for it to speak for itself.
const OWN_BLOCKS: usize = 4;

/// Ratios are whole numbers, for the same result everywhere: this many bits are behind the point.
const RATIO_BITS: u32 = 32;

/// What is alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stratum {
    File(usize),
    Blocks(Class),
    Fragments(Class),
}

pub(super) struct Strata {
    classes: Vec<Class>,
    known: HashMap<Stratum, Means>,
    all: Means,
    /// By stratum, how many bytes there are.
    bytes: HashMap<Stratum, u64>,
}

/// What was measured, added up.
#[derive(Clone, Copy, Debug, Default)]
struct Means {
    samples: u64,
    /// Shares of each unit that were stored, as ratios.
    ratios: u64,
    compressed_bytes: u64,
    nanoseconds: u128,
}

impl Means {
    fn add(&mut self, sample: &Sample) {
        self.samples += 1;
        self.ratios += (sample.stored_bytes << RATIO_BITS) / sample.length_bytes;
        self.compressed_bytes += sample.length_bytes;
        self.nanoseconds += sample.time.as_nanos();
    }

    fn stored(&self, bytes: u64) -> u64 {
        let ratio = self.ratios / self.samples.max(1);
        // No more than there was.
        u64::try_from((u128::from(bytes) * u128::from(ratio)) >> RATIO_BITS).unwrap_or(bytes)
    }

    fn nanoseconds(&self, bytes: u64) -> u128 {
        u128::from(bytes) * self.nanoseconds / u128::from(self.compressed_bytes.max(1))
    }
}

impl Strata {
    pub(super) fn new(
        plan: &Plan<'_>,
        packing: &Packing,
        units: &[Unit],
        samples: &[Sample],
    ) -> Self {
        let mut blocks: HashMap<usize, usize> = HashMap::new();
        for unit in units {
            if let Unit::Block { file, .. } = unit {
                *blocks.entry(*file).or_default() += 1;
            }
        }
        let mut strata = Self {
            classes: plan.files.iter().map(|file| file.class).collect(),
            known: HashMap::new(),
            all: Means::default(),
            bytes: HashMap::new(),
        };
        for (file, _) in blocks.into_iter().filter(|(_, count)| *count >= OWN_BLOCKS) {
            strata.known.insert(Stratum::File(file), Means::default());
        }
        for (unit, sample) in units
            .iter()
            .zip(samples)
            .filter(|(_, s)| s.length_bytes > 0)
        {
            let stratum = match unit {
                Unit::Block { file, .. } => strata.of_blocks(*file),
                Unit::Fragment { number, .. } => strata.of_fragment(*number, packing),
            };
            strata.known.entry(stratum).or_default().add(sample);
            strata.all.add(sample);
        }
        strata.count(packing);
        strata
    }

    fn count(&mut self, packing: &Packing) {
        for (file, packed) in packing.files.iter().enumerate() {
            *self.bytes.entry(self.of_blocks(file)).or_default() += packed.own_bytes;
        }
        for (number, fragment) in packing.fragments.iter().enumerate() {
            let stratum = self.of_fragment(number, packing);
            *self.bytes.entry(stratum).or_default() += fragment.length_bytes;
        }
    }

    fn of_blocks(&self, file: usize) -> Stratum {
        let own = Stratum::File(file);
        match self.known.contains_key(&own) {
            true => own,
            false => Stratum::Blocks(self.classes[file]),
        }
    }

    /// Files lie in the order of their classes, so the first one speaks for all but a few.
    fn of_fragment(&self, number: usize, packing: &Packing) -> Stratum {
        let first = packing.fragments[number].pieces.start;
        Stratum::Fragments(self.classes[packing.pieces[first].file])
    }

    fn means(&self, stratum: Stratum) -> &Means {
        let known = self.known.get(&stratum);
        known.filter(|means| means.samples > 0).unwrap_or(&self.all)
    }

    /// What will be stored of a file.
    pub(super) fn stored_bytes(&self, file: usize, packing: &Packing, length_bytes: u64) -> u64 {
        let packed = &packing.files[file];
        let own = self.means(self.of_blocks(file)).stored(packed.own_bytes);
        let rest = length_bytes - packed.own_bytes;
        let fragment = packed.fragment.map_or(0, |(number, _)| {
            let number = usize::try_from(number).unwrap_or(usize::MAX);
            self.means(self.of_fragment(number, packing)).stored(rest)
        });
        own + fragment
    }

    /// How long all of it takes.
    pub(super) fn thread_time(&self) -> Duration {
        let times = self.bytes.iter();
        let nanoseconds: u128 = times
            .map(|(stratum, bytes)| self.means(*stratum).nanoseconds(*bytes))
            .sum();
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }

    /// What the tables will say.
    pub(super) fn sizes(&self, plan: &Plan<'_>, packing: &Packing) -> Sizes {
        let files = packing.files.iter().zip(&plan.files).enumerate();
        let files = files.map(|(file, (packed, planned))| FileSizes {
            length_bytes: planned.length_bytes,
            blocks: packed.own_bytes.div_ceil(packing.block_bytes),
            stored_bytes: self.means(self.of_blocks(file)).stored(packed.own_bytes),
            fragment: packed.fragment,
        });
        let fragments = packing.fragments.iter().enumerate();
        let fragments = fragments.map(|(number, fragment)| {
            let means = self.means(self.of_fragment(number, packing));
            means.stored(fragment.length_bytes)
        });
        Sizes {
            files: files.collect(),
            fragments: fragments.collect(),
        }
    }
}
