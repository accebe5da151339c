//! The consoles as one: what is printed goes to all, and a key may come from any.

use crate::boot::News;
use crate::consoles;
use crate::keys::Keys;
use crate::rescue::SHELL;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::WaitOptions;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Every console, set to give key by key.
#[derive(Debug)]
pub struct Terminals(Vec<Terminal>);

/// Which terminal a key came from, and its byte.
pub type Key = (usize, u8);

impl Terminals {
    /// Opens the kernel's consoles, the screen, and these further ports.
    pub fn open(ports: &[String]) -> Self {
        let names = consoles::all(ports);
        Self(
            names
                .iter()
                .filter_map(|name| Terminal::open(name))
                .collect(),
        )
    }

    pub fn print(&mut self, text: &str) {
        for terminal in &mut self.0 {
            // One that takes nothing has no reader.
            let _ = terminal.file.write_all(text.as_bytes());
        }
    }

    /// Waits for a key, for news, for its interval, or until the deadline.
    pub fn wait(&mut self, news: &News<'_>, deadline: Option<Instant>) -> Option<Key> {
        let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let limit = [rest, news.interval].into_iter().flatten().min();
        let ready = self.poll(&news.sources, limit);
        ready
            .into_iter()
            .find_map(|index| Some((index, self.0.get_mut(index)?.key()?)))
    }

    /// Runs a shell there and waits for its end.
    pub fn run_shell(&mut self, index: usize) {
        let Some(terminal) = self.0.get_mut(index) else {
            return;
        };
        terminal.restore();
        let ended = terminal.shell().and_then(|mut shell| shell.wait());
        terminal.reopen();
        if let Err(error) = ended {
            self.print(&format!("no shell: {error}\n"));
        }
    }

    /// Runs a shell on each. The first one that ends, ends the others: somebody wants to go on.
    pub fn run_shells(&mut self) {
        self.0.iter().for_each(Terminal::restore);
        let shells = self.0.iter().filter_map(|terminal| terminal.shell().ok());
        let mut shells: Vec<_> = shells.collect();
        let ids: Vec<_> = shells.iter().map(Child::id).collect();
        while !shells.is_empty() {
            let ended = rustix::process::wait(WaitOptions::empty());
            let ended = ended.map(|ended| ended.map(|(id, _)| id.as_raw_pid().unsigned_abs()));
            match ended {
                // As process 1, this is the parent of every orphan, too.
                Ok(Some(id)) if !ids.contains(&id) => {}
                Err(Errno::INTR) => {}
                _ => break,
            }
        }
        for shell in &mut shells {
            // The one that ended is gone already.
            let _ = shell.kill();
            let _ = shell.wait();
        }
        self.0.iter_mut().for_each(Terminal::reopen);
    }

    /// The terminals at which a key waits.
    fn poll(&mut self, news: &[BorrowedFd<'_>], limit: Option<Duration>) -> Vec<usize> {
        let listening = self
            .0
            .iter()
            .enumerate()
            .filter(|(_, terminal)| terminal.listening);
        let (indices, mut sources): (Vec<_>, Vec<_>) = listening
            .map(|(index, terminal)| (index, PollFd::new(&terminal.file, PollFlags::IN)))
            .unzip();
        let news = news.iter();
        sources.extend(news.map(|news| PollFd::from_borrowed_fd(*news, PollFlags::IN)));
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        if poll(&mut sources, limit.as_ref()).is_err() {
            return Vec::new();
        }
        let answers = sources.iter().map(PollFd::revents);
        let answers = indices.into_iter().zip(answers);
        let ready: Vec<_> = answers.filter(|(_, events)| !events.is_empty()).collect();
        for (index, events) in &ready {
            // It would be ready for ever, without ever giving a key.
            let hung_up = events.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL);
            if let Some(terminal) = self.0.get_mut(*index).filter(|_| hung_up) {
                terminal.listening = false;
            }
        }
        ready.into_iter().map(|(index, _)| index).collect()
    }
}

#[derive(Debug)]
struct Terminal {
    name: String,
    file: File,
    /// How it was before its keys were taken one by one.
    saved: Option<Termios>,
    listening: bool,
    keys: Keys,
}

impl Terminal {
    fn open(name: &str) -> Option<Self> {
        let file = consoles::open_to_talk(name)?;
        // Only opening must not wait; a long screen is to be written whole.
        let _ = fcntl_setfl(&file, OFlags::empty());
        let saved = tcgetattr(&file).ok();
        let terminal = Self {
            name: name.to_owned(),
            file,
            saved,
            listening: true,
            keys: Keys::default(),
        };
        terminal.take_keys_singly();
        Some(terminal)
    }

    /// The kernel hangs a terminal up for everybody when the shell that controls it ends
    /// (`disassociate_ctty` in `drivers/tty/tty_jobctrl.c`).
    fn reopen(&mut self) {
        match Self::open(&self.name) {
            Some(mut anew) => {
                anew.saved = self.saved.take();
                *self = anew;
            }
            None => self.take_keys_singly(),
        }
    }

    /// At once, not with the end of a line, and without showing them.
    fn take_keys_singly(&self) {
        if let Some(mut modes) = self.saved.clone() {
            modes
                .local_modes
                .remove(LocalModes::ICANON | LocalModes::ECHO);
            let _ = tcsetattr(&self.file, OptionalActions::Now, &modes);
        }
    }

    fn restore(&self) {
        if let Some(modes) = &self.saved {
            let _ = tcsetattr(&self.file, OptionalActions::Now, modes);
        }
    }

    /// Takes one byte, so that what came with it is still there for the next time.
    fn key(&mut self) -> Option<u8> {
        let mut byte = [0];
        let length = self.file.read(&mut byte).ok()?;
        let byte = byte.get(..length)?.first().copied();
        self.listening &= byte.is_some();
        self.keys.take(byte?, Instant::now())
    }

    fn shell(&self) -> io::Result<Child> {
        let standard = || self.file.as_fd().try_clone_to_owned().map(Stdio::from);
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(SHELL)
            .stdin(standard()?)
            .stdout(standard()?)
            .stderr(standard()?);
        command.spawn()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}
