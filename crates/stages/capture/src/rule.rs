//! The rules by name: which there are, and which are in force.

use crate::pattern::Patterns;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::LazyLock;

/// The rules that livestick brings along.
static BUILTIN: &str = include_str!("../rules.toml");

/// What a stick is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// This machine, again.
    #[default]
    Clone,
    /// A stick to hand to others.
    Generic,
}

impl Mode {
    /// Its name, in manifests and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clone => "clone",
            Self::Generic => "generic",
        }
    }
}

/// A named rule: how a stick's root differs from its source.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name.
    pub name: String,
    /// What it does.
    pub what: String,
    /// Why.
    pub why: String,
    /// In which modes it holds unless the user says otherwise.
    pub modes: Vec<Mode>,
    #[serde(default)]
    pub(crate) empty: Vec<String>,
    #[serde(default)]
    leave_out: Vec<String>,
    #[serde(default)]
    in_homes: Vec<String>,
    #[serde(default)]
    blank: Vec<String>,
    #[serde(default)]
    pub(crate) mask: Vec<String>,
    #[serde(default)]
    pub(crate) comment: Vec<String>,
    pub(crate) special: Option<Special>,
}

/// What takes code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Special {
    /// Swap files are recognised by their signature.
    Swap,
    /// Lines for disks, and for bind mounts of what is left out, become comments.
    Fstab,
    /// `resume=` goes from boot options.
    Resume,
    /// A machine-id that is missing or says `uninitialized` becomes an empty one.
    FirstBoot,
    /// A unit makes the keys.
    SshHostKeys,
    /// The name is replaced where it stands.
    HostName,
}

#[derive(Deserialize)]
struct Book {
    rule: Vec<Rule>,
}

/// All rules there are, in the order of decision.
///
/// # Panics
/// Never: a test reads the same text.
#[must_use]
pub fn rules() -> &'static [Rule] {
    static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
        let book: Book = toml::from_str(BUILTIN).expect("rules that a test has read");
        book.rule
    });
    &RULES
}

/// No rule has this name.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no rule `{0}`")]
pub struct UnknownRule(pub String);

/// The rules in force.
#[derive(Debug)]
pub struct RuleSet {
    mode: Mode,
    in_force: Vec<&'static Rule>,
    leave_out: PatternRules,
    empty: PatternRules,
    blank: PatternRules,
}

/// Patterns, and which rule each belongs to.
#[derive(Debug, Default)]
struct PatternRules {
    patterns: Patterns,
    owners: Vec<&'static Rule>,
}

impl RuleSet {
    /// The rules of a mode, without those in `keep` and with those in `apply`, by name.
    ///
    /// # Errors
    /// Where there is no such rule.
    pub fn new(mode: Mode, keep: &[String], apply: &[String]) -> Result<Self, UnknownRule> {
        let known: BTreeSet<_> = rules().iter().map(|rule| rule.name.as_str()).collect();
        for name in keep.iter().chain(apply) {
            if !known.contains(name.as_str()) {
                return Err(UnknownRule(name.clone()));
            }
        }
        let named = |names: &[String], rule: &Rule| names.contains(&rule.name);
        let is_in_force =
            |rule: &&Rule| !named(keep, rule) && (rule.modes.contains(&mode) || named(apply, rule));
        Ok(Self::of(mode, rules().iter().filter(is_in_force).collect()))
    }

    fn of(mode: Mode, in_force: Vec<&'static Rule>) -> Self {
        let mut set = Self {
            mode,
            leave_out: PatternRules::default(),
            empty: PatternRules::default(),
            blank: PatternRules::default(),
            in_force,
        };
        for rule in &set.in_force {
            set.leave_out.add(rule, &rule.left_out());
            set.empty.add(rule, &rule.empty);
            set.blank.add(rule, &rule.blank);
        }
        set
    }

    /// The mode.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The rules in force.
    #[must_use]
    pub fn in_force(&self) -> &[&'static Rule] {
        &self.in_force
    }

    /// The rule that leaves a path out.
    pub(crate) fn leaves_out(&self, path: &[u8]) -> Option<&'static Rule> {
        self.leave_out.matching(path)
    }

    /// The rule that leaves out what is in a directory.
    pub(crate) fn empties(&self, path: &[u8]) -> Option<&'static Rule> {
        self.empty.matching(path)
    }

    /// The rule that leaves nothing in a file.
    pub(crate) fn blanks(&self, path: &[u8]) -> Option<&'static Rule> {
        self.blank.matching(path)
    }

    /// The rule in force that does something special.
    pub(crate) fn special(&self, special: Special) -> Option<&'static Rule> {
        let mut rules = self.in_force.iter();
        rules.find(|rule| rule.special == Some(special)).copied()
    }
}

impl Default for RuleSet {
    fn default() -> Self {
        let mode = Mode::default();
        let is_in_force = |rule: &&Rule| rule.modes.contains(&mode);
        Self::of(mode, rules().iter().filter(is_in_force).collect())
    }
}

impl Rule {
    fn left_out(&self) -> Vec<String> {
        let in_homes = self
            .in_homes
            .iter()
            .flat_map(|pattern| ["home/*", "root"].map(|home| format!("{home}/{pattern}")));
        self.leave_out.iter().cloned().chain(in_homes).collect()
    }
}

impl PatternRules {
    fn add(&mut self, rule: &'static Rule, patterns: &[String]) {
        for pattern in patterns {
            // A test reads every pattern; one that were wrong would only match nothing.
            if self.patterns.add(pattern.as_bytes()).is_ok() {
                self.owners.push(rule);
            }
        }
    }

    fn matching(&self, path: &[u8]) -> Option<&'static Rule> {
        let first = *self.patterns.matches(path).first()?;
        self.owners.get(first).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(mode: Mode) -> RuleSet {
        RuleSet::new(mode, &[], &[]).unwrap()
    }

    fn left_out(set: &RuleSet, path: &str) -> Option<&'static str> {
        set.leaves_out(path.as_bytes()).map(|rule| &*rule.name)
    }

    #[test]
    fn every_rule_can_be_read_and_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for rule in rules() {
            assert!(names.insert(&rule.name), "{}", rule.name);
            assert!(!rule.modes.is_empty() && !rule.what.is_empty() && !rule.why.is_empty());
            let mut patterns = Patterns::default();
            let lists = [&rule.left_out(), &rule.empty, &rule.blank];
            for pattern in lists.into_iter().flatten() {
                patterns
                    .add(pattern.as_bytes())
                    .unwrap_or_else(|e| panic!("{}: {pattern}: {e}", rule.name));
                assert!(!pattern.starts_with('/'), "{pattern}");
            }
            let does =
                rule.mask.len() + rule.comment.len() + lists.map(Vec::len).iter().sum::<usize>();
            assert!(
                does > 0 || rule.special.is_some(),
                "{} does nothing",
                rule.name
            );
        }
    }

    #[test]
    fn a_clone_keeps_what_makes_the_machine_itself() {
        let (clone, generic) = (set(Mode::Clone), set(Mode::Generic));
        for (path, rule) in [
            ("etc/ssh/ssh_host_ed25519_key", "ssh-host-keys"),
            ("home/me/.bash_history", "histories"),
            ("root/.ssh/id_ed25519", "credentials"),
            ("home/me/.mozilla", "credentials"),
            ("var/log/syslog.2.gz", "logs"),
            ("var/log/apt/history.log.1", "logs"),
            (
                "etc/NetworkManager/system-connections/home.nmconnection",
                "wifi-networks",
            ),
        ] {
            assert_eq!(left_out(&clone, path), None, "{path}");
            assert_eq!(left_out(&generic, path), Some(rule), "{path}");
        }
        for path in [
            "home/me/.ssh/authorized_keys",
            "home/me/.ssh/id.pub",
            "home/me/notes",
        ] {
            assert_eq!(left_out(&generic, path), None, "{path}");
        }
        assert!(
            generic.blanks(b"etc/machine-id").is_some()
                && clone.blanks(b"etc/machine-id").is_none()
        );
        assert_eq!(
            generic.blanks(b"var/log/apt/term.log").unwrap().name,
            "logs"
        );
    }

    #[test]
    fn both_modes_drop_what_no_stick_needs() {
        for mode in [Mode::Clone, Mode::Generic] {
            let set = set(mode);
            for (path, rule) in [
                ("var/lib/systemd/random-seed", "random-seed"),
                ("var/cache/apt/archives/x.deb", "package-caches"),
                ("home/me/.cache/mozilla", "browser-caches"),
                ("var/lib/dhcp/dhclient.eth0.leases", "dhcp-leases"),
            ] {
                assert_eq!(left_out(&set, path), Some(rule), "{path}");
            }
            assert_eq!(set.empties(b"proc").unwrap().name, "kernel-filesystems");
            assert_eq!(set.empties(b"var/tmp").unwrap().name, "temporary-files");
            assert!(set.empties(b"home/proc").is_none());
        }
    }

    #[test]
    fn rules_are_switched_by_name() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let kept = RuleSet::new(Mode::Generic, &names(&["ssh-host-keys"]), &[]).unwrap();
        assert_eq!(left_out(&kept, "etc/ssh/ssh_host_rsa_key"), None);
        let applied = RuleSet::new(Mode::Clone, &[], &names(&["ssh-host-keys"])).unwrap();
        assert_eq!(
            left_out(&applied, "etc/ssh/ssh_host_rsa_key"),
            Some("ssh-host-keys")
        );
        let unknown = RuleSet::new(Mode::Clone, &names(&["typo"]), &[]).unwrap_err();
        assert_eq!(unknown, UnknownRule("typo".into()));
    }
}
