//! How a test harness speaks to a booted stick: SMBIOS OEM strings (type 11), which it gives to the
//! virtual machine. Nothing on the stick differs between a test boot and a real one.

/// `livestick.log=ttyS0`: `/init` logs there too.
pub const LOG: &str = "livestick.log=";
/// `livestick.beacon=ttyS0`: once the system is up, its state is reported there, and a login prompt
/// is started there where the init system can be told to.
pub const BEACON: &str = "livestick.beacon=";

/// `/init`'s first line on the log; `/proc/uptime`'s first figure follows.
pub const INIT_STARTED: &str = "livestick: init uptime=";
/// `/init`'s last line on the log; `/proc/uptime`'s first figure follows.
pub const HAND_OVER: &str = "livestick: hand-over uptime=";
/// `/init` gave up; the reason follows, and the rescue screen comes after it.
pub const RESCUE: &str = "livestick: rescue: ";
/// `/init` checked the stick; what it found follows.
pub const CHECK: &str = "livestick: check: ";
/// The system has ended; whether all that the root was made of could be unmounted follows.
pub const SHUTDOWN: &str = "livestick: shutdown: ";
/// The beacon: the system's state (`running`, `degraded`, …) follows.
pub const BEACON_STATE: &str = "livestick: state=";
/// The beacon: a failed unit's name follows, a line for each.
pub const BEACON_FAILED: &str = "livestick: failed=";
/// The beacon: the options of the root mount follow.
pub const BEACON_ROOT: &str = "livestick: root=";
/// The beacon's last line.
pub const BEACON_END: &str = "livestick: beacon end";
