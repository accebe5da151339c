//! What an initramfs holds.

use crate::busybox::static_busybox;
use crate::codec::Codec;
use crate::error::GatherError;
use crate::microcode::Microcode;
use crate::module_set;
use crate::modules::{check_core, hand_off, module_folder, read_index, read_module};
use crate::packed::read_any_form;
use crate::select::KernelFiles;
use livestick_handoff::ModulePlan;
use livestick_kernel::LoadPlan;
use livestick_tree::RootFiles;
use std::collections::BTreeSet;

/// A file and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedFile {
    /// A module's name, or a firmware's path below `/lib/firmware`.
    pub name: String,
    /// Its bytes, uncompressed.
    pub bytes: Vec<u8>,
}

/// What an initramfs holds besides `/init`.
#[derive(Clone, Debug)]
pub struct Contents {
    /// The release of the kernel that the modules are for.
    pub kernel_release: String,
    /// How that kernel wants it compressed.
    pub codec: Codec,
    /// What `/init` is told about the modules.
    pub plan: ModulePlan,
    /// The modules, in the order of the plan.
    pub modules: Vec<NamedFile>,
    /// The firmware that these modules name and the root has, sorted.
    pub firmware: Vec<NamedFile>,
    /// CPU microcode.
    pub microcode: Microcode,
    /// BusyBox, for the shell of the rescue screen.
    pub busybox: Option<Vec<u8>>,
    /// Wanted modules that this kernel has neither as files nor built in, and modules that another
    /// one needs and that are not there. A stick boots without them.
    pub missing_modules: Vec<String>,
    /// Firmware that the modules name and the root does not have.
    pub missing_firmware: Vec<String>,
}

impl Contents {
    /// Collects what the initramfs of this kernel holds.
    ///
    /// # Errors
    /// `NoModules`; `CoreModule` and `CoreDependency` where the kernel cannot boot any stick; the
    /// others where a file cannot be read.
    pub fn gather(root: &dyn RootFiles, kernel: &KernelFiles) -> Result<Self, GatherError> {
        let wanted = module_set::wanted();
        let index = read_index(root, kernel, wanted.iter().map(|want| want.name))?;
        let plan = index.resolve(&wanted);
        check_core(&kernel.release, &plan)?;
        let (modules, firmware_names) = read_modules(root, module_folder(kernel)?, &plan)?;
        let (firmware, missing_firmware) = read_firmware(root, firmware_names)?;
        let missing = plan.missing.iter().map(|missing| missing.name.clone());
        Ok(Self {
            kernel_release: kernel.release.clone(),
            codec: Codec::for_kernel(kernel.read_config(root)?.as_ref()),
            modules,
            firmware,
            microcode: Microcode::read(root)?,
            busybox: static_busybox(root)?,
            missing_modules: missing.collect(),
            missing_firmware,
            plan: hand_off(&plan),
        })
    }
}

fn read_modules(
    root: &dyn RootFiles,
    folder: &str,
    plan: &LoadPlan,
) -> Result<(Vec<NamedFile>, BTreeSet<String>), GatherError> {
    let mut modules = Vec::new();
    let mut firmware = BTreeSet::new();
    for module in &plan.modules {
        let (bytes, info) = read_module(root, &format!("{folder}/{}", module.path))?;
        firmware.extend(info.firmware);
        modules.push(NamedFile {
            name: module.name.clone(),
            bytes,
        });
    }
    Ok((modules, firmware))
}

/// Firmware goes in unpacked: the kernel need not know how it was compressed, and the archive as a
/// whole compresses better.
fn read_firmware(
    root: &dyn RootFiles,
    names: BTreeSet<String>,
) -> Result<(Vec<NamedFile>, Vec<String>), GatherError> {
    let mut firmware = Vec::new();
    let mut missing = Vec::new();
    for name in names {
        let paths = ["lib/firmware/updates", "lib/firmware", "usr/lib/firmware"]
            .map(|folder| format!("{folder}/{name}"));
        let bytes = match stays_inside(&name) {
            true => read_any_form(root, &paths)?,
            false => None,
        };
        match bytes {
            Some(bytes) => firmware.push(NamedFile { name, bytes }),
            None => missing.push(name),
        }
    }
    Ok((firmware, missing))
}

/// A module chooses the name, and it becomes a path of the archive.
fn stays_inside(name: &str) -> bool {
    name.split('/').all(|part| !matches!(part, "" | "." | "..")) && !name.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{MODULES, MemoryRoot, RELEASE, kernel, module, root};
    use crate::module_set::CORE;

    fn gather(root: &MemoryRoot) -> Contents {
        Contents::gather(root, &kernel()).unwrap()
    }

    fn names(contents: &Contents) -> Vec<&str> {
        contents.modules.iter().map(|file| &*file.name).collect()
    }

    fn file(path: &str) -> String {
        format!("lib/modules/{RELEASE}/{path}")
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn modules_come_unpacked_and_in_the_order_of_the_plan() {
        let loop_bytes = module("name=loop");
        let dependencies = root().read(&file("modules.dep")).unwrap();
        let dependencies = String::from_utf8(dependencies).unwrap();
        let packed = root()
            .without(&file("kernel/drivers/loop.ko"))
            .with(&file("kernel/drivers/loop.ko.gz"), gzip(&loop_bytes))
            .with(
                &file("modules.dep"),
                dependencies.replace("loop.ko", "loop.ko.gz"),
            )
            .with(
                &file("modules.alias"),
                "alias block-major-7-* loop\nalias x y\n",
            );
        let contents = gather(&packed);
        assert_eq!(
            names(&contents)[..4],
            ["usbcore", "xhci_pci", "usb_storage", "uas"]
        );
        let planned = contents.plan.modules.iter().map(|module| &*module.name);
        assert!(planned.eq(names(&contents)));
        assert!(contents.plan.modules.iter().all(|module| module.preload));
        assert_eq!(contents.plan.aliases.len(), 1);
        let position = names(&contents).iter().position(|name| *name == "loop");
        assert_eq!(contents.modules[position.unwrap()].bytes, loop_bytes);
        assert!(contents.missing_modules.contains(&"nvme".to_owned()));
        assert_eq!(contents.codec, Codec::Zstd);
    }

    #[test]
    fn a_missing_core_module_is_named_with_its_option_unless_it_is_built_in() {
        for core in CORE {
            let others = MODULES
                .into_iter()
                .filter(|(name, _)| name.replace('-', "_") != core.name);
            let others: Vec<_> = others.collect();
            let root = MemoryRoot::default().with_kernel(RELEASE, &others);
            let error = Contents::gather(&root, &kernel()).unwrap_err().to_string();
            assert!(error.contains(core.name), "{error}");
            assert!(error.contains(core.option), "{error}");
            let builtin = root.with(&file("modules.builtin"), format!("a/{}.ko\n", core.name));
            assert!(!names(&gather(&builtin)).contains(&core.name));
        }
        let no_fat = MODULES.into_iter().filter(|(name, _)| *name != "fat");
        let no_fat: Vec<_> = no_fat.collect();
        let root = MemoryRoot::default().with_kernel(RELEASE, &no_fat);
        let error = Contents::gather(&root, &kernel()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("the kernel {RELEASE} has vfat, but not fat, which it needs")
        );
    }

    #[test]
    fn without_depmod_the_result_is_the_same() {
        let with = root().with(
            &file("modules.alias"),
            "alias pci:v*d*bc0Csc03i30* xhci_pci\n",
        );
        let without = root().without(&file("modules.dep"));
        let (with, without) = (gather(&with), gather(&without));
        assert_eq!(with.plan, without.plan);
        assert_eq!(with.modules, without.modules);
        assert_eq!(with.missing_modules, without.missing_modules);
    }

    #[test]
    fn firmware_comes_unpacked_and_only_from_below_its_folder() {
        let root = root()
            .with("lib/firmware/uas/a.bin.gz", gzip(b"firmware"))
            .with("etc/shadow", "secret")
            .with(
                &file("kernel/drivers/uas.ko"),
                module(
                    "depends=usb-storage\0firmware=uas/a.bin\0firmware=../../etc/shadow\0firmware=",
                ),
            );
        let contents = gather(&root);
        let expected = NamedFile {
            name: "uas/a.bin".to_owned(),
            bytes: b"firmware".to_vec(),
        };
        assert_eq!(contents.firmware, [expected]);
        assert_eq!(contents.missing_firmware, ["", "../../etc/shadow"]);
    }

    #[test]
    fn microcode_of_each_maker_is_one_file() {
        let root = root()
            .with("lib/firmware/intel-ucode/06-9e-0d", "two")
            .with("lib/firmware/intel-ucode/06-55-04.initramfs", "one,")
            .with("lib/firmware/intel-ucode/README", "text")
            .with("lib/firmware/amd-ucode/microcode_amd.bin.gz", gzip(b"a"))
            .with("lib/firmware/amd-ucode/microcode_amd_fam17h.bin", "b")
            .with("lib/firmware/amd-ucode/microcode_amd_fam17h.bin.asc", "c");
        let microcode = gather(&root).microcode;
        assert_eq!(microcode.intel, b"one,two");
        assert_eq!(microcode.amd, b"ab");
        assert_eq!(microcode.length_bytes(), 9);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let path = file("kernel/drivers/loop.ko");
        let root = root().with(&path, "no module");
        let error = Contents::gather(&root, &kernel()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{path} cannot be used as a kernel module")
        );
        let root = root.with(&file("modules.dep"), "nonsense");
        let error = Contents::gather(&root, &kernel()).unwrap_err();
        assert!(matches!(error, GatherError::Index { .. }));
    }
}
