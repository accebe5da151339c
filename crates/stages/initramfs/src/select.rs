//! Which kernel of a root the stick boots.

use crate::error::GatherError;
use crate::modules::read_index;
use crate::packed::{is_absent, list, read_text};
use livestick_kernel::{KernelConfig, KernelImage, compare_releases};
use livestick_tree::RootFiles;
use std::cmp::Reverse;

/// Where kernels keep their modules. The second is a folder of its own only where `/lib` is one.
const MODULE_ROOTS: [&str; 2] = ["lib/modules", "usr/lib/modules"];

/// Drivers of USB host controllers, of which a kernel must have one.
const HOST_CONTROLLERS: [&str; 4] = ["xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd"];

/// A kernel of a root, and where its parts are. Paths are relative to the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelFiles {
    /// Its release, as `uname -r` prints it.
    pub release: String,
    /// Its image.
    pub image: String,
    /// The folder with its modules; `None` where there is none.
    pub modules: Option<String>,
    /// What it was configured with; `None` where that is not there.
    pub config: Option<String>,
}

impl KernelFiles {
    /// Reads what the kernel was configured with; `None` where that is not there.
    ///
    /// # Errors
    /// `Read` where it is there and cannot be read.
    pub fn read_config(&self, root: &dyn RootFiles) -> Result<Option<KernelConfig>, GatherError> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        Ok(read_text(root, path)?.map(|text| KernelConfig::parse(&text)))
    }

    /// Whether this kernel can boot from a stick at all.
    fn check(&self, root: &dyn RootFiles) -> Result<(), GatherError> {
        let release = || self.release.clone();
        let no_usb = |missing| GatherError::NoUsb {
            release: release(),
            missing,
        };
        let wanted = HOST_CONTROLLERS.into_iter().chain(["usb_storage"]);
        let index = read_index(root, self, wanted)?;
        // A folder with nothing in it that counts is as good as none.
        if index.is_empty() {
            return Err(GatherError::NoModules { release: release() });
        }
        if !index.provides("usb_storage") {
            return Err(no_usb("usb_storage"));
        }
        if !HOST_CONTROLLERS.iter().any(|name| index.provides(name)) {
            return Err(no_usb("xhci_pci"));
        }
        Ok(())
    }
}

/// The kernel to boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The kernel.
    pub kernel: KernelFiles,
    /// Whether there is no newer one.
    pub is_newest: bool,
    /// The releases of the kernels that were not chosen, the newest first.
    pub others: Vec<String>,
    /// Why newer kernels were not taken, a sentence each, where no release was asked for.
    pub passed_over: Vec<String>,
}

/// Chooses a kernel of a root: the `requested` release, else the newest that has modules and can
/// read a USB stick.
///
/// # Errors
/// Where there is no kernel, or none with the requested release; `NoModules` or `NoUsb` where the
/// requested kernel, or every kernel, cannot boot from a stick, and then for the newest one.
pub fn select_kernel(
    root: &dyn RootFiles,
    requested: Option<&str>,
) -> Result<Selection, GatherError> {
    let kernels = find_kernels(root)?;
    let mut refusals = Vec::new();
    for (index, kernel) in kernels.iter().enumerate() {
        if requested.is_some_and(|release| release != kernel.release) {
            continue;
        }
        match kernel.check(root) {
            Ok(()) => {
                let others = kernels.iter().filter(|other| *other != kernel);
                return Ok(Selection {
                    kernel: kernel.clone(),
                    is_newest: index == 0,
                    passed_over: refusals.iter().map(GatherError::to_string).collect(),
                    others: others.map(|other| other.release.clone()).collect(),
                });
            }
            Err(refusal @ (GatherError::NoModules { .. } | GatherError::NoUsb { .. })) => {
                refusals.push(refusal);
            }
            Err(error) => return Err(error),
        }
    }
    Err(refusals
        .into_iter()
        .next()
        .unwrap_or_else(|| GatherError::NotThere {
            requested: requested.unwrap_or_default().to_owned(),
            available: kernels.into_iter().map(|kernel| kernel.release).collect(),
        }))
}

/// Finds every kernel of a root, the newest first: `boot/vmlinuz*` as Debian has it, and
/// `lib/modules/*/vmlinuz` as Fedora and Arch do. The release is the one that the image names:
/// file names may lack it.
///
/// # Errors
/// `NoKernel` where there is none; `Image` where what looks like one is none; `Read`.
pub fn find_kernels(root: &dyn RootFiles) -> Result<Vec<KernelFiles>, GatherError> {
    let mut kernels = Vec::new();
    let mut first_failure = GatherError::NoKernel;
    for path in candidates(root)? {
        let bytes = match root.read(&path) {
            Ok(bytes) => bytes,
            Err(error) if is_absent(&error) => continue,
            Err(source) => return Err(GatherError::Read { path, source }),
        };
        match KernelImage::parse(&bytes) {
            Ok(image) => kernels.push(kernel_files(root, image.release, path)?),
            Err(source) if matches!(first_failure, GatherError::NoKernel) => {
                first_failure = GatherError::Image { path, source };
            }
            Err(_) => {}
        }
    }
    if kernels.is_empty() {
        return Err(first_failure);
    }
    // Of two files with the same kernel, the one that carries its name is where the owner looks.
    kernels.sort_by(|left, right| {
        let named = |kernel: &KernelFiles| Reverse(kernel.image.ends_with(&kernel.release));
        compare_releases(&right.release, &left.release).then(named(left).cmp(&named(right)))
    });
    kernels.dedup_by(|next, kept| next.release == kept.release);
    Ok(kernels)
}

fn candidates(root: &dyn RootFiles) -> Result<Vec<String>, GatherError> {
    let names = list(root, "boot")?.into_iter();
    let kernels = names.filter(|name| name.starts_with("vmlinuz") || name.starts_with("kernel-"));
    let mut paths: Vec<String> = kernels.map(|name| format!("boot/{name}")).collect();
    for modules in MODULE_ROOTS {
        let releases = list(root, modules)?.into_iter();
        paths.extend(releases.map(|release| format!("{modules}/{release}/vmlinuz")));
    }
    Ok(paths)
}

fn kernel_files(
    root: &dyn RootFiles,
    release: String,
    image: String,
) -> Result<KernelFiles, GatherError> {
    let mut modules = None;
    for parent in MODULE_ROOTS {
        let path = format!("{parent}/{release}");
        if modules.is_none() && !list(root, &path)?.is_empty() {
            modules = Some(path);
        }
    }
    let boot = Some(("boot", format!("config-{release}")));
    let beside = modules.as_deref().map(|path| (path, "config".to_owned()));
    let mut config = None;
    for (folder, name) in boot.into_iter().chain(beside) {
        if config.is_none() && list(root, folder)?.contains(&name) {
            config = Some(format!("{folder}/{name}"));
        }
    }
    Ok(KernelFiles {
        release,
        image,
        modules,
        config,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{MODULES, MemoryRoot, RELEASE, kernel, kernel_image, root};

    const CLOUD: &str = "6.1.0-50-cloud-amd64";
    const VIRTUAL_ONLY: [(&str, &str); 2] = [("virtio_blk", ""), ("squashfs", "")];

    fn selected(root: &MemoryRoot, requested: Option<&str>) -> (String, Vec<String>) {
        let selection = select_kernel(root, requested).unwrap();
        (selection.kernel.release, selection.others)
    }

    fn refused(root: &MemoryRoot, requested: Option<&str>) -> String {
        select_kernel(root, requested).unwrap_err().to_string()
    }

    #[test]
    fn the_newest_kernel_wins_or_the_one_that_was_asked_for() {
        let old = "6.1.0-9-amd64";
        let root = root().with_kernel(old, &MODULES);
        assert_eq!(
            selected(&root, None),
            (RELEASE.to_owned(), vec![old.to_owned()])
        );
        assert_eq!(selected(&root, Some(old)).0, old);
        assert_eq!(
            refused(&root, Some("6.2")),
            "there is no kernel 6.2; there is 6.1.0-50-amd64, 6.1.0-9-amd64"
        );
        let newest = select_kernel(&root, None).unwrap();
        assert_eq!(newest.kernel, kernel());
        assert!(newest.is_newest && newest.passed_over.is_empty());
        assert!(!select_kernel(&root, Some(old)).unwrap().is_newest);
    }

    #[test]
    fn a_kernel_without_usb_is_refused_by_name() {
        let cloud = MemoryRoot::default().with_kernel(CLOUD, &VIRTUAL_ONLY);
        let message = format!(
            "the kernel {CLOUD} cannot read a USB stick: usb_storage is neither a module nor built in"
        );
        assert_eq!(refused(&cloud, None), message);
        let both = root().with_kernel(CLOUD, &VIRTUAL_ONLY);
        assert_eq!(
            selected(&both, None),
            (RELEASE.to_owned(), vec![CLOUD.to_owned()])
        );
        assert_eq!(refused(&both, Some(CLOUD)), message);

        let no_controller = MemoryRoot::default().with_kernel(CLOUD, &[("usb-storage", "")]);
        assert!(refused(&no_controller, None).contains("xhci_pci"));
        let builtin = no_controller.with(
            &format!("lib/modules/{CLOUD}/modules.builtin"),
            "kernel/drivers/usb/host/ehci-pci.ko\n",
        );
        assert_eq!(selected(&builtin, None).0, CLOUD);
    }

    #[test]
    fn each_way_to_have_no_kernel_has_its_message() {
        let empty = MemoryRoot::default();
        let message = "there is no kernel in boot/ or lib/modules/";
        assert_eq!(refused(&empty, None), message);

        let text = empty.clone().with("boot/vmlinuz-1", "no kernel");
        assert!(refused(&text, None).starts_with("boot/vmlinuz-1 cannot be used"));

        let bare = empty.with("boot/vmlinuz", kernel_image(RELEASE));
        let message = format!("the kernel {RELEASE} has no modules");
        assert!(refused(&bare, None).starts_with(&message));
        let older = bare.with_kernel("5.10.0-1", &MODULES);
        let taken = select_kernel(&older, None).unwrap();
        assert_eq!(taken.kernel.release, "5.10.0-1");
        assert!(!taken.is_newest);
        assert!(taken.passed_over[0].starts_with(&message));
        let hollow = older
            .clone()
            .with(&format!("lib/modules/{RELEASE}/modules.dep"), "");
        assert!(refused(&hollow, Some(RELEASE)).starts_with(&message));
        assert!(refused(&older, Some(RELEASE)).starts_with(&message));
    }

    #[test]
    fn kernels_are_found_where_other_distributions_keep_them() {
        let move_to = |image: &str| {
            root()
                .without(&format!("boot/vmlinuz-{RELEASE}"))
                .without(&format!("boot/config-{RELEASE}"))
                .with(image, kernel_image(RELEASE))
        };
        let beside = format!("lib/modules/{RELEASE}/vmlinuz");
        let fedora = move_to(&beside).with(&format!("lib/modules/{RELEASE}/config"), "");
        let found = find_kernels(&fedora).unwrap();
        assert_eq!(found[0].image, beside);
        assert_eq!(
            found[0].config,
            Some(format!("lib/modules/{RELEASE}/config"))
        );

        let arch = move_to("boot/vmlinuz-linux").with(&beside, kernel_image(RELEASE));
        let found = find_kernels(&arch).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].release, RELEASE);
        assert_eq!(found[0].config, None);
    }
}
