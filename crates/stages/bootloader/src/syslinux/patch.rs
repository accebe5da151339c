//! Tells SYSLINUX's core where it lies.
//!
//! The result is what the installer itself writes, byte for byte. Source: SYSLINUX 6.04,
//! `libinstaller/syslxmod.c` and `libinstaller/fs.c`.

use super::format::{LoadExtent, MAGIC, PatchArea, extents_to_bytes};
use livestick_blockio::{Extent, SECTOR_BYTES};

/// The core is loaded in real mode: one transfer stays below the size of a segment.
const SEGMENT_BYTES: u64 = 0x1_0000;

/// Why `ldlinux.sys` cannot be patched.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchError {
    /// It is not a `ldlinux.sys`, or not one of a known kind.
    #[error("this is no ldlinux.sys that can be patched: its {field} is wrong")]
    NotLdlinux {
        /// What is not as it should be.
        field: &'static str,
    },
    /// The extents are shorter than the file.
    #[error("ldlinux.sys has {needed} sectors, its extents only {given}")]
    TooFewSectors {
        /// How many sectors the file has.
        needed: usize,
        /// How many there are in the extents.
        given: usize,
    },
    /// The file lies in more pieces than its list has room for.
    #[error("ldlinux.sys lies in too many pieces")]
    TooManyPieces,
    /// The folder's path is longer than the core has room for.
    #[error("the folder's path is {length_bytes} bytes long, and ldlinux.sys has room for {room}")]
    DirectoryTooLong {
        /// How long it is.
        length_bytes: usize,
        /// How long it may be.
        room: usize,
    },
}

/// Writes into `ldlinux_sys` where its sectors and its folder are, and into `boot_sector` where it
/// begins. Nothing changes its length.
///
/// `extents` cover the file, in order; LBA 0 is the volume's first sector, and what they hold beyond
/// the file is left alone. `directory` is an absolute path on the volume, like [`super::DIRECTORY`].
///
/// # Errors
/// Where the file is not a `ldlinux.sys`, or the extents or the folder do not fit; then neither the
/// file nor the boot sector has changed.
pub fn patch(
    ldlinux_sys: &mut [u8],
    boot_sector: &mut [u8; 512],
    extents: &[Extent],
    directory: &str,
) -> Result<(), PatchError> {
    let area = PatchArea::find(ldlinux_sys)?;
    let sectors = file_sectors(extents, area.total_sectors())?;
    let (core, advs) = sectors.split_at(area.data_sectors);
    let [first, rest @ ..] = core else {
        return Err(PatchError::NotLdlinux { field: "length" });
    };
    let list = extents_to_bytes(&load_extents(rest), area.extents.len());
    let list = list.ok_or(PatchError::TooManyPieces)?;
    let room = area.directory.len();
    if directory.len() >= room {
        return Err(PatchError::DirectoryTooLong {
            length_bytes: directory.len(),
            room: room.saturating_sub(1),
        });
    }

    let [low, high] = area.first_sector;
    let first = first.to_le_bytes();
    boot_sector[low].copy_from_slice(&first[..4]);
    boot_sector[high].copy_from_slice(&first[4..]);

    ldlinux_sys[area.extents].copy_from_slice(&list);
    let advs: Vec<u8> = advs
        .iter()
        .flat_map(|sector| sector.to_le_bytes())
        .collect();
    ldlinux_sys[area.advs].copy_from_slice(&advs);
    let field = &mut ldlinux_sys[area.directory];
    field.fill(0);
    field[..directory.len()].copy_from_slice(directory.as_bytes());

    ldlinux_sys[area.checksum.clone()].fill(0);
    let checksum = checksum(&ldlinux_sys[area.summed]);
    ldlinux_sys[area.checksum].copy_from_slice(&checksum.to_le_bytes());
    Ok(())
}

/// Puts the boot code of `code` into a volume's first sector. Bytes 11 to 89, the volume's own
/// parameters, and the signature stay as they are.
pub fn merge_boot_sector(volume: &mut [u8; 512], code: &[u8; 512]) {
    for range in [0..11, 90..510] {
        volume[range.clone()].copy_from_slice(&code[range]);
    }
}

/// The first `count` sectors of the extents, one by one.
fn file_sectors(extents: &[Extent], count: usize) -> Result<Vec<u64>, PatchError> {
    let all = extents.iter().flat_map(|extent| {
        extent.start_lba..extent.start_lba.saturating_add(extent.length_sectors)
    });
    let sectors: Vec<u64> = all.take(count).collect();
    match sectors.len() {
        given if given < count => Err(PatchError::TooFewSectors {
            needed: count,
            given,
        }),
        _ => Ok(sectors),
    }
}

/// Joins consecutive sectors, as far as one transfer may reach. The loader begins each extent at the
/// start of a segment, so only its length matters, not the address that it is loaded to.
fn load_extents(sectors: &[u64]) -> Vec<LoadExtent> {
    let mut extents: Vec<LoadExtent> = Vec::new();
    for sector in sectors {
        match extents.last_mut() {
            Some(last) if continues(last, *sector) => last.length_sectors += 1,
            _ => extents.push(LoadExtent {
                start_lba: *sector,
                length_sectors: 1,
            }),
        }
    }
    extents
}

fn continues(extent: &LoadExtent, sector: u64) -> bool {
    let length = u64::from(extent.length_sectors);
    sector == extent.start_lba + length && (length + 1) * SECTOR_BYTES < SEGMENT_BYTES
}

/// The number that makes all dwords, itself included, add up to the magic number.
fn checksum(bytes: &[u8]) -> u32 {
    let (dwords, _) = bytes.as_chunks::<4>();
    dwords.iter().fold(MAGIC, |sum, dword| {
        sum.wrapping_sub(u32::from_le_bytes(*dword))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{DIRECTORY, INSTALLER, installer};
    use super::*;
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    /// What the installer holds, or `None` with a word about it where a tool is not installed.
    fn installed() -> Option<installer::Installed> {
        for tool in ["syslinux", "mcopy", "mshowfat", "mkfs.vfat"] {
            let is_there = |folder: &&str| Path::new(folder).join(tool).is_file();
            if !["/usr/bin", "/usr/sbin", "/sbin"].iter().any(is_there) {
                assert!(std::env::var_os("CI").is_none(), "{tool} is missing");
                eprintln!("skipped: {tool} is not installed");
                return None;
            }
        }
        let path = Path::new("/").join(INSTALLER.places[0]);
        Some(installer::run(&path).unwrap())
    }

    fn run(command: &str, image: &Path) -> String {
        let mut shell = Command::new("sh");
        let shell = shell
            .args(["-ec", command])
            .env("IMAGE", image)
            .env("MTOOLS_SKIP_CHECK", "1");
        let output = shell.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn field(sector: &[u8], offset: usize) -> u64 {
        u64::from(u16::from_le_bytes([sector[offset], sector[offset + 1]]))
    }

    /// The extents of a file of a FAT32 volume, by `mshowfat`: `::/name <5-9> <12>`.
    fn extents(image: &Path, volume: &[u8]) -> Vec<Extent> {
        let per_cluster = u64::from(volume[13]);
        let data = field(volume, 14) + u64::from(volume[16]) * field(volume, 36);
        let shown = run("mshowfat -i $IMAGE ::/syslinux/ldlinux.sys", image);
        let ranges = shown
            .split('<')
            .skip(1)
            .map(|range| range.split_once('>').unwrap().0);
        let extent = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
            Extent {
                start_lba: data + (first - 2) * per_cluster,
                length_sectors: (last - first + 1) * per_cluster,
            }
        };
        ranges.map(extent).collect()
    }

    fn bytes_of(volume: &[u8], extents: &[Extent], length: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for extent in extents {
            let start = usize::try_from(extent.start_bytes()).unwrap();
            let length = usize::try_from(extent.length_bytes()).unwrap();
            bytes.extend(&volume[start..start + length]);
        }
        bytes.truncate(length);
        bytes
    }

    /// Prepares a FAT32 volume with shell commands, lets the installer install on it, and compares
    /// what it wrote with what we make for the same place. Returns the number of pieces.
    fn compare_with_the_installer(prepare: &str) -> Option<usize> {
        let installed = installed()?;
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("volume.img");
        run(prepare, &image);
        let mut boot_sector = *fs::read(&image).unwrap().first_chunk().unwrap();
        run(
            "mmd -i $IMAGE ::/syslinux; syslinux --install --directory /syslinux $IMAGE",
            &image,
        );
        let volume = fs::read(&image).unwrap();
        let extents = extents(&image, &volume);

        let mut ldlinux_sys = installed.ldlinux_sys;
        let mut code = installed.boot_sector;
        patch(&mut ldlinux_sys, &mut code, &extents, DIRECTORY).unwrap();
        merge_boot_sector(&mut boot_sector, &code);
        let golden = bytes_of(&volume, &extents, ldlinux_sys.len());
        let difference = (0..golden.len()).find(|at| golden[*at] != ldlinux_sys[*at]);
        assert_eq!(difference, None, "ldlinux.sys differs");
        assert!(boot_sector == volume[..512], "the boot sector differs");
        Some(extents.len())
    }

    #[test]
    fn a_file_in_one_piece_is_as_the_installer_writes_it() {
        let pieces = compare_with_the_installer(
            "truncate -s 300M $IMAGE; mkfs.vfat -F 32 -s 8 -h 2048 $IMAGE",
        );
        assert!(matches!(pieces, Some(1) | None));
    }

    #[test]
    fn a_file_in_pieces_is_as_the_installer_writes_it() {
        // Small files, every other one removed, leave holes of one cluster; without the volume's
        // hint where free clusters begin, they are used first.
        let pieces = compare_with_the_installer(
            "truncate -s 40M $IMAGE; mkfs.vfat -F 32 -s 1 $IMAGE
             cd $(dirname $IMAGE); mkdir files
             for i in $(seq 100 199); do echo > files/$i; done
             mcopy -i $IMAGE files/* ::; mdel -i $IMAGE '::1?[02468]'
             printf '\\377\\377\\377\\377' | dd of=$IMAGE bs=1 seek=1004 conv=notrunc status=none",
        );
        assert!(pieces.is_none_or(|pieces| pieces > 10), "{pieces:?}");
    }

    #[test]
    fn an_extent_stays_below_a_segment() {
        let sectors: Vec<u64> = (100..400).collect();
        let lengths: Vec<u16> = load_extents(&sectors)
            .iter()
            .map(|e| e.length_sectors)
            .collect();
        assert_eq!(lengths, [127, 127, 46]);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let Some(installed) = installed() else { return };
        let whole = [Extent {
            start_lba: 7,
            length_sectors: 4096,
        }];
        let scattered: Vec<Extent> = (0..4096)
            .map(|n| Extent {
                start_lba: 2 * n,
                length_sectors: 1,
            })
            .collect();
        let error_of = |extents: &[Extent], directory: &str| {
            let (mut file, mut code) = (installed.ldlinux_sys.clone(), installed.boot_sector);
            let error = patch(&mut file, &mut code, extents, directory).unwrap_err();
            assert!(file == installed.ldlinux_sys && code == installed.boot_sector);
            error
        };
        assert!(matches!(
            error_of(&whole, &"d".repeat(4000)),
            PatchError::DirectoryTooLong {
                length_bytes: 4000,
                ..
            }
        ));
        assert!(matches!(
            error_of(&[], DIRECTORY),
            PatchError::TooFewSectors { given: 0, .. }
        ));
        // The list of 6.04 has room for as many pieces as the file has sectors.
        let mut file = installed.ldlinux_sys.clone();
        patch(
            &mut file,
            &mut installed.boot_sector.clone(),
            &scattered,
            DIRECTORY,
        )
        .unwrap();
    }

    #[test]
    fn what_is_not_ldlinux_is_refused() {
        let refused = |bytes: &[u8]| {
            let error = patch(&mut bytes.to_vec(), &mut [0; 512], &[], DIRECTORY).unwrap_err();
            assert!(matches!(error, PatchError::NotLdlinux { .. }), "{error}");
        };
        refused(b"");
        refused(&[0; 4096]);
        let mut only_magic = vec![0xff; 4096];
        only_magic[512..516].copy_from_slice(&MAGIC.to_le_bytes());
        refused(&only_magic);
        let Some(installed) = installed() else { return };
        let file = installed.ldlinux_sys;
        refused(&file[..file.len() - 512]);
        for cut in [20, 1024, 4096] {
            refused(&file[..cut]);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_change_of_a_byte_makes_it_panic(offset in 0_usize..8192, byte: u8) {
            if let Some(installed) = installed_once() {
                let mut file = installed.clone();
                file[offset] = byte;
                let extents = [Extent { start_lba: u64::MAX - 3, length_sectors: u64::MAX }];
                let _ = patch(&mut file, &mut [0; 512], &extents, DIRECTORY);
                let extents = [Extent { start_lba: 1 << 40, length_sectors: 4096 }];
                let _ = patch(&mut file, &mut [0; 512], &extents, DIRECTORY);
            }
        }
    }

    fn installed_once() -> Option<&'static Vec<u8>> {
        static FILE: std::sync::OnceLock<Option<Vec<u8>>> = std::sync::OnceLock::new();
        FILE.get_or_init(|| installed().map(|installed| installed.ldlinux_sys))
            .as_ref()
    }
}
