//! Which kernel modules the initramfs holds, and when to load them.

use crate::ParseError;
use std::fmt;

const HEADING: &str = "livestick-modules 1";

/// One kernel module of the initramfs. Its file is `/modules/NAME.ko`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name with underscores, as `/proc/modules` prints it.
    pub name: String,
    /// Loaded as soon as `/init` starts, without waiting for a device that asks for it.
    pub preload: bool,
    /// What must be loaded before it: all of it, in that order, itself left out.
    pub dependencies: Vec<String>,
}

/// A pattern of the kernel's module aliases (`*`, `?` and `[…]` as in `fnmatch`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The pattern.
    pub pattern: String,
    /// The module that it names, with underscores.
    pub module: String,
}

/// The file `/livestick/modules` of the initramfs. `to_string` gives its text: `module NAME
/// preload|on-demand DEPENDENCY…` and `alias PATTERN NAME`, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModulePlan {
    /// Every module in the initramfs; those to preload in the order to load them.
    pub modules: Vec<Module>,
    /// The aliases of these modules.
    pub aliases: Vec<Alias>,
}

impl ModulePlan {
    /// Reads it back.
    ///
    /// # Errors
    /// Where it is not a module plan.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ParseError::NotText)?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADING) {
            return Err(ParseError::Heading { expected: HEADING });
        }
        let mut plan = Self::default();
        for line in lines {
            let mut words = line.split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("module"), Some(name), Some(when @ ("preload" | "on-demand"))) => {
                    plan.modules.push(Module {
                        name: name.to_owned(),
                        preload: when == "preload",
                        dependencies: words.map(str::to_owned).collect(),
                    });
                }
                (Some("alias"), Some(pattern), Some(module)) => plan.aliases.push(Alias {
                    pattern: pattern.to_owned(),
                    module: module.to_owned(),
                }),
                _ => {
                    return Err(ParseError::Value {
                        field: "modules",
                        value: line.to_owned(),
                    });
                }
            }
        }
        Ok(plan)
    }
}

impl fmt::Display for ModulePlan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{HEADING}")?;
        for module in &self.modules {
            let when = if module.preload {
                "preload"
            } else {
                "on-demand"
            };
            write!(formatter, "module {} {when}", module.name)?;
            for dependency in &module.dependencies {
                write!(formatter, " {dependency}")?;
            }
            writeln!(formatter)?;
        }
        for alias in &self.aliases {
            writeln!(formatter, "alias {} {}", alias.pattern, alias.module)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_reads_back() {
        let plan = ModulePlan {
            modules: vec![
                Module {
                    name: "usb_common".to_owned(),
                    preload: true,
                    dependencies: vec![],
                },
                Module {
                    name: "uas".to_owned(),
                    preload: false,
                    dependencies: vec!["usb_common".to_owned(), "usb_storage".to_owned()],
                },
            ],
            aliases: vec![Alias {
                pattern: "usb:v*p*d*dc*dsc*dp*ic08isc06ip62in*".to_owned(),
                module: "uas".to_owned(),
            }],
        };
        assert_eq!(ModulePlan::parse(plan.to_string().as_bytes()), Ok(plan));
    }

    #[test]
    fn a_line_of_another_kind_is_an_error() {
        assert!(ModulePlan::parse(b"livestick-modules 1\nmodule x later\n").is_err());
        assert!(ModulePlan::parse(b"").is_err());
    }
}
