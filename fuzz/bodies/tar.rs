//! Reads any bytes as a tar archive, and a little of every file that it is said to have.

use livestick_blockio::{NoProgress, ReadAt, WriteAt};
use livestick_tar::{Archive, Options};
use livestick_tree::{ContentSource, Kind, Tree};
use std::io;
use std::sync::Mutex;

/// A spool in memory. A few bytes can decompress to very many: there is an end to it.
#[derive(Default)]
struct Spool(Mutex<Vec<u8>>);

const SPOOL_LIMIT_BYTES: usize = 64 << 20;

impl WriteAt for Spool {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut spool = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        assert!(spool.len() <= start, "the spool is written front to back");
        if start + bytes.len() > SPOOL_LIMIT_BYTES {
            return Err(io::ErrorKind::StorageFull.into());
        }
        spool.resize(start, 0);
        spool.extend_from_slice(bytes);
        Ok(())
    }
}

impl ReadAt for Spool {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.lock().unwrap()[..].read_at(buffer, offset)
    }
}

/// Makes the checksum right in every block that looks like a header of POSIX or GNU: otherwise no
/// change to one would be seen by more than the checksum.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(512) {
        if block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        }
    }
    bytes
}

/// What the target does with some bytes.
pub fn run(bytes: &[u8]) {
    let bytes = with_checksums(bytes);
    let options = Options {
        memory_bytes: 64 << 20,
    };
    let Ok(archive) = Archive::read_stream(&bytes[..], Spool::default(), &options, &NoProgress)
    else {
        return;
    };
    let mut waiting = vec![Tree::ROOT];
    while let Some(id) = waiting.pop() {
        waiting.extend(archive.tree.entries(id).map(|(_, id)| id));
        let Kind::File { length_bytes, .. } = archive.tree.node(id).kind else {
            continue;
        };
        let file = archive.contents.open(&archive.tree, id).unwrap();
        assert_eq!(file.stamp().unwrap().length_bytes, length_bytes);
        for offset in [
            0,
            length_bytes / 2,
            length_bytes.saturating_sub(1),
            length_bytes,
        ] {
            let read = file.read_at(&mut [0; 100], offset).unwrap();
            assert_eq!(read > 0, offset < length_bytes);
            if let Some(data) = file.data_from(offset).unwrap() {
                assert!(data.start >= offset && data.start < data.end);
                assert!(data.end <= length_bytes);
            }
        }
    }
}
