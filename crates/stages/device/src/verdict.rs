//! Which disks may be written. Everything in doubt is refused.

use crate::snapshot::{Disk, Fixed, Kind, Layer, Unseen, Use};
use livestick_blockio::SECTOR_BYTES;
use livestick_disks::{Content, Transport};
use std::fmt;

/// Why a disk is not written. No flag lifts any of these but [`Refusal::Fixed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The running system needs it.
    InUse(Use),
    /// It belongs to something that is not in use just now.
    Belongs {
        /// The disk or a partition.
        device: String,
        /// What its first bytes say.
        content: Content,
    },
    /// Nobody knows what is on it.
    Unseen(Unseen),
    /// It is not a disk by itself, or not one for files.
    Kind(Kind),
    /// There is no medium in the drive.
    NoMedium,
    /// It cannot be written.
    ReadOnly,
    /// Its sectors have another size than SYSLINUX and FAT volumes for every machine can have.
    SectorSize {
        /// Theirs.
        sector_bytes: u64,
    },
    /// It is neither on USB nor a card.
    Fixed {
        /// How it is connected.
        transport: Transport,
    },
}

pub(crate) fn refusals(disk: &Disk, fixed: Fixed) -> Vec<Refusal> {
    let mut refusals: Vec<_> = disk.uses.iter().cloned().map(Refusal::InUse).collect();
    let own = std::iter::once((&disk.device.name, &disk.content));
    let parts = disk
        .partitions
        .iter()
        .map(|part| (&part.name, &part.content));
    refusals.extend(own.chain(parts).filter_map(|(device, content)| {
        let content = content.as_ref().filter(|content| belongs(content))?;
        Some(Refusal::Belongs {
            device: device.clone(),
            content: content.clone(),
        })
    }));
    refusals.extend(disk.unseen.iter().cloned().map(Refusal::Unseen));
    let mut refuse = |refused: bool, refusal: Refusal| {
        if refused {
            refusals.push(refusal);
        }
    };
    refuse(disk.kind != Kind::Plain, Refusal::Kind(disk.kind));
    refuse(disk.device.size_bytes == 0, Refusal::NoMedium);
    refuse(disk.read_only, Refusal::ReadOnly);
    let sector_bytes = disk.sector_bytes;
    refuse(
        sector_bytes != SECTOR_BYTES,
        Refusal::SectorSize { sector_bytes },
    );
    let transport = disk.device.transport;
    let removable = matches!(transport, Transport::Usb | Transport::Mmc);
    refuse(
        fixed == Fixed::Refuse && !removable,
        Refusal::Fixed { transport },
    );
    refusals
}

/// Whether the disk is a part of something larger, or locked: what is lost cannot be seen.
fn belongs(content: &Content) -> bool {
    matches!(
        content,
        Content::Lvm
            | Content::Md
            | Content::Luks
            | Content::BitLocker
            | Content::Zfs
            | Content::BtrfsMember
    )
}

impl fmt::Display for Use {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { device, at } => {
                write!(formatter, "{device} is mounted at {}", at.display())
            }
            Self::Swap { device } => write!(formatter, "{device} is swap space in use"),
            Self::Part { device, of, layer } => {
                write!(formatter, "{device} is part of the {layer} {of}")
            }
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(used) => write!(formatter, "{used}"),
            Self::Belongs { device, content } => match content {
                Content::Luks | Content::BitLocker => {
                    write!(formatter, "{device} is encrypted ({content})")
                }
                Content::BtrfsMember => {
                    write!(formatter, "{device} is part of a Btrfs on several devices")
                }
                _ => write!(formatter, "{device} is part of a {content} group"),
            },
            Self::Unseen(Unseen { device, denied }) => {
                let by = if *denied { " by this user" } else { "" };
                write!(formatter, "what is on {device} cannot be seen{by}")
            }
            Self::Kind(Kind::Optical) => formatter.write_str("it is an optical drive"),
            Self::Kind(Kind::BootArea) => {
                formatter.write_str("the machine itself boots from this area of its flash")
            }
            Self::Kind(_) => formatter.write_str("it is made of other disks"),
            Self::NoMedium => formatter.write_str("there is no medium in it"),
            Self::ReadOnly => formatter.write_str("it is write-protected"),
            Self::SectorSize { sector_bytes } => write!(
                formatter,
                "its sectors have {sector_bytes} bytes, and SYSLINUX and the volume are laid out for {SECTOR_BYTES}"
            ),
            Self::Fixed { transport } => write!(
                formatter,
                "it is neither USB nor SD/MMC ({transport}), and nobody named it as one to write"
            ),
        }
    }
}

impl Refusal {
    /// What to do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::InUse(Use::Mounted { at, .. }) if is_system(at) => return None,
            Self::InUse(Use::Mounted { at, .. }) => {
                format!("if it is the right one: umount {}", at.display())
            }
            Self::InUse(Use::Part {
                of,
                layer: Layer::Encrypted,
                ..
            }) => format!("if it is the right one: cryptsetup close /dev/{of}"),
            Self::Belongs { device, .. } => format!(
                "if it is the right one and nothing on it is needed: wipefs --all /dev/{device}"
            ),
            Self::Unseen(Unseen { denied: true, .. }) => "run it as root".to_owned(),
            Self::Unseen(_) => "try another port; a stick that fails again is broken".to_owned(),
            Self::ReadOnly => "look for a switch on it".to_owned(),
            _ => return None,
        })
    }
}

/// Mounts without which the running system is none.
fn is_system(at: &std::path::Path) -> bool {
    ["/", "/boot", "/boot/efi", "/efi", "/usr", "/var", "/home"]
        .iter()
        .any(|path| at == std::path::Path::new(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use std::io;

    /// The first word of every refusal of a disk, joined: what a reader sees.
    fn refused(fixture: &Fixture, name: &str, fixed: Fixed) -> Vec<String> {
        let disks = Disk::list_below(fixture.root()).unwrap();
        let disk = disks.iter().find(|disk| disk.device.name == name).unwrap();
        let refusals = disk.refusals(fixed);
        refusals.iter().map(Refusal::to_string).collect()
    }

    #[test]
    fn free_usb_disks_and_cards_are_accepted() {
        let fixture = Fixture::new();
        fixture.usb("sda", &["sda1"]);
        fixture.disk("sdb", "pci0000:00/usb2/2-1/2-1:1.0/host1/block", &[]);
        fixture.attribute("sdb", "removable", "0");
        fixture.disk(
            "mmcblk0",
            "platform/mmc_host/mmc0/mmc0:1234/block",
            &["mmcblk0p1"],
        );
        for name in ["sda", "sdb", "mmcblk0"] {
            assert_eq!(refused(&fixture, name, Fixed::Refuse), [""; 0], "{name}");
        }
    }

    #[test]
    fn built_in_disks_must_be_named() {
        let fixture = Fixture::new();
        fixture.disk("sda", "pci0000:00/0000:00:1f.2/ata1/host0/block", &[]);
        fixture.disk("nvme0n1", "pci0000:00/nvme/nvme0", &[]);
        fixture.disk("loop0", "virtual/block", &[]);
        for (name, bus) in [("sda", "ATA"), ("nvme0n1", "NVMe"), ("loop0", "virtual")] {
            let refusals = refused(&fixture, name, Fixed::Refuse);
            assert!(
                refusals.len() == 1 && refusals[0].contains(bus),
                "{refusals:?}"
            );
            assert_eq!(refused(&fixture, name, Fixed::Allow), [""; 0]);
        }
    }

    #[test]
    fn what_is_mounted_or_swap_is_refused_whatever_was_named() {
        let fixture = Fixture::new();
        for name in ["sda", "sdb", "sdc", "sdd"] {
            fixture.usb(name, &[&format!("{name}1")]);
        }
        let number = fixture.number("sda1");
        fixture.mount(&number, "/media/my\\040stick", "/dev/sda1");
        // Btrfs: the number is the filesystem's own.
        fixture.mount("0:42", "/", "/dev/sdb1");
        fixture.swap("/dev/sdc1");
        for fixed in [Fixed::Refuse, Fixed::Allow] {
            let of = |name| refused(&fixture, name, fixed);
            assert_eq!(of("sda"), ["sda1 is mounted at /media/my stick"]);
            assert_eq!(of("sdb"), ["sdb1 is mounted at /"]);
            assert_eq!(of("sdc"), ["sdc1 is swap space in use"]);
            assert_eq!(of("sdd"), [""; 0]);
        }
    }

    #[test]
    fn what_others_are_made_of_is_refused() {
        let fixture = Fixture::new();
        for name in ["sda", "sdb", "sdc", "sdd", "sde"] {
            fixture.usb(name, &[&format!("{name}1")]);
        }
        fixture.above("dm-0", "sda1", Some(("dm/uuid", "LVM-x")));
        fixture.above("md0", "sdb", Some(("md/level", "raid1")));
        fixture.above("dm-1", "sdc1", Some(("dm/uuid", "CRYPT-LUKS2-x")));
        fixture.above("dm-2", "dm-1", Some(("dm/uuid", "LVM-y")));
        fixture.mount(&fixture.number("dm-2"), "/", "/dev/mapper/root");
        fixture.virtual_disk("loop0", Some(("loop/backing_file", "/dev/sdd1")));
        fixture.btrfs("1234", &["sde1"]);
        let of = |name| refused(&fixture, name, Fixed::Allow);
        assert_eq!(of("sda"), ["sda1 is part of the LVM volume dm-0"]);
        assert_eq!(of("sdb"), ["sdb is part of the RAID array md0"]);
        assert_eq!(
            of("sdc"),
            [
                "sdc1 is part of the encrypted volume dm-1",
                "dm-1 is part of the LVM volume dm-2",
                "dm-2 is mounted at /"
            ]
        );
        assert_eq!(of("sdd"), ["sdd1 is part of the loop device loop0"]);
        assert_eq!(of("sde"), ["sde1 is part of the Btrfs filesystem 1234"]);
        assert_eq!(of("md0"), ["it is made of other disks"]);
    }

    #[test]
    fn what_sleeps_in_a_group_is_refused() {
        let fixture = Fixture::new();
        fixture.usb("sda", &["sda1"]);
        let mut disks = Disk::list_below(fixture.root()).unwrap();
        for (content, word) in [
            (Content::Lvm, "LVM"),
            (Content::Md, "RAID"),
            (Content::Luks, "LUKS"),
            (Content::Zfs, "ZFS"),
            (Content::BtrfsMember, "several devices"),
        ] {
            disks[0].partitions[0].content = Some(content);
            let refusals = disks[0].refusals(Fixed::Allow);
            assert_eq!(refusals.len(), 1);
            assert!(refusals[0].to_string().contains(word));
            assert!(refusals[0].hint().is_some());
        }
        disks[0].partitions[0].content = Some(Content::Ext);
        assert_eq!(disks[0].refusals(Fixed::Refuse), []);
    }

    /// A disk that is encrypted looks free to those who may not look.
    #[test]
    fn what_cannot_be_seen_is_refused() {
        let fixture = Fixture::new();
        fixture.usb("sda", &["sda1"]);
        let mut disks = Disk::list_below(fixture.root()).unwrap();
        for (kind, hint) in [
            (io::ErrorKind::PermissionDenied, "root"),
            (io::ErrorKind::Other, "another port"),
        ] {
            disks[0].look_with(|node| match node.ends_with("sda1") {
                true => Err(kind.into()),
                false => Ok(Content::Empty),
            });
            let refusals = disks[0].refusals(Fixed::Allow);
            assert_eq!(refusals.len(), 1);
            let said = refusals[0].to_string();
            assert!(said.contains("what is on sda1 cannot be seen"), "{said}");
            assert!(refusals[0].hint().unwrap().contains(hint));
        }
        disks[0].look_with(|_| Ok(Content::Empty));
        assert_eq!(disks[0].refusals(Fixed::Refuse), []);
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let fixture = Fixture::new();
        for name in ["sda", "sdb", "sdc", "sr0", "mmcblk0boot0"] {
            fixture.usb(name, &[]);
        }
        fixture.attribute("sda", "ro", "1");
        fixture.attribute("sdb", "queue/logical_block_size", "4096");
        fixture.attribute("sdc", "size", "0");
        for (name, word) in [
            ("sda", "write-protected"),
            ("sdb", "4096"),
            ("sdc", "no medium"),
            ("sr0", "optical"),
            ("mmcblk0boot0", "boots"),
        ] {
            let refusals = refused(&fixture, name, Fixed::Allow);
            assert!(
                refusals.len() == 1 && refusals[0].contains(word),
                "{refusals:?}"
            );
        }
    }

    #[test]
    fn a_disk_is_described() {
        let fixture = Fixture::new();
        fixture.usb("sda", &["sda1", "sda2"]);
        fixture.attribute("sda", "diskseq", "17");
        let disks = Disk::list_below(fixture.root()).unwrap();
        let disk = &disks[0];
        assert_eq!(disk.serial, "SERIAL-sda");
        assert_eq!((disk.sector_bytes, disk.sequence), (512, Some(17)));
        let names: Vec<_> = disk.partitions.iter().map(|part| &part.name[..]).collect();
        assert_eq!((disks.len(), names), (1, vec!["sda1", "sda2"]));
    }
}
