//! Which files are likely to be alike. Only names are looked at, so nothing has to be read twice.

/// Files with the same likeness compress well together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Likeness<'a> {
    class: Class,
    /// The extension, or for a file without one its name: `copyright`, `Makefile`.
    kind: &'a [u8],
}

/// What is in a file, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Text,
    Program,
    Packed,
}

impl<'a> Likeness<'a> {
    /// The likeness of a file called `name` in a directory called `parent`.
    pub(super) fn guess(parent: &[u8], name: &'a [u8]) -> Self {
        if is_library(name) {
            return Self {
                class: Class::Program,
                kind: b"so",
            };
        }
        let Some(extension) = extension(name) else {
            return Self::without_extension(parent, name);
        };
        let class = match extension {
            b"o" | b"a" | b"ko" | b"efi" | b"exe" | b"dll" | b"rlib" | b"mod" => Class::Program,
            _ if PACKED.binary_search(&extension).is_ok() => Class::Packed,
            _ => Class::Text,
        };
        Self {
            class,
            kind: extension,
        }
    }

    fn without_extension(parent: &[u8], name: &'a [u8]) -> Self {
        match parent {
            b"bin" | b"sbin" | b"libexec" | b"games" => Self {
                class: Class::Program,
                kind: b"",
            },
            _ => Self {
                class: Class::Text,
                kind: name,
            },
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
        let guess = |parent: &'static [u8], name: &'static [u8]| {
            let likeness = Likeness::guess(parent, name);
            (likeness.class, likeness.kind)
        };
        assert_eq!(guess(b"lib", b"libc.so.6"), (Class::Program, &b"so"[..]));
        assert_eq!(guess(b"lib", b"libz.so"), (Class::Program, &b"so"[..]));
        assert_eq!(guess(b"bin", b"ls"), (Class::Program, &b""[..]));
        assert_eq!(guess(b"man1", b"ls.1.gz"), (Class::Packed, &b"gz"[..]));
        assert_eq!(
            guess(b"doc", b"copyright"),
            (Class::Text, &b"copyright"[..])
        );
        assert_eq!(guess(b"etc", b".bashrc"), (Class::Text, &b".bashrc"[..]));
        assert_eq!(guess(b"etc", b"a.conf"), (Class::Text, &b"conf"[..]));
    }
}
