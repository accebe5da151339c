//! Configuration files, line by line.

/// Every line becomes a comment, so that its owner sees what was done.
pub(super) fn commented(text: &[u8]) -> Vec<u8> {
    let mut new = Vec::with_capacity(text.len());
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let content = line.trim_ascii();
        if !content.is_empty() && !content.starts_with(b"#") {
            new.extend_from_slice(b"#livestick# ");
        }
        new.extend_from_slice(line);
    }
    new
}

/// Boot options without the ones that say where to resume from.
pub(super) fn without_resume(text: &[u8]) -> Vec<u8> {
    const OPTIONS: [&[u8]; 2] = [b"resume=", b"resume_offset="];
    let ends_word = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'');
    let mut new: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let is_start = new.last().is_none_or(&ends_word);
        if is_start && OPTIONS.iter().any(|option| rest.starts_with(option)) {
            let length = rest.iter().position(ends_word).unwrap_or(rest.len());
            rest = &rest[length..];
            // One of the two spaces around it goes too.
            match rest.first() {
                Some(b' ') => rest = &rest[1..],
                _ if new.last() == Some(&b' ') => {
                    new.pop();
                }
                _ => {}
            }
            continue;
        }
        new.push(rest[0]);
        rest = &rest[1..];
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_become_comments_once() {
        let table = b"# disks\n\nroot UUID=1 none luks\n";
        let new = text(commented(table));
        assert_eq!(new, "# disks\n\n#livestick# root UUID=1 none luks\n");
        assert_eq!(text(commented(new.as_bytes())), new);
    }

    #[test]
    fn options_to_resume_go_and_others_stay() {
        for (old, new) in [
            ("A=\"quiet resume=UUID=1 splash\"\n", "A=\"quiet splash\"\n"),
            ("A=\"resume=/dev/sda2 resume_offset=7\"", "A=\"\""),
            ("root=/dev/x quiet resume=/dev/y", "root=/dev/x quiet"),
            ("noresume presume=1 # resume", "noresume presume=1 # resume"),
        ] {
            assert_eq!(text(without_resume(old.as_bytes())), new);
        }
    }
}
