//! Why an archive cannot be read.

use livestick_tree::TreeError;
use livestick_tree::shown;
use std::io;

/// Why an archive cannot be read. Offsets are bytes from the start of the archive, after
/// decompression; paths are those of the archive.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It does not begin with a header.
    #[error("this is not a tar archive")]
    NotTar,
    /// It is compressed in a way that is not read here.
    #[error("the archive is compressed with {0}, which is not supported; unpack it with {0} first")]
    Compression(&'static str),
    /// It cannot be read or decompressed.
    #[error("the archive cannot be read at byte {offset}")]
    Input {
        /// Where.
        offset: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file into which it is decompressed cannot be made or written.
    #[error("the temporary file for the decompressed archive cannot be written")]
    Spool(#[source] io::Error),
    /// It ends in an entry, or without the two zero blocks that mark the end.
    #[error("the archive is cut short: it ends at byte {offset}, before its end mark")]
    Truncated {
        /// Where it ends.
        offset: u64,
    },
    /// One block of zeros, which is half an end mark, and then something else.
    #[error("a lone block of zeros at byte {offset}, and the archive goes on")]
    LoneZeroBlock {
        /// Where.
        offset: u64,
    },
    /// A header's checksum does not match.
    #[error("the header at byte {offset} is damaged: its checksum is wrong")]
    Checksum {
        /// Where.
        offset: u64,
    },
    /// A field of a header is no number, or one that the field cannot mean.
    #[error("the {field} in the header at byte {offset} is not a valid number")]
    Number {
        /// Where the header is.
        offset: u64,
        /// The field.
        field: &'static str,
    },
    /// A pax header is not a row of records.
    #[error("the pax header at byte {offset} is damaged")]
    Pax {
        /// Where.
        offset: u64,
    },
    /// A pax record has a value that its keyword cannot have.
    #[error("the pax header at byte {offset} has an invalid value for `{}`{}", shown(.keyword), value_limit(.keyword))]
    PaxValue {
        /// Where the header is.
        offset: u64,
        /// The record's keyword.
        keyword: Vec<u8>,
    },
    /// A global pax header gives every file what only one can have, such as a path.
    #[error("the global pax header at byte {offset} has `{}`, which is for single files", shown(.keyword))]
    Global {
        /// Where.
        offset: u64,
        /// The record's keyword.
        keyword: Vec<u8>,
    },
    /// A pax header, a path or a link target is longer than can be.
    #[error("the {what} at byte {offset} is longer than {limit_bytes} bytes")]
    TooLong {
        /// Where its header is.
        offset: u64,
        /// What is too long.
        what: &'static str,
        /// The most there can be.
        limit_bytes: u64,
    },
    /// Two headers say the same of one entry, each in its own way.
    #[error("the header at byte {offset} repeats what the one before it is for")]
    Repeated {
        /// Where.
        offset: u64,
    },
    /// The archive ends, and the entry that a pax header or a long name is for does not come.
    #[error("the header at byte {offset} is for an entry that does not follow")]
    Dangling {
        /// Where.
        offset: u64,
    },
    /// An entry is of a kind that is not known.
    #[error("`{}` at byte {offset} is of the unknown type `{}`", shown(.path), .typeflag.escape_ascii())]
    Type {
        /// Where its header is.
        offset: u64,
        /// The entry.
        path: Vec<u8>,
        /// Its type flag.
        typeflag: u8,
    },
    /// An entry is the rest of a file that begins in another volume of a GNU archive.
    #[error("`{}` begins in another volume; join the volumes of this archive first", shown(.path))]
    MultiVolume {
        /// The entry.
        path: Vec<u8>,
    },
    /// A path or a link target leads out of the archive, holds a NUL, or is empty.
    #[error("`{}` at byte {offset} {problem}", shown(.path))]
    Path {
        /// Where its header is.
        offset: u64,
        /// The path.
        path: Vec<u8>,
        /// What is wrong.
        problem: &'static str,
    },
    /// The map of a file with holes is wrong.
    #[error("the map of the sparse file `{}` {problem}", shown(.path))]
    Sparse {
        /// The file.
        path: Vec<u8>,
        /// What is wrong.
        problem: &'static str,
    },
    /// A file lies below something that is not a directory. It is not followed even where it is a
    /// link to one.
    #[error("`{}` lies below `{}`, which is not a directory", shown(.path), shown(.parent))]
    NotADirectory {
        /// The file.
        path: Vec<u8>,
        /// What it lies below.
        parent: Vec<u8>,
    },
    /// A file would replace a directory with files in it.
    #[error("`{}` comes again, but is a directory with files in it by now", shown(.path))]
    NotEmpty {
        /// The file.
        path: Vec<u8>,
    },
    /// A hard link to something that does not come before it.
    #[error("`{}` is a hard link to `{}`, which does not come before it in the archive", shown(.path), shown(.target))]
    MissingTarget {
        /// The link.
        path: Vec<u8>,
        /// What it should name.
        target: Vec<u8>,
    },
    /// A hard link to a directory.
    #[error("`{}` is a hard link to the directory `{}`", shown(.path), shown(.target))]
    DirectoryTarget {
        /// The link.
        path: Vec<u8>,
        /// The directory.
        target: Vec<u8>,
    },
    /// A name cannot be in a directory.
    #[error("an entry cannot be in a directory tree")]
    Tree(#[source] TreeError),
    /// The tree grows beyond [`Options::memory_bytes`](crate::Options::memory_bytes).
    #[error("the names and attributes in the archive take more than {limit_bytes} bytes of memory")]
    Memory {
        /// The most they may take.
        limit_bytes: u64,
    },
    /// The caller's [`Progress`](livestick_blockio::Progress) said so.
    #[error("interrupted")]
    Interrupted,
}

/// What the value of a pax record can be, where it is likely to be more than that.
fn value_limit(keyword: &[u8]) -> &'static str {
    let is_xattr = [&b"SCHILY.xattr."[..], b"LIBARCHIVE.xattr."]
        .iter()
        .any(|prefix| keyword.starts_with(prefix));
    match keyword {
        b"uid" | b"gid" => ": owners and groups have numbers of 32 bits",
        _ if is_xattr => {
            ": an attribute has a name of 1 to 255 bytes, and a value of at most 65536"
        }
        _ => "",
    }
}
