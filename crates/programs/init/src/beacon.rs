//! Tells a test harness, on a serial port, how the system is once it is up.
//!
//! With systemd: a unit in `/run`, which reports the state that `systemctl` gives, and a login prompt
//! on the port. With any other init: a watcher, which waits until a program that lets people log in has
//! started (`getty`, `agetty`, …, `login` or `sulogin`), and for a while until no service is in trouble.
//! It reports `running`, or `degraded` and the services of OpenRC or runit that failed. sysvinit and
//! BusyBox keep no record of theirs.

use crate::hand_over::Program;
use crate::report::Report;
use livestick_handoff::oem;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The name under which this program is the watcher.
pub const WATCHER: &str = "livestick-beacon";

/// Before the hand-over, while `/run` is still in its place: what systemd is to find there.
pub fn prepare(port: &str, program: &Program, report: &Report) {
    if program.is_systemd()
        && let Err(error) = write_units(Path::new(UNITS), port)
    {
        report.notice(&format!("the beacon's units cannot be written: {error}"));
    }
}

/// Right before the hand-over, in the new root: the watcher for any other init.
pub fn start_watcher(port: &str, program: &Program, report: &Report) {
    if program.is_systemd() {
        return;
    }
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0(WATCHER)
        .arg(port)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // It becomes a child of the new init, which cleans up after any child.
    if let Err(error) = command.spawn() {
        report.notice(&format!("the beacon cannot be started: {error}"));
    }
}

/// The watcher itself.
pub fn watch(arguments: &[String]) -> ExitCode {
    let Some(port) = arguments.first() else {
        return ExitCode::FAILURE;
    };
    let started = Instant::now();
    while !somebody_can_log_in() {
        if started.elapsed() > WATCH_LIMIT {
            return ExitCode::FAILURE;
        }
        thread::sleep(WATCH_INTERVAL);
    }
    let logged_in = Instant::now();
    let mut failed = failed_services(Path::new("/"));
    while !failed.is_empty() && logged_in.elapsed() < SERVICES_LIMIT {
        thread::sleep(WATCH_INTERVAL);
        failed = failed_services(Path::new("/"));
    }
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    match send(port, &message(&mounts, &failed)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

const UNITS: &str = "/run/systemd/system";
const SCRIPT: &str = "livestick-beacon.sh";
const UNIT: &str = "livestick-beacon.service";
/// Whatever the system starts into, it is one of these.
const TARGETS: [&str; 3] = ["multi-user.target", "rescue.target", "emergency.target"];

const WATCH_INTERVAL: Duration = Duration::from_millis(100);
const WATCH_LIMIT: Duration = Duration::from_secs(600);
/// How long services may take to come up once people can log in.
const SERVICES_LIMIT: Duration = Duration::from_secs(60);

/// The link's name decides which unit it is; its target is only where it usually lies.
fn write_units(folder: &Path, port: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let script = folder.join(SCRIPT);
    fs::write(&script, script_text(port))?;
    fs::write(folder.join(UNIT), unit_text(&script, port))?;
    for target in TARGETS {
        want(folder, target, UNIT, &Path::new(UNITS).join(UNIT))?;
    }
    let template = Path::new("/usr/lib/systemd/system/serial-getty@.service");
    want(
        folder,
        "getty.target",
        &format!("serial-getty@{port}.service"),
        template,
    )
}

fn want(folder: &Path, target: &str, unit: &str, file: &Path) -> io::Result<()> {
    let wants = folder.join(format!("{target}.wants"));
    fs::create_dir_all(&wants)?;
    symlink(file, wants.join(unit))
}

/// The unit counts as started as soon as its program runs, so that the system does not wait for the
/// report, which waits for the system.
fn unit_text(script: &Path, port: &str) -> String {
    format!(
        "[Unit]\n\
         Description=Report the state of this system on {port}\n\
         \n\
         [Service]\n\
         Type=simple\n\
         ExecStart=/bin/sh {}\n",
        script.display()
    )
}

fn script_text(port: &str) -> String {
    let (state, failed) = (oem::BEACON_STATE, oem::BEACON_FAILED);
    let (root, end) = (oem::BEACON_ROOT, oem::BEACON_END);
    format!(
        "# Early on, systemctl may not reach its manager yet.\n\
         state=starting\n\
         while case $state in running|degraded|maintenance|stopping) false;; esac; do\n\
         \x20 state=$(systemctl is-system-running --wait 2>/dev/null) || [ -n \"$state\" ] || sleep 0.2\n\
         done\n\
         while read -r source target type options rest; do\n\
         \x20 if [ \"$target\" = / ]; then root=$options; fi\n\
         done < /proc/mounts\n\
         report=$(\n\
         \x20 echo \"{state}$state\"\n\
         \x20 systemctl list-units --failed --plain --no-legend --no-pager |\n\
         \x20   while read -r unit rest; do echo \"{failed}$unit\"; done\n\
         \x20 echo \"{root}$root\"\n\
         \x20 echo \"{end}\"\n\
         )\n\
         # The getty, which starts now, hangs the port up, and what was under way is lost.\n\
         until {{ printf '\\n%s\\n' \"$report\"; sleep 2; echo; }} > /dev/{port}; do sleep 1; done\n"
    )
}

fn somebody_can_log_in() -> bool {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut names =
        processes.filter_map(|entry| fs::read_to_string(entry.path().join("comm")).ok());
    names.any(|name| lets_people_in(name.trim_end()))
}

fn lets_people_in(name: &str) -> bool {
    name.ends_with("getty") || name == "login" || name == "sulogin"
}

fn message(mounts: &str, failed: &[String]) -> String {
    let state = if failed.is_empty() {
        "running"
    } else {
        "degraded"
    };
    let failed = failed.iter();
    let failed: String = failed
        .map(|name| format!("{}{name}\n", oem::BEACON_FAILED))
        .collect();
    format!(
        "\n{}{state}\n{failed}{}{}\n{}\n",
        oem::BEACON_STATE,
        oem::BEACON_ROOT,
        root_options(mounts).unwrap_or_default(),
        oem::BEACON_END
    )
}

/// The services that should run and do not, as far as the init of this root keeps a record.
fn failed_services(root: &Path) -> Vec<String> {
    let names = |folder: &str| {
        let entries = fs::read_dir(root.join(folder))
            .into_iter()
            .flatten()
            .flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    let openrc = names(OPENRC_FAILED);
    let runit = names(RUNIT_SERVICES).filter(|name| {
        let status = root
            .join(RUNIT_SERVICES)
            .join(name)
            .join("supervise/status");
        fs::read(status).is_ok_and(|status| is_down(&status))
    });
    let mut failed: Vec<_> = openrc.chain(runit).collect();
    failed.sort_unstable();
    failed
}

/// Where OpenRC links what failed (`RC_SVCDIR` of `librc/librc.h`).
const OPENRC_FAILED: &str = "run/openrc/failed";
/// What runit runs in its second stage on Debian.
const RUNIT_SERVICES: &str = "etc/service";

/// Whether runit is to have a service up that does not run: bytes 17 and 19 of its status (`update_status`
/// of `runsv.c`).
fn is_down(status: &[u8]) -> bool {
    const RUNNING: u8 = 1;
    status.get(17) == Some(&b'u') && status.get(19) != Some(&RUNNING)
}

/// The options of the last mount on `/`, which is the one that is seen.
fn root_options(mounts: &str) -> Option<&str> {
    let mut roots = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ');
        (words.nth(1)? == "/").then_some(words.nth(1)?)
    });
    roots.next_back()
}

fn send(port: &str, text: &str) -> io::Result<()> {
    let mut port = File::options()
        .write(true)
        .open(Path::new("/dev").join(port))?;
    port.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_hang_on_their_targets() {
        let folder = tempfile::tempdir().unwrap();
        write_units(folder.path(), "ttyS0").unwrap();
        let unit = fs::read_to_string(folder.path().join(UNIT)).unwrap();
        assert!(unit.contains("Type=simple"), "{unit}");
        for link in [
            "multi-user.target.wants/livestick-beacon.service",
            "getty.target.wants/serial-getty@ttyS0.service",
        ] {
            assert!(folder.path().join(link).is_symlink(), "{link}");
        }
    }

    #[test]
    fn the_script_reports_what_systemctl_says() {
        let folder = tempfile::tempdir().unwrap();
        let tools = folder.path().join("bin");
        fs::create_dir(&tools).unwrap();
        let systemctl = tools.join("systemctl");
        let fake = "#!/bin/sh\ncase $1 in is-*) echo degraded; exit 1;; *) echo 'a.service loaded failed failed A';; esac\n";
        fs::write(&systemctl, fake).unwrap();
        Command::new("chmod")
            .arg("+x")
            .arg(&systemctl)
            .status()
            .unwrap();
        let port = folder.path().join("port");
        let script = script_text("PORT").replace("/dev/PORT", port.to_str().unwrap());
        let path = format!("{}:/usr/bin:/bin", tools.display());
        let ran = Command::new("/bin/sh")
            .arg("-c")
            .arg(&script)
            .env("PATH", path)
            .status()
            .unwrap();
        assert!(ran.success());
        let report = fs::read_to_string(port).unwrap();
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        let root = root_options(&mounts).unwrap();
        let expected = format!(
            "\nlivestick: state=degraded\nlivestick: failed=a.service\nlivestick: root={root}\nlivestick: beacon end\n\n"
        );
        assert_eq!(report, expected);
    }

    #[test]
    fn the_root_is_the_last_mount_on_it() {
        let mounts = "rootfs / rootfs ro 0 0\nproc /proc proc rw,nosuid 0 0\noverlay / overlay rw,relatime 0 0\n";
        assert_eq!(root_options(mounts), Some("rw,relatime"));
        assert_eq!(root_options("proc /proc proc rw 0 0\n"), None);
    }

    #[test]
    fn a_service_that_failed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        assert!(failed_services(root).is_empty());
        let status = |wanted, state| {
            let mut status = [0; 20];
            (status[17], status[19]) = (wanted, state);
            status
        };
        for (name, wanted, state) in [("up", b'u', 1), ("dead", b'u', 0), ("off", b'd', 0)] {
            let supervise = root.join(RUNIT_SERVICES).join(name).join("supervise");
            fs::create_dir_all(&supervise).unwrap();
            fs::write(supervise.join("status"), status(wanted, state)).unwrap();
        }
        fs::create_dir_all(root.join(OPENRC_FAILED)).unwrap();
        symlink("/etc/init.d/cron", root.join(OPENRC_FAILED).join("cron")).unwrap();
        let failed = failed_services(root);
        assert_eq!(failed, ["cron", "dead"]);
        let mounts = "overlay / overlay rw 0 0\n";
        let expected = "\nlivestick: state=degraded\nlivestick: failed=cron\nlivestick: failed=dead\n\
            livestick: root=rw\nlivestick: beacon end\n";
        assert_eq!(message(mounts, &failed), expected);
        assert!(
            message(mounts, &[]).starts_with("\nlivestick: state=running\nlivestick: root=rw\n")
        );
    }

    #[test]
    fn a_prompt_is_told_by_its_program() {
        for name in ["getty", "agetty", "mingetty", "login", "sulogin"] {
            assert!(lets_people_in(name), "{name}");
        }
        for name in ["init", "rcS", "systemd-logind", "getty.sh"] {
            assert!(!lets_people_in(name), "{name}");
        }
    }
}
