//! The shell of the rescue screen.

use crate::error::GatherError;
use crate::packed::is_absent;
use livestick_tree::RootFiles;

/// Where distributions put a BusyBox: Debian and others, those with a merged `/usr`, Alpine's static
/// one.
const PLACES: [&str; 3] = ["bin/busybox", "usr/bin/busybox", "bin/busybox.static"];

/// The first BusyBox of a root that runs by itself; `None` where there is none. Most distributions have
/// it as a package of its own, `busybox-static`.
///
/// # Errors
/// Where one is there and cannot be read.
pub fn static_busybox(root: &dyn RootFiles) -> Result<Option<Vec<u8>>, GatherError> {
    for path in PLACES {
        match root.read(path) {
            Ok(bytes) if is_static(&bytes) => return Ok(Some(bytes)),
            Ok(_) => {}
            Err(error) if is_absent(&error) => {}
            Err(source) => {
                return Err(GatherError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        }
    }
    Ok(None)
}

/// A program for 64-bit x86 that names no loader of shared libraries (System V ABI, "ELF Header" and
/// "Program Header").
fn is_static(program: &[u8]) -> bool {
    let is_x86_64 = program.starts_with(b"\x7fELF\x02\x01") && u16_at(program, 18) == Some(62);
    is_x86_64 && segment_kinds(program).is_some_and(|kinds| !kinds.contains(&PT_INTERP))
}

const PT_INTERP: u32 = 3;

/// The kind of each segment; `None` where the table is cut off.
fn segment_kinds(program: &[u8]) -> Option<Vec<u32>> {
    let table = usize::try_from(u64::from_le_bytes(array(program, 32)?)).ok()?;
    let entry_bytes = usize::from(u16_at(program, 54)?);
    let count = usize::from(u16_at(program, 56)?);
    let kinds = (0..count).map(|index| {
        let offset = table.checked_add(index * entry_bytes)?;
        Some(u32::from_le_bytes(array(program, offset)?))
    });
    kinds.collect()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(array(bytes, offset)?))
}

fn array<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::MemoryRoot;

    /// A header with segments of these kinds.
    fn program(machine: u8, kinds: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(64 + 56 * kinds.len(), 0);
        bytes[18] = machine;
        bytes[32] = 64;
        bytes[54] = 56;
        bytes[56] = u8::try_from(kinds.len()).unwrap();
        for (index, kind) in kinds.iter().enumerate() {
            bytes[64 + 56 * index] = *kind;
        }
        bytes
    }

    #[test]
    fn only_a_program_that_runs_by_itself_is_taken() {
        assert!(is_static(&program(62, &[1, 1, 4])));
        assert!(!is_static(&program(62, &[1, 3, 2])));
        assert!(!is_static(&program(183, &[1])));
        assert!(!is_static(b"#!/bin/sh\n"));
        let whole = program(62, &[1, 1]);
        for length in 0..whole.len() - 56 {
            assert!(!is_static(&whole[..length]), "{length}");
        }
        // The tests themselves are linked to shared libraries.
        let test = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&test));
    }

    #[test]
    fn a_second_place_is_tried() {
        let root = MemoryRoot::default().with("bin/busybox", program(62, &[3]));
        assert_eq!(static_busybox(&root).unwrap(), None);
        let root = root.with("bin/busybox.static", program(62, &[1]));
        let found = static_busybox(&root).unwrap();
        assert_eq!(found, Some(program(62, &[1])));
    }
}
