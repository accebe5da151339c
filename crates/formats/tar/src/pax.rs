//! Extended headers: rows of `length keyword=value\n`.

use crate::ReadError;
use crate::limit::{SEGMENTS_LIMIT, XATTR_NAME_LIMIT_BYTES, XATTR_VALUE_LIMIT_BYTES};
use crate::number::{parse_decimal, parse_time};
use livestick_tree::Xattr;

/// Whom records are for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All entries that follow.
    Global,
    /// The next entry.
    Entry,
}

/// What records say of an entry; `None` where the header's own field holds.
#[derive(Clone, Default)]
pub(crate) struct Records {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) modified_seconds: Option<i64>,
    pub(crate) device_major: Option<u32>,
    pub(crate) device_minor: Option<u32>,
    /// In the order of the records; a later one of the same name holds.
    pub(crate) xattrs: Vec<Xattr>,
    /// There is a POSIX ACL.
    pub(crate) has_acl: bool,
    pub(crate) sparse: SparseRecords,
}

/// What GNU tar says of a file with holes, in three ways: "0.0" has a record for each number, "0.1"
/// one for the whole map, "1.0" has the map before the data.
#[derive(Clone, Default)]
pub(crate) struct SparseRecords {
    pub(crate) major: Option<u64>,
    pub(crate) minor: Option<u64>,
    /// The file's path, where `path` is one made up for those who do not know these records.
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) real_size: Option<u64>,
    /// Offset and length of each piece of data.
    pub(crate) map: Vec<(u64, u64)>,
    /// An offset whose length has not come yet.
    offset: Option<u64>,
}

/// What is wrong with a value.
enum Wrong {
    /// The keyword does not allow it.
    Value,
    /// The keyword is not for all files.
    Global,
}

impl Records {
    /// Reads the records of the header at `offset`. They come on top of what `self` says.
    pub(crate) fn read(
        &mut self,
        mut text: &[u8],
        scope: Scope,
        offset: u64,
    ) -> Result<(), ReadError> {
        while !text.is_empty() {
            let (record, rest) = split_record(text).ok_or(ReadError::Pax { offset })?;
            text = rest;
            let equals = record.iter().position(|byte| *byte == b'=');
            let (keyword, value) = record.split_at(equals.ok_or(ReadError::Pax { offset })?);
            let keyword = || keyword.to_vec();
            self.record(&keyword(), &value[1..], scope)
                .map_err(|wrong| match wrong {
                    Wrong::Value => ReadError::PaxValue {
                        offset,
                        keyword: keyword(),
                    },
                    Wrong::Global => ReadError::Global {
                        offset,
                        keyword: keyword(),
                    },
                })?;
        }
        match self.sparse.offset {
            None => Ok(()),
            Some(_) => Err(ReadError::PaxValue {
                offset,
                keyword: b"GNU.sparse.offset".to_vec(),
            }),
        }
    }

    fn record(&mut self, keyword: &[u8], value: &[u8], scope: Scope) -> Result<(), Wrong> {
        match keyword {
            b"uid" => self.uid = number(value)?,
            b"gid" => self.gid = number(value)?,
            b"mtime" => self.modified_seconds = parse(value, parse_time)?,
            _ if scope == Scope::Global && is_understood(keyword) => return Err(Wrong::Global),
            b"path" => self.path = (!value.is_empty()).then(|| value.to_vec()),
            b"linkpath" => self.link = (!value.is_empty()).then(|| value.to_vec()),
            b"size" => self.size = number(value)?,
            b"SCHILY.devmajor" => self.device_major = number(value)?,
            b"SCHILY.devminor" => self.device_minor = number(value)?,
            _ if is_acl(keyword) => self.has_acl = true,
            // GNU tar's `--selinux`. On the disk the value ends with a NUL.
            b"RHT.security.selinux" => {
                self.xattr(b"security.selinux".to_vec(), [value, b"\0"].concat())?;
            }
            _ => {
                if let Some(name) = keyword.strip_prefix(b"SCHILY.xattr.") {
                    self.xattr(unescape(name, &[*b"3D", *b"25"]), value.to_vec())?;
                } else if let Some(name) = keyword.strip_prefix(b"LIBARCHIVE.xattr.") {
                    let value = base64(value).ok_or(Wrong::Value)?;
                    self.xattr(unescape(name, &[]), value)?;
                } else if let Some(keyword) = keyword.strip_prefix(b"GNU.sparse.") {
                    self.sparse.record(keyword, value)?;
                }
            }
        }
        Ok(())
    }

    fn xattr(&mut self, name: Vec<u8>, value: Vec<u8>) -> Result<(), Wrong> {
        let is_name = (1..=XATTR_NAME_LIMIT_BYTES).contains(&name.len()) && !name.contains(&0);
        if !is_name || value.len() > XATTR_VALUE_LIMIT_BYTES {
            return Err(Wrong::Value);
        }
        self.xattrs.push(Xattr {
            name: name.into(),
            value: value.into(),
        });
        Ok(())
    }
}

impl SparseRecords {
    /// Whether the file has holes.
    pub(crate) fn is_sparse(&self) -> bool {
        self.major.is_some() || self.real_size.is_some() || !self.map.is_empty()
    }

    fn record(&mut self, keyword: &[u8], value: &[u8]) -> Result<(), Wrong> {
        match keyword {
            b"major" => self.major = number(value)?,
            b"minor" => self.minor = number(value)?,
            b"name" => self.path = (!value.is_empty()).then(|| value.to_vec()),
            b"size" | b"realsize" => self.real_size = number(value)?,
            b"offset" => {
                let offset = number(value)?.ok_or(Wrong::Value)?;
                if self.offset.replace(offset).is_some() {
                    return Err(Wrong::Value);
                }
            }
            b"numbytes" => {
                let offset = self.offset.take().ok_or(Wrong::Value)?;
                self.push(offset, number(value)?.ok_or(Wrong::Value)?)?;
            }
            b"map" => self.read_map(value)?,
            // How many pieces there are can be counted.
            _ => {}
        }
        Ok(())
    }

    /// `offset,length,offset,length…`
    fn read_map(&mut self, value: &[u8]) -> Result<(), Wrong> {
        self.map.clear();
        if value.is_empty() {
            return Ok(());
        }
        let mut numbers = value.split(|byte| *byte == b',').map(parse_decimal);
        while let Some(offset) = numbers.next() {
            match (offset, numbers.next().flatten()) {
                (Some(offset), Some(length)) => self.push(offset, length)?,
                _ => return Err(Wrong::Value),
            }
        }
        Ok(())
    }

    fn push(&mut self, offset: u64, length: u64) -> Result<(), Wrong> {
        if self.map.len() == SEGMENTS_LIMIT {
            return Err(Wrong::Value);
        }
        self.map.push((offset, length));
        Ok(())
    }
}

/// The first record without its length and its end, and what follows.
fn split_record(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = text.iter().position(|byte| *byte == b' ')?;
    let length = usize::try_from(parse_decimal(&text[..space])?).ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    Some((record.get(space + 1..)?.strip_suffix(b"\n")?, rest))
}

/// Whether a record of this keyword is used in any way.
fn is_understood(keyword: &[u8]) -> bool {
    const EXACT: [&[u8]; 6] = [
        b"path",
        b"linkpath",
        b"size",
        b"SCHILY.devmajor",
        b"SCHILY.devminor",
        b"RHT.security.selinux",
    ];
    const PREFIXES: [&[u8]; 3] = [b"SCHILY.xattr.", b"LIBARCHIVE.xattr.", b"GNU.sparse."];
    EXACT.contains(&keyword)
        || is_acl(keyword)
        || PREFIXES.iter().any(|prefix| keyword.starts_with(prefix))
}

fn is_acl(keyword: &[u8]) -> bool {
    keyword.starts_with(b"SCHILY.acl.")
}

/// An empty value takes back what was said before (POSIX.1-2001 `pax`, "pax Extended Header").
fn parse<T>(value: &[u8], parse: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, Wrong> {
    match value {
        [] => Ok(None),
        value => parse(value).map(Some).ok_or(Wrong::Value),
    }
}

fn number<T: TryFrom<u64>>(value: &[u8]) -> Result<Option<T>, Wrong> {
    parse(value, |value| T::try_from(parse_decimal(value)?).ok())
}

/// Undoes `%3D` and the like: all pairs of digits where `only` is empty, or only those in it.
fn unescape(name: &[u8], only: &[[u8; 2]]) -> Vec<u8> {
    let mut unescaped = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.first_chunk().filter(|_| *first == b'%');
        match digits.filter(|digits| only.is_empty() || only.contains(digits)) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {
                unescaped.push(
                    digits
                        .iter()
                        .fold(0, |value, digit| value << 4 | hex(*digit)),
                );
                rest = &after[2..];
            }
            _ => {
                unescaped.push(*first);
                rest = after;
            }
        }
    }
    unescaped
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// The standard alphabet; the padding may be there or not.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    let end = text.iter().position(|byte| *byte == b'=');
    let (digits, padding) = text.split_at(end.unwrap_or(text.len()));
    if digits.len() % 4 == 1 || padding.len() > 2 || padding.iter().any(|byte| *byte != b'=') {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() / 4 * 3 + 2);
    for group in digits.chunks(4) {
        let value = group.iter().try_fold(0u32, |value, digit| {
            Some(value << 6 | u32::from(base64_digit(*digit)?))
        })?;
        let missing = 4 - group.len();
        let [_, triple @ ..] = (value << (6 * missing)).to_be_bytes();
        bytes.extend_from_slice(&triple[..3 - missing]);
    }
    Some(bytes)
}

fn base64_digit(digit: u8) -> Option<u8> {
    Some(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Records, ReadError> {
        let mut records = Records::default();
        records.read(text, Scope::Entry, 512)?;
        Ok(records)
    }

    fn record(keyword: &str, value: &[u8]) -> Vec<u8> {
        let body = keyword.len() + value.len() + 3;
        let mut length = body + 1;
        while length != body + length.to_string().len() {
            length = body + length.to_string().len();
        }
        [format!("{length} {keyword}=").as_bytes(), value, b"\n"].concat()
    }

    #[test]
    fn records_say_what_the_header_cannot() {
        let text = [
            record("path", b"a=b\nc"),
            record("linkpath", b"\xff"),
            record("size", b"8589934592"),
            record("uid", b"4294967295"),
            record("mtime", b"-1.5"),
            record("comment", b"anything"),
            record("SCHILY.devminor", b"1048575"),
        ];
        let records = read(&text.concat()).unwrap();
        assert_eq!(records.path.as_deref(), Some(&b"a=b\nc"[..]));
        assert_eq!(records.link.as_deref(), Some(&b"\xff"[..]));
        assert_eq!(records.size, Some(8_589_934_592));
        assert_eq!(records.uid, Some(u32::MAX));
        assert_eq!(records.gid, None);
        assert_eq!(records.modified_seconds, Some(-2));
        assert_eq!(records.device_minor, Some(1_048_575));
        assert!(!records.has_acl && !records.sparse.is_sparse());
    }

    #[test]
    fn an_empty_value_takes_back_what_was_said() {
        let mut records = Records::default();
        let global = [record("uid", b"5"), record("mtime", b"7")].concat();
        records.read(&global, Scope::Global, 0).unwrap();
        let local = [record("uid", b""), record("path", b"")].concat();
        records.read(&local, Scope::Entry, 0).unwrap();
        assert_eq!(records.uid, None);
        assert_eq!(records.modified_seconds, Some(7));
        assert_eq!(records.path, None);
    }

    #[test]
    fn attributes_come_in_two_spellings() {
        let text = [
            record("SCHILY.xattr.user.a%3Db%25%41", b"1\n\0="),
            record("SCHILY.xattr.user.empty", b""),
            record("LIBARCHIVE.xattr.user.%c3%A9%3d%zz", b"AP/+"),
            record("LIBARCHIVE.xattr.user.one", b"QQ"),
            record("LIBARCHIVE.xattr.user.two", b"QUI="),
            record("RHT.security.selinux", b"system_u:object_r:bin_t:s0"),
            record("SCHILY.acl.access", b"user::rwx"),
        ];
        let records = read(&text.concat()).unwrap();
        let found: Vec<(&[u8], &[u8])> = records
            .xattrs
            .iter()
            .map(|xattr| (&*xattr.name, &*xattr.value))
            .collect();
        let expected: [(&[u8], &[u8]); 6] = [
            (b"user.a=b%%41", b"1\n\0="),
            (b"user.empty", b""),
            ("user.é=%zz".as_bytes(), b"\0\xff\xfe"),
            (b"user.one", b"A"),
            (b"user.two", b"AB"),
            (b"security.selinux", b"system_u:object_r:bin_t:s0\0"),
        ];
        assert_eq!(found, expected);
        assert!(records.has_acl);
    }

    #[test]
    fn maps_of_holes_come_in_two_spellings() {
        let pairs = [("offset", "0"), ("numbytes", "5"), ("offset", "512")];
        let mut text: Vec<u8> = pairs
            .iter()
            .flat_map(|(keyword, value)| record(&format!("GNU.sparse.{keyword}"), value.as_bytes()))
            .collect();
        assert!(matches!(read(&text), Err(ReadError::PaxValue { .. })));
        text.extend(record("GNU.sparse.numbytes", b"7"));
        assert_eq!(read(&text).unwrap().sparse.map, [(0, 5), (512, 7)]);
        let text = record("GNU.sparse.map", b"0,5,512,7");
        assert_eq!(read(&text).unwrap().sparse.map, [(0, 5), (512, 7)]);
        let text = record("GNU.sparse.map", b"");
        assert_eq!(read(&text).unwrap().sparse.map, []);
    }

    #[test]
    fn damage_is_found() {
        for text in [
            &b"x"[..],
            b"5 a=b",
            b"7 a=bc",
            b"6 a=bc\n",
            b"6 abc\n",
            b"2 \n",
            b"0 a=b\n",
            b"-6 a=b\n",
            b" a=b\n",
            b"99999999999999999999 a=b\n",
            b"18446744073709551615 a=b\n",
        ] {
            let found = read(text);
            let shown = text.escape_ascii();
            assert!(
                matches!(found, Err(ReadError::Pax { offset: 512 })),
                "{shown}"
            );
        }
        assert!(read(b"6 a=b\n").is_ok());
    }

    #[test]
    fn values_that_a_keyword_cannot_have_are_refused() {
        let long_name = format!("SCHILY.xattr.{}", "x".repeat(256));
        let long_value = vec![0; (64 << 10) + 1];
        for (keyword, value) in [
            ("uid", &b"4294967296"[..]),
            ("uid", b"-1"),
            ("size", b"1 "),
            ("mtime", b"now"),
            ("SCHILY.xattr.", b"x"),
            ("SCHILY.xattr.a\0", b"x"),
            (&long_name, b"x"),
            ("SCHILY.xattr.user.a", &long_value),
            ("LIBARCHIVE.xattr.user.a", b"A"),
            ("LIBARCHIVE.xattr.user.a", b"QQ==="),
            ("LIBARCHIVE.xattr.user.a", b"Q-=="),
            ("GNU.sparse.numbytes", b"1"),
            ("GNU.sparse.offset", b"1"),
            ("GNU.sparse.map", b"1"),
            ("GNU.sparse.map", b"1,2,"),
            ("GNU.sparse.map", b"1,-2"),
        ] {
            let found = read(&record(keyword, value));
            assert!(
                matches!(found, Err(ReadError::PaxValue { .. })),
                "{keyword}"
            );
        }
        let said = |keyword: &str, value: &[u8]| {
            let refused = read(&record(keyword, value)).err();
            refused.unwrap().to_string()
        };
        assert!(
            said("uid", b"4294967296")
                .ends_with("`uid`: owners and groups have numbers of 32 bits")
        );
        assert!(said("SCHILY.xattr.user.a", &long_value).ends_with("at most 65536"));
        let global = Records::default().read(&record("path", b"x"), Scope::Global, 0);
        assert!(matches!(global, Err(ReadError::Global { .. })));
        let comment = Records::default().read(&record("comment", b"x"), Scope::Global, 0);
        assert!(comment.is_ok());
    }
}
