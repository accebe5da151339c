//! The name of the machine.

use super::Rewrite;
use livestick_tree::{Kind, RootFiles, TreeError, TreeFiles};

/// What a stick without a name of its own is called.
const HOST_NAME: &str = "livestick";

impl Rewrite<'_> {
    /// Gives the machine another name, in the two files that name it.
    pub(super) fn rename_host(&mut self) -> Result<(), TreeError> {
        let old = TreeFiles::new(self.tree, self.contents).read("etc/hostname");
        let Ok(old) = old else {
            // Without one the system calls itself `localhost`.
            return Ok(());
        };
        let old = old.trim_ascii().to_vec();
        if old.is_empty() {
            return Ok(());
        }
        self.replace(
            "etc/hostname",
            Kind::inline_file(format!("{HOST_NAME}\n").into_bytes()),
        )?;
        self.edit("etc/hosts", |hosts| renamed(hosts, &old))
    }
}

/// A hosts table in which the machine, with or without its domain, has the new name.
fn renamed(hosts: &[u8], old: &[u8]) -> Vec<u8> {
    let mut new = Vec::with_capacity(hosts.len());
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    for word in hosts.chunk_by(|one, other| is_space(one) == is_space(other)) {
        let short = word.split(|byte| *byte == b'.').next().unwrap_or(word);
        let is_own = word == old || short == old && word.len() > short.len();
        new.extend_from_slice(if is_own { HOST_NAME.as_bytes() } else { word });
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_are_the_name() {
        let hosts =
            b"127.0.0.1\tlocalhost\n127.0.1.1\tbox.example.org box  # the box\n10.0.0.2 toolbox\n";
        let new = String::from_utf8(renamed(hosts, b"box")).unwrap();
        let expected = "127.0.0.1\tlocalhost\n127.0.1.1\tlivestick livestick  # the livestick\n\
            10.0.0.2 toolbox\n";
        assert_eq!(new, expected);
    }
}
