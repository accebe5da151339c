//! What is mounted below the source, and so is not part of it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The mount points strictly below `source` (a canonical path), relative to it, from the text of
/// `/proc/self/mountinfo` (`Documentation/filesystems/proc.rst`, 3.5).
pub(crate) fn mounts_below(source: &Path, mountinfo: &[u8]) -> Vec<PathBuf> {
    let lines = mountinfo.split(|byte| *byte == b'\n');
    let points = lines.filter_map(|line| line.split(|byte| *byte == b' ').nth(4));
    let mut below: Vec<PathBuf> = points
        .map(|point| PathBuf::from(OsString::from_vec(unescape(point))))
        .filter_map(|point| Some(point.strip_prefix(source).ok()?.to_path_buf()))
        .filter(|point| !point.as_os_str().is_empty())
        .collect();
    below.sort();
    below.dedup();
    below
}

/// Space, tab, line feed and backslash are written as three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let digits = tail.get(..3).filter(|_| *first == b'\\');
        let octal = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => bytes.push(*first),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below_counts_and_escapes_are_undone() {
        let text = b"36 35 98:0 / /srv/root rw - ext4 /dev/a rw\n\
            37 36 98:1 / /srv/root/home rw shared:1 - ext4 /dev/b rw\n\
            38 36 98:2 / /srv/root/my\\040disk\\134x rw - vfat /dev/c rw\n\
            39 35 98:3 / /srv/rootling rw - ext4 /dev/d rw\n";
        let below = mounts_below(Path::new("/srv/root"), text);
        assert_eq!(below, [Path::new("home"), Path::new("my disk\\x")]);
    }
}
