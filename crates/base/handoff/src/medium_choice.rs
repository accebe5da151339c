//! Which medium to boot from, where somebody said so.

use std::fmt;
use std::str::FromStr;

/// One medium among all that are plugged in. It must be the right stick all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediumChoice {
    /// The serial number of its FAT, as `blkid` prints it: `1A2B-3C4D`.
    Uuid(String),
    /// The label of its FAT, in any case.
    Label(String),
    /// The kernel's name for it, or for the disk that it is on: `sdb1`.
    Device(String),
}

impl fmt::Display for MediumChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => write!(formatter, "UUID={uuid}"),
            Self::Label(label) => write!(formatter, "LABEL={label}"),
            Self::Device(name) => write!(formatter, "/dev/{}", name.replace('!', "/")),
        }
    }
}

/// `UUID=1A2B-3C4D`, `LABEL=STICK`, `/dev/sdb1`, or udev's `/dev/disk/by-…`.
impl FromStr for MediumChoice {
    type Err = NotAMedium;

    fn from_str(text: &str) -> Result<Self, NotAMedium> {
        let after = |prefixes: [&str; 3]| {
            let mut rests = prefixes.iter().map(|prefix| text.strip_prefix(prefix));
            rests.find_map(|rest| rest.filter(|rest| !rest.is_empty()))
        };
        if let Some(uuid) = after(["UUID=", "/dev/disk/by-uuid/", "uuid="]) {
            Ok(Self::Uuid(uuid.to_ascii_uppercase()))
        } else if let Some(label) = after(["LABEL=", "/dev/disk/by-label/", "CDLABEL="]) {
            Ok(Self::Label(label.to_owned()))
        } else {
            let name = text.strip_prefix("/dev/").unwrap_or_default();
            let is_plain = !name.is_empty() && !name.starts_with("disk/");
            // As the kernel writes a slash in a name.
            let choice = is_plain.then(|| Self::Device(name.replace('/', "!")));
            choice.ok_or(NotAMedium)
        }
    }
}

/// The text does not say which medium is meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of UUID=…, LABEL=… and /dev/…")]
pub struct NotAMedium;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_say_it_is_understood() {
        let uuid = MediumChoice::Uuid("1A2B-3C4D".to_owned());
        for text in ["UUID=1a2b-3c4d", "/dev/disk/by-uuid/1A2B-3C4D"] {
            assert_eq!(text.parse(), Ok(uuid.clone()), "{text}");
        }
        let label = MediumChoice::Label("My Stick".to_owned());
        for text in ["LABEL=My Stick", "CDLABEL=My Stick"] {
            assert_eq!(text.parse(), Ok(label.clone()), "{text}");
        }
        let device = "/dev/cciss/c0d0p1".parse::<MediumChoice>().unwrap();
        assert_eq!(device, MediumChoice::Device("cciss!c0d0p1".to_owned()));
        assert_eq!(device.to_string(), "/dev/cciss/c0d0p1");
    }

    #[test]
    fn what_names_no_medium_is_refused() {
        for text in [
            "",
            "UUID=",
            "/dev/",
            "/dev/disk/by-path/x",
            "sdb1",
            "http://x",
        ] {
            assert_eq!(text.parse::<MediumChoice>(), Err(NotAMedium), "{text}");
        }
    }
}
