//! Any bytes as an image: opened, listed, looked up and read.

use livestick_squashfs::{Image, Inode, Piece, ReadError};
use std::collections::HashSet;

/// How many names are looked at: hostile directories can be in themselves.
const NAMES: usize = 300;
/// How much is read of a file: one of a few bytes can hold any number of holes.
const PIECES: usize = 40;

/// What the target does with some bytes.
pub fn run(bytes: &[u8]) {
    let _ = read(bytes);
}

fn read(bytes: &[u8]) -> Result<(), ReadError> {
    let image = Image::open(bytes)?;
    let mut waiting = vec![(image.root()?, Vec::new())];
    let mut names_left = NAMES;
    let mut seen = HashSet::new();
    while let Some((inode, path)) = waiting.pop() {
        let _ = image.xattrs(&inode);
        let _ = content(&image, &inode);
        if !inode.is_directory() || !seen.insert(inode.number) {
            continue;
        }
        for entry in image.entries(&inode)? {
            let Ok(entry) = entry else { break };
            names_left -= 1;
            if names_left == 0 {
                return Ok(());
            }
            let path = [&*path, &*entry.name].join(&b'/');
            let _ = image.lookup(&path);
            waiting.push((entry.inode, path));
        }
    }
    Ok(())
}

fn content(image: &Image<&[u8]>, inode: &Inode) -> Result<(), ReadError> {
    let Some(length) = inode.length_bytes() else {
        return Ok(());
    };
    let mut content = image.content(inode)?;
    let mut offset = 0;
    let mut buffer = [0; 64];
    for _ in 0..PIECES {
        let (count, first) = match content.next_piece()? {
            None => {
                assert_eq!(offset, length, "the pieces are not as long as the file");
                break;
            }
            Some(Piece::Hole(count)) => (count, 0),
            Some(Piece::Data(bytes)) => (bytes.len() as u64, bytes[0]),
        };
        let read = image.read_at(inode, &mut buffer, offset)?;
        assert!(read > 0 && buffer[0] == first, "two ways to read differ");
        offset += count;
    }
    let _ = image.read_at(inode, &mut buffer, length / 2);
    Ok(())
}
