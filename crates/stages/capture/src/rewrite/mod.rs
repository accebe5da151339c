//! What a stick's tree has otherwise than its source, in memory only.

mod host_name;
mod line;
mod units;

use crate::rule::{RuleSet, Special};
use crate::{Report, fstab};
use livestick_tree::{
    ContentSource, Device, Kind, Metadata, NodeId, RootFiles, Tree, TreeError, TreeFiles,
};
use std::path::PathBuf;

/// Directories on which `/init` and the init system mount; made where the source lacks them.
const NEEDED: [(&str, u16); 5] = [
    ("dev", 0o755),
    ("proc", 0o555),
    ("run", 0o755),
    ("sys", 0o555),
    ("tmp", 0o1777),
];

/// Where boot options stand that a new kernel would be started with.
const BOOT_OPTIONS: [&str; 3] = [
    "etc/default/grub",
    "etc/kernel/cmdline",
    "etc/sysconfig/bootloader",
];

/// A tree that is being rewritten.
pub(crate) struct Rewrite<'a> {
    pub(crate) tree: &'a mut Tree,
    pub(crate) contents: &'a dyn ContentSource,
    pub(crate) rules: &'a RuleSet,
    pub(crate) report: &'a mut Report,
}

impl Rewrite<'_> {
    /// Applies the rules in force that change more than one file at a time, or its contents.
    pub(crate) fn run(&mut self) -> Result<(), TreeError> {
        self.add_needed()?;
        for rule in self.rules.in_force() {
            for path in &rule.comment {
                self.edit(path, line::commented)?;
            }
            match rule.special {
                Some(Special::Fstab) => self.edit_fstab()?,
                Some(Special::Resume) => {
                    for path in BOOT_OPTIONS {
                        self.edit(path, line::without_resume)?;
                    }
                }
                Some(Special::FirstBoot) => self.prevent_first_boot()?,
                Some(Special::SshHostKeys) => self.make_ssh_host_keys_at_boot()?,
                Some(Special::HostName) => self.rename_host()?,
                Some(Special::Swap) | None => {}
            }
            self.mask(&rule.mask)?;
        }
        Ok(())
    }

    fn add_needed(&mut self) -> Result<(), TreeError> {
        for (name, permissions) in NEEDED {
            if self.tree.child(Tree::ROOT, name.as_bytes()).is_none() {
                self.add("", name, permissions, Kind::empty_directory())?;
            }
        }
        let device = |major, minor| Kind::CharacterDevice(Device { major, minor });
        for (name, permissions, kind) in [
            ("console", 0o600, device(5, 1)),
            ("initctl", 0o600, Kind::Fifo),
            ("null", 0o666, device(1, 3)),
        ] {
            let dev = self.tree.child(Tree::ROOT, b"dev");
            let is_missing = dev.is_some_and(|dev| self.tree.child(dev, name.as_bytes()).is_none());
            if is_missing && self.is_directory("dev") {
                self.add("dev", name, permissions, kind)?;
            }
        }
        Ok(())
    }

    /// On a stick, a machine-id that is missing makes each boot the first one, and so does
    /// `uninitialized` (`machine-id(5)`); an empty one does not.
    fn prevent_first_boot(&mut self) -> Result<(), TreeError> {
        if !self.has_systemd() || !self.is_directory("etc") {
            return Ok(());
        }
        if self.tree.lookup(b"etc/machine-id").is_none() {
            self.add("etc", "machine-id", 0o444, Kind::inline_file([]))?;
            return Ok(());
        }
        self.edit("etc/machine-id", |id| match id.trim_ascii() {
            b"uninitialized" => Vec::new(),
            _ => id.to_vec(),
        })
    }

    fn has_systemd(&self) -> bool {
        let mut programs = ["usr/lib/systemd/systemd", "lib/systemd/systemd"].into_iter();
        programs.any(|path| self.tree.resolve(path.as_bytes()).is_some())
    }

    fn is_directory(&self, path: &str) -> bool {
        let node = self.tree.lookup(path.as_bytes());
        node.is_some_and(|node| matches!(self.tree.node(node).kind, Kind::Directory(_)))
    }

    fn edit_fstab(&mut self) -> Result<(), TreeError> {
        let path = "etc/fstab";
        let Some(old) = self.content(path) else {
            return Ok(());
        };
        let new = fstab::without_disks(&old, self.tree);
        self.replace(path, Kind::inline_file(new))
    }

    /// Gives a regular file another content, where that is another.
    fn edit(&mut self, path: &str, change: impl FnOnce(&[u8]) -> Vec<u8>) -> Result<(), TreeError> {
        let Some(old) = self.content(path) else {
            return Ok(());
        };
        let new = change(&old);
        if new == old {
            return Ok(());
        }
        self.replace(path, Kind::inline_file(new))
    }

    /// What is in a regular file. What cannot be read here is named when the image is written.
    fn content(&self, path: &str) -> Option<Vec<u8>> {
        let node = self.tree.lookup(path.as_bytes())?;
        let is_file = matches!(self.tree.node(node).kind, Kind::File { .. });
        let files = TreeFiles::new(self.tree, self.contents);
        is_file.then(|| files.read(path).ok())?
    }

    /// Puts another file at the place of one that is there, with its owner and permissions.
    fn replace(&mut self, path: &str, kind: Kind) -> Result<(), TreeError> {
        let (directory, name) = split(path);
        let parent = self.tree.lookup(directory.as_bytes()).unwrap_or(Tree::ROOT);
        // A node of its own: the old one may have other names.
        let Some(old) = self.tree.remove(parent, name.as_bytes()) else {
            return Ok(());
        };
        let old = self.tree.node(old);
        let (metadata, xattrs) = (old.metadata, old.xattrs.clone());
        self.tree
            .add(parent, name.as_bytes(), metadata, kind, xattrs)?;
        self.report.replaced.push(path.into());
        Ok(())
    }

    /// Adds a file to a directory, which is made where it is missing; its time is the directory's.
    fn add(
        &mut self,
        directory: &str,
        name: &str,
        permissions: u16,
        kind: Kind,
    ) -> Result<NodeId, TreeError> {
        let parent = self.directory(directory)?;
        let metadata = Metadata {
            permissions,
            uid: 0,
            gid: 0,
            modified_seconds: self.tree.node(parent).metadata.modified_seconds,
        };
        let node = self
            .tree
            .add(parent, name.as_bytes(), metadata, kind, Box::default())?;
        self.report.added.push(PathBuf::from(directory).join(name));
        Ok(node)
    }

    /// The directory that a path leads to, through links. Those that are missing are made.
    fn directory(&mut self, path: &str) -> Result<NodeId, TreeError> {
        if let Some(node) = self.tree.resolve(path.as_bytes()) {
            return Ok(node);
        }
        let (above, name) = split(path);
        self.add(above, name, 0o755, Kind::empty_directory())
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}
