//! What a kernel was configured with.

use std::collections::BTreeMap;

/// A kernel configuration: the text of `/boot/config-VERSION`.
#[derive(Clone, Debug, Default)]
pub struct KernelConfig {
    values: BTreeMap<String, String>,
}

impl KernelConfig {
    /// Reads it. Lines of another form, as the comments for what is not set, say nothing.
    pub fn parse(text: &str) -> Self {
        let settings = text.lines().filter_map(|line| {
            let (option, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
            Some((option.to_owned(), value.to_owned()))
        });
        Self {
            values: settings.collect(),
        }
    }

    /// The value of an option, which is named without `CONFIG_`; `None` where it is not set.
    pub fn value(&self, option: &str) -> Option<&str> {
        self.values.get(option).map(String::as_str)
    }

    /// Whether the option is built into the kernel.
    pub fn is_builtin(&self, option: &str) -> bool {
        self.value(option) == Some("y")
    }

    /// Whether the option is built in or a module.
    pub fn is_enabled(&self, option: &str) -> bool {
        matches!(self.value(option), Some("y" | "m"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_found_without_their_prefix() {
        let config = KernelConfig::parse(
            "#\n# Automatically generated\nCONFIG_RD_ZSTD=y\nCONFIG_SQUASHFS=m\n\
             # CONFIG_RD_LZ4 is not set\nCONFIG_LOCALVERSION=\"-x=y\"\nCONFIG_\n",
        );
        assert!(config.is_builtin("RD_ZSTD") && config.is_enabled("RD_ZSTD"));
        assert!(!config.is_builtin("SQUASHFS") && config.is_enabled("SQUASHFS"));
        assert!(!config.is_enabled("RD_LZ4"));
        assert_eq!(config.value("LOCALVERSION"), Some("\"-x=y\""));
    }
}
