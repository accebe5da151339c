//! The words of the kernel command line that `/init` obeys.

use crate::{BreakPoint, MediumChoice, RamSize};
use std::time::Duration;

/// What the kernel command line asks of `/init`. Words are whole words, as the kernel splits them;
/// where a key is given twice the last one counts. What the other live systems call the same things is
/// understood too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// `toram`: the image is copied to RAM, and the stick let go of.
    pub to_ram: bool,
    /// `check-stick`: every file on the stick is read and compared with its digest first.
    pub check_stick: bool,
    /// `live-media=`: the only medium to look at.
    pub medium: Option<MediumChoice>,
    /// `break=`: where to stop for a person.
    pub break_points: Vec<BreakPoint>,
    /// `overlay-size=`: how much RAM the changes may take.
    pub overlay_size: RamSize,
    /// `zram=`: how much of what programs have in memory may be kept compressed, before compression.
    pub zram: Option<RamSize>,
    /// `use-internal-disks`: the system may do with the computer's own disks what it is set up to.
    pub use_internal_disks: bool,
    /// `live-media-timeout=`: how long to look for the stick before the rescue screen.
    pub medium_timeout: Duration,
    /// `debug`: every step is printed.
    pub debug: bool,
    /// `quiet`: only what matters is printed.
    pub quiet: bool,
    /// `init=`: the program to hand over to.
    pub init: Option<String>,
    /// `panic=`: when the rescue screen reboots by itself. `None` is never.
    pub reboot_after: Option<Duration>,
    /// The words that are meant for the program handed over to, in order: `single`, a runlevel, and
    /// whatever follows `--`.
    pub init_arguments: Vec<String>,
    /// `module.param=value`, for modules of any name.
    pub module_options: Vec<ModuleOption>,
    /// Words whose value makes no sense, and which count as not given.
    pub rejected: Vec<String>,
}

/// A module's parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleOption {
    /// The module's name, with underscores.
    pub module: String,
    /// `param` or `param=value`.
    pub option: String,
}

impl CommandLine {
    /// The word that lets the system use the computer's own disks.
    pub const USE_INTERNAL_DISKS: &str = "use-internal-disks";

    /// Reads `/proc/cmdline`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut line = Self::default();
        let mut words = Words(text);
        while let Some(word) = words.next() {
            if word == "--" {
                line.init_arguments.extend(words);
                break;
            }
            if line.obey(&word).is_none() {
                line.rejected.push(word);
            }
        }
        line
    }

    /// The options for a module (its name with underscores), separated by spaces.
    #[must_use]
    pub fn options_of(&self, module: &str) -> String {
        let options = self.module_options.iter();
        let of_it = options.filter(|option| option.module == module);
        let of_it: Vec<_> = of_it.map(|option| option.option.as_str()).collect();
        of_it.join(" ")
    }

    /// `None` where the value of a word makes no sense.
    fn obey(&mut self, word: &str) -> Option<()> {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "toram" => self.to_ram = true,
            "copytoram" | "rd.live.ram" => self.to_ram = is_yes(value)?,
            "check-stick" => self.check_stick = is_yes(value)?,
            "live-media" | "bootfrom" | "from" => self.medium = Some(value.parse().ok()?),
            "archisodevice" => self.medium = Some(value.parse().ok()?),
            "archisolabel" => self.medium = Some(format!("LABEL={value}").parse().ok()?),
            "root" => {
                if let Some(medium) = value.strip_prefix("live:") {
                    self.medium = Some(medium.parse().ok()?);
                }
            }
            "break" | "rd.break" => self.break_points = break_points(key, value)?,
            "overlay-size" | "cow_spacesize" => self.overlay_size = value.parse().ok()?,
            "rd.overlay" => {
                if let Some(size) = value.strip_prefix("tmpfs:size=") {
                    self.overlay_size = size.parse().ok()?;
                }
            }
            "zram" => self.zram = Some(value.parse().ok()?),
            Self::USE_INTERNAL_DISKS if word == key => self.use_internal_disks = true,
            "live-media-timeout" | "rd.retry" | "rootdelay" => {
                self.medium_timeout = Duration::from_secs(value.parse().ok()?);
            }
            "debug" if word == key => self.debug = true,
            "rd.live.debug" => self.debug = value != "0",
            "quiet" if word == key => self.quiet = true,
            "init" => self.set_init(value),
            "panic" => self.reboot_after = panic_delay(value.parse().ok()?),
            _ if is_init_argument(word) => self.init_arguments.push(word.to_owned()),
            _ => self.module_options.extend(module_option(word)),
        }
        Some(())
    }

    /// The kernel, too, forgets what came before: those were not for this program (`init_setup` in
    /// `init/main.c`).
    fn set_init(&mut self, value: &str) {
        self.init = (!value.is_empty()).then(|| value.to_owned());
        self.init_arguments.clear();
    }
}

impl Default for CommandLine {
    fn default() -> Self {
        Self {
            to_ram: false,
            check_stick: false,
            medium: None,
            break_points: Vec::new(),
            overlay_size: RamSize::Percent(50),
            zram: None,
            use_internal_disks: false,
            medium_timeout: Duration::from_secs(120),
            debug: false,
            quiet: false,
            init: None,
            reboot_after: None,
            init_arguments: Vec::new(),
            module_options: Vec::new(),
            rejected: Vec::new(),
        }
    }
}

/// The words of a kernel command line, as the kernel and `/init` understand them.
pub fn words(text: &str) -> impl Iterator<Item = String> {
    Words(text)
}

/// The words of a command line as `next_arg` of the kernel's `lib/cmdline.c` splits them: at blanks
/// that no double quotes enclose. Quotes around a value or a whole word are not part of it.
struct Words<'a>(&'a str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let text = self.0.trim_start();
        let mut quoted = false;
        let end = text.find(|character: char| {
            quoted ^= character == '"';
            character.is_ascii_whitespace() && !quoted
        });
        let (word, rest) = text.split_at(end.unwrap_or(text.len()));
        self.0 = rest;
        (!word.is_empty()).then(|| unquote(word))
    }
}

fn unquote(word: &str) -> String {
    let bare = |text: &str| {
        let text = text
            .strip_prefix('"')
            .map(|text| text.strip_suffix('"').unwrap_or(text));
        text.map(str::to_owned)
    };
    if let Some(word) = bare(word) {
        return word;
    }
    let value = word
        .split_once('=')
        .and_then(|(key, value)| Some((key, bare(value)?)));
    value.map_or_else(|| word.to_owned(), |(key, value)| format!("{key}={value}"))
}

/// A key by itself is a yes.
fn is_yes(value: &str) -> Option<bool> {
    match value {
        "" | "1" | "y" | "yes" => Some(true),
        "0" | "n" | "no" => Some(false),
        _ => None,
    }
}

/// Names with commas between them. Without a name, each key means what it means to those who know it
/// (initramfs-tools(7), dracut.cmdline(7)).
fn break_points(key: &str, value: &str) -> Option<Vec<BreakPoint>> {
    match (key, value) {
        ("break", "") => Some(vec![BreakPoint::Medium]),
        (_, "") => Some(vec![BreakPoint::Init]),
        (_, names) => names.split(',').map(|name| name.parse().ok()).collect(),
    }
}

/// The kernel waits `panic=` seconds; below 0 not at all, and 0 means for ever.
fn panic_delay(seconds: i64) -> Option<Duration> {
    match seconds {
        0 => None,
        _ => Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
    }
}

/// What sysvinit and systemd understand as arguments (`init(8)`, `systemd(1)`).
fn is_init_argument(word: &str) -> bool {
    let runlevel = |word: &str| matches!(word.as_bytes(), [b'0'..=b'9']);
    let named = ["single", "s", "S", "emergency", "-b", "rescue", "auto"];
    named.contains(&word) || runlevel(word)
}

fn module_option(word: &str) -> Option<ModuleOption> {
    let key = word.split('=').next()?;
    let (module, param) = key.split_once('.')?;
    let name = |text: &str| {
        let mut bytes = text.bytes();
        !text.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    let option = word.get(module.len() + 1..)?;
    (name(module) && !param.is_empty()).then(|| ModuleOption {
        module: module.replace('-', "_"),
        option: requote(option),
    })
}

/// The kernel splits a module's options like its own command line.
fn requote(option: &str) -> String {
    match option.split_once('=') {
        Some((param, value)) if value.contains(' ') => format!("{param}=\"{value}\""),
        _ => option.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_count() {
        let line =
            CommandLine::parse("nodebug debug=1 quietly xoverlay-size=1% live-media-timeout");
        let expected = CommandLine {
            rejected: vec!["live-media-timeout".to_owned()],
            ..CommandLine::default()
        };
        assert_eq!(line, expected);
        assert!(CommandLine::parse("ro\tdebug\n").debug);
        assert!(CommandLine::parse("quiet").quiet);
    }

    #[test]
    fn the_other_live_systems_names_work() {
        let gibibyte = RamSize::Bytes(1 << 30);
        for text in [
            "overlay-size=1G",
            "cow_spacesize=1g",
            "rd.overlay=tmpfs:size=1024M",
        ] {
            assert_eq!(CommandLine::parse(text).overlay_size, gibibyte, "{text}");
        }
        for text in ["live-media-timeout=7", "rd.retry=7", "rootdelay=7"] {
            let seven = Duration::from_secs(7);
            assert_eq!(CommandLine::parse(text).medium_timeout, seven, "{text}");
        }
        for text in [
            "toram",
            "toram=filesystem.squashfs",
            "copytoram=y",
            "rd.live.ram=1",
        ] {
            assert!(CommandLine::parse(text).to_ram, "{text}");
        }
        assert!(!CommandLine::parse("rd.live.ram=0").to_ram);
        for text in [
            "live-media=LABEL=S",
            "bootfrom=LABEL=S",
            "root=live:CDLABEL=S",
            "archisolabel=S",
            "from=/dev/disk/by-label/S",
        ] {
            let label = Some(MediumChoice::Label("S".to_owned()));
            assert_eq!(CommandLine::parse(text).medium, label, "{text}");
        }
        assert_eq!(CommandLine::parse("root=/dev/sda2").medium, None);
        assert!(CommandLine::parse("rd.live.debug=1").debug);
        assert!(!CommandLine::parse("rd.live.debug=0").debug);
    }

    #[test]
    fn it_stops_where_it_is_told_to() {
        let points = |text| CommandLine::parse(text).break_points;
        assert_eq!(
            points("break=medium,init"),
            [BreakPoint::Medium, BreakPoint::Init]
        );
        assert_eq!(points("break"), [BreakPoint::Medium]);
        assert_eq!(points("rd.break"), [BreakPoint::Init]);
        assert_eq!(points("rd.break=pre-mount"), [BreakPoint::Medium]);
        assert_eq!(points("break=init,never"), []);
        let line = CommandLine::parse("check-stick=maybe live-media=somewhere");
        assert_eq!(line.rejected, ["check-stick=maybe", "live-media=somewhere"]);
        assert!(CommandLine::parse("check-stick").check_stick);
    }

    #[test]
    fn sizes_are_checked() {
        let line = CommandLine::parse("overlay-size=lots");
        assert_eq!(line.overlay_size, RamSize::Percent(50));
        assert_eq!(line.rejected, ["overlay-size=lots"]);
    }

    #[test]
    fn what_is_not_asked_for_is_left_alone() {
        let line = CommandLine::parse("zram=25% use-internal-disks");
        assert_eq!(line.zram, Some(RamSize::Percent(25)));
        assert!(line.use_internal_disks);
        let line = CommandLine::parse("zram use-internal-disks=no");
        assert_eq!(line.zram, None);
        assert!(!line.use_internal_disks);
        assert_eq!(line.rejected, ["zram"]);
    }

    #[test]
    fn words_for_init_are_kept_for_it() {
        let line = CommandLine::parse("ro single 3 42 toram -- a.b=c debug");
        assert_eq!(line.init_arguments, ["single", "3", "a.b=c", "debug"]);
        assert!(!line.debug && line.module_options.is_empty());
        let line = CommandLine::parse("single init=/bin/sh 5");
        assert_eq!(line.init.as_deref(), Some("/bin/sh"));
        assert_eq!(line.init_arguments, ["5"]);
        assert_eq!(CommandLine::parse("init=").init, None);
    }

    #[test]
    fn panic_means_what_it_means_to_the_kernel() {
        let seconds = |text| CommandLine::parse(text).reboot_after;
        assert_eq!(seconds("panic=10"), Some(Duration::from_secs(10)));
        assert_eq!(seconds("panic=-1"), Some(Duration::ZERO));
        assert_eq!(seconds("panic=0"), None);
        assert_eq!(seconds(""), None);
    }

    #[test]
    fn module_options_reach_their_module() {
        let text =
            "usb-storage.delay_use=3 usb_storage.quirks=\"1:2:u 3:4:u\" loop.max_loop=8 a. .b x.y";
        let line = CommandLine::parse(text);
        let usb = "delay_use=3 quirks=\"1:2:u 3:4:u\"";
        assert_eq!(line.options_of("usb_storage"), usb);
        assert_eq!(line.options_of("loop"), "max_loop=8");
        assert_eq!(line.options_of("x"), "y");
        assert_eq!(line.options_of("a"), "");
    }

    #[test]
    fn blanks_in_quotes_do_not_split() {
        let words: Vec<_> = Words(" a=\"b c\"  \"d e\" f\"g h\" \"open").collect();
        assert_eq!(words, ["a=b c", "d e", "f\"g h\"", "open"]);
    }
}
