//! What is a secret, and what only looks like one.

use super::rules::{Check, Test};
use regex::bytes::Captures;

/// What stands in files where a secret belongs, in small letters.
const PLACEHOLDERS: [&str; 24] = [
    "changeme",
    "change_me",
    "change-me",
    "changethis",
    "default",
    "false",
    "hunter2",
    "mypassword",
    "no",
    "none",
    "null",
    "nil",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "prompt",
    "psk",
    "secret",
    "token",
    "true",
    "undefined",
    "unset",
    "yes",
];
/// What examples contain.
const EXAMPLES: [&str; 6] = [
    "example",
    "placeholder",
    "redacted",
    "replace",
    "your_",
    "your-",
];

/// What a rule found in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Secret {
    /// In which line.
    pub(super) line: Option<usize>,
    /// What can be said of it without saying it.
    pub(super) note: String,
}

impl Test {
    /// Looks for the first secret in the beginning of a file.
    pub(super) fn find(&self, bytes: &[u8], can_log_in: &dyn Fn(&str) -> bool) -> Option<Secret> {
        match self {
            Self::NotEmpty => (!bytes.trim_ascii().is_empty()).then(|| Secret {
                line: None,
                note: String::new(),
            }),
            Self::Find(expression) => expression
                .captures_iter(bytes)
                .find_map(|captures| of_match(bytes, &captures)),
            Self::Check(Check::PasswordHashes) => password_hashes(bytes, can_log_in),
        }
    }
}

fn of_match(bytes: &[u8], captures: &Captures<'_>) -> Option<Secret> {
    let whole = captures.get(0)?;
    let group = captures.iter().skip(1).flatten().next();
    if group.is_some_and(|group| is_placeholder(group.as_bytes())) {
        return None;
    }
    let at = group.unwrap_or(whole).start();
    let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let note = group.map_or_else(String::new, |group| match group.len() {
        1 => "1 character".to_owned(),
        count => format!("{count} characters"),
    });
    Some(Secret {
        line: Some(line),
        note,
    })
}

/// Whether a value only holds the place of a secret: a word that says so, a variable that is
/// filled in elsewhere, or the same character again and again.
fn is_placeholder(value: &[u8]) -> bool {
    let value = value.trim_ascii().to_ascii_lowercase();
    let value = String::from_utf8_lossy(&value);
    let value = value.trim_matches(['"', '\'', ';', ',']);
    let variable = ["$", "{{", "<", "%", "@", "`"];
    let mut characters = value.chars();
    let first = characters.next();
    first.is_none_or(|first| characters.all(|other| other == first))
        || variable.iter().any(|start| value.starts_with(start)) && !is_hash(value)
        || PLACEHOLDERS.contains(&value)
        || EXAMPLES.iter().any(|word| value.contains(word))
}

/// Hashes begin with a dollar sign, too: `$y$j9T$…`.
fn is_hash(value: &str) -> bool {
    let mut parts = value.split('$');
    parts.next() == Some("")
        && parts.next().is_some_and(|method| {
            (1..=8).contains(&method.len()) && method.chars().all(|c| c.is_ascii_alphanumeric())
        })
        && parts.next().is_some_and(|rest| !rest.is_empty())
}

/// The methods of crypt(5) that have a prefix, and their names.
const METHODS: [(&str, &str); 10] = [
    ("$y$", "yescrypt"),
    ("$gy$", "gost-yescrypt"),
    ("$7$", "scrypt"),
    ("$2a$", "bcrypt"),
    ("$2b$", "bcrypt"),
    ("$2y$", "bcrypt"),
    ("$6$", "SHA-512"),
    ("$5$", "SHA-256"),
    ("$1$", "MD5"),
    ("_", "DES"),
];
/// A hash without prefix: DES.
const DES_LENGTH: usize = 13;

/// The users of a password file who have a hash and can log in.
fn password_hashes(bytes: &[u8], can_log_in: &dyn Fn(&str) -> bool) -> Option<Secret> {
    let text = String::from_utf8_lossy(bytes);
    let mut users = Vec::new();
    let mut line = None;
    for (number, fields) in (1..).zip(text.lines().map(|line| line.split(':'))) {
        let mut fields = fields;
        let (Some(user), Some(hash)) = (fields.next(), fields.next()) else {
            continue;
        };
        if let Some(method) = method(hash)
            && can_log_in(user)
        {
            line.get_or_insert(number);
            let user: String = user.chars().filter(|c| !c.is_control()).collect();
            users.push(format!("{user} ({method})"));
        }
    }
    (!users.is_empty()).then(|| Secret {
        line,
        note: users.join(", "),
    })
}

fn method(hash: &str) -> Option<&'static str> {
    let prefixed = METHODS.iter().find(|(prefix, _)| hash.starts_with(prefix));
    let is_des = hash.len() == DES_LENGTH
        && hash
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '/'));
    prefixed
        .map(|(_, name)| *name)
        .or_else(|| is_des.then_some("DES"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use regex::bytes::Regex;

    #[test]
    fn what_holds_a_place_is_no_secret() {
        for placeholder in [
            "",
            "x",
            "********",
            "changeme",
            "PASSWORD",
            "${TOKEN}",
            "$TOKEN",
            "<token>",
            "{{ psk }}",
            "%(password)s",
            "your_api_key",
            "AKIAIOSFODNN7EXAMPLE",
            "\"secret\"",
        ] {
            assert!(is_placeholder(placeholder.as_bytes()), "{placeholder}");
        }
        for secret in [
            "correct horse",
            "abab",
            "$y$j9T$salt$hash",
            "$apr1$x$y",
            "t0k3n-of-mine",
        ] {
            assert!(!is_placeholder(secret.as_bytes()), "{secret}");
        }
    }

    #[test]
    fn a_placeholder_does_not_hide_the_secret_after_it() {
        let test = Test::Find(Regex::new("(?m)^key=(?P<secret>.*)$").unwrap());
        let secret = test.find(b"key=changeme\n\nkey=abcd\n", &|_| true).unwrap();
        assert_eq!(secret.line, Some(3));
        assert_eq!(secret.note, "4 characters");
        assert_eq!(test.find(b"key=\nkey=none\n", &|_| true), None);
    }

    #[test]
    fn hashes_count_where_the_user_can_log_in() {
        let shadow =
            b"root:$y$j9T$a$b:1::\ndaemon:*:1\nme:!$6$a$b:1\nold:abcdefghijklm:1\nmail:$6$a$b:1\n";
        let find = |can: fn(&str) -> bool| {
            let found = Test::Check(Check::PasswordHashes).find(shadow, &can);
            found.map(|secret| (secret.line, secret.note))
        };
        let expected = "root (yescrypt), old (DES)".to_owned();
        assert_eq!(find(|user| user != "mail"), Some((Some(1), expected)));
        assert_eq!(find(|_| false), None);
    }
}
