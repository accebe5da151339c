//! Reading archives that are in memory, and files of archives.

use livestick_blockio::{NoProgress, ReadAt, WriteAt};
use livestick_tar::{Archive, Options, ReadError};
use livestick_tree::{ContentSource, NodeId};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// A spool in memory.
#[derive(Default)]
pub struct Memory(Mutex<Vec<u8>>);

impl WriteAt for Memory {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        let mut memory = self.0.lock().unwrap();
        assert!(memory.len() <= start, "the spool is written front to back");
        memory.resize(start, 0);
        memory.extend_from_slice(bytes);
        Ok(())
    }
}

impl ReadAt for Memory {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.lock().unwrap()[..].read_at(buffer, offset)
    }
}

pub fn read_stream(bytes: &[u8]) -> Result<Archive, ReadError> {
    Archive::read_stream(bytes, Memory::default(), &Options::default(), &NoProgress)
}

/// Reads a file, with a spool beside it.
pub fn read_file(path: &Path) -> Result<Archive, ReadError> {
    let folder = path.parent().unwrap();
    let spool = || tempfile::tempfile_in(folder);
    let archive = File::open(path).unwrap();
    Archive::read_file(archive, spool, &Options::default(), &NoProgress)
}

/// Reads an uncompressed archive in both ways, in place and as a stream. They must agree on whether
/// that can be done.
pub fn read_both(bytes: &[u8]) -> Result<[Archive; 2], ReadError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let no_spool = || panic!("an uncompressed file needs no spool");
    let opened = File::open(file.path()).unwrap();
    let in_place = Archive::read_file(opened, no_spool, &Options::default(), &NoProgress);
    match (in_place, read_stream(bytes)) {
        (Ok(in_place), Ok(streamed)) => Ok([in_place, streamed]),
        (Err(in_place), Err(streamed)) => {
            assert_eq!(in_place.to_string(), streamed.to_string());
            Err(in_place)
        }
        (in_place, streamed) => panic!("{in_place:?} but {streamed:?}"),
    }
}

/// All bytes of a file in an archive.
pub fn contents(archive: &Archive, node: NodeId) -> Vec<u8> {
    let file = archive.contents.open(&archive.tree, node).unwrap();
    let length = file.stamp().unwrap().length_bytes;
    let mut bytes = vec![0; usize::try_from(length).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Bytes that look random and are always the same.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Whether something that a test needs is there. It has to be in CI.
pub fn have(what: &str, there: bool) -> bool {
    assert!(
        there || std::env::var_os("CI").is_none(),
        "{what} is missing"
    );
    if !there {
        eprintln!("skipped: {what} is missing");
    }
    there
}

pub fn has_tool(name: &str) -> bool {
    have(name, Command::new(name).arg("--version").output().is_ok())
}
