//! Who can log in.

use livestick_tree::{ContentSource, Tree};
use std::collections::HashMap;

/// Shells that let nobody in.
const NO_SHELLS: [&str; 4] = ["/nologin", "/false", "/sync", "/halt"];
const PASSWD_LIMIT_BYTES: usize = 1 << 20;

/// The users of a root and their shells.
pub(super) struct Accounts {
    shells: HashMap<String, String>,
}

impl Accounts {
    /// Reads `etc/passwd`; without one nobody is known.
    pub(super) fn read(tree: &Tree, source: &dyn ContentSource) -> Self {
        let passwd = crate::read_file(tree, source, b"etc/passwd", PASSWD_LIMIT_BYTES);
        let text = passwd.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let shells = text.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((name.to_owned(), fields.nth(5)?.to_owned()))
        });
        Self {
            shells: shells.collect(),
        }
    }

    /// Whether a user has a shell. One that is not known counts: its line may be elsewhere.
    pub(super) fn can_log_in(&self, user: &str) -> bool {
        let shell = self.shells.get(user);
        shell.is_none_or(|shell| !NO_SHELLS.iter().any(|end| shell.ends_with(end)))
    }
}
