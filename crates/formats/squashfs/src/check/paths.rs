//! The names of files, for findings.

/// Longer paths are cut: a hostile image has paths of any length.
const PATH_LIMIT_BYTES: usize = 4096;

/// A file that was found: its first name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameId(u32);

/// All files that were found, each with its directory. Paths are put together only when they are
/// needed; to keep each would take memory in the square of the depth.
pub(super) struct Names {
    names: Vec<(NameId, Box<[u8]>)>,
}

impl Names {
    pub(super) const ROOT: NameId = NameId(0);

    pub(super) fn new() -> Self {
        Self {
            names: vec![(Self::ROOT, Box::default())],
        }
    }

    /// Adds a name; `None` where there are 2^32 already.
    pub(super) fn add(&mut self, directory: NameId, name: &[u8]) -> Option<NameId> {
        let id = NameId(u32::try_from(self.names.len()).ok()?);
        self.names.push((directory, name.into()));
        Some(id)
    }

    pub(super) fn path(&self, id: NameId) -> Vec<u8> {
        let mut names = Vec::new();
        let mut length = 0;
        let mut at = id;
        while at != Self::ROOT {
            let (directory, name) = &self.names[at.0 as usize];
            length += name.len() + 1;
            if length > PATH_LIMIT_BYTES {
                names.push(&b"..."[..]);
                break;
            }
            names.push(name);
            at = *directory;
        }
        names.reverse();
        names.join(&b'/')
    }

    /// The path of a name that was not added.
    pub(super) fn path_in(&self, directory: NameId, name: &[u8]) -> Vec<u8> {
        let mut path = self.path(directory);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        path
    }
}
