//! What is mounted where: the text of `/proc/self/mountinfo`
//! (`Documentation/filesystems/proc.rst`, 3.5).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// A mounted filesystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The kernel's number for it, as `statx(2)` tells it.
    pub(crate) id: u64,
    /// Where it is mounted.
    pub(crate) point: PathBuf,
    /// Its kind, such as `ext4`.
    pub(crate) kind: String,
    /// What is mounted: a device, mostly.
    pub(crate) device: String,
}

/// The mounts, in the order in which they were made. Lines that make no sense are passed over.
pub(crate) fn mounts(mountinfo: &[u8]) -> Vec<Mount> {
    mountinfo
        .split(|byte| *byte == b'\n')
        .filter_map(mount)
        .collect()
}

fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let point = PathBuf::from(OsString::from_vec(unescape(fields.nth(3)?)));
    // Optional fields, as many as there are, end with a hyphen.
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let text = |field| String::from_utf8_lossy(&unescape(field)).into_owned();
    Some(Mount {
        id,
        point,
        kind: text(rest.next()?),
        device: text(rest.next()?),
    })
}

/// Space, tab, line feed and backslash are written as three octal digits, here and in `/etc/fstab`.
pub(crate) fn unescape(field: &[u8]) -> Vec<u8> {
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
    fn fields_are_found_behind_optional_ones_and_escapes_are_undone() {
        let text = b"36 35 98:0 / / rw - ext4 /dev/a rw\n\
            38 36 98:2 /x /my\\040disk\\134x rw,noatime master:1 shared:2 - fuse.sshfs me@b:/ rw\n\
            nonsense\n39 35 98:3 / /cut rw\n";
        let found = mounts(text);
        let seen: Vec<_> = found
            .iter()
            .map(|mount| {
                (
                    mount.id,
                    mount.point.to_str().unwrap(),
                    &*mount.kind,
                    &*mount.device,
                )
            })
            .collect();
        let expected = [
            (36, "/", "ext4", "/dev/a"),
            (38, "/my disk\\x", "fuse.sshfs", "me@b:/"),
        ];
        assert_eq!(seen, expected);
    }
}
