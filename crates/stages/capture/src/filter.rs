//! What goes in and what does not: one place decides, for every kind of source.

use crate::rule::{Rule, RuleSet, Special};
use crate::{Options, fstab};
use livestick_blockio::ReadAt;
use livestick_tree::RootFiles;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Where installers put swap files. One of these names counts only with a signature of swap.
const SWAP_NAMES: [&str; 4] = ["swapfile", "swap.img", "swap/swapfile", "var/swap"];

/// What the first page, of whatever size, of a swap area ends with: `mkswap`'s word (`union
/// swap_header` in `include/linux/swap.h`), or where the machine hibernated, that of the kernel or
/// of `uswsusp`.
const SWAP_SIGNATURES: [&[u8; 10]; 3] = [b"SWAPSPACE2", b"S1SUSPEND\0", b"ULSUSPEND\0"];
const PAGE_SIZES: [u64; 3] = [4096, 16384, 65536];

/// Why something is not in the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// It is the image itself.
    Image,
    /// A pattern of the user's, by its number among [`Exclusions`](crate::Exclusions).
    Pattern(usize),
    /// A rule, by its name.
    Rule(&'static str),
}

/// Decides about paths.
pub(crate) struct Filter<'a> {
    options: &'a Options,
    /// `None`: a root is not rewritten, everything is taken as it is.
    rules: Option<&'a RuleSet>,
    /// Named in `/etc/fstab`.
    swap_files: Vec<Vec<u8>>,
}

impl<'a> Filter<'a> {
    /// With the rules in force, for a stick.
    pub(crate) fn new(options: &'a Options, files: &dyn RootFiles) -> Self {
        let table = files.read("etc/fstab").unwrap_or_default();
        Self {
            options,
            rules: Some(&options.rules),
            swap_files: fstab::swap_files(&table),
        }
    }

    /// Without rules.
    pub(crate) fn of_exclusions(options: &'a Options) -> Self {
        Self {
            options,
            rules: None,
            swap_files: Vec::new(),
        }
    }

    pub(crate) fn options(&self) -> &'a Options {
        self.options
    }

    /// Why a path is not taken, nor what is below it.
    pub(crate) fn omits(&self, path: &[u8]) -> Option<Cause> {
        if self.is_image(path) {
            return Some(Cause::Image);
        }
        if let Some(pattern) = self.options.exclusions.pattern(path) {
            return Some(Cause::Pattern(pattern));
        }
        self.rules?.leaves_out(path).map(Rule::cause)
    }

    /// Why what is in a directory is not taken.
    pub(crate) fn empties(&self, path: &[u8]) -> Option<Cause> {
        self.rules?.empties(path).map(Rule::cause)
    }

    /// Why nothing is left in a regular file.
    pub(crate) fn blanks(&self, path: &[u8]) -> Option<Cause> {
        self.rules?.blanks(path).map(Rule::cause)
    }

    /// Why a regular file is not taken for what it holds: swap, named in `/etc/fstab`, or in a usual
    /// place and signed.
    pub(crate) fn omits_content<R: ReadAt>(
        &self,
        path: &[u8],
        open: impl FnOnce() -> Option<R>,
    ) -> Option<Cause> {
        let rule = self.rules?.special(Special::Swap)?;
        let is_swap = self.swap_files.iter().any(|swap| swap == path)
            || SWAP_NAMES.iter().any(|name| name.as_bytes() == path)
                && open().is_some_and(|file| is_signed(&file));
        is_swap.then_some(rule.cause())
    }

    fn is_image(&self, path: &[u8]) -> bool {
        let own = |own: &PathBuf| own.as_os_str().as_bytes() == path;
        self.options.left_out.iter().any(own)
    }
}

impl Rule {
    /// As what leaves something out.
    pub(crate) fn cause(&'static self) -> Cause {
        Cause::Rule(&self.name)
    }
}

fn is_signed(file: &impl ReadAt) -> bool {
    PAGE_SIZES.iter().any(|page| {
        let mut word = [0; 10];
        let at = page - word.len() as u64;
        file.read_exact_at(&mut word, at).is_ok() && SWAP_SIGNATURES.contains(&&word)
    })
}
