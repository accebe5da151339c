//! What is in an image.

use super::escaped::escaped;
use super::opened::{self, Opened};
use crate::failure::{Exit, Failure};
use crate::settings::{List, ListStyle};
use anyhow::Context;
use livestick_squashfs::{Inode, InodeKind};
use livestick_tree::shown;
use serde::Serialize;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Write};

/// Prints what is in an image, a line each, or one JSON document.
pub fn list(settings: &List) -> Result<(), Failure> {
    let image = opened::open(&settings.image)?;
    let mut listing = Listing {
        image: &image,
        style: settings.style,
        output: BufWriter::new(io::stdout().lock()),
        terminal: io::stdout().is_terminal(),
        count: 0,
    };
    let done = listing.all(&settings.paths).and_then(|()| listing.finish());
    match done {
        // Whoever reads has seen enough: `list | head`.
        Err(Trouble::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(Trouble::Output(error)) => {
            Err(anyhow::Error::new(error).context("cannot write the list"))?
        }
        // The document broke off in its middle: another one behind it would be no help.
        Err(Trouble::Failed(failure)) if listing.count > 0 => Err(failure.reported()),
        Err(Trouble::Failed(failure)) => Err(*failure),
        Ok(()) => Ok(()),
    }
}

struct Listing<'a> {
    image: &'a Opened,
    style: ListStyle,
    output: BufWriter<io::StdoutLock<'static>>,
    /// Names are escaped there: they could drive it.
    terminal: bool,
    count: u64,
}

enum Trouble {
    Output(io::Error),
    Failed(Box<Failure>),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<anyhow::Error> for Trouble {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(Box::new(error.into()))
    }
}

impl Listing<'_> {
    fn all(&mut self, paths: &[Vec<u8>]) -> Result<(), Trouble> {
        if paths.is_empty() {
            return self.path(b"");
        }
        paths.iter().try_for_each(|path| self.path(path))
    }

    /// Lists a file with all that is below it.
    fn path(&mut self, path: &[u8]) -> Result<(), Trouble> {
        let found = self.image.walk(path).context("the image cannot be read")?;
        let Some(mut walk) = found else {
            let message = format!("there is no {} in the image", shown(path));
            let failure = Failure::message(Exit::Failed, message);
            return Err(Trouble::Failed(Box::new(failure)));
        };
        loop {
            let next = walk.next_file();
            let next = next.with_context(|| not_listed(walk.path()))?;
            let Some(inode) = next else { return Ok(()) };
            self.file(walk.path(), &inode)?;
        }
    }

    fn file(&mut self, path: &[u8], inode: &Inode) -> Result<(), Trouble> {
        let first = self.count == 0;
        self.count += 1;
        match self.style {
            ListStyle::Paths => {
                self.name(path)?;
                self.output.write_all(b"\n")?;
            }
            ListStyle::Long => {
                write!(self.output, "{} ", Columns(inode))?;
                self.name(path)?;
                if let InodeKind::Symlink(target) = &inode.kind {
                    self.output.write_all(b" -> ")?;
                    self.name(target)?;
                }
                self.output.write_all(b"\n")?;
            }
            ListStyle::Json => {
                let separator: &[u8] = if first { b"[\n" } else { b",\n" };
                self.output.write_all(separator)?;
                let file = File::new(path, inode);
                serde_json::to_writer(&mut self.output, &file).map_err(io::Error::from)?;
            }
        }
        Ok(())
    }

    /// A path, or where a link leads; the root has none.
    fn name(&mut self, name: &[u8]) -> io::Result<()> {
        match name {
            b"" => self.output.write_all(b"."),
            name if self.terminal => write!(self.output, "{}", shown(name)),
            name => self.output.write_all(name),
        }
    }

    fn finish(&mut self) -> Result<(), Trouble> {
        if self.style == ListStyle::Json {
            self.output.write_all(b"\n]\n")?;
        }
        Ok(self.output.flush()?)
    }
}

/// What failed. A damaged image can have a path that nobody wants to read.
fn not_listed(path: &[u8]) -> String {
    match path.len() {
        0 => "the root of the image cannot be listed".to_owned(),
        1..=4096 => format!("`{}` cannot be listed", shown(path)),
        _ => "the image cannot be listed".to_owned(),
    }
}

/// The columns of `ls -l` before the name.
struct Columns<'a>(&'a Inode);

impl fmt::Display for Columns<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inode = self.0;
        let metadata = inode.metadata;
        let size = match &inode.kind {
            InodeKind::BlockDevice(device) | InodeKind::CharacterDevice(device) => {
                format!("{}, {}", device.major, device.minor)
            }
            InodeKind::Symlink(target) => target.len().to_string(),
            _ => inode.length_bytes().unwrap_or_default().to_string(),
        };
        let owner = format!("{}/{}", metadata.uid, metadata.gid);
        write!(
            formatter,
            "{}{} {owner:<11} {size:>11} {}",
            letter(&inode.kind),
            Permissions(metadata.permissions),
            time(metadata.modified_seconds)
        )
    }
}

fn letter(kind: &InodeKind) -> char {
    match kind {
        InodeKind::Directory(_) => 'd',
        InodeKind::File(_) => '-',
        InodeKind::Symlink(_) => 'l',
        InodeKind::BlockDevice(_) => 'b',
        InodeKind::CharacterDevice(_) => 'c',
        InodeKind::Fifo => 'p',
        InodeKind::Socket => 's',
    }
}

/// As `ls -l` has them, `rwsr-xr-t`.
struct Permissions(u16);

impl fmt::Display for Permissions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bit = |bit: u32| self.0 >> bit & 1 == 1;
        // The letter of the special bit of each group: setuid, setgid, sticky.
        for (group, special) in [(2, 's'), (1, 's'), (0, 't')] {
            let letter = |set: bool, letter: char| if set { letter } else { '-' };
            let (read, write) = (bit(group * 3 + 2), bit(group * 3 + 1));
            let execute = match (bit(group * 3), bit(9 + group)) {
                (true, true) => special,
                (false, true) => special.to_ascii_uppercase(),
                (execute, false) => letter(execute, 'x'),
            };
            write!(
                formatter,
                "{}{}{execute}",
                letter(read, 'r'),
                letter(write, 'w')
            )?;
        }
        Ok(())
    }
}

/// In UTC, so that the list of an image is the same everywhere.
fn time(seconds: i64) -> String {
    // Within the years that SquashFS can hold, every second is a time.
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| seconds.to_string(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

/// A file in the JSON document. Bytes that are not UTF-8 are replaced; then there is the escaped form, too.
#[derive(Serialize)]
struct File {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_escaped: Option<String>,
    kind: &'static str,
    mode: String,
    uid: u32,
    gid: u32,
    modified_seconds: i64,
    links: u32,
    inode: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_escaped: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<(u32, u32)>,
}

impl File {
    fn new(path: &[u8], inode: &Inode) -> Self {
        let metadata = inode.metadata;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (kind, target, device) = match &inode.kind {
            InodeKind::Directory(_) => ("directory", None, None),
            InodeKind::File(_) => ("file", None, None),
            InodeKind::Symlink(target) => ("symlink", Some(target), None),
            InodeKind::BlockDevice(device) => ("block device", None, Some(device)),
            InodeKind::CharacterDevice(device) => ("character device", None, Some(device)),
            InodeKind::Fifo => ("fifo", None, None),
            InodeKind::Socket => ("socket", None, None),
        };
        Self {
            path: text(path),
            path_escaped: escaped(path),
            kind,
            mode: format!("{:04o}", metadata.permissions),
            uid: metadata.uid,
            gid: metadata.gid,
            modified_seconds: metadata.modified_seconds,
            links: inode.links,
            inode: inode.number,
            bytes: inode.length_bytes(),
            target: target.map(|target| text(target)),
            target_escaped: target.and_then(|target| escaped(target)),
            device: device.map(|device| (device.major, device.minor)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_those_of_ls() {
        for (mode, text) in [
            (0o755, "rwxr-xr-x"),
            (0o4755, "rwsr-xr-x"),
            (0o2644, "rw-r-Sr--"),
            (0o1777, "rwxrwxrwt"),
            (0o7000, "--S--S--T"),
        ] {
            assert_eq!(Permissions(mode).to_string(), text);
        }
    }

    #[test]
    fn times_are_in_utc() {
        assert_eq!(time(0), "1970-01-01 00:00:00");
        assert_eq!(time(1_000_000_000), "2001-09-09 01:46:40");
        assert_eq!(time(u32::MAX.into()), "2106-02-07 06:28:15");
    }
}
