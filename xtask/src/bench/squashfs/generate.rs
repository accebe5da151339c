//! Files that nobody has to download: made of numbers that are the same on every machine.

use anyhow::{Context, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What the records are written with: six random bits choose a word.
const WORDS: [&str; 64] = [
    "accepted", "address", "after", "again", "ahead", "block", "boot", "bus", "cache", "clock",
    "closed", "cold", "copy", "device", "disk", "done", "driver", "empty", "error", "event",
    "failed", "file", "first", "flash", "frame", "from", "image", "inode", "kernel", "last",
    "length", "level", "link", "loaded", "lock", "memory", "mount", "name", "network", "node",
    "open", "page", "port", "queue", "read", "ready", "root", "sector", "service", "session",
    "size", "slow", "socket", "started", "state", "stick", "stopped", "table", "time", "unit",
    "user", "volume", "waiting", "write",
];

/// Numbers without a pattern, the same for the same seed: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Hexadecimal digits: they compress to a little more than half.
    fn digits(&mut self, length: usize) -> String {
        let mut digits = String::with_capacity(length + 16);
        while digits.len() < length {
            digits += &format!("{:016x}", self.next());
        }
        digits.truncate(length);
        digits
    }
}

/// A file that nothing compresses.
pub fn noise(path: &Path, length_bytes: u64, seed: u64) -> Result<()> {
    let mut random = Random(seed);
    filled(path, length_bytes, |chunk| {
        chunk.extend_from_slice(&random.next().to_le_bytes());
    })
}

/// A file of lines that read like a log, which compresses to about a quarter.
pub fn records(path: &Path, length_bytes: u64, seed: u64) -> Result<()> {
    let mut random = Random(seed);
    let mut number = 0_u64;
    filled(path, length_bytes, |chunk| {
        number += 1;
        chunk.extend_from_slice(number.to_string().as_bytes());
        let mut bits = random.next();
        for _ in 0..10 {
            chunk.push(b' ');
            let word = usize::try_from(bits % 64).map_or("", |index| WORDS[index]);
            chunk.extend_from_slice(word.as_bytes());
            bits >>= 6;
        }
        chunk.push(b'\n');
    })
}

/// A file of this length that is nothing but holes, but for a block of noise at each of the offsets.
pub fn sparse(path: &Path, length_bytes: u64, offsets: &[u64]) -> Result<()> {
    let write = || -> io::Result<()> {
        let file = File::create(path)?;
        file.set_len(length_bytes)?;
        for offset in offsets {
            let block = Random(*offset).digits(4096);
            file.write_all_at(block.as_bytes(), *offset)?;
        }
        Ok(())
    };
    write().with_context(|| cannot_write(path))
}

/// As many unique files, of as many bytes, in folders of a thousand.
pub fn small_files(folder: &Path, count: u64, length: usize) -> Result<()> {
    let mut random = Random(1);
    for number in 0..count {
        let below = folder.join(format!("{:03}", number / 1000));
        if number % 1000 == 0 {
            fs::create_dir(&below).with_context(|| cannot_write(&below))?;
        }
        let path = below.join(format!("{number:06}"));
        fs::write(&path, random.digits(length)).with_context(|| cannot_write(&path))?;
    }
    Ok(())
}

/// As many files in one folder: each tenth holds something, of up to 4,000 bytes, the others are empty.
pub fn crowd(folder: &Path, count: u64) -> Result<()> {
    let mut random = Random(2);
    for number in 0..count {
        let path = folder.join(format!("entry-{number:07}"));
        let length = match number % 10 {
            0 => usize::try_from(random.next() % 4000)? + 1,
            _ => 0,
        };
        fs::write(&path, random.digits(length)).with_context(|| cannot_write(&path))?;
    }
    Ok(())
}

/// A file of what is appended to a chunk again and again.
fn filled(path: &Path, length_bytes: u64, mut append: impl FnMut(&mut Vec<u8>)) -> Result<()> {
    const CHUNK_BYTES: usize = 1 << 20;
    let mut write = || {
        let mut file = BufWriter::new(File::create(path)?);
        let mut chunk = Vec::with_capacity(CHUNK_BYTES + 256);
        let mut left = length_bytes;
        while left > 0 {
            chunk.clear();
            while chunk.len() < CHUNK_BYTES {
                append(&mut chunk);
            }
            let count = usize::try_from(left).map_or(chunk.len(), |left| left.min(chunk.len()));
            file.write_all(&chunk[..count])?;
            left -= count as u64;
        }
        file.flush()
    };
    write().with_context(|| cannot_write(path))
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write {}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_numbers_are_those_of_splitmix64() {
        let mut random = Random(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn large_files_have_their_length_and_always_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        type Generate = fn(&Path, u64, u64) -> Result<()>;
        for generate in [noise as Generate, records] {
            generate(&one, 1_500_001, 7).unwrap();
            generate(&two, 1_500_001, 7).unwrap();
            let bytes = fs::read(&one).unwrap();
            assert_eq!(bytes.len(), 1_500_001);
            assert!(bytes == fs::read(&two).unwrap());
            generate(&two, 1_500_001, 8).unwrap();
            assert!(bytes != fs::read(&two).unwrap());
        }
    }

    #[test]
    fn small_files_are_unique() {
        let folder = tempfile::tempdir().unwrap();
        small_files(folder.path(), 1100, 100).unwrap();
        let mut seen = HashSet::new();
        for below in ["000", "001"] {
            for entry in fs::read_dir(folder.path().join(below)).unwrap() {
                let text = fs::read(entry.unwrap().path()).unwrap();
                assert_eq!(text.len(), 100);
                assert!(seen.insert(text));
            }
        }
        assert_eq!(seen.len(), 1100);
    }

    #[test]
    fn a_tenth_of_the_crowd_holds_something() {
        let folder = tempfile::tempdir().unwrap();
        crowd(folder.path(), 100).unwrap();
        let entries = fs::read_dir(folder.path()).unwrap();
        let lengths: Vec<_> = entries
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .collect();
        assert_eq!(lengths.len(), 100);
        assert_eq!(lengths.iter().filter(|length| **length > 0).count(), 10);
    }

    #[test]
    fn a_sparse_file_takes_next_to_no_space() {
        use std::os::unix::fs::MetadataExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sparse");
        sparse(&path, 100 << 20, &[50 << 20]).unwrap();
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), 100 << 20);
        assert!(metadata.blocks() * 512 < 1 << 20);
    }
}
