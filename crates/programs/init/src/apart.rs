//! Does what may hang in the kernel in a process of its own.
//!
//! A thread that waits in the kernel for a disk that never answers cannot be ended, and process 1
//! becomes no other program before all of its threads have ended (`de_thread` in `fs/exec.c`). A child
//! that hangs is in nobody's way.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};
use std::thread;
use std::time::Duration;

/// Runs this program under another name and waits for it, however long it takes. What it did not manage
/// is an error.
pub fn run(name: &str, argument: &str) -> io::Result<()> {
    let status = start(name, argument)?.wait();
    // Where it cannot be waited for, somebody else who waits for every child was told.
    result(status.ok().and_then(|status| status.code()))
}

/// The same, for as long as `is_patient`; `None` where it is then left to itself.
pub fn run_while(
    name: &str,
    argument: &str,
    is_patient: impl Fn() -> bool,
) -> Option<io::Result<()>> {
    match start(name, argument) {
        Err(error) => Some(Err(error)),
        Ok(child) => wait_while(child, is_patient),
    }
}

/// How the child ends, so that [`run`] knows what went wrong.
pub fn exit_code(result: io::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let code = error
        .raw_os_error()
        .and_then(|code| u8::try_from(code).ok());
    ExitCode::from(code.unwrap_or(UNNUMBERED))
}

/// No error of the kernel has this number.
const UNNUMBERED: u8 = u8::MAX;
const SHORTEST_NAP: Duration = Duration::from_millis(1);
const LONGEST_NAP: Duration = Duration::from_millis(50);

fn start(name: &str, argument: &str) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0(name).arg(argument).spawn()
}

fn wait_while(mut child: Child, is_patient: impl Fn() -> bool) -> Option<io::Result<()>> {
    let mut nap = SHORTEST_NAP;
    loop {
        match child.try_wait() {
            Ok(None) if !is_patient() => return None,
            Ok(None) => thread::sleep(nap),
            Ok(Some(status)) => return Some(result(status.code())),
            Err(_) => return Some(Ok(())),
        }
        nap = (nap * 2).min(LONGEST_NAP);
    }
}

fn result(code: Option<i32>) -> io::Result<()> {
    match code {
        None | Some(0) => Ok(()),
        Some(code) if code == i32::from(UNNUMBERED) => Err(io::ErrorKind::Other.into()),
        Some(code) => Err(io::Error::from_raw_os_error(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn child(program: &str, argument: &str) -> Child {
        Command::new(program).arg(argument).spawn().unwrap()
    }

    #[test]
    fn who_does_not_end_is_left_to_itself() {
        let started = Instant::now();
        let is_patient = || started.elapsed() < Duration::from_millis(20);
        assert!(wait_while(child("sleep", "2"), is_patient).is_none());
        let ended = wait_while(child("sleep", "0.01"), || true);
        assert!(ended.is_some_and(|result| result.is_ok()));
    }

    #[test]
    fn an_error_keeps_its_number() {
        let no_device = io::Error::from_raw_os_error(19);
        let code = exit_code(Err(no_device));
        assert_eq!(code, ExitCode::from(19));
        assert_eq!(result(Some(19)).unwrap_err().raw_os_error(), Some(19));
        assert_eq!(
            exit_code(Err(io::ErrorKind::InvalidData.into())),
            ExitCode::from(255)
        );
        assert!(result(Some(255)).is_err() && result(Some(0)).is_ok());
    }
}
