//! QEMU as a process.

use crate::drives::{self, escape};
use crate::firmware::Ovmf;
use crate::{Accelerator, Error, Machine};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Where distributions put QEMU.
const PLACES: [&str; 2] = [
    "/usr/bin/qemu-system-x86_64",
    "/usr/local/bin/qemu-system-x86_64",
];
/// Starts a program so that the kernel ends it when this process is gone, however that happened
/// (util-linux). Without it only an orderly end ends QEMU.
const DEATH_SIGNAL_WRAPPER: &str = "/usr/bin/setpriv";
/// How much of QEMU's messages is kept.
const MESSAGE_LIMIT_BYTES: u64 = 64 * 1024;

/// What every machine has. A reset or a shutdown pauses it instead of ending QEMU, so that it can
/// still be asked what happened.
const FIXED_ARGUMENTS: [&str; 18] = [
    "-no-user-config",
    "-nodefaults",
    "-no-reboot",
    "-no-shutdown",
    "-machine",
    "q35",
    "-nic",
    "none",
    "-display",
    "none",
    "-chardev",
    "socket,id=control,fd=0",
    "-mon",
    "chardev=control,mode=control",
    "-chardev",
    "socket,id=serial,fd=1",
    "-serial",
    "chardev:serial",
];

/// Flash that only System Management Mode may write (EDK II, `OvmfPkg/README`); these add to the
/// machine that was named before.
const SMM_ARGUMENTS: [&str; 4] = [
    "-machine",
    "smm=on",
    "-global",
    "driver=cfi.pflash01,property=secure,value=on",
];

/// A running QEMU. Dropping it ends the process and removes its files.
pub(crate) struct Qemu {
    child: Child,
    messages: Option<JoinHandle<String>>,
    folder: TempDir,
    /// The guest's first serial port.
    pub(crate) serial: UnixStream,
    /// The control connection.
    pub(crate) control: UnixStream,
}

impl Qemu {
    /// Switches the machine on.
    pub(crate) fn start(machine: &Machine) -> Result<Self, Error> {
        let path = find(machine.qemu.as_deref())?;
        let disks = machine.disks.iter().map(|disk| &disk.image);
        for path in std::iter::once(&machine.image).chain(disks) {
            let (path, opened) = (path.clone(), File::open(path));
            opened.map_err(|source| Error::Image { path, source })?;
        }
        let prepare = |what| move |source| Error::Prepare { what, source };
        let folder = tempfile::tempdir().map_err(prepare("folder"))?;
        let firmware = firmware_arguments(machine, folder.path())?;
        // Both connections are made here and passed on as descriptors 0 and 1: nothing that is sent
        // early is lost, and there is no path that could be too long.
        let (control, control_end) = UnixStream::pair().map_err(prepare("control connection"))?;
        let (serial, serial_end) = UnixStream::pair().map_err(prepare("serial port"))?;
        let mut command = command(&path);
        command
            .args(arguments(machine))
            .args(firmware)
            .args(&machine.extra_arguments)
            .stdin(Stdio::from(OwnedFd::from(control_end)))
            .stdout(Stdio::from(OwnedFd::from(serial_end)))
            .stderr(Stdio::piped())
            // A Ctrl-C is for the harness, which then ends QEMU.
            .process_group(0);
        let mut child = command
            .spawn()
            .map_err(|source| Error::Start { path, source })?;
        let messages = child.stderr.take().map(|stderr| {
            thread::spawn(move || {
                let mut text = Vec::new();
                // What cannot be read is missing from a message, nothing more.
                let _ = stderr.take(MESSAGE_LIMIT_BYTES).read_to_end(&mut text);
                String::from_utf8_lossy(&text).trim().replace('\n', "; ")
            })
        });
        Ok(Self {
            child,
            messages,
            folder,
            serial,
            control,
        })
    }

    /// A folder for files of this machine, removed with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until it has ended by itself, and says how.
    fn wait(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + timeout;
        loop {
            match self.child.try_wait()? {
                None if Instant::now() < deadline => thread::sleep(Duration::from_millis(10)),
                status => return Ok(status),
            }
        }
    }

    /// The error that says why it is gone.
    pub(crate) fn died(&mut self) -> Error {
        // Its connections are closed; the process ends right after.
        let status = match self.wait(Duration::from_secs(5)) {
            Ok(Some(status)) => status.to_string(),
            Ok(None) => "it still runs".to_owned(),
            Err(error) => error.to_string(),
        };
        self.end();
        let messages = self.messages.take().and_then(|thread| thread.join().ok());
        Error::Died {
            status,
            message: messages.unwrap_or_default(),
        }
    }

    fn end(&mut self) {
        // It may have ended already; either way there is nothing left after the wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        self.end();
    }
}

fn find(chosen: Option<&Path>) -> Result<PathBuf, Error> {
    let mut places = match chosen {
        Some(path) => vec![path],
        None => PLACES.iter().map(Path::new).collect(),
    };
    places.retain(|path| path.is_file());
    places
        .first()
        .map(|path| path.to_path_buf())
        .ok_or(Error::NoQemu)
}

fn command(qemu: &Path) -> Command {
    if Path::new(DEATH_SIGNAL_WRAPPER).is_file() {
        let mut command = Command::new(DEATH_SIGNAL_WRAPPER);
        command.args(["--pdeathsig", "KILL", "--"]).arg(qemu);
        command
    } else {
        Command::new(qemu)
    }
}

/// Everything but the firmware.
fn arguments(machine: &Machine) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = FIXED_ARGUMENTS.map(OsString::from).to_vec();
    let mut add = |option: &str, value: OsString| {
        arguments.push(option.into());
        arguments.push(value);
    };
    let (accelerator, cpu) = match machine.accelerator {
        Accelerator::Tcg => ("tcg,thread=multi", "max"),
        Accelerator::Kvm => ("kvm", "host"),
    };
    add("-accel", accelerator.into());
    add("-cpu", cpu.into());
    add("-smp", machine.cpus.to_string().into());
    add("-m", format!("{}M", machine.memory_mib).into());
    add("-vga", if machine.screen { "std" } else { "none" }.into());
    for (option, value) in drives::arguments(machine) {
        add(option, value);
    }
    if !machine.oem_strings.is_empty() {
        let values = machine
            .oem_strings
            .iter()
            .map(|value| format!(",value={value}"));
        add(
            "-smbios",
            format!("type=11{}", values.collect::<String>()).into(),
        );
    }
    arguments
}

fn firmware_arguments(machine: &Machine, folder: &Path) -> Result<Vec<OsString>, Error> {
    let Some(ovmf) = Ovmf::find(machine.firmware, Path::new("/"))? else {
        return Ok(Vec::new());
    };
    let variables = folder.join("variables.fd");
    fs::copy(&ovmf.variables, &variables).map_err(|source| Error::Prepare {
        what: "firmware variables",
        source,
    })?;
    let drive = |options: &str, path: &Path| {
        let mut drive = OsString::from(format!("if=pflash,format=raw,{options},file="));
        drive.push(escape(path.as_os_str()));
        drive
    };
    let mut arguments = vec![
        "-drive".into(),
        drive("unit=0,readonly=on", &ovmf.code),
        "-drive".into(),
        drive("unit=1", &variables),
    ];
    if ovmf.needs_smm {
        arguments.extend(SMM_ARGUMENTS.map(OsString::from));
    }
    Ok(arguments)
}
