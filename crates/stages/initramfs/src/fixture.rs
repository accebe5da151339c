//! A root in memory, for tests.

use crate::select::KernelFiles;
use livestick_tree::RootFiles;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};

pub(crate) const RELEASE: &str = "6.1.0-50-amd64";

/// Files by their paths.
#[derive(Clone, Default)]
pub(crate) struct MemoryRoot {
    files: BTreeMap<String, Vec<u8>>,
}

impl MemoryRoot {
    pub(crate) fn with(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.to_owned(), bytes.into());
        self
    }

    pub(crate) fn without(mut self, path: &str) -> Self {
        assert!(self.files.remove(path).is_some(), "{path}");
        self
    }

    /// A kernel at `boot/vmlinuz-RELEASE` with these modules, each a name and its `.modinfo`.
    pub(crate) fn with_kernel(mut self, release: &str, modules: &[(&str, &str)]) -> Self {
        let folder = format!("lib/modules/{release}");
        let mut dependencies = String::new();
        for (name, modinfo) in modules {
            let path = format!("kernel/drivers/{name}.ko");
            self = self.with(&format!("{folder}/{path}"), module(modinfo));
            dependencies += &format!("{path}:");
            let depends = modinfo.split('\0').find_map(|f| f.strip_prefix("depends="));
            for name in depends.into_iter().flat_map(|names| names.split(',')) {
                dependencies += &format!(" kernel/drivers/{name}.ko");
            }
            dependencies += "\n";
        }
        self.with(&format!("{folder}/modules.dep"), dependencies)
            .with(&format!("boot/vmlinuz-{release}"), kernel_image(release))
            .with(
                &format!("boot/config-{release}"),
                "CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n",
            )
    }
}

impl RootFiles for MemoryRoot {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let bytes = self.files.get(path).cloned();
        bytes.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn list(&self, path: &str) -> io::Result<Vec<String>> {
        if self.files.contains_key(path) {
            return Err(ErrorKind::NotADirectory.into());
        }
        let below = self.files.keys().filter_map(|file| {
            let rest = file.strip_prefix(path)?.strip_prefix('/')?;
            rest.split('/').next().map(str::to_owned)
        });
        let names: BTreeSet<String> = below.collect();
        match names.is_empty() {
            true => Err(ErrorKind::NotFound.into()),
            false => Ok(names.into_iter().collect()),
        }
    }

    fn is_program(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }
}

/// The modules without which no stick boots, and a USB host controller.
pub(crate) const MODULES: [(&str, &str); 12] = [
    ("usbcore", ""),
    ("xhci-pci", "depends=usbcore\0alias=pci:v*d*bc0Csc03i30*"),
    ("usb-storage", "depends=usbcore"),
    (
        "uas",
        "depends=usb-storage\0firmware=uas/a.bin\0firmware=gone.bin",
    ),
    ("sd_mod", ""),
    ("loop", ""),
    ("squashfs", ""),
    ("overlay", ""),
    ("fat", ""),
    ("vfat", "depends=fat"),
    ("nls_cp437", ""),
    ("nls_ascii", ""),
];

pub(crate) fn root() -> MemoryRoot {
    MemoryRoot::default().with_kernel(RELEASE, &MODULES)
}

pub(crate) fn kernel() -> KernelFiles {
    KernelFiles {
        release: RELEASE.to_owned(),
        image: format!("boot/vmlinuz-{RELEASE}"),
        modules: Some(format!("lib/modules/{RELEASE}")),
        config: Some(format!("boot/config-{RELEASE}")),
    }
}

/// The start of a `bzImage`.
pub(crate) fn kernel_image(release: &str) -> Vec<u8> {
    let mut bytes = vec![0; 0x400];
    bytes[0x1f1] = 1;
    bytes[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
    bytes[0x202..0x206].copy_from_slice(b"HdrS");
    bytes[0x20e..0x210].copy_from_slice(&[0, 1]);
    bytes[0x300..0x300 + release.len()].copy_from_slice(release.as_bytes());
    bytes
}

/// The smallest ELF file that is a kernel module: its second section is `.modinfo`.
pub(crate) fn module(modinfo: &str) -> Vec<u8> {
    let names = b"\0.modinfo\0.shstrtab\0";
    let mut bytes = vec![0; 64];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    let mut table = Vec::new();
    for (name, contents) in [(0, &b""[..]), (1, modinfo.as_bytes()), (10, names)] {
        let mut section = [0; 64];
        section[..4].copy_from_slice(&u32::to_le_bytes(name));
        section[24..32].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
        section[32..40].copy_from_slice(&(contents.len() as u64).to_le_bytes());
        bytes.extend_from_slice(contents);
        table.extend_from_slice(&section);
    }
    let table_offset = bytes.len() as u64;
    bytes[40..48].copy_from_slice(&table_offset.to_le_bytes());
    bytes[58..64].copy_from_slice(&[64, 0, 3, 0, 2, 0]);
    bytes.extend_from_slice(&table);
    bytes
}
