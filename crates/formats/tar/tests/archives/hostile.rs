//! Archives that somebody made with care, and what is said of each.

use crate::support::read::{Memory, read_both, read_stream};
use crate::support::writer::{
    GNU_EXTENDED, GNU_REAL_SIZE, GNU_SEGMENTS, Header, MODE, MTIME, SIZE, UID, archive, directory,
    file, link, padded, pax,
};
use livestick_blockio::{NoProgress, Progress};
use livestick_tar::{Archive, Options, ReadError};

fn message(bytes: &[u8]) -> String {
    match read_both(bytes) {
        Ok(_) => "it is read".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn refused(parts: &[Vec<u8>], expected: &str) {
    assert_eq!(message(&archive(parts)), expected);
}

#[test]
fn paths_that_lead_astray() {
    for path in ["../a", "a/../../b", "/..", "a/.."] {
        let expected =
            format!("`{path}` at byte 0 has a `..` in it, and could lead out of the archive");
        refused(&[file(path)], &expected);
    }
    refused(
        &[link(b'2', "a", "/etc"), file("a/passwd")],
        "`a/passwd` lies below `a`, which is not a directory",
    );
    refused(
        &[file("x/a"), directory("x/a/b/c")],
        "`x/a/b/c` lies below `x/a`, which is not a directory",
    );
    refused(
        &[pax(&[("path", b"a\0b")]), file("x")],
        "`a\\x00b` at byte 1024 holds a NUL",
    );
    refused(&[file("")], "`` at byte 0 is empty");
    refused(
        &[directory("./"), link(b'2', "./", "x")],
        "`./` at byte 512 is the root of the archive, but the entry is no directory",
    );
    let long = "x/".repeat(2049);
    refused(
        &[pax(&[("path", long.as_bytes())]), file("x")],
        "the path at byte 5120 is longer than 4096 bytes",
    );
    let name = "n".repeat(256);
    let error = read_stream(&archive(&[pax(&[("path", name.as_bytes())]), file("x")]));
    assert!(matches!(error, Err(ReadError::Tree(_))));
}

#[test]
fn links_to_nothing() {
    refused(
        &[link(b'1', "a", "b"), file("b")],
        "`a` is a hard link to `b`, which does not come before it in the archive",
    );
    refused(
        &[file("b"), link(b'2', "d", "/"), link(b'1', "a", "d/b")],
        "`a` is a hard link to `d/b`, which does not come before it in the archive",
    );
    refused(
        &[directory("b"), link(b'1', "a", "b")],
        "`a` is a hard link to the directory `b`",
    );
    refused(
        &[link(b'1', "a", ".")],
        "`a` is a hard link to the directory `.`",
    );
    refused(
        &[link(b'1', "a", "../../etc/shadow")],
        "`../../etc/shadow` at byte 0 has a `..` in it, and could lead out of the archive",
    );
    refused(&[link(b'2', "a", "")], "`` at byte 0 is no link target");
    let long = "x".repeat((64 << 10) + 1);
    refused(
        &[pax(&[("linkpath", long.as_bytes())]), link(b'2', "a", "")],
        "the link target at byte 66560 is longer than 65536 bytes",
    );
}

#[test]
fn a_directory_with_files_is_not_replaced() {
    refused(
        &[file("a/b"), file("a")],
        "`a` comes again, but is a directory with files in it by now",
    );
    refused(
        &[file("b"), file("a/b"), link(b'1', "a", "b")],
        "`a` comes again, but is a directory with files in it by now",
    );
}

#[test]
fn damage() {
    assert_eq!(message(b""), "this is not a tar archive");
    assert_eq!(message(b"some text"), "this is not a tar archive");
    assert_eq!(message(&[b'x'; 5000]), "this is not a tar archive");
    let cut = |at| format!("the archive is cut short: it ends at byte {at}, before its end mark");
    let whole = archive(&[directory("a"), Header::new("b", b'0').with(&[1; 1000])]);
    // In a header, in data, in its padding, after it; a block of zeros is enough.
    for at in [600, 1023, 1030, 2000, 2040, 2048] {
        assert_eq!(message(&whole[..at]), cut(at), "{at}");
    }
    assert_eq!(message(&whole[..2048 + 512]), "it is read");
    let long = Header::gnu("././@LongLink", b'L').octal(SIZE, 500).bytes();
    assert_eq!(message(&[&long[..], b"abc"].concat()), cut(515));

    let mut flipped = whole.clone();
    flipped[512] ^= 1;
    assert_eq!(
        message(&flipped),
        "the header at byte 512 is damaged: its checksum is wrong"
    );
    refused(
        &[file("a"), vec![0; 512], file("b")],
        "a lone block of zeros at byte 1024, and the archive goes on",
    );
}

#[test]
fn numbers_that_cannot_be() {
    let zero = |header: Header| archive(&[header.bytes()]);
    let number = |field| format!("the {field} in the header at byte 0 is not a valid number");
    let new = || Header::new("a", b'0');
    for (header, field) in [
        (new().text(SIZE, b"9"), "size"),
        (new().base256(SIZE, -1), "size"),
        (
            new().text(SIZE, &[0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            "size",
        ),
        (new().text(MODE, b"rwx"), "mode"),
        (new().base256(UID, -1), "owner"),
        (new().base256(UID, 1 << 32), "owner"),
        (new().text(MTIME, b"yesterday"), "modification time"),
        (Header::new("a", b'3').text(329..337, b"x"), "device number"),
    ] {
        assert_eq!(message(&zero(header)), number(field));
    }
    let pax_value =
        |keyword| format!("the pax header at byte 0 has an invalid value for `{keyword}`");
    let limit = ": owners and groups have numbers of 32 bits";
    for (keyword, value, why) in [
        ("size", "-5", ""),
        ("size", "18446744073709551616", ""),
        ("uid", "4294967296", limit),
        ("gid", "99999999999", limit),
        ("mtime", "9223372036854775808", ""),
    ] {
        let parts = [pax(&[(keyword, value.as_bytes())]), file("a")];
        refused(&parts, &(pax_value(keyword) + why));
    }
    let large = [pax(&[("size", b"18446744073709551615")]), file("a")];
    refused(
        &large,
        "the size in the header at byte 1024 is not a valid number",
    );
    // A size that can be, of a file that is not there.
    let message = message(&zero(new().base256(SIZE, i64::MAX)));
    assert!(message.starts_with("the archive is cut short"), "{message}");
}

#[test]
fn headers_out_of_place() {
    refused(
        &[pax(&[])],
        "the header at byte 0 is for an entry that does not follow",
    );
    let long = Header::gnu("././@LongLink", b'L').with(b"a\0");
    refused(
        &[file("x"), long.clone()],
        "the header at byte 1024 is for an entry that does not follow",
    );
    refused(
        &[pax(&[("uid", b"1")]), pax(&[("uid", b"2")]), file("a")],
        "the header at byte 1024 repeats what the one before it is for",
    );
    refused(
        &[long.clone(), long, file("a")],
        "the header at byte 1024 repeats what the one before it is for",
    );
    refused(
        &[Header::new("g", b'g').with(b"9 path=x\n"), file("a")],
        "the global pax header at byte 0 has `path`, which is for single files",
    );
    refused(
        &[Header::new("x", b'x').with(b"20 path=x\n"), file("a")],
        "the pax header at byte 0 is damaged",
    );
    refused(
        &[Header::new("x", b'x').octal(SIZE, (16 << 20) + 1).bytes()],
        "the pax header at byte 0 is longer than 16777216 bytes",
    );
    refused(
        &[Header::new("x", b'L').octal(SIZE, 65538).bytes()],
        "the long name at byte 0 is longer than 65537 bytes",
    );
}

#[test]
fn types_that_are_not_known() {
    refused(
        &[Header::new("a", b'Z').bytes()],
        "`a` at byte 0 is of the unknown type `Z`",
    );
    refused(
        &[Header::new("a", 0xff).bytes()],
        "`a` at byte 0 is of the unknown type `\\xff`",
    );
    refused(
        &[Header::gnu("a", b'M').bytes()],
        "`a` begins in another volume; join the volumes of this archive first",
    );
}

/// A GNU file with holes.
fn gnu_sparse(segments: &[(u64, u64)], real_size: u64, data: &[u8]) -> Vec<u8> {
    let mut header = Header::gnu("s", b'S').octal(GNU_REAL_SIZE, real_size);
    for (index, (offset, length)) in segments.iter().enumerate() {
        let at = GNU_SEGMENTS + index * 24;
        header = header
            .octal(at..at + 12, *offset)
            .octal(at + 12..at + 24, *length);
    }
    header.with(data)
}

/// A pax file with holes whose map comes before the data.
fn pax_sparse(map: &str, real_size: &str, data: &[u8]) -> Vec<u8> {
    let records: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"s"),
        ("GNU.sparse.realsize", real_size.as_bytes()),
    ];
    let data = [&padded(map.as_bytes())[..], data].concat();
    [pax(&records), Header::new("x", b'0').with(&data)].concat()
}

#[test]
fn maps_of_holes_that_lie() {
    let sparse = |problem: &str| format!("the map of the sparse file `s` {problem}");
    let order = sparse("is not in order");
    let behind = sparse("has data behind the end of the file");
    let fit = sparse("does not fit the data in the archive");
    let number = sparse("has an invalid number");
    for (bytes, expected) in [
        (gnu_sparse(&[(0, 2), (1, 2)], 9, b"abcd"), &order),
        (gnu_sparse(&[(4, 2), (0, 2)], 9, b"abcd"), &order),
        (gnu_sparse(&[(0, 2), (8, 2)], 9, b"abcd"), &behind),
        (gnu_sparse(&[(0, 2)], 9, b"abc"), &fit),
        (gnu_sparse(&[(0, 4)], 9, b"abc"), &fit),
        (pax_sparse("2\n0\n2\n1\n2\n", "9", b"abcd"), &order),
        (pax_sparse("1\n8\n2\n", "9", b"ab"), &behind),
        (
            pax_sparse("1\n18446744073709551615\n2\n", "9", b"ab"),
            &behind,
        ),
        (pax_sparse("1\n0\n3\n", "9", b"ab"), &fit),
        (pax_sparse("1\n0\n-3\n", "9", b"ab"), &number),
        (pax_sparse("1\n\n3\n", "9", b"ab"), &number),
        (pax_sparse(&"9".repeat(600), "9", b""), &number),
        (pax_sparse("1\n18446744073709551616\n", "9", b""), &number),
        (
            pax_sparse("2000000\n", "9", b""),
            &sparse("has too many pieces"),
        ),
        (pax_sparse("90\n1\n", "9", b""), &number),
        (
            pax_sparse("0\n", "9223372036854775808", b""),
            &sparse("has an impossible size"),
        ),
    ] {
        refused(&[bytes], expected);
    }
    let header = Header::new("s", b'0').with(b"1\n0\n2");
    let records = |records: &[(&str, &[u8])]| vec![pax(records), header.clone()];
    refused(
        &records(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.realsize", b"5"),
        ]),
        &sparse("is cut short"),
    );
    refused(
        &records(&[("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")]),
        &sparse("has no size of the whole file"),
    );
    refused(
        &records(&[("GNU.sparse.major", b"2"), ("GNU.sparse.size", b"5")]),
        &sparse("is of an unknown version"),
    );
    refused(
        &records(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.map", b"0,5"),
            ("GNU.sparse.size", b"5"),
        ]),
        &sparse("comes in two ways"),
    );
    refused(
        &[pax(&[("GNU.sparse.size", b"5")]), gnu_sparse(&[], 0, b"")],
        &sparse("comes in two ways"),
    );
    refused(
        &[Header::new("s", b'S').bytes()],
        &sparse("is not in a GNU header"),
    );
}

#[test]
fn extension_blocks_without_end() {
    let mut header = Header::gnu("s", b'S').octal(GNU_REAL_SIZE, 1 << 40);
    header.0[GNU_EXTENDED] = 1;
    let mut extension = Header([0; 512]);
    for index in 0..21 {
        let at = index * 24;
        extension = extension.octal(at..at + 12, 0).octal(at + 12..at + 24, 0);
    }
    extension.0[504] = 1;
    let mut empty = Header([0; 512]);
    empty.0[504] = 1;
    for block in [extension, empty] {
        refused(
            &[header.clone().bytes(), block.0.repeat(50_000)],
            "the map of the sparse file `s` has too many pieces",
        );
    }
}

#[test]
fn memory_has_a_limit() {
    let options = Options {
        memory_bytes: 100_000,
    };
    let many: Vec<_> = (0..1000).map(|number| file(&number.to_string())).collect();
    let deep = "d/".repeat(2000);
    let xattr = ("SCHILY.xattr.user.x", &[7; 50_000][..]);
    for parts in [
        many,
        vec![pax(&[("path", deep.as_bytes())]), file("x")],
        vec![pax(&[xattr]), file("a"), pax(&[xattr]), file("a")],
        vec![pax(&[xattr]), directory("a"), pax(&[xattr]), directory("a")],
        vec![gnu_sparse(&[], 0, b""); 1000],
    ] {
        let bytes = archive(&parts);
        let read = Archive::read_stream(&bytes[..], Memory::default(), &options, &NoProgress);
        assert!(matches!(
            read,
            Err(ReadError::Memory {
                limit_bytes: 100_000
            })
        ));
    }
}

#[test]
fn reading_stops_when_told() {
    struct Stop;
    impl Progress for Stop {
        fn start(&self, _: &str, _: Option<u64>) {}
        fn advance(&self, _: u64) {}
        fn interrupted(&self) -> bool {
            true
        }
    }
    let bytes = archive(&[Header::gnu("label", b'V').bytes()]);
    let read = Archive::read_stream(&bytes[..], Memory::default(), &Options::default(), &Stop);
    assert!(matches!(read, Err(ReadError::Interrupted)));
}

#[test]
fn a_spool_that_cannot_be_written_is_named() {
    struct Full;
    impl livestick_blockio::WriteAt for Full {
        fn write_all_at(&self, _: &[u8], _: u64) -> std::io::Result<()> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
    }
    impl livestick_blockio::ReadAt for Full {
        fn read_at(&self, _: &mut [u8], _: u64) -> std::io::Result<usize> {
            Ok(0)
        }
    }
    let bytes = archive(&[file("a")]);
    let read = Archive::read_stream(&bytes[..], Full, &Options::default(), &NoProgress);
    assert!(matches!(read, Err(ReadError::Spool(_))));
}
