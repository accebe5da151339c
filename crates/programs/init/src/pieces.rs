//! Reads a long file of the stick in pieces, always one ahead of what is done with them.

use rustix::fs::{Advice, fadvise};
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// How much is read at a time.
pub const PIECE_BYTES: usize = 4 << 20;

/// Gives `take` the whole file, piece by piece, as it is on the medium: what the kernel has of it in
/// memory is dropped first, and what is read does not stay there.
///
/// # Errors
/// That of `take`, or what reading reports.
pub fn read_all<E: From<io::Error>>(
    file: &File,
    mut take: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    // Hints: without them it needs more memory, no more.
    let _ = fadvise(file, 0, None, Advice::DontNeed);
    let _ = fadvise(file, 0, None, Advice::Sequential);
    thread::scope(|scope| {
        let (sender, pieces) = sync_channel(1);
        // It ends once nobody takes its pieces any more.
        thread::Builder::new().spawn_scoped(scope, move || read_ahead(file, &sender))?;
        for piece in pieces {
            take(&piece?)?;
        }
        Ok(())
    })
}

fn read_ahead(file: &File, pieces: &SyncSender<io::Result<Vec<u8>>>) {
    let mut offset = 0;
    loop {
        let piece = read_piece(file, offset);
        let length = piece.as_ref().map_or(0, Vec::len);
        let is_last = length < PIECE_BYTES;
        let is_nothing = piece.as_ref().is_ok_and(Vec::is_empty);
        if is_nothing || pieces.send(piece).is_err() || is_last {
            return;
        }
        let end = offset + length as u64;
        let _ = fadvise(
            file,
            offset,
            NonZeroU64::new(end - offset),
            Advice::DontNeed,
        );
        offset = end;
    }
}

/// A whole piece, or what is left.
fn read_piece(file: &File, offset: u64) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; PIECE_BYTES];
    let mut length = 0;
    while let Some(rest) = piece.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + length as u64) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    piece.truncate(length);
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(length: usize) -> (File, Vec<u8>) {
        let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes)
    }

    #[test]
    fn every_byte_comes_once_and_in_order() {
        for length in [0, 1, PIECE_BYTES, 2 * PIECE_BYTES + 5] {
            let (file, expected) = file(length);
            let mut bytes = Vec::new();
            read_all(&file, |piece| {
                bytes.extend_from_slice(piece);
                Ok::<(), io::Error>(())
            })
            .unwrap();
            assert!(bytes == expected, "{length}");
        }
    }

    #[test]
    fn who_takes_no_more_ends_it() {
        let (file, _) = file(4 * PIECE_BYTES);
        let mut taken = 0;
        let result = read_all(&file, |_| {
            taken += 1;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(taken, 1);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let folder = File::open("/").unwrap();
        let result = read_all(&folder, |_| Ok::<(), io::Error>(()));
        assert!(result.is_err());
    }
}
