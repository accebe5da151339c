//! Which modules a kernel has.

use crate::modinfo::{ModuleInfo, SoftDependencies};
use crate::name::{module_name, normalized};
use std::collections::{BTreeMap, BTreeSet};

/// Why an index that `depmod` wrote cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// A line is not of the form that it should have.
    #[error("{file}: line {line} is invalid")]
    Line {
        /// The name of the file.
        file: &'static str,
        /// The number of the line, from 1.
        line: usize,
    },
}

/// The texts of the index files in `/lib/modules/VERSION`. Only the first one must be there; the
/// others may be empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct IndexTexts<'a> {
    /// `modules.dep`.
    pub dependencies: &'a str,
    /// `modules.softdep`.
    pub soft_dependencies: &'a str,
    /// `modules.alias`.
    pub aliases: &'a str,
    /// `modules.builtin`, which comes with the kernel and not from `depmod`.
    pub builtin: &'a str,
}

/// A pattern of what a module drives or provides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleAlias {
    /// The pattern, for [`alias_matches`](crate::alias_matches).
    pub pattern: String,
    /// The module, with underscores.
    pub module: String,
}

/// The modules of one kernel and what ties them together.
#[derive(Clone, Debug, Default)]
pub struct ModuleIndex {
    pub(crate) modules: BTreeMap<String, IndexedModule>,
    pub(crate) builtin: BTreeSet<String>,
    pub(crate) aliases: Vec<ModuleAlias>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct IndexedModule {
    pub path: String,
    /// In the order in which they are to be loaded.
    pub depends: Vec<String>,
    pub soft: SoftDependencies,
}

impl ModuleIndex {
    /// Reads what `depmod` wrote.
    ///
    /// # Errors
    /// Where a line of `modules.dep` is not of its form. Lines of another kind in the other files
    /// are skipped.
    pub fn parse(texts: &IndexTexts<'_>) -> Result<Self, IndexError> {
        let mut index = Self {
            modules: parse_dependencies(texts.dependencies)?,
            builtin: parse_builtin(texts.builtin),
            aliases: texts.aliases.lines().filter_map(parse_alias).collect(),
        };
        for line in texts.soft_dependencies.lines() {
            let words = line.strip_prefix("softdep ");
            if let Some((name, names)) = words.and_then(|words| words.split_once(' '))
                && let Some(module) = index.modules.get_mut(&normalized(name))
            {
                module.soft.add(names);
            }
        }
        Ok(index)
    }

    /// Makes an index without `depmod`, from what the modules say themselves. Only those are read
    /// that are `wanted`, or that one of them depends on; a soft dependency is found where it names
    /// a module, not where it names an alias.
    ///
    /// `paths` are those of all modules; where a name occurs twice, the first path counts. `read`
    /// is called with the path of a module.
    ///
    /// # Errors
    /// What `read` reports.
    pub fn from_modules<'a, E>(
        paths: impl IntoIterator<Item = &'a str>,
        builtin: &str,
        wanted: impl IntoIterator<Item = &'a str>,
        mut read: impl FnMut(&str) -> Result<ModuleInfo, E>,
    ) -> Result<Self, E> {
        let mut index = Self {
            builtin: parse_builtin(builtin),
            ..Self::default()
        };
        for path in paths {
            if let Some(name) = module_name(path) {
                index.modules.entry(name).or_insert_with(|| IndexedModule {
                    path: path.to_owned(),
                    ..IndexedModule::default()
                });
            }
        }
        let mut to_read: Vec<String> = wanted.into_iter().map(normalized).collect();
        let mut seen = BTreeSet::new();
        while let Some(name) = to_read.pop() {
            let Some(module) = index.modules.get_mut(&name) else {
                continue;
            };
            if !seen.insert(name.clone()) {
                continue;
            }
            let info = read(&module.path)?;
            module.depends = info.depends;
            module.soft = info.soft_dependencies;
            to_read.extend(module.depends.iter().cloned());
            let soft = module.soft.before.iter().chain(&module.soft.after);
            to_read.extend(soft.map(|name| normalized(name)));
            index.add_aliases(&name, info.aliases);
        }
        Ok(index)
    }

    /// Whether the kernel has this module, as a file or built in.
    pub fn provides(&self, name: &str) -> bool {
        let name = normalized(name);
        self.builtin.contains(&name) || self.modules.contains_key(&name)
    }

    /// Whether there is no module at all, neither as a file nor built in.
    pub fn is_empty(&self) -> bool {
        self.builtin.is_empty() && self.modules.is_empty()
    }

    fn add_aliases(&mut self, module: &str, patterns: Vec<String>) {
        // As depmod does it: a line of the index cannot hold them.
        let usable = patterns
            .into_iter()
            .filter(|pattern| !pattern.is_empty() && !pattern.contains(char::is_whitespace));
        self.aliases.extend(usable.map(|pattern| ModuleAlias {
            pattern,
            module: module.to_owned(),
        }));
    }
}

/// `PATH: PATH…`, the dependency to load first being the last.
fn parse_dependencies(text: &str) -> Result<BTreeMap<String, IndexedModule>, IndexError> {
    let mut modules = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let parsed = line.split_once(':').and_then(|(path, depends)| {
            let depends = depends.split_whitespace().rev().map(module_name);
            let module = IndexedModule {
                path: path.to_owned(),
                depends: depends.collect::<Option<_>>()?,
                soft: SoftDependencies::default(),
            };
            Some((module_name(path)?, module))
        });
        let (name, module) = parsed.ok_or(IndexError::Line {
            file: "modules.dep",
            line: number + 1,
        })?;
        modules.insert(name, module);
    }
    Ok(modules)
}

fn parse_builtin(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(module_name).collect()
}

fn parse_alias(line: &str) -> Option<ModuleAlias> {
    let (pattern, module) = line.strip_prefix("alias ")?.split_once(' ')?;
    Some(ModuleAlias {
        pattern: pattern.to_owned(),
        module: normalized(module),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_a_module_is_named() {
        for bad in ["a.ko b.ko", "a.ko: b", "readme: a.ko", "a.ko:\n\nb.ko:"] {
            let dependencies = &format!("first.ko:\n{bad}\n");
            let texts = IndexTexts {
                dependencies,
                ..IndexTexts::default()
            };
            let line = if bad.contains('\n') { 3 } else { 2 };
            let file = "modules.dep";
            assert_eq!(
                ModuleIndex::parse(&texts).unwrap_err(),
                IndexError::Line { file, line }
            );
        }
    }

    #[test]
    fn modules_and_what_is_built_in_are_provided() {
        let index = ModuleIndex::parse(&IndexTexts {
            dependencies: "kernel/fs/nls/nls_iso8859-1.ko.xz:\n",
            builtin: "kernel/fs/fat/vfat.ko\n",
            ..IndexTexts::default()
        })
        .unwrap();
        assert!(index.provides("nls_iso8859-1") && index.provides("nls_iso8859_1"));
        assert!(index.provides("vfat") && !index.provides("fat"));
    }
}
