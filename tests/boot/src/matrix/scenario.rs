//! What a row of the matrix says.

use super::damage::Damage;
use super::inside::Inside;
use super::typed::{last_screen, rescue_screen};
use livestick_vm::{Bus, Firmware, Step, Until};

/// The root that a stick is made of; `cargo xtask roots` makes it, by the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Root {
    /// Debian 12 with systemd, lived in: dead disks in `/etc/fstab`, `/sbin/init` an absolute link.
    Small,
    /// Debian 12 with sysvinit.
    Sysvinit,
    /// Debian 12 with OpenRC.
    Openrc,
    /// Debian 12 with runit.
    Runit,
    /// Debian 12's kernel with BusyBox as init.
    Busybox,
    /// Debian 13 with its own kernel.
    Trixie,
    /// Debian 14 with its own kernel.
    Forky,
    /// Debian 12 with what assembles md, LVM and the like by itself.
    Storage,
    /// More than 4 GiB once compressed.
    Huge,
}

impl Root {
    /// Its name for `cargo xtask roots`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Sysvinit => "sysvinit",
            Self::Openrc => "openrc",
            Self::Runit => "runit",
            Self::Busybox => "busybox",
            Self::Trixie => "trixie",
            Self::Forky => "forky",
            Self::Storage => "storage",
            Self::Huge => "huge",
        }
    }
}

/// What must become of a boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The system is up, and nothing is wrong with it.
    Up,
    /// The rescue screen says first, in its first line, what this is part of.
    Rescue(&'static str),
    /// The script is over: what it waited for was shown.
    Told,
    /// The machine was switched off or restarted; QEMU's word for it.
    Stopped(&'static str),
}

/// What stick, in what machine, what happens to it, and what must become of it. [`Scenario::new`] is a
/// small Debian on a USB 3 stick in a PC with BIOS, which must come up.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// One word, to run it by.
    pub name: &'static str,
    /// What it is, for who reads the results.
    pub what: &'static str,
    pub(super) in_ci: bool,
    pub(super) root: Root,
    pub(super) arguments: Vec<&'static str>,
    pub(super) damage: Damage,
    pub(super) firmware: Firmware,
    pub(super) bus: Bus,
    pub(super) memory_mib: u32,
    pub(super) stick_bytes_per_second: Option<u64>,
    pub(super) screen: bool,
    pub(super) inside: Vec<Inside>,
    pub(super) hardware: Vec<&'static str>,
    pub(super) keeps_inside: bool,
    pub(super) script: Vec<Step>,
    pub(super) until: Until,
    pub(super) end: End,
    pub(super) on_screen: Option<&'static str>,
    pub(super) says: Vec<&'static str>,
    pub(super) never: Vec<&'static str>,
    pub(super) timeout_seconds: u64,
}

impl Scenario {
    pub(super) fn new(name: &'static str, what: &'static str) -> Self {
        Self {
            name,
            what,
            in_ci: false,
            root: Root::Small,
            arguments: Vec::new(),
            damage: Damage::None,
            firmware: Firmware::Bios,
            bus: Bus::Xhci,
            memory_mib: 1024,
            stick_bytes_per_second: None,
            screen: true,
            inside: Vec::new(),
            hardware: Vec::new(),
            keeps_inside: true,
            script: Vec::new(),
            until: Until::LoginPromptAndBeacon,
            end: End::Up,
            on_screen: None,
            says: Vec::new(),
            never: Vec::new(),
            timeout_seconds: 600,
        }
    }

    /// Whether it is one of the handful that runs with every change.
    #[must_use]
    pub fn is_in_ci(&self) -> bool {
        self.in_ci
    }

    /// Whether QEMU counts what is read from the stick and written to it: of an SD card it does not. That
    /// nothing was written shows in the stick's digest, too.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.bus != Bus::Sdhci
    }

    /// The root that it needs.
    #[must_use]
    pub fn root(&self) -> Root {
        self.root
    }

    pub(super) fn in_ci(self) -> Self {
        Self {
            in_ci: true,
            ..self
        }
    }

    pub(super) fn of(self, root: Root) -> Self {
        Self { root, ..self }
    }

    /// Builds the stick with these arguments, too.
    pub(super) fn built(mut self, arguments: &[&'static str]) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// Adds these words to the kernel's command line.
    pub(super) fn cmdline(self, words: &'static str) -> Self {
        self.built(&["--cmdline", words])
    }

    pub(super) fn damaged(self, damage: Damage) -> Self {
        Self { damage, ..self }
    }

    pub(super) fn firmware(self, firmware: Firmware) -> Self {
        Self { firmware, ..self }
    }

    pub(super) fn on(self, bus: Bus) -> Self {
        Self { bus, ..self }
    }

    pub(super) fn memory_mib(self, memory_mib: u32) -> Self {
        Self { memory_mib, ..self }
    }

    pub(super) fn bytes_per_second(self, limit: u64) -> Self {
        let stick_bytes_per_second = Some(limit);
        Self {
            stick_bytes_per_second,
            ..self
        }
    }

    pub(super) fn headless(self) -> Self {
        Self {
            screen: false,
            ..self
        }
    }

    /// Puts further disks into the machine, whose content must be the same afterwards.
    pub(super) fn inside(mut self, disks: &[Inside]) -> Self {
        self.inside.extend(disks);
        self
    }

    /// Puts further hardware into the machine, in QEMU's own words.
    pub(super) fn hardware(mut self, arguments: &[&'static str]) -> Self {
        self.hardware.extend(arguments);
        self
    }

    /// The owner asked for the computer's own disks, so they may change.
    pub(super) fn may_change_inside(self) -> Self {
        Self {
            keeps_inside: false,
            ..self
        }
    }

    /// Does this, step by step.
    pub(super) fn then(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.script.extend(steps);
        self
    }

    /// The rescue screen must come after that, whole, with this in its first line.
    pub(super) fn rescued(self, reason: &'static str) -> Self {
        let (end, until) = (End::Rescue(reason), Until::Script);
        let shown = self.then(rescue_screen());
        Self {
            end,
            until,
            ..shown
        }
    }

    /// The rescue screen must come after that, with this in its first line, and know that no stick helps.
    pub(super) fn given_up(self, reason: &'static str) -> Self {
        let (end, until) = (End::Rescue(reason), Until::Script);
        let shown = self.then(last_screen()).never(&["Plug the right stick in"]);
        Self {
            end,
            until,
            ..shown
        }
    }

    /// The script is all that matters.
    pub(super) fn told(self) -> Self {
        let (end, until) = (End::Told, Until::Script);
        Self { end, until, ..self }
    }

    /// The machine must stop; QEMU's word for how.
    pub(super) fn stopped(self, how: &'static str) -> Self {
        let (end, until) = (End::Stopped(how), Until::Stop);
        Self { end, until, ..self }
    }

    /// What the screen must show when the script reads it.
    pub(super) fn on_screen(self, text: &'static str) -> Self {
        let on_screen = Some(text);
        Self { on_screen, ..self }
    }

    /// What the serial console must have shown.
    pub(super) fn says(mut self, texts: &[&'static str]) -> Self {
        self.says.extend(texts);
        self
    }

    /// What the serial console must never have shown.
    pub(super) fn never(mut self, texts: &[&'static str]) -> Self {
        self.never.extend(texts);
        self
    }

    pub(super) fn timeout_seconds(self, timeout_seconds: u64) -> Self {
        Self {
            timeout_seconds,
            ..self
        }
    }
}
