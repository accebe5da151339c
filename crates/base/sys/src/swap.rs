//! Swap space on a block device.

use rustix::io::Errno;
use std::ffi::{CString, c_char, c_int};
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Makes a block device of this length swap space, with what `mkswap` would write, and has the kernel
/// use it before any other. What was on the device is gone.
///
/// # Errors
/// What the kernel reports (`swapon(2)`); `InvalidInput` where the device has room for no page, or for
/// more than swap space can count.
pub fn swap_on(device: &Path, length_bytes: u64) -> io::Result<()> {
    let header = header(length_bytes)?;
    let file = File::options().write(true).open(device)?;
    file.write_all_at(&header, 0)?;
    rustix::fs::fsync(&file)?;
    drop(file);
    let path = CString::new(device.as_os_str().as_bytes())?;
    // SAFETY: the path is a NUL-terminated string that lives as long as the call; the flags are a
    // number.
    match unsafe { swapon(path.as_ptr(), SWAP_FLAG_PREFER | FIRST) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// x86 has no other. The kernel looks for the signature at the end of one of its own pages.
const PAGE_BYTES: usize = 4096;
const PAGE_BYTES_LONG: u64 = 4096;
const SIGNATURE: &[u8; 10] = b"SWAPSPACE2";

/// `union swap_header` of `linux/swap.h`: where its numbers lie.
const VERSION: usize = 1024;
const LAST_PAGE: usize = 1028;

/// `linux/swap.h`. Higher priorities come first; those that are not chosen are below 0.
const SWAP_FLAG_PREFER: c_int = 0x8000;
const FIRST: c_int = 100;

unsafe extern "C" {
    fn swapon(path: *const c_char, flags: c_int) -> c_int;
}

/// The first page. Its own number is 0, so the last page's number is how many there are to use.
fn header(length_bytes: u64) -> io::Result<[u8; PAGE_BYTES]> {
    let pages = (length_bytes / PAGE_BYTES_LONG).saturating_sub(1);
    let last_page = u32::try_from(pages).ok().filter(|last| *last > 0);
    let last_page = last_page.ok_or(Errno::INVAL)?;
    let mut page = [0; PAGE_BYTES];
    page[VERSION..VERSION + 4].copy_from_slice(&1_u32.to_ne_bytes());
    page[LAST_PAGE..LAST_PAGE + 4].copy_from_slice(&last_page.to_ne_bytes());
    page[PAGE_BYTES - SIGNATURE.len()..].copy_from_slice(SIGNATURE);
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_header_counts_its_pages() {
        let page = header(64 << 20).unwrap();
        assert_eq!(page[LAST_PAGE..LAST_PAGE + 4], 16_383_u32.to_ne_bytes());
        assert_eq!(&page[4086..], SIGNATURE);
        for length in [0, 4096, 8191, (1 << 44) + 4096] {
            assert!(header(length).is_err(), "{length}");
        }
        assert!(header(8192).is_ok());
    }

    /// What `mkswap` writes differs in its random UUID alone.
    #[test]
    fn it_is_what_mkswap_writes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 20).unwrap();
        let made = Command::new("mkswap").arg(file.path()).output();
        if made.is_err() {
            assert!(std::env::var_os("CI").is_none(), "mkswap is missing");
            eprintln!("skipped: mkswap is missing");
            return;
        }
        let mut theirs = std::fs::read(file.path()).unwrap();
        theirs.truncate(PAGE_BYTES);
        theirs[LAST_PAGE + 8..LAST_PAGE + 24].fill(0);
        assert!(theirs == header(1 << 20).unwrap());
    }
}
