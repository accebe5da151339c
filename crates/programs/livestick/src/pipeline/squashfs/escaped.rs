//! Names in JSON, which holds only text.

/// The exact bytes of a name that is not UTF-8, as a URL would have them: `%` and two hexadecimal digits for
/// every byte that is not printable ASCII, and for `%` itself. `None` where it is UTF-8: then the name says it.
pub fn escaped(name: &[u8]) -> Option<String> {
    if std::str::from_utf8(name).is_ok() {
        return None;
    }
    let mut text = String::new();
    for byte in name {
        match byte {
            b'%' => text.push_str("%25"),
            b' '..=b'~' => text.push(char::from(*byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_no_text_is_escaped() {
        assert_eq!(escaped("grün 100%".as_bytes()), None);
        assert_eq!(escaped(b"a 100%\xff\n").as_deref(), Some("a 100%25%FF%0A"));
    }
}
