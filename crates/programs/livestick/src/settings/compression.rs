//! How a codec is named on the command line.

use livestick_squashfs::Compression;

/// Reads `CODEC[:LEVEL]`.
pub fn parse(text: &str) -> anyhow::Result<Compression> {
    let (codec, level) = text.split_once(':').unwrap_or((text, ""));
    let level = match level {
        "" => None,
        digits => Some(digits.parse::<u32>().ok()),
    };
    match (codec, level) {
        ("zstd", None) => Ok(Compression::Zstd { level: 9 }),
        ("zstd", Some(Some(level @ 1..=22))) => Ok(Compression::Zstd { level }),
        ("gzip", None) => Ok(Compression::Gzip { level: 6 }),
        ("gzip", Some(Some(level @ 1..=12))) => Ok(Compression::Gzip { level }),
        _ => anyhow::bail!(
            "--compression `{text}` is neither zstd nor gzip, with a level of 1-22 or 1-12"
        ),
    }
}

/// Reads a codec whose level may be given apart.
pub fn with_level(text: &str, level: Option<u32>) -> anyhow::Result<Compression> {
    match level {
        Some(_) if text.contains(':') => {
            anyhow::bail!("--compression `{text}` has a level, and another is given apart")
        }
        Some(level) => parse(&format!("{text}:{level}")),
        None => parse(text),
    }
}

/// Its name for reports and the manifest, with the level.
pub fn name(compression: Compression) -> String {
    match compression {
        Compression::Zstd { level } => format!("zstd:{level}"),
        Compression::Gzip { level } => format!("gzip:{level}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_codec_takes_its_own_levels() {
        assert_eq!(parse("zstd").unwrap(), Compression::Zstd { level: 9 });
        assert_eq!(parse("gzip:12").unwrap(), Compression::Gzip { level: 12 });
        for wrong in [
            "", "xz", "zstd:0", "zstd:23", "gzip:13", "gzip:x", "zstd:300",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
