//! Every disk of a machine, what is on it and what uses it, as sysfs and procfs have it.

use crate::Refusal;
use livestick_disks::{BlockDevice, Content};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::{fmt, io};

/// A disk at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its name, size and bus.
    pub device: BlockDevice,
    /// Major and minor number, as sysfs writes them: `8:16`.
    pub number: String,
    /// Its serial number, where it has one; else empty.
    pub serial: String,
    /// What kind of disk it is.
    pub kind: Kind,
    /// Whether it refuses to be written.
    pub read_only: bool,
    /// The smallest piece that it can write, in bytes.
    pub sector_bytes: u64,
    /// The kernel's number for the medium, where it counts them: another stick has another.
    pub sequence: Option<u64>,
    /// Its partitions, in the order of their names.
    pub partitions: Vec<Partition>,
    /// Everything for which the running system needs it.
    pub uses: Vec<Use>,
    /// What is on the disk itself, by its first bytes; `None` before [`Disk::look`], or where they
    /// cannot be read.
    pub content: Option<Content>,
    /// Of the disk and its partitions, those that [`Disk::look`] could not see: their content may be
    /// anything.
    pub unseen: Vec<Unseen>,
}

/// What could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// The disk or a partition.
    pub device: String,
    /// Whether this user may not, and another might.
    pub denied: bool,
}

/// A partition of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its name.
    pub name: String,
    /// Major and minor number.
    pub number: String,
    /// What is on it, as for [`Disk::content`].
    pub content: Option<Content>,
}

/// What kind of disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A disk, a stick, a card.
    Plain,
    /// A drive for CDs, DVDs and the like.
    Optical,
    /// One of the small areas of an eMMC from which the machine itself boots.
    BootArea,
    /// Made of other disks: a device-mapper volume or a RAID array.
    Composed,
}

/// For what a disk is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// A filesystem is mounted.
    Mounted {
        /// The disk, a partition, or what is made of them.
        device: String,
        /// Where.
        at: PathBuf,
    },
    /// It is swap space in use.
    Swap {
        /// The disk, a partition, or what is made of them.
        device: String,
    },
    /// Another device is made of it.
    Part {
        /// The disk or a partition.
        device: String,
        /// The other device.
        of: String,
        /// What that is.
        layer: Layer,
    },
}

/// What is made of disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A volume of LVM.
    Lvm,
    /// A RAID array.
    Raid,
    /// An encrypted volume that is open.
    Encrypted,
    /// A Btrfs filesystem on several devices.
    Btrfs,
    /// A loop device.
    Loop,
    /// Something else.
    Other,
}

impl Disk {
    /// Every disk of this machine, in the order of their names.
    ///
    /// # Errors
    /// Where sysfs or procfs cannot be read: then nobody can say what is in use.
    pub fn list() -> io::Result<Vec<Self>> {
        Self::list_below(Path::new("/"))
    }

    /// The same, of the machine whose `sys` and `proc` are in this folder.
    ///
    /// # Errors
    /// As for [`Self::list`].
    pub fn list_below(root: &Path) -> io::Result<Vec<Self>> {
        let machine = Machine::read(root)?;
        let whole = machine.devices.iter().enumerate();
        let whole = whole.filter(|(_, (device, _))| device.disk.is_none());
        let disks = whole.filter_map(|(index, _)| machine.disk(index));
        Ok(disks.collect())
    }

    /// Looks at the first and the last bytes of the disk and of its partitions. What cannot be seen is named in
    /// [`Self::unseen`], and stands against writing.
    pub fn look(&mut self) {
        self.look_with(|node| {
            let mut file = File::open(node)?;
            let size_bytes = file.seek(SeekFrom::End(0))?;
            let start = Content::of(&file)?;
            // What holds it all comes before what shines through.
            let end = Content::at_end(&file, size_bytes)?;
            Ok(end.unwrap_or(start))
        });
    }

    pub(crate) fn look_with(&mut self, content: impl Fn(&Path) -> io::Result<Content>) {
        if self.device.size_bytes == 0 || self.kind == Kind::Optical {
            return;
        }
        let mut unseen = Vec::new();
        let mut see = |name: &str| {
            let found = content(&node(name));
            found
                .inspect_err(|error| {
                    unseen.push(Unseen {
                        device: name.to_owned(),
                        denied: error.kind() == io::ErrorKind::PermissionDenied,
                    });
                })
                .ok()
        };
        self.content = see(&self.device.name);
        for partition in &mut self.partitions {
            partition.content = see(&partition.name);
        }
        self.unseen = unseen;
    }

    /// Why it cannot be written, apart from what [`Refusal::Fixed`] says where `fixed` allows it;
    /// nothing where it can. The first reason is the one that matters most.
    #[must_use]
    pub fn refusals(&self, fixed: Fixed) -> Vec<Refusal> {
        crate::verdict::refusals(self, fixed)
    }
}

/// Whether disks that are built in may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// Only what is on USB, or is a card.
    Refuse,
    /// The owner has named this one.
    Allow,
}

impl fmt::Display for Layer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Lvm => "LVM volume",
            Self::Raid => "RAID array",
            Self::Encrypted => "encrypted volume",
            Self::Btrfs => "Btrfs filesystem",
            Self::Loop => "loop device",
            Self::Other => "device",
        })
    }
}

fn node(name: &str) -> PathBuf {
    Path::new("/dev").join(name.replace('!', "/"))
}

/// All that is read of a machine, before it is told apart by disks.
struct Machine {
    root: PathBuf,
    /// Every block device with its folder.
    devices: Vec<(BlockDevice, PathBuf)>,
    mounts: Vec<Mount>,
    /// The names of devices that are swap space.
    swaps: Vec<String>,
}

struct Mount {
    number: String,
    /// The device's name, where the source is one.
    device: Option<String>,
    at: PathBuf,
}

impl Machine {
    fn read(root: &Path) -> io::Result<Self> {
        let devices = BlockDevice::list_in(&root.join("sys/class/block"))?;
        let mounts = fs::read(root.join("proc/self/mountinfo"))?;
        let mounts = mounts.split(|byte| *byte == b'\n');
        let mounts = mounts.filter_map(|line| Mount::parse(line, root)).collect();
        // A kernel without swap space has no such file.
        let swaps = match fs::read(root.join("proc/swaps")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            swaps => swaps?,
        };
        let swaps = swaps.split(|byte| *byte == b'\n').skip(1);
        let swaps = swaps.filter_map(|line| {
            let path = line.split(|byte| byte.is_ascii_whitespace()).next()?;
            device_name(&unescape(path), root)
        });
        Ok(Self {
            root: root.to_owned(),
            swaps: swaps.collect(),
            devices,
            mounts,
        })
    }

    fn disk(&self, index: usize) -> Option<Disk> {
        let (device, folder) = self.devices.get(index)?;
        let mut uses = Vec::new();
        self.add_uses(&device.name, &mut BTreeSet::new(), &mut uses);
        let partitions = self.partitions_of(&device.name);
        let partitions = partitions.filter_map(|(partition, folder)| {
            Some(Partition {
                name: partition.name.clone(),
                number: attribute(folder, "dev")?,
                content: None,
            })
        });
        Some(Disk {
            device: device.clone(),
            // Without a number there is no node: the hidden paths to a multipath disk.
            number: attribute(folder, "dev")?,
            serial: serial(folder),
            kind: kind(&device.name, folder),
            read_only: attribute(folder, "ro").is_some_and(|value| value != "0"),
            sector_bytes: attribute(folder, "queue/logical_block_size")?
                .parse()
                .ok()?,
            sequence: attribute(folder, "diskseq").and_then(|text| text.parse().ok()),
            partitions: partitions.collect(),
            uses,
            content: None,
            unseen: Vec::new(),
        })
    }

    fn partitions_of<'a>(
        &'a self,
        disk: &'a str,
    ) -> impl Iterator<Item = &'a (BlockDevice, PathBuf)> {
        let of_disk =
            move |(device, _): &&(BlockDevice, PathBuf)| device.disk.as_deref() == Some(disk);
        self.devices.iter().filter(of_disk)
    }

    /// What uses a device, its partitions, and what is made of them.
    fn add_uses(&self, name: &str, seen: &mut BTreeSet<String>, uses: &mut Vec<Use>) {
        if !seen.insert(name.to_owned()) {
            return;
        }
        let Some((_, folder)) = self.devices.iter().find(|(device, _)| device.name == name) else {
            return;
        };
        let number = attribute(folder, "dev");
        let mounts = self.mounts.iter().filter(|mount| {
            Some(&mount.number) == number.as_ref() || mount.device.as_deref() == Some(name)
        });
        uses.extend(mounts.map(|mount| Use::Mounted {
            device: name.to_owned(),
            at: mount.at.clone(),
        }));
        if self.swaps.iter().any(|swap| swap == name) {
            uses.push(Use::Swap {
                device: name.to_owned(),
            });
        }
        let above = self.made_of(name, folder);
        uses.extend(above.iter().map(|(of, layer)| Use::Part {
            device: name.to_owned(),
            of: of.clone(),
            layer: *layer,
        }));
        for (of, _) in above {
            self.add_uses(&of, seen, uses);
        }
        for (partition, _) in self.partitions_of(name) {
            self.add_uses(&partition.name, seen, uses);
        }
    }

    /// The devices that are made of this one.
    fn made_of(&self, name: &str, folder: &Path) -> Vec<(String, Layer)> {
        let holders = names_in(&folder.join("holders"));
        let holders = holders.map(|holder| {
            let layer = self.layer(&holder);
            (holder, layer)
        });
        let mut above: Vec<_> = holders.collect();
        // A loop device opens what is behind it as anybody would, and does not hold it.
        let loops = self.devices.iter().filter(|(_, folder)| {
            let backing = attribute(folder, "loop/backing_file");
            backing.is_some_and(|path| {
                device_name(path.as_bytes(), &self.root).as_deref() == Some(name)
            })
        });
        above.extend(loops.map(|(device, _)| (device.name.clone(), Layer::Loop)));
        let filesystems = self.root.join("sys/fs/btrfs");
        let of_several = names_in(&filesystems).filter(|id| {
            let devices = filesystems.join(id).join("devices");
            names_in(&devices).any(|device| device == name)
        });
        above.extend(of_several.map(|id| (id, Layer::Btrfs)));
        above
    }

    fn layer(&self, holder: &str) -> Layer {
        let folder = self.root.join("sys/class/block").join(holder);
        let mapped = attribute(&folder, "dm/uuid").unwrap_or_default();
        if mapped.starts_with("LVM-") {
            Layer::Lvm
        } else if mapped.starts_with("CRYPT-") {
            Layer::Encrypted
        } else if mapped.starts_with("DMRAID-") || folder.join("md").exists() {
            Layer::Raid
        } else {
            Layer::Other
        }
    }
}

impl Mount {
    /// A line of `/proc/self/mountinfo`: proc_pid_mountinfo(5).
    fn parse(line: &[u8], root: &Path) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let separator = fields.iter().position(|field| *field == b"-")?;
        let source = unescape(fields.get(separator + 2)?);
        Some(Self {
            number: String::from_utf8(fields.get(2)?.to_vec()).ok()?,
            device: device_name(&source, root),
            at: PathBuf::from(OsString::from_vec(unescape(fields.get(4)?))),
        })
    }
}

/// The kernel's name of a path in `/dev`, `None` for any other.
fn device_name(path: &[u8], root: &Path) -> Option<String> {
    let below = path.strip_prefix(b"/dev/")?;
    let below = Path::new(std::ffi::OsStr::from_bytes(below));
    let resolved = fs::canonicalize(root.join("dev").join(below)).ok();
    let device = match &resolved {
        Some(path) => path.strip_prefix(root.join("dev")).unwrap_or(below),
        None => below,
    };
    Some(device.to_str()?.replace('/', "!"))
}

/// Spaces and the like are written as `\040` in the kernel's tables.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).filter(|_| *first == b'\\');
        let octal = octal.and_then(|digits| str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &tail[3..];
            }
            None => {
                plain.push(*first);
                rest = tail;
            }
        }
    }
    plain
}

fn kind(name: &str, folder: &Path) -> Kind {
    // The peripheral types of SCSI: `include/scsi/scsi_proto.h`.
    let scsi_type = attribute(folder, "device/type");
    let optical = scsi_type.is_some_and(|kind| kind == "5") || name.starts_with("sr");
    let mmc_area =
        |name: &str| name.contains("boot") || name.contains("rpmb") || name.contains("gp");
    if optical {
        Kind::Optical
    } else if name.strip_prefix("mmcblk").is_some_and(mmc_area) {
        Kind::BootArea
    } else if folder.join("dm").exists() || folder.join("md").exists() {
        Kind::Composed
    } else {
        Kind::Plain
    }
}

/// The disk's own, or that of the USB device that it is in.
fn serial(folder: &Path) -> String {
    let own = ["serial", "device/serial"]
        .iter()
        .find_map(|name| attribute(folder, name));
    let usb = || {
        let device = folder
            .ancestors()
            .find(|above| above.join("idVendor").exists())?;
        attribute(device, "serial")
    };
    own.or_else(usb).unwrap_or_default()
}

fn attribute(folder: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(folder.join(name)).ok()?;
    Some(text.trim().to_owned())
}

/// The names in a folder; none where there is no such folder.
fn names_in(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
}
