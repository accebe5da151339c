//! systemd's units: those that are masked, and one that is added.

use super::Rewrite;
use livestick_tree::{Kind, TreeError};

/// Where units of packages and of the owner are.
const UNIT_DIRECTORIES: [&str; 3] = [
    "etc/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// Where the owner's are, which win.
const OWN: &str = "etc/systemd/system";

/// Makes the keys that are missing, before whichever server or socket wants them.
const SSH_HOST_KEYS: (&str, &str) = (
    "livestick-ssh-host-keys.service",
    "[Unit]\n\
     Description=SSH host keys of this boot\n\
     DefaultDependencies=no\n\
     Conflicts=shutdown.target\n\
     Before=shutdown.target ssh.service ssh.socket sshd.service sshd.socket\n\
     After=local-fs.target systemd-tmpfiles-setup.service\n\
     \n\
     [Service]\n\
     Type=oneshot\n\
     RemainAfterExit=yes\n\
     ExecStart=/usr/bin/ssh-keygen -A\n\
     \n\
     [Install]\n\
     WantedBy=multi-user.target\n",
);

impl Rewrite<'_> {
    /// Masks those of the units that the root has.
    pub(super) fn mask(&mut self, units: &[String]) -> Result<(), TreeError> {
        if !self.has_systemd() {
            return Ok(());
        }
        for unit in units {
            let is_there = UNIT_DIRECTORIES.iter().any(|directory| {
                let path = format!("{directory}/{unit}");
                self.tree.resolve(path.as_bytes()).is_some()
            });
            if !is_there {
                continue;
            }
            let own = format!("{OWN}/{unit}");
            let mask = Kind::Symlink((*b"/dev/null").into());
            match self.tree.lookup(own.as_bytes()) {
                Some(node) => match &self.tree.node(node).kind {
                    Kind::Symlink(target) if **target == *b"/dev/null" => {}
                    _ => self.replace(&own, mask)?,
                },
                None => {
                    self.add(OWN, unit, 0o777, mask)?;
                }
            }
        }
        Ok(())
    }

    /// Keys that were left out are made by a unit: servers on Debian do not start without any.
    pub(super) fn make_ssh_host_keys_at_boot(&mut self) -> Result<(), TreeError> {
        if self.tree.resolve(b"usr/bin/ssh-keygen").is_none() {
            return Ok(());
        }
        if !self.has_systemd() {
            let note = "the SSH server has no host keys, and without systemd nothing makes them: \
                run `ssh-keygen -A` at boot, or keep them with --keep ssh-host-keys";
            self.report.notes.push(note.to_owned());
            return Ok(());
        }
        let (name, unit) = SSH_HOST_KEYS;
        let wants = format!("{OWN}/multi-user.target.wants");
        let is_there = |path: String| self.tree.lookup(path.as_bytes()).is_some();
        if is_there(format!("{OWN}/{name}")) || is_there(format!("{wants}/{name}")) {
            return Ok(());
        }
        self.add(OWN, name, 0o644, Kind::inline_file(unit.as_bytes()))?;
        let link = format!("/{OWN}/{name}").into_bytes();
        self.add(&wants, name, 0o777, Kind::Symlink(link.into()))?;
        Ok(())
    }
}
