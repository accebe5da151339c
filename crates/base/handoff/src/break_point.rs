//! Where the boot is to stop and wait for a person.

use std::fmt;
use std::str::FromStr;

/// A step of the boot, right before which it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakPoint {
    /// Before any module is asked for.
    Modules,
    /// Before the search for the stick.
    Medium,
    /// The stick is mounted, and nothing of it yet.
    Overlay,
    /// The root is in its place, and its init comes next.
    Init,
}

impl fmt::Display for BreakPoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Modules => "modules",
            Self::Medium => "medium",
            Self::Overlay => "overlay",
            Self::Init => "init",
        })
    }
}

/// Our own words, and those of initramfs-tools, dracut and mkinitcpio for the same moments.
impl FromStr for BreakPoint {
    type Err = NotABreakPoint;

    fn from_str(text: &str) -> Result<Self, NotABreakPoint> {
        match text {
            "modules" | "top" | "cmdline" | "pre-udev" | "pre-trigger" => Ok(Self::Modules),
            "medium" | "premount" | "pre-mount" | "mount" | "mountroot" | "initqueue" => {
                Ok(Self::Medium)
            }
            "overlay" | "postmount" => Ok(Self::Overlay),
            "init" | "bottom" | "pre-pivot" | "cleanup" => Ok(Self::Init),
            _ => Err(NotABreakPoint),
        }
    }
}

/// The text is not a step of the boot.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is none of modules, medium, overlay and init")]
pub struct NotABreakPoint;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_name_reads_back() {
        for point in [
            BreakPoint::Modules,
            BreakPoint::Medium,
            BreakPoint::Overlay,
            BreakPoint::Init,
        ] {
            assert_eq!(point.to_string().parse(), Ok(point));
        }
        assert_eq!("never".parse::<BreakPoint>(), Err(NotABreakPoint));
    }
}
