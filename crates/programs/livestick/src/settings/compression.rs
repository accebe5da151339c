//! How a codec is named on the command line.

use livestick_squashfs::{Compression, XzFilter};

/// The codecs that `/init` can count on: the kernel of every distribution reads them.
pub const FOR_STICKS: &[&str] = &["zstd", "gzip"];
/// All that the format has and that are worth writing.
pub const ALL: &[&str] = &["zstd", "gzip", "xz", "lz4"];

/// Reads `CODEC[:LEVEL]`, where the codec is one of these.
pub fn parse(text: &str, codecs: &[&str]) -> anyhow::Result<Compression> {
    let (codec, level) = match text.split_once(':') {
        Some((codec, level)) => (codec, Some(level)),
        None => (text, None),
    };
    let known = |codec: &&&str| codecs.contains(*codec);
    let usual = Some(&codec).filter(known).and_then(|codec| usual(codec));
    let Some(usual) = usual else {
        let codecs = codecs.join(", ");
        anyhow::bail!("--compression `{text}` is none of {codecs}, with or without a `:LEVEL`");
    };
    let Some(level) = level else {
        return Ok(usual);
    };
    let levels = usual.levels();
    let number = level.parse().ok().filter(|level| levels.contains(level));
    let Some(number) = number else {
        let (lowest, highest) = (levels.start(), levels.end());
        anyhow::bail!("--compression `{text}`: the levels of {codec} are {lowest} to {highest}");
    };
    Ok(with_level(usual, number))
}

/// A codec with the level that it has where none is given.
fn usual(codec: &str) -> Option<Compression> {
    match codec {
        "zstd" => Some(Compression::Zstd { level: 9 }),
        "gzip" => Some(Compression::Gzip { level: 6 }),
        "xz" => Some(Compression::Xz {
            level: 6,
            filter: XzFilter::Auto,
        }),
        "lz4" => Some(Compression::Lz4 { level: 1 }),
        _ => None,
    }
}

fn with_level(compression: Compression, level: u32) -> Compression {
    match compression {
        Compression::Zstd { .. } => Compression::Zstd { level },
        Compression::Gzip { .. } => Compression::Gzip { level },
        Compression::Xz { filter, .. } => Compression::Xz { level, filter },
        Compression::Lz4 { .. } => Compression::Lz4 { level },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_takes_its_own_levels() {
        let parsed = |text| parse(text, ALL).map(|codec| codec.to_string());
        for (text, name) in [
            ("zstd", "zstd:9"),
            ("gzip:12", "gzip:12"),
            ("xz:0", "xz:0"),
            ("lz4", "lz4:1"),
        ] {
            assert_eq!(parsed(text).unwrap(), name);
        }
        for wrong in [
            "", "lzo", "zstd:", "zstd:0", "zstd:23", "gzip:13", "gzip:x", "xz:10", "lz4:0",
        ] {
            assert!(parsed(wrong).is_err(), "{wrong}");
        }
        assert!(parse("xz", FOR_STICKS).is_err());
    }
}
