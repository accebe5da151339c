//! Small images whose metadata is not compressed, so that tests can change every field of it.

use libdeflater::Decompressor;

/// An image with stored metadata. Each table without rows has one block; the fields say where the
/// bytes of that block, or the rows, begin in the image.
#[derive(Clone)]
pub struct Plain {
    pub bytes: Vec<u8>,
    pub inodes: usize,
    pub directories: usize,
    pub fragments: usize,
    pub export: usize,
    pub ids: usize,
    pub xattrs: usize,
    pub xattr_sets: usize,
}

const ABSENT: u64 = u64::MAX;
const BLOCK_BYTES: usize = 8192;

/// Stores the metadata of an image that was compressed with gzip, and that has at most one block in
/// each table.
pub fn plain(image: &[u8]) -> Plain {
    let field = |at: usize| u64_at(image, at);
    let mut out = Out {
        bytes: image[..place(field(64))].to_vec(),
    };
    let inodes = out.block(image, field(64));
    let inode_table = inodes - 2;
    let directories = out.block(image, field(72));
    let (fragments, fragment_list) = out.rows(image, field(80), 0);
    let (export, export_list) = out.rows(image, field(88), 0);
    let (ids, id_list) = out.rows(image, field(48), 0);
    let (mut xattrs, mut xattr_sets, mut xattr_list) = (0, 0, ABSENT);
    if field(56) != ABSENT {
        xattrs = out.block(image, field(place(field(56))));
        let header = (xattrs - 2) as u64;
        (xattr_sets, xattr_list) = out.rows(image, field(56), 16);
        let list = place(xattr_list);
        out.bytes[list..list + 8].copy_from_slice(&header.to_le_bytes());
    }
    let used = out.bytes.len() as u64;
    let mut bytes = out.bytes;
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    for (at, value) in [
        (40, used),
        (48, id_list),
        (56, xattr_list),
        (64, inode_table as u64),
        (72, (directories - 2) as u64),
        (80, fragment_list),
        (88, export_list),
    ] {
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    Plain {
        bytes,
        inodes,
        directories,
        fragments,
        export,
        ids,
        xattrs,
        xattr_sets,
    }
}

struct Out {
    bytes: Vec<u8>,
}

impl Out {
    /// Appends a metadata block; says where its bytes begin.
    fn block(&mut self, image: &[u8], at: u64) -> usize {
        let at = place(at);
        let header = u16::from_le_bytes(image[at..at + 2].try_into().unwrap());
        let stored = &image[at + 2..][..usize::from(header & 0x7FFF)];
        let mut bytes = vec![0; BLOCK_BYTES];
        if header & 0x8000 == 0 {
            let length = Decompressor::new()
                .zlib_decompress(stored, &mut bytes)
                .unwrap();
            bytes.truncate(length);
        } else {
            bytes = stored.to_vec();
        }
        assert!(bytes.len() < BLOCK_BYTES, "it may have more than one block");
        let header = u16::try_from(bytes.len()).unwrap() | 0x8000;
        self.bytes.extend(header.to_le_bytes());
        let start = self.bytes.len();
        self.bytes.extend(bytes);
        start
    }

    /// Appends a table of rows, if there is one, with a list of one block behind a header.
    fn rows(&mut self, image: &[u8], list: u64, header_bytes: usize) -> (usize, u64) {
        if list == ABSENT {
            return (0, ABSENT);
        }
        let header = place(list);
        let start = self.block(image, u64_at(image, header + header_bytes));
        let list = self.bytes.len() as u64;
        self.bytes.extend(&image[header..header + header_bytes]);
        self.bytes.extend(((start - 2) as u64).to_le_bytes());
        (start, list)
    }
}

fn place(at: u64) -> usize {
    usize::try_from(at).unwrap()
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}
