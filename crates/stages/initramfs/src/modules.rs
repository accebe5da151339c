//! The modules of a kernel: from the root's files to a plan.

use crate::error::GatherError;
use crate::module_set::CORE;
use crate::packed::{list, read_text, read_unpacked};
use crate::select::KernelFiles;
use livestick_handoff::{Alias, Module, ModulePlan};
use livestick_kernel::{IndexTexts, LoadPlan, ModuleIndex, ModuleInfo, module_name};
use livestick_tree::RootFiles;

/// Where below `lib/modules/VERSION` modules are, in the order in which `depmod` prefers them. The
/// links to the kernel's sources beside them must not be followed.
const MODULE_FOLDERS: [&str; 4] = ["updates", "extra", "weak-updates", "kernel"];

/// The deepest that modules are looked for: links can make a circle.
const DEPTH_LIMIT: usize = 16;

/// Reads which modules a kernel has. Where `depmod` never ran, as where a package was unpacked and
/// not installed, the `wanted` modules tell themselves what they need.
pub(crate) fn read_index<'a>(
    root: &dyn RootFiles,
    kernel: &KernelFiles,
    wanted: impl IntoIterator<Item = &'a str>,
) -> Result<ModuleIndex, GatherError> {
    let folder = module_folder(kernel)?;
    let text = |name| read_text(root, &format!("{folder}/{name}"));
    let builtin = text("modules.builtin")?.unwrap_or_default();
    let Some(dependencies) = text("modules.dep")? else {
        return index_from_modules(root, folder, &builtin, wanted);
    };
    let texts = IndexTexts {
        dependencies: &dependencies,
        soft_dependencies: &text("modules.softdep")?.unwrap_or_default(),
        aliases: &text("modules.alias")?.unwrap_or_default(),
        builtin: &builtin,
    };
    ModuleIndex::parse(&texts).map_err(|source| GatherError::Index {
        directory: folder.to_owned(),
        source,
    })
}

/// Refuses a plan that cannot boot any stick.
pub(crate) fn check_core(release: &str, plan: &LoadPlan) -> Result<(), GatherError> {
    for missing in &plan.missing {
        let Some(needed_by) = &missing.needed_by else {
            if let Some(core) = CORE.iter().find(|core| core.name == missing.name) {
                return Err(GatherError::CoreModule {
                    release: release.to_owned(),
                    module: core.name,
                    option: core.option,
                });
            }
            continue;
        };
        let needs = |name: &str| {
            let module = plan.modules.iter().find(|module| module.name == name);
            module.is_some_and(|module| module.dependencies.contains(needed_by))
        };
        if CORE
            .iter()
            .any(|core| core.name == needed_by || needs(core.name))
        {
            return Err(GatherError::CoreDependency {
                release: release.to_owned(),
                module: needed_by.clone(),
                dependency: missing.name.clone(),
            });
        }
    }
    Ok(())
}

/// Reads a module, uncompressed, and what it says about itself.
pub(crate) fn read_module(
    root: &dyn RootFiles,
    path: &str,
) -> Result<(Vec<u8>, ModuleInfo), GatherError> {
    let bytes = read_unpacked(root, path)?;
    let info = ModuleInfo::from_module(&bytes).map_err(|source| GatherError::Module {
        path: path.to_owned(),
        source,
    })?;
    Ok((bytes, info))
}

/// The plan, as `/init` is told it.
pub(crate) fn hand_off(plan: &LoadPlan) -> ModulePlan {
    let modules = plan.modules.iter().map(|module| Module {
        name: module.name.clone(),
        preload: module.preload,
        dependencies: module.dependencies.clone(),
    });
    let aliases = plan.aliases.iter().map(|alias| Alias {
        pattern: alias.pattern.clone(),
        module: alias.module.clone(),
    });
    ModulePlan {
        modules: modules.collect(),
        aliases: aliases.collect(),
    }
}

pub(crate) fn module_folder(kernel: &KernelFiles) -> Result<&str, GatherError> {
    kernel
        .modules
        .as_deref()
        .ok_or_else(|| GatherError::NoModules {
            release: kernel.release.clone(),
        })
}

fn index_from_modules<'a>(
    root: &dyn RootFiles,
    folder: &str,
    builtin: &str,
    wanted: impl IntoIterator<Item = &'a str>,
) -> Result<ModuleIndex, GatherError> {
    let mut paths = Vec::new();
    for name in MODULE_FOLDERS {
        find_modules(root, folder, name, DEPTH_LIMIT, &mut paths)?;
    }
    let wanted: Vec<&str> = wanted.into_iter().collect();
    ModuleIndex::from_modules(
        paths.iter().map(String::as_str),
        builtin,
        wanted.iter().copied(),
        |path| read_module(root, &format!("{folder}/{path}")).map(|(_, info)| info),
    )
}

fn find_modules(
    root: &dyn RootFiles,
    folder: &str,
    below: &str,
    depth: usize,
    paths: &mut Vec<String>,
) -> Result<(), GatherError> {
    for name in list(root, &format!("{folder}/{below}"))? {
        let path = format!("{below}/{name}");
        if module_name(&path).is_some() {
            paths.push(path);
        } else if depth > 0 {
            find_modules(root, folder, &path, depth - 1, paths)?;
        }
    }
    Ok(())
}
