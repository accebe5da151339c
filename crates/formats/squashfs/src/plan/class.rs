//! Which files are likely to be alike. Only names are looked at, so nothing has to be read twice.
//!
//! Within a class the order of paths is kept, but for names that many files have. Sorting by extension
//! too was tried: on Debian systems it made images 0.02 to 0.2 % larger, since what belongs together
//! lies together.

/// What is in a file, roughly. Files of one class share fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Class {
    Text,
    Program,
    Packed,
}

impl Class {
    /// The class of a file called `name` in a directory called `parent`.
    pub(crate) fn guess(parent: &[u8], name: &[u8]) -> Self {
        if is_library(name) {
            return Self::Program;
        }
        match extension(name) {
            Some(b"o" | b"a" | b"ko" | b"efi" | b"exe" | b"dll" | b"rlib" | b"mod") => {
                Self::Program
            }
            Some(extension) if PACKED.binary_search(&extension).is_ok() => Self::Packed,
            None if [&b"bin"[..], b"sbin", b"libexec", b"games"].contains(&parent) => Self::Program,
            _ => Self::Text,
        }
    }
}

/// `libc.so.6` as well as `libc.so`.
fn is_library(name: &[u8]) -> bool {
    name.ends_with(b".so") || name.windows(4).any(|part| part == b".so.")
}

/// What follows the last dot, unless the name begins or ends with it.
fn extension(name: &[u8]) -> Option<&[u8]> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    let extension = &name[dot + 1..];
    (dot > 0 && !extension.is_empty()).then_some(extension)
}

/// Extensions of what is compressed already, sorted.
const PACKED: [&[u8]; 34] = [
    b"7z",
    b"apk",
    b"avi",
    b"bz2",
    b"crate",
    b"deb",
    b"docx",
    b"flac",
    b"gif",
    b"gz",
    b"jar",
    b"jpeg",
    b"jpg",
    b"lz4",
    b"m4a",
    b"mkv",
    b"mov",
    b"mp3",
    b"mp4",
    b"odt",
    b"ogg",
    b"opus",
    b"pdf",
    b"png",
    b"rpm",
    b"squashfs",
    b"tgz",
    b"webm",
    b"webp",
    b"whl",
    b"woff2",
    b"xz",
    b"zip",
    b"zst",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted() {
        assert!(PACKED.is_sorted());
    }

    #[test]
    fn names_tell_what_is_alike() {
        for (parent, name, class) in [
            ("lib", "libc.so.6", Class::Program),
            ("lib", "libz.so", Class::Program),
            ("bin", "ls", Class::Program),
            ("modules", "xfs.ko", Class::Program),
            ("man1", "ls.1.gz", Class::Packed),
            ("doc", "copyright", Class::Text),
            ("etc", ".bashrc", Class::Text),
            ("etc", "a.conf", Class::Text),
            ("bin", "odd.", Class::Program),
        ] {
            let guess = Class::guess(parent.as_bytes(), name.as_bytes());
            assert_eq!(guess, class, "{parent}/{name}");
        }
    }
}
