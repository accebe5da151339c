//! Where this machine keeps its loaders, and which package would bring one that it lacks.

use crate::Error;
use crate::error::{Missing, MissingFiles};
use crate::packages::{Package, dpkg, pacman, rpm};
use std::fs;
use std::path::{Path, PathBuf};

/// The longest text that is taken for a version.
const BANNER_LIMIT_BYTES: usize = 64;

/// A file of a loader package.
#[derive(Debug)]
pub(crate) struct Piece {
    /// What it is called in messages.
    pub(crate) name: &'static str,
    /// Where distributions put it, relative to the root.
    pub(crate) places: &'static [&'static str],
    /// The package that holds it on Debian, Ubuntu and their children.
    pub(crate) debian: &'static str,
    /// The same on Fedora and its relatives.
    pub(crate) fedora: &'static str,
    /// The same on Arch, where it has one.
    pub(crate) arch: Option<&'static str>,
    /// The same on openSUSE.
    pub(crate) suse: &'static str,
}

/// A piece that is there.
#[derive(Debug)]
pub(crate) struct Located {
    piece: &'static Piece,
    place: &'static str,
}

/// The machine whose packages are used.
pub(crate) struct Host<'a> {
    root: &'a Path,
    distribution: Distribution,
}

impl<'a> Host<'a> {
    pub(crate) fn new(root: &'a Path) -> Self {
        let os_release = ["etc/os-release", "usr/lib/os-release"]
            .iter()
            .find_map(|path| fs::read_to_string(root.join(path)).ok())
            .unwrap_or_default();
        Self {
            root,
            distribution: Distribution::of(&os_release),
        }
    }

    /// Where all the pieces are, or which are nowhere.
    pub(crate) fn locate<const N: usize>(
        &self,
        pieces: [&'static Piece; N],
    ) -> Result<[Located; N], Vec<&'static Piece>> {
        let find = |piece: &'static Piece| {
            let mut places = piece.places.iter();
            let place = places.find(|place| self.root.join(place).is_file())?;
            Some(Located { piece, place })
        };
        let found: Vec<_> = pieces.into_iter().filter_map(find).collect();
        <[Located; N]>::try_from(found).map_err(|found| {
            let is_missing = |piece: &&Piece| !found.iter().any(|at| at.piece.name == piece.name);
            pieces.into_iter().filter(is_missing).collect()
        })
    }

    /// The file's path on this machine.
    pub(crate) fn path(&self, located: &Located) -> PathBuf {
        self.root.join(located.place)
    }

    /// What is in the file.
    pub(crate) fn read(&self, located: &Located) -> Result<Vec<u8>, Error> {
        let path = self.path(located);
        fs::read(&path).map_err(|source| Error::Read { path, source })
    }

    /// The package that the file came with, where this machine's package manager knows one.
    pub(crate) fn package_of(&self, located: &Located) -> Option<Package> {
        let Located { piece, place } = located;
        match self.distribution {
            Distribution::Fedora | Distribution::Suse => rpm::owner(self.root, place),
            Distribution::Arch => pacman::owner(self.root, piece.arch?, place),
            Distribution::Debian | Distribution::Other => {
                dpkg::owner(self.root, piece.debian, place)
            }
        }
    }

    /// Where the file came from: package and version, or its path and what it says of itself.
    pub(crate) fn origin(&self, located: &Located, banner: Option<String>) -> String {
        match (self.package_of(located), banner) {
            (Some(package), _) => package.to_string(),
            (None, Some(banner)) => format!("/{} ({banner})", located.place),
            (None, None) => format!("/{}", located.place),
        }
    }

    /// The error that lists everything missing at once, so that one command installs it.
    pub(crate) fn missing(&self, pieces: &[&Piece], way_out: Option<String>) -> Error {
        Error::Missing {
            missing: self.packages(pieces),
            install: self.distribution.install_command(),
            way_out,
        }
    }

    /// The packages that would bring the pieces.
    pub(crate) fn packages(&self, pieces: &[&Piece]) -> MissingFiles {
        let missing = pieces.iter().map(|piece| Missing {
            file: piece.name,
            package: self.package(piece),
        });
        MissingFiles {
            files: missing.collect(),
            distribution_is_known: self.distribution != Distribution::Other,
        }
    }

    fn package(&self, piece: &Piece) -> Option<&'static str> {
        match self.distribution {
            Distribution::Debian | Distribution::Other => Some(piece.debian),
            Distribution::Fedora => Some(piece.fedora),
            Distribution::Arch => piece.arch,
            Distribution::Suse => Some(piece.suse),
        }
    }
}

/// What a file says of itself: the text after `mark`, up to the byte `end`.
pub(crate) fn banner(bytes: &[u8], (mark, end): (&[u8], u8)) -> Option<String> {
    let start = bytes
        .windows(mark.len())
        .position(|window| window == mark)?
        + mark.len();
    let text = bytes[start..].iter().take(BANNER_LIMIT_BYTES);
    let text: Vec<u8> = text.copied().take_while(|byte| *byte != end).collect();
    Some(String::from_utf8(text).ok()?.trim().to_owned())
}

/// The families of distributions whose packages are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Distribution {
    Debian,
    Fedora,
    Arch,
    Suse,
    Other,
}

impl Distribution {
    /// From the text of `os-release(5)`: `ID` first, then `ID_LIKE`, the closest relative first.
    fn of(os_release: &str) -> Self {
        let field = |key: &str| {
            let value = os_release.lines().find_map(|line| line.strip_prefix(key));
            value.unwrap_or_default().trim_matches(['"', '\''])
        };
        let names = field("ID=").split(' ').chain(field("ID_LIKE=").split(' '));
        names
            .filter_map(|name| match name {
                "debian" | "ubuntu" => Some(Self::Debian),
                "fedora" | "rhel" | "centos" => Some(Self::Fedora),
                "arch" => Some(Self::Arch),
                "suse" | "opensuse" => Some(Self::Suse),
                _ => None,
            })
            .next()
            .unwrap_or(Self::Other)
    }

    fn install_command(self) -> Option<&'static str> {
        match self {
            Self::Debian => Some("apt-get install"),
            Self::Fedora => Some("dnf install"),
            Self::Arch => Some("pacman -S"),
            Self::Suse => Some("zypper install"),
            Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_is_known_by_itself_or_by_its_parents() {
        let of = Distribution::of;
        assert_eq!(of("NAME=x\nID=debian\n"), Distribution::Debian);
        assert_eq!(
            of("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"),
            Distribution::Debian
        );
        assert_eq!(
            of("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n"),
            Distribution::Fedora
        );
        assert_eq!(of("ID=manjaro\nID_LIKE=arch\n"), Distribution::Arch);
        assert_eq!(
            of("ID=\"opensuse-tumbleweed\"\nID_LIKE=\"opensuse suse\"\n"),
            Distribution::Suse
        );
        assert_eq!(of("VERSION_ID=3\nID=alpine\n"), Distribution::Other);
        assert_eq!(of(""), Distribution::Other);
    }
}
