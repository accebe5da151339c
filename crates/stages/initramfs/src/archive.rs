//! The archive that the kernel unpacks.

use crate::codec::Codec;
use crate::contents::Contents;
use livestick_handoff::{Seal, paths};
use livestick_newc::{Entry, Kind, Writer};
use std::collections::BTreeSet;
use std::num::NonZeroU32;

/// Where the kernel looks for microcode (`arch/x86/kernel/cpu/microcode`).
const INTEL_MICROCODE: &str = "kernel/x86/microcode/GenuineIntel.bin";
const AMD_MICROCODE: &str = "kernel/x86/microcode/AuthenticAMD.bin";
/// Intel's processors want their microcode at a multiple of 16 bytes (Software Developer's Manual,
/// volume 3A, 9.11.6), and the early loader hands it to them where it lies.
const MICROCODE_ALIGNMENT: usize = 16;

/// The folders that `/init` mounts on, and `/tmp` for whoever gets a rescue shell.
const FOLDERS: [&str; 6] = ["dev", "proc", "run", "sys", "sysroot", "tmp"];

/// Why an initramfs cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A file does not fit into the archive.
    #[error(transparent)]
    Entry(livestick_newc::WriteError),
    /// The archive cannot be compressed.
    #[error("the initramfs cannot be compressed with {codec}: {reason}")]
    Compress {
        /// How it was to be compressed.
        codec: Codec,
        /// What the library reports.
        reason: &'static str,
    },
}

/// How an initramfs is written.
#[derive(Clone, Copy, Debug)]
pub struct WriteOptions<'a> {
    /// The program `/init`.
    pub init: &'a [u8],
    /// The modification time of everything in it, in seconds since 1970.
    pub modified: u32,
    /// How many threads compress. The bytes do not depend on it.
    pub threads: NonZeroU32,
}

/// An initramfs, and what to say about it.
#[derive(Clone, Debug)]
pub struct Initramfs {
    /// The file for the boot loader.
    pub bytes: Vec<u8>,
    /// Where the [`Seal::LENGTH_BYTES`] of the seal are, from the start of the file. They hold line
    /// feeds until they are patched.
    pub seal_offset: usize,
    /// The release of the kernel that it is for.
    pub kernel_release: String,
    /// How the main part is compressed.
    pub codec: Codec,
    /// The length of the main part before it was compressed, in bytes.
    pub uncompressed_bytes: usize,
    /// How many modules it holds.
    pub modules: usize,
    /// How many firmware files it holds.
    pub firmware: usize,
    /// The length of the microcode, which is not compressed, in bytes.
    pub microcode_bytes: usize,
    /// Whether there is a shell for the rescue screen in it.
    pub has_shell: bool,
}

impl Contents {
    /// Writes the archive.
    ///
    /// # Errors
    /// Where a file does not fit into an archive, or the compressor fails.
    pub fn write(&self, options: &WriteOptions<'_>) -> Result<Initramfs, WriteError> {
        let (mut bytes, seal_offset) = self.early_part(options)?;
        let main = self.main_part(options)?;
        let uncompressed_bytes = main.len();
        let main = self
            .codec
            .compress(main, options.threads)
            .map_err(|reason| WriteError::Compress {
                codec: self.codec,
                reason,
            })?;
        bytes.extend_from_slice(&main);
        Ok(Initramfs {
            bytes,
            seal_offset,
            kernel_release: self.kernel_release.clone(),
            codec: self.codec,
            uncompressed_bytes,
            modules: self.modules.len(),
            firmware: self.firmware.len(),
            microcode_bytes: self.microcode.length_bytes(),
            has_shell: self.busybox.is_some(),
        })
    }

    /// The part that is not compressed, and the offset of the seal in it. Its end is aligned so that
    /// another archive may follow (`init/initramfs.c`).
    fn early_part(&self, options: &WriteOptions<'_>) -> Result<(Vec<u8>, usize), WriteError> {
        let mut archive = Archive::new(options.modified);
        let seal = [b'\n'; Seal::LENGTH_BYTES];
        let seal_offset = archive.file(inside(paths::SEAL), 0o644, &seal)?;
        let microcode = [
            (INTEL_MICROCODE, &self.microcode.intel),
            (AMD_MICROCODE, &self.microcode.amd),
        ];
        for (path, bytes) in microcode {
            if !bytes.is_empty() {
                archive.file(path, 0o644, bytes)?;
            }
        }
        Ok((archive.finish(), seal_offset))
    }

    fn main_part(&self, options: &WriteOptions<'_>) -> Result<Vec<u8>, WriteError> {
        let mut archive = Archive::new(options.modified);
        for path in FOLDERS {
            archive.folder(path)?;
        }
        // The kernel opens the console before /init can mount anything.
        archive.device("dev/console", 0o600, 5, 1)?;
        archive.device("dev/null", 0o666, 1, 3)?;
        archive.file("init", 0o755, options.init)?;
        archive.link("sbin/modprobe", "/init")?;
        if let Some(busybox) = &self.busybox {
            archive.file("bin/busybox", 0o755, busybox)?;
        }
        let plan = self.plan.to_string();
        archive.file(inside(paths::MODULE_PLAN), 0o644, plan.as_bytes())?;
        for module in &self.modules {
            let path = format!("{}/{}.ko", inside(paths::MODULES), module.name);
            archive.file(&path, 0o644, &module.bytes)?;
        }
        for firmware in &self.firmware {
            let path = format!("{}/{}", inside(paths::FIRMWARE), firmware.name);
            archive.file(&path, 0o644, &firmware.bytes)?;
        }
        Ok(archive.finish())
    }
}

/// A path of the initramfs as an archive has it.
fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// An archive that makes the folders of its files.
struct Archive {
    writer: Writer,
    folders: BTreeSet<String>,
}

impl Archive {
    fn new(modified: u32) -> Self {
        Self {
            writer: Writer::new(modified),
            folders: BTreeSet::new(),
        }
    }

    fn folder(&mut self, path: &str) -> Result<(), WriteError> {
        if self.folders.contains(path) {
            return Ok(());
        }
        self.add(path, 0o755, Kind::Directory)?;
        self.folders.insert(path.to_owned());
        Ok(())
    }

    /// Gives the offset of the bytes in the archive.
    fn file(&mut self, path: &str, permissions: u16, bytes: &[u8]) -> Result<usize, WriteError> {
        self.add(path, permissions, Kind::File(bytes))
    }

    fn link(&mut self, path: &str, target: &str) -> Result<usize, WriteError> {
        self.add(path, 0o777, Kind::Symlink(target))
    }

    fn device(
        &mut self,
        path: &str,
        permissions: u16,
        major: u32,
        minor: u32,
    ) -> Result<usize, WriteError> {
        self.add(path, permissions, Kind::CharacterDevice { major, minor })
    }

    fn add(&mut self, path: &str, permissions: u16, kind: Kind<'_>) -> Result<usize, WriteError> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder(parent)?;
        }
        let entry = Entry {
            path,
            permissions,
            kind,
        };
        let alignment = match path {
            INTEL_MICROCODE | AMD_MICROCODE => MICROCODE_ALIGNMENT,
            _ => 1,
        };
        self.writer
            .add_aligned(&entry, alignment)
            .map_err(WriteError::Entry)
    }

    fn finish(self) -> Vec<u8> {
        self.writer.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::NamedFile;
    use crate::fixture::{kernel, root};
    use crate::select::select_kernel;
    use livestick_handoff::ModulePlan;
    use livestick_newc::Reader;
    use livestick_tree::RootDirectory;
    use std::path::Path;

    const MODIFIED: u32 = 1_700_000_000;

    fn contents() -> Contents {
        let mut contents = Contents::gather(&root(), &kernel()).unwrap();
        contents.firmware.push(NamedFile {
            name: "uas/a.bin".to_owned(),
            bytes: b"firmware".to_vec(),
        });
        contents.microcode.intel = b"intel microcode".to_vec();
        contents.microcode.amd = b"amd microcode".to_vec();
        contents.busybox = Some(b"the shell".to_vec());
        contents
    }

    fn write(contents: &Contents, threads: u32) -> Initramfs {
        let options = WriteOptions {
            init: b"the init program",
            modified: MODIFIED,
            threads: NonZeroU32::new(threads).unwrap(),
        };
        contents.write(&options).unwrap()
    }

    /// The entries of both parts.
    fn unpack(initramfs: &Initramfs) -> (Vec<u8>, Vec<u8>) {
        let mut early = Reader::new(&initramfs.bytes);
        assert!(early.all(|entry| entry.is_ok()));
        let (early, main) = initramfs.bytes.split_at(early.offset());
        let main = match initramfs.codec {
            Codec::Zstd => {
                let mut unpacked = Vec::with_capacity(initramfs.uncompressed_bytes);
                zstd_safe::decompress(&mut unpacked, main).unwrap();
                unpacked
            }
            Codec::Gzip => {
                let mut unpacked = Vec::new();
                let mut decoder = flate2::read::GzDecoder::new(main);
                std::io::Read::read_to_end(&mut decoder, &mut unpacked).unwrap();
                unpacked
            }
            Codec::Stored => main.to_vec(),
        };
        assert_eq!(main.len(), initramfs.uncompressed_bytes);
        (early.to_vec(), main)
    }

    fn entries(archive: &[u8]) -> Vec<Entry<'_>> {
        Reader::new(archive).collect::<Result<_, _>>().unwrap()
    }

    fn find<'a>(archive: &'a [u8], path: &str) -> Entry<'a> {
        let mut entries = entries(archive).into_iter();
        entries.find(|entry| entry.path == path).unwrap()
    }

    #[test]
    fn the_first_part_holds_seal_and_microcode_where_they_can_be_found() {
        let initramfs = write(&contents(), 1);
        let seal = initramfs.seal_offset..initramfs.seal_offset + Seal::LENGTH_BYTES;
        assert_eq!(initramfs.bytes[seal], [b'\n'; Seal::LENGTH_BYTES]);
        let (early, _) = unpack(&initramfs);
        let paths: Vec<_> = entries(&early).iter().map(|entry| entry.path).collect();
        assert_eq!(
            paths,
            [
                "livestick",
                "livestick/seal",
                "kernel",
                "kernel/x86",
                "kernel/x86/microcode",
                INTEL_MICROCODE,
                AMD_MICROCODE
            ]
        );
        for microcode in [&b"intel microcode"[..], b"amd microcode"] {
            let mut windows = early.windows(microcode.len());
            let offset = windows.position(|window| window == microcode).unwrap();
            assert_eq!(offset % MICROCODE_ALIGNMENT, 0);
        }
        assert_eq!(initramfs.microcode_bytes, 28);
    }

    #[test]
    fn the_main_part_holds_the_rest_and_folders_come_first() {
        for codec in [Codec::Zstd, Codec::Gzip, Codec::Stored] {
            let contents = Contents {
                codec,
                ..contents()
            };
            let initramfs = write(&contents, 1);
            let (_, main) = unpack(&initramfs);
            let init = find(&main, "init");
            assert_eq!(init.permissions, 0o755);
            assert_eq!(init.kind, Kind::File(b"the init program"));
            assert_eq!(find(&main, "sbin/modprobe").kind, Kind::Symlink("/init"));
            assert_eq!(find(&main, "bin/busybox").kind, Kind::File(b"the shell"));
            let console = Kind::CharacterDevice { major: 5, minor: 1 };
            assert_eq!(find(&main, "dev/console").kind, console);
            let Kind::File(plan) = find(&main, "livestick/modules").kind else {
                panic!("the plan is a file");
            };
            let plan = ModulePlan::parse(plan).unwrap();
            assert_eq!(plan, contents.plan);
            for (module, file) in plan.modules.iter().zip(&contents.modules) {
                let entry = find(&main, &format!("modules/{}.ko", module.name));
                assert_eq!(entry.kind, Kind::File(&file.bytes));
            }
            let firmware = find(&main, "lib/firmware/uas/a.bin");
            assert_eq!(firmware.kind, Kind::File(b"firmware"));
            let entries = entries(&main);
            for (index, entry) in entries.iter().enumerate() {
                let parent = entry.path.rsplit_once('/').map(|(parent, _)| parent);
                let before = &entries[..index];
                let made = |path| {
                    before
                        .iter()
                        .any(|e| e.path == path && e.kind == Kind::Directory)
                };
                assert!(parent.is_none_or(made), "{}", entry.path);
                assert!(before.iter().all(|other| other.path != entry.path));
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_byte() {
        let mut contents = contents();
        // Enough for two threads, and its second half repeats the first.
        let numbers = (0..1_500_000u32).map(|n| n % 750_000);
        contents.modules[0].bytes = numbers.flat_map(u32::to_le_bytes).collect();
        let one = write(&contents, 1);
        for threads in [2, 5] {
            assert!(write(&contents, threads).bytes == one.bytes);
        }
    }

    #[test]
    fn the_stock_kernel_of_debian_fits_into_three_and_a_half_megabytes() {
        let Some(path) = std::env::var_os("LIVESTICK_TEST_ROOT") else {
            assert!(
                std::env::var_os("CI").is_none(),
                "LIVESTICK_TEST_ROOT is not set"
            );
            eprintln!("skipped: LIVESTICK_TEST_ROOT names no Debian root");
            return;
        };
        let root = RootDirectory::open(Path::new(&path)).unwrap();
        let kernel = select_kernel(&root, None).unwrap().kernel;
        let contents = Contents::gather(&root, &kernel).unwrap();
        assert_eq!(contents.codec, Codec::Zstd);
        assert!(contents.modules.len() > 60);
        let preloaded = contents.plan.modules.iter().filter(|module| module.preload);
        assert!(preloaded.count() > 20);
        let initramfs = write(&contents, 2);
        // Besides, 450 kB for the compressed /init.
        let compressed_bytes = initramfs.bytes.len() - initramfs.microcode_bytes;
        assert!(compressed_bytes < 3_500_000 - 450_000, "{compressed_bytes}");
        let (early, main) = unpack(&initramfs);
        find(&early, "livestick/seal");
        for module in &contents.plan.modules {
            find(&main, &format!("modules/{}.ko", module.name));
        }
    }
}
