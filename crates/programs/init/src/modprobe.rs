//! What the kernel calls when it misses a module: `/sbin/modprobe -q -- NAME`.

use crate::aliases;
use crate::failure::chain;
use crate::instructions;
use crate::loader::insert;
use livestick_handoff::{Module, ModulePlan};
use std::fs;
use std::process::ExitCode;

/// Loads what each argument names, with what it depends on. Options are accepted and mean nothing.
pub fn run(arguments: &[String]) -> ExitCode {
    let plan = match instructions::module_plan() {
        Ok(plan) => plan,
        Err(failure) => {
            log(&failure.sentence());
            return ExitCode::FAILURE;
        }
    };
    let command_line = instructions::command_line();
    let mut result = ExitCode::SUCCESS;
    for name in arguments.iter().filter(|word| !word.starts_with('-')) {
        let modules = resolve(&plan, name);
        if modules.is_empty() {
            log(&format!("{name} is not in this initramfs"));
            result = ExitCode::FAILURE;
        }
        for module in modules {
            if let Err(error) = insert(&module.name, &command_line) {
                log(&format!("{}: {}", module.name, chain(&error)));
                result = ExitCode::FAILURE;
            }
        }
    }
    result
}

/// The kernel starts this without a terminal, and asks for much that it does not need: its own log,
/// at the level for debugging, is where to look when something is missed.
fn log(text: &str) {
    // Nobody is left to tell.
    let _ = fs::write("/dev/kmsg", format!("<7>livestick modprobe: {text}\n"));
}

/// The modules to load for a name or an alias, in order.
fn resolve<'a>(plan: &'a ModulePlan, name: &str) -> Vec<&'a Module> {
    let canonical = name.replace('-', "_");
    let find = |name: &str| plan.modules.iter().find(|module| module.name == name);
    let named: Vec<_> = match find(&canonical) {
        Some(module) => vec![module],
        None => aliases::modules(&plan.aliases, name)
            .filter_map(find)
            .collect(),
    };
    let with_dependencies = named.into_iter().flat_map(|module| {
        let dependencies = module.dependencies.iter().filter_map(|name| find(name));
        dependencies.chain([module])
    });
    with_dependencies.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: &str = "livestick-modules 1\n\
        module usb_common preload\n\
        module usb_storage on-demand usb_common\n\
        module nls_cp437 preload\n\
        alias usb:v*ic08* usb_storage\n\
        alias fs-vfat nls_cp437\n";

    fn names(wanted: &str) -> Vec<String> {
        let plan = ModulePlan::parse(PLAN.as_bytes()).unwrap();
        let modules = resolve(&plan, wanted);
        modules
            .into_iter()
            .map(|module| module.name.clone())
            .collect()
    }

    #[test]
    fn a_module_comes_after_what_it_needs() {
        assert_eq!(names("usb_storage"), ["usb_common", "usb_storage"]);
        assert_eq!(names("usb-storage"), ["usb_common", "usb_storage"]);
        assert_eq!(names("nls_cp437"), ["nls_cp437"]);
    }

    #[test]
    fn an_alias_stands_for_its_module() {
        assert_eq!(names("usb:v1234ic08"), ["usb_common", "usb_storage"]);
        assert_eq!(names("fs-vfat"), ["nls_cp437"]);
        assert_eq!(names("fs-ext4"), Vec::<String>::new());
    }
}
