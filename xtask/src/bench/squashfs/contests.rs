//! Who makes an image of what, and how, and what we aim at.

use super::super::measure::Run;
use super::super::{goal, ratio};
use super::data::Data;
use crate::table::bytes;

/// One data set and one codec: the peers, and what ours is held against them.
pub struct Contest {
    /// What the images are made of.
    pub data: Data,
    /// What `mksquashfs` is told about the codec.
    pub mksquashfs: &'static [&'static str],
    /// What `gensquashfs` is told, where it takes part.
    pub gensquashfs: Option<&'static [&'static str]>,
    /// Ours, once or more.
    pub ours: &'static [Ours],
}

/// One way of ours to do it.
pub struct Ours {
    /// For `-z`.
    pub codec: &'static str,
    /// Time, ours divided by Debian's mksquashfs's.
    pub seconds_limit: Option<f64>,
    /// The image's length, likewise.
    pub bytes_limit: Option<f64>,
}

/// Peak memory: as much for any data set, and for a crowd as much more for each inode.
const PEAK_LIMIT_BYTES: u64 = 400_000_000;
const PEAK_LIMIT_BYTES_PER_INODE: u64 = 300;

const GZIP: &[&str] = &["-comp", "gzip"];
const LZ4: &[&str] = &["-comp", "lz4"];
const XZ_X86: &[&str] = &["-comp", "xz", "-Xbcj", "x86"];
const ZSTD_3: &[&str] = &["-comp", "zstd", "-Xcompression-level", "3"];
const ZSTD_15: &[&str] = &["-comp", "zstd", "-Xcompression-level", "15"];

const GENSQUASHFS_GZIP: &[&str] = &["--compressor", "gzip"];
const GENSQUASHFS_ZSTD_3: &[&str] = &["--compressor", "zstd", "--comp-extra", "level=3"];
const GENSQUASHFS_ZSTD_15: &[&str] = &["--compressor", "zstd", "--comp-extra", "level=15"];

/// Every contest there is.
pub const CONTESTS: &[Contest] = &[
    Contest {
        data: Data::Root,
        mksquashfs: GZIP,
        gensquashfs: Some(GENSQUASHFS_GZIP),
        ours: &[ours("gzip", 0.14, 1.0), ours("gzip:10", 0.70, 0.965)],
    },
    Contest {
        data: Data::Root,
        mksquashfs: ZSTD_15,
        gensquashfs: Some(GENSQUASHFS_ZSTD_15),
        ours: &[ours("zstd:15", 0.85, 1.0)],
    },
    Contest {
        data: Data::Root,
        mksquashfs: ZSTD_3,
        gensquashfs: Some(GENSQUASHFS_ZSTD_3),
        ours: &[ours("zstd:3", 0.60, 1.0)],
    },
    contest(Data::Root, LZ4, &[ours("lz4", 0.75, 1.0)]),
    contest(Data::Root, XZ_X86, &[ours("xz", 0.55, 1.003)]),
    contest(Data::Source, ZSTD_15, &[without_goal("zstd:15")]),
    contest(Data::Elf, ZSTD_15, &[without_goal("zstd:15")]),
    contest(
        Data::Incompressible,
        ZSTD_15,
        &[ours("zstd:15", 0.10, 1.01)],
    ),
    contest(Data::Threefold, ZSTD_15, &[ours("zstd:15", 0.40, 1.0)]),
    contest(Data::Small, GZIP, &[ours("gzip", 0.02, 1.02)]),
    contest(Data::Large, ZSTD_3, &[without_goal("zstd:3")]),
    contest(Data::Crowd, ZSTD_3, &[without_goal("zstd:3")]),
];

const fn contest(
    data: Data,
    mksquashfs: &'static [&'static str],
    ours: &'static [Ours],
) -> Contest {
    Contest {
        data,
        mksquashfs,
        gensquashfs: None,
        ours,
    }
}

const fn ours(codec: &'static str, seconds_limit: f64, bytes_limit: f64) -> Ours {
    Ours {
        codec,
        seconds_limit: Some(seconds_limit),
        bytes_limit: Some(bytes_limit),
    }
}

const fn without_goal(codec: &'static str) -> Ours {
    Ours {
        codec,
        seconds_limit: None,
        bytes_limit: None,
    }
}

impl Contest {
    /// What its results are known by.
    pub fn title(&self) -> String {
        let codec = self.ours.first().map_or("", |ours| ours.codec);
        format!("{}, {codec}", self.data.title())
    }

    /// Whether ours take part with a codec of this name, with or without a level.
    pub fn has(&self, codec: &str) -> bool {
        let is_it =
            |ours: &Ours| ours.codec == codec || ours.codec.split(':').next() == Some(codec);
        self.ours.iter().any(is_it)
    }
}

impl Ours {
    /// What was aimed at, and whether it was reached.
    pub fn goals(&self, peer: &Run, our: &Run, peak_limit_bytes: u64) -> String {
        let ratios = [
            (
                "wall",
                self.seconds_limit,
                our.cost.seconds / peer.cost.seconds,
            ),
            (
                "bytes",
                self.bytes_limit,
                ratio(our.image_bytes, peer.image_bytes),
            ),
        ];
        let ratios = ratios.into_iter().filter_map(|(name, limit, ratio)| {
            limit.map(|limit| goal(ratio <= limit, format!("{name} ≤ {limit}")))
        });
        let peak = goal(
            our.cost.peak_bytes <= peak_limit_bytes,
            format!("peak ≤ {}", bytes(peak_limit_bytes)),
        );
        ratios.chain([peak]).collect::<Vec<_>>().join("; ")
    }
}

/// How much memory may be taken for a data set of so many inodes.
pub fn peak_limit_bytes(data: Data, inodes: u64) -> u64 {
    match data {
        Data::Crowd => PEAK_LIMIT_BYTES + PEAK_LIMIT_BYTES_PER_INODE * inodes,
        _ => PEAK_LIMIT_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::measure::Cost;
    use super::*;
    use clap::ValueEnum;

    fn run(seconds: f64, image_bytes: u64, peak_bytes: u64) -> Run {
        let cost = Cost {
            seconds,
            cpu_seconds: seconds,
            peak_bytes,
            written_bytes: image_bytes,
        };
        Run { cost, image_bytes }
    }

    #[test]
    fn each_goal_is_judged_by_itself() {
        let peer = run(100.0, 1_000_000, 1_600_000_000);
        let goals = |our: &Run| ours("gzip:10", 0.7, 0.965).goals(&peer, our, 400_000_000);
        assert_eq!(
            goals(&run(70.0, 965_000, 400_000_000)),
            "wall ≤ 0.7: met; bytes ≤ 0.965: met; peak ≤ 400.0 MB: met"
        );
        assert_eq!(
            goals(&run(70.1, 965_000, 400_000_001)),
            "wall ≤ 0.7: missed; bytes ≤ 0.965: met; peak ≤ 400.0 MB: missed"
        );
        assert!(goals(&run(1.0, 965_001, 1)).contains("bytes ≤ 0.965: missed"));
    }

    #[test]
    fn without_goals_memory_alone_counts() {
        let goals = without_goal("zstd:3").goals(&run(1.0, 1, 1), &run(9.0, 9, 9), 10);
        assert_eq!(goals, "peak ≤ 10 B: met");
    }

    #[test]
    fn a_crowd_may_take_memory_for_each_inode() {
        assert_eq!(peak_limit_bytes(Data::Crowd, 1_000_001), 700_000_300);
        assert_eq!(peak_limit_bytes(Data::Root, 1_000_001), 400_000_000);
    }

    #[test]
    fn every_contest_has_a_title_of_its_own_and_goes_by_its_codecs() {
        let mut titles: Vec<_> = CONTESTS.iter().map(Contest::title).collect();
        assert_eq!(titles[0], "A, a Debian root, gzip");
        titles.sort();
        titles.dedup();
        assert_eq!(titles.len(), CONTESTS.len());
        let zstd = CONTESTS.iter().filter(|contest| contest.data == Data::Root);
        let zstd: Vec<_> = zstd.filter(|contest| contest.has("zstd")).collect();
        assert_eq!(zstd.len(), 2);
        assert!(zstd[1].has("zstd:3") && !zstd[0].has("zstd:3"));
    }

    #[test]
    fn every_data_set_is_contested() {
        for data in Data::value_variants() {
            assert!(
                CONTESTS.iter().any(|contest| contest.data == *data),
                "{data:?}"
            );
        }
    }
}
