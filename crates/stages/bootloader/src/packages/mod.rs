//! Which package a file came with, as each package manager has it.

pub(crate) mod dpkg;
pub(crate) mod pacman;
pub(crate) mod rpm;

use std::fmt;

/// A package and its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
}

impl Package {
    /// The version without the suffix of a rebuild of the same source (Debian's `+b1`): packages of
    /// one source may differ in it.
    pub(crate) fn source_version(&self) -> &str {
        match self.version.rsplit_once("+b") {
            Some((source, count)) if count.bytes().all(|byte| byte.is_ascii_digit()) => source,
            _ => &self.version,
        }
    }
}

impl fmt::Display for Package {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_rebuild_suffix_is_left_out() {
        let package = Package {
            name: String::new(),
            version: "1.0+beta-1".to_owned(),
        };
        assert_eq!(package.source_version(), "1.0+beta-1");
    }
}
