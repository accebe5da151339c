//! What the kernel complained of.

use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;

/// The kernel's last messages that it calls errors or worse.
pub fn last_errors() -> Vec<String> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let Ok(mut log) = File::options()
        .read(true)
        .custom_flags(flags)
        .open("/dev/kmsg")
    else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    let mut record = [0; KMSG_RECORD_LIMIT_BYTES];
    loop {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => {
                let text = String::from_utf8_lossy(record.get(..length).unwrap_or_default());
                errors.extend(parse_error(&text));
            }
            // Overwritten before it was read: the next read gives the oldest that is left.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(_) => break,
        }
    }
    errors.split_off(errors.len().saturating_sub(KERNEL_ERRORS))
}

/// More than the kernel's `PRINTK_MESSAGE_MAX`.
const KMSG_RECORD_LIMIT_BYTES: usize = 8192;
const KERNEL_ERRORS: usize = 8;
/// `KERN_ERR`; what is worse has a lower number. Eight levels share a number with the facility.
const LEVEL_ERROR: u32 = 3;
const LEVELS: u32 = 8;

/// A record of `/dev/kmsg` is `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT`, and further lines that
/// matter less (`Documentation/ABI/testing/dev-kmsg`).
fn parse_error(record: &str) -> Option<String> {
    let (head, text) = record.split_once(';')?;
    let priority: u32 = head.split(',').next()?.parse().ok()?;
    let line = text.lines().next()?;
    (priority % LEVELS <= LEVEL_ERROR).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_errors_of_the_kernel_are_shown() {
        let error =
            "3,1042,5140900,-;usb 1-1: device descriptor read/64, error -71\n SUBSYSTEM=usb\n";
        let text = "usb 1-1: device descriptor read/64, error -71";
        assert_eq!(parse_error(error).as_deref(), Some(text));
        assert_eq!(
            parse_error("11,1,1,-;from a daemon").as_deref(),
            Some("from a daemon")
        );
        assert_eq!(parse_error("6,1,1,-;information"), None);
        assert_eq!(parse_error("4,1,1,-;warning"), None);
        assert_eq!(parse_error("no record"), None);
    }
}
