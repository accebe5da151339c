//! Which modules to load, in what order.

use crate::index::{IndexedModule, ModuleAlias, ModuleIndex};
use crate::name::normalized;
use crate::pattern::alias_matches;
use std::collections::{BTreeSet, VecDeque};

/// A module that should be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want<'a> {
    /// Its name; `-` and `_` are the same.
    pub name: &'a str,
    /// To be loaded without waiting for a device that asks for it.
    pub preload: bool,
}

/// A module of a [`LoadPlan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedModule {
    /// Its name, with underscores.
    pub name: String,
    /// Its file, below the folder that holds the index.
    pub path: String,
    /// To be loaded without waiting for a device that asks for it.
    pub preload: bool,
    /// What is to be loaded before it: all of it, in that order.
    pub dependencies: Vec<String>,
}

/// A module that is neither a file nor built in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingModule {
    /// Its name, with underscores.
    pub name: String,
    /// The module that cannot be loaded without it; `None` where it was itself wanted.
    pub needed_by: Option<String>,
}

/// What was wanted, with all that it depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadPlan {
    /// The modules. Each comes after its dependencies, and those to preload come first.
    pub modules: Vec<PlannedModule>,
    /// The aliases of these modules, in the order of the index.
    pub aliases: Vec<ModuleAlias>,
    /// The wanted modules that the kernel has built in.
    pub builtin: Vec<String>,
    /// What was wanted or is needed and is not there, sorted. A missing soft dependency is not.
    pub missing: Vec<MissingModule>,
}

impl ModuleIndex {
    /// Plans to load the wanted modules. Those to preload keep their order; soft dependencies come
    /// in where they are there: those to be loaded after a module follow all that were wanted.
    pub fn resolve(&self, wanted: &[Want<'_>]) -> LoadPlan {
        let mut planner = Planner {
            index: self,
            planned: BTreeSet::new(),
            plan: LoadPlan::default(),
        };
        for preload in [true, false] {
            let group = wanted.iter().filter(|want| want.preload == preload);
            planner.add_wanted(group.map(|want| want.name), preload);
        }
        planner.finish()
    }

    fn lookup(&self, name: &str) -> Lookup<'_> {
        let name = normalized(name);
        if self.builtin.contains(&name) {
            return Lookup::Builtin;
        }
        match self.modules.get_key_value(&name) {
            Some((name, module)) => Lookup::File(name, module),
            None => Lookup::Missing,
        }
    }

    /// A module after all that it depends on. Where modules depend on each other in a circle, which
    /// only soft dependencies may, the circle is cut where it closes.
    fn load_order<'a>(&'a self, start: &'a str) -> Vec<&'a str> {
        enum Step<'a> {
            Enter(&'a str),
            Leave(&'a str),
        }
        let mut order = Vec::new();
        let mut seen = BTreeSet::new();
        // A stack and no recursion: the depth is the input's.
        let mut steps = vec![Step::Enter(start)];
        while let Some(step) = steps.pop() {
            match step {
                Step::Leave(name) => order.push(name),
                Step::Enter(name) if seen.insert(name) => {
                    steps.push(Step::Leave(name));
                    steps.extend(self.before(name).into_iter().rev().map(Step::Enter));
                }
                Step::Enter(_) => {}
            }
        }
        order
    }

    fn before(&self, name: &str) -> Vec<&str> {
        let Lookup::File(_, module) = self.lookup(name) else {
            return Vec::new();
        };
        let depends = module.depends.iter();
        let files = depends.filter_map(|name| match self.lookup(name) {
            Lookup::File(name, _) => Some(name),
            Lookup::Builtin | Lookup::Missing => None,
        });
        files.chain(self.soft(&module.soft.before)).collect()
    }

    /// The modules behind soft dependencies, which may be names or aliases.
    fn soft<'a>(&'a self, names: &'a [String]) -> impl Iterator<Item = &'a str> {
        names.iter().flat_map(|name| match self.lookup(name) {
            Lookup::File(name, _) => vec![name],
            Lookup::Builtin => Vec::new(),
            Lookup::Missing => self.modules_with_alias(name),
        })
    }

    fn modules_with_alias(&self, text: &str) -> Vec<&str> {
        let aliases = self.aliases.iter();
        let matching = aliases.filter(|alias| alias_matches(&alias.pattern, text));
        let modules = matching.filter_map(|alias| self.modules.get_key_value(&alias.module));
        modules.map(|(name, _)| name.as_str()).collect()
    }
}

/// Where a module is.
enum Lookup<'a> {
    File(&'a str, &'a IndexedModule),
    Builtin,
    Missing,
}

struct Planner<'a> {
    index: &'a ModuleIndex,
    planned: BTreeSet<&'a str>,
    plan: LoadPlan,
}

impl<'a> Planner<'a> {
    fn add_wanted<'w>(&mut self, names: impl Iterator<Item = &'w str>, preload: bool) {
        let mut queue = VecDeque::new();
        for name in names {
            match self.index.lookup(name) {
                Lookup::File(name, _) => queue.push_back(name),
                Lookup::Builtin => self.plan.builtin.push(normalized(name)),
                Lookup::Missing => self.plan.missing.push(MissingModule {
                    name: normalized(name),
                    needed_by: None,
                }),
            }
        }
        while let Some(wanted) = queue.pop_front() {
            for name in self.index.load_order(wanted) {
                if let Lookup::File(name, module) = self.index.lookup(name)
                    && self.planned.insert(name)
                {
                    self.add(name, module, preload);
                    queue.extend(self.index.soft(&module.soft.after));
                }
            }
        }
    }

    fn add(&mut self, name: &str, module: &IndexedModule, preload: bool) {
        for dependency in &module.depends {
            if let Lookup::Missing = self.index.lookup(dependency) {
                self.plan.missing.push(MissingModule {
                    name: dependency.clone(),
                    needed_by: Some(name.to_owned()),
                });
            }
        }
        let order = self.index.load_order(name);
        let dependencies = order.into_iter().filter(|other| *other != name);
        self.plan.modules.push(PlannedModule {
            name: name.to_owned(),
            path: module.path.clone(),
            preload,
            dependencies: dependencies.map(str::to_owned).collect(),
        });
    }

    fn finish(mut self) -> LoadPlan {
        let aliases = self.index.aliases.iter();
        let chosen = aliases.filter(|alias| self.planned.contains(alias.module.as_str()));
        self.plan.aliases = chosen.cloned().collect();
        self.plan.missing.sort();
        self.plan.missing.dedup();
        self.plan
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IndexTexts, ModuleInfo};
    use proptest::prelude::{any, prop_assert, proptest};

    const DEPENDENCIES: &str = "\
        kernel/usb-common.ko:\n\
        kernel/usbcore.ko: kernel/usb-common.ko\n\
        kernel/scsi_mod.ko.xz:\n\
        kernel/usb-storage.ko: kernel/usbcore.ko kernel/usb-common.ko kernel/scsi_mod.ko.xz\n\
        kernel/uas.ko: kernel/usb-storage.ko kernel/usbcore.ko kernel/usb-common.ko kernel/scsi_mod.ko.xz\n\
        kernel/ehci-pci.ko: kernel/usbcore.ko kernel/usb-common.ko\n\
        kernel/uhci-hcd.ko: kernel/usbcore.ko kernel/usb-common.ko\n\
        kernel/ext4.ko: kernel/jbd2.ko\n\
        kernel/jbd2.ko:\n\
        kernel/crc32c-intel.ko:\n\
        kernel/crc32c_generic.ko:\n\
        kernel/late.ko:\n\
        kernel/host.ko: kernel/lost.ko\n";

    const TEXTS: IndexTexts<'_> = IndexTexts {
        dependencies: DEPENDENCIES,
        soft_dependencies: "# comment\n\
            softdep uhci_hcd pre: ehci_pci\n\
            softdep ext4 pre: crypto-crc32c missing-one\n\
            softdep jbd2 pre: ext4 post: late\n\
            softdep gone pre: ext4\n",
        aliases: "# comment\n\
            alias usb:v*ic08isc06ip50in* usb_storage\n\
            alias crypto-crc32c crc32c_generic\n\
            alias crypto-crc32[c] crc32c-intel\n\
            alias crypto-crc32c not_there\n\
            alias fs-ext4 ext4\n",
        builtin: "kernel/fs/fat/vfat.ko\n",
    };

    fn want(name: &str, preload: bool) -> Want<'_> {
        Want { name, preload }
    }

    fn names(plan: &LoadPlan) -> Vec<&str> {
        plan.modules.iter().map(|module| &*module.name).collect()
    }

    fn dependencies<'a>(plan: &'a LoadPlan, name: &str) -> &'a [String] {
        let module = plan.modules.iter().find(|module| module.name == name);
        &module.unwrap().dependencies
    }

    #[test]
    fn dependencies_come_first_and_preloads_before_the_rest() {
        let index = ModuleIndex::parse(&TEXTS).unwrap();
        let plan = index.resolve(&[want("uas", false), want("usb-storage", true)]);
        assert_eq!(
            names(&plan),
            ["scsi_mod", "usb_common", "usbcore", "usb_storage", "uas"]
        );
        let preload: Vec<bool> = plan.modules.iter().map(|module| module.preload).collect();
        assert_eq!(preload, [true, true, true, true, false]);
        assert_eq!(dependencies(&plan, "uas"), &names(&plan)[..4]);
        assert_eq!(plan.modules[0].path, "kernel/scsi_mod.ko.xz");
        assert_eq!(plan.aliases.len(), 1);
        assert_eq!(plan.missing, []);
    }

    #[test]
    fn soft_dependencies_are_flattened_by_name_and_by_alias() {
        let index = ModuleIndex::parse(&TEXTS).unwrap();
        let plan = index.resolve(&[want("uhci_hcd", false)]);
        assert_eq!(
            dependencies(&plan, "uhci_hcd"),
            ["usb_common", "usbcore", "ehci_pci"]
        );
        let plan = index.resolve(&[want("ext4", true)]);
        assert_eq!(
            names(&plan),
            ["jbd2", "crc32c_generic", "crc32c_intel", "ext4", "late"]
        );
        assert!(plan.modules.iter().all(|module| module.preload));
        // ext4 and jbd2 ask for each other: each is loaded, and neither waits for itself.
        assert!(!dependencies(&plan, "ext4").contains(&"ext4".to_owned()));
        assert_eq!(plan.missing, []);
    }

    #[test]
    fn what_is_built_in_or_missing_is_told() {
        let index = ModuleIndex::parse(&TEXTS).unwrap();
        let plan = index.resolve(&[want("vfat", true), want("x-y", true), want("host", false)]);
        assert_eq!(plan.builtin, ["vfat"]);
        let missing = |name: &str, needed_by: Option<&str>| MissingModule {
            name: name.to_owned(),
            needed_by: needed_by.map(str::to_owned),
        };
        assert_eq!(
            plan.missing,
            [missing("lost", Some("host")), missing("x_y", None)]
        );
    }

    #[test]
    fn without_depmod_the_modules_tell() {
        let wanted = [want("uas", true), want("vfat", true), want("nothing", true)];
        let paths = ["updates/uas.ko", "kernel/uas.ko", "kernel/usb-storage.ko"];
        let info = |path: &str| match path {
            "updates/uas.ko" => Ok("depends=usb-storage\0alias=usb:v*ip62in*\0alias=a b\0"),
            "kernel/usb-storage.ko" => Ok("depends=\0softdep=post: uas\0"),
            path => Err(path.to_owned()),
        };
        let index = ModuleIndex::from_modules(
            paths,
            TEXTS.builtin,
            wanted.iter().map(|want| want.name),
            |path| info(path).map(ModuleInfo::parse),
        )
        .unwrap();
        let plan = index.resolve(&wanted);
        assert_eq!(names(&plan), ["usb_storage", "uas"]);
        assert_eq!(plan.modules[1].path, "updates/uas.ko");
        assert_eq!(plan.aliases.len(), 1);
        assert_eq!(plan.builtin, ["vfat"]);
        assert_eq!(plan.missing.len(), 1);
    }

    proptest! {
        #[test]
        fn any_graph_is_resolved(edges in proptest::collection::vec(any::<[u8; 2]>(), 0..60), soft in proptest::collection::vec(any::<[u8; 2]>(), 0..30)) {
            let mut lines = vec![String::new(); 16];
            for [from, to] in edges {
                lines[usize::from(from % 16)] += &format!(" m{}.ko", to % 20);
            }
            let dependencies: Vec<_> = lines.iter().enumerate().map(|(n, line)| format!("m{n}.ko:{line}")).collect();
            let soft: Vec<_> = soft.iter().map(|[from, to]| format!("softdep m{} pre: m{} post: m{}", from % 16, to % 20, to % 7)).collect();
            let index = ModuleIndex::parse(&IndexTexts {
                dependencies: &dependencies.join("\n"),
                soft_dependencies: &soft.join("\n"),
                ..IndexTexts::default()
            }).unwrap();
            let plan = index.resolve(&[want("m0", false), want("m1", true), want("m2", false)]);
            let planned = names(&plan);
            prop_assert!(["m0", "m1", "m2"].iter().all(|name| planned.contains(name)));
            for module in &plan.modules {
                prop_assert!(module.dependencies.iter().all(|name| planned.contains(&&**name) && *name != module.name));
            }
        }
    }
}
