//! Paths of an archive, made ones of a tree.

use crate::ReadError;
use crate::limit::PATH_LIMIT_BYTES;

/// The names in a path, without a leading slash, without `.`: none for the root. A path that climbs
/// is refused: nothing good is meant by it.
pub(crate) fn names(path: &[u8], offset: u64) -> Result<Vec<&[u8]>, ReadError> {
    let wrong = |problem| ReadError::Path {
        offset,
        path: path.to_vec(),
        problem,
    };
    if path.is_empty() {
        return Err(wrong("is empty"));
    }
    if path.len() > PATH_LIMIT_BYTES {
        return Err(ReadError::TooLong {
            offset,
            what: "path",
            limit_bytes: PATH_LIMIT_BYTES as u64,
        });
    }
    if path.contains(&0) {
        return Err(wrong("holds a NUL"));
    }
    let names = path.split(|byte| *byte == b'/');
    let names: Vec<_> = names
        .filter(|name| !name.is_empty() && *name != b".")
        .collect();
    if names.contains(&&b".."[..]) {
        return Err(wrong("has a `..` in it, and could lead out of the archive"));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_spellings_are_one_path() {
        for path in ["a/b", "/a/b", "./a/b/", "//a/.//b//", "././a/b/."] {
            let names = names(path.as_bytes(), 0).unwrap();
            assert_eq!(names, [b"a", b"b"], "{path}");
        }
        for root in [".", "/", "./", "//", "/."] {
            assert_eq!(names(root.as_bytes(), 0).unwrap(), [b""; 0], "{root}");
        }
        assert_eq!(names(b"..a/...", 0).unwrap(), [&b"..a"[..], b"..."]);
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for path in ["", "a\0b", "..", "a/../b", "../a", "a/.."] {
            let refused = names(path.as_bytes(), 0);
            assert!(matches!(refused, Err(ReadError::Path { .. })), "{path:?}");
        }
        let longest = "x/".repeat(2048);
        assert!(names(longest.as_bytes(), 0).is_ok());
        let longer = format!("{longest}x");
        let refused = names(longer.as_bytes(), 0);
        assert!(matches!(refused, Err(ReadError::TooLong { .. })));
    }
}
