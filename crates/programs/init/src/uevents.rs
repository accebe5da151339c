//! What the kernel says of a device: its uevent.

use livestick_sys::{Received, UeventSocket};

/// A device came, went or changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uevent {
    /// `add`, `remove`, `change`, `bind`, …
    pub action: String,
    /// Its folder below `/sys`.
    pub path: String,
    /// `block`, `usb`, `pci`, …
    pub subsystem: String,
    /// What driver it asks for.
    pub modalias: Option<String>,
}

impl Uevent {
    /// The last part of its path: the kernel's name for the device.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is of a disk that can be touched.
    pub fn is_disk(&self) -> bool {
        self.subsystem == "block" && !self.path.starts_with("/devices/virtual/")
    }

    /// Reads a netlink message: `ACTION@PATH`, then `KEY=value`, each ended by a NUL.
    pub fn parse(message: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let mut fields = text.split('\0');
        let (action, path) = fields.next()?.split_once('@')?;
        let mut event = Self {
            action: action.to_owned(),
            path: path.to_owned(),
            ..Self::default()
        };
        for (key, value) in fields.filter_map(|field| field.split_once('=')) {
            match key {
                "SUBSYSTEM" => value.clone_into(&mut event.subsystem),
                "MODALIAS" => event.modalias = Some(value.to_owned()),
                _ => {}
            }
        }
        Some(event)
    }
}

/// All that waits on a socket.
#[derive(Debug, Default)]
pub struct Batch {
    /// The events, in order.
    pub events: Vec<Uevent>,
    /// Some were lost.
    pub overrun: bool,
}

impl Batch {
    /// What there is where the kernel tells nothing.
    pub fn lost() -> Self {
        Self {
            events: Vec::new(),
            overrun: true,
        }
    }

    /// Takes what waits, without waiting for more.
    pub fn take(socket: &UeventSocket) -> Self {
        let mut batch = Self::default();
        let mut buffer = [0; UeventSocket::MESSAGE_LIMIT_BYTES];
        loop {
            match socket.receive(&mut buffer) {
                Ok(Received::Message(length)) => {
                    let message = buffer.get(..length).unwrap_or_default();
                    batch.events.extend(Uevent::parse(message));
                }
                Ok(Received::Overrun) => batch.overrun = true,
                Ok(Received::Nothing) | Err(_) => return batch,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read() {
        let message = b"add@/devices/pci0000:00/usb1/1-1/1-1:1.0\0ACTION=add\0\
            DEVPATH=/devices/pci0000:00/usb1/1-1/1-1:1.0\0SUBSYSTEM=usb\0\
            MODALIAS=usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00\0SEQNUM=1\0";
        let event = Uevent::parse(message).unwrap();
        assert_eq!(event.action, "add");
        assert_eq!(event.name(), "1-1:1.0");
        assert_eq!(event.subsystem, "usb");
        let modalias = "usb:v46F4p0001d0000dc00dsc00dp00ic08isc06ip50in00";
        assert_eq!(event.modalias.as_deref(), Some(modalias));
    }

    #[test]
    fn a_loop_device_is_no_disk() {
        let event = |path: &str| {
            let message = format!("add@{path}\0SUBSYSTEM=block\0");
            Uevent::parse(message.as_bytes()).unwrap()
        };
        assert!(event("/devices/pci0000:00/usb1/1-1/host0/block/sda").is_disk());
        assert!(!event("/devices/virtual/block/loop0").is_disk());
        assert!(!Uevent::parse(b"add@/x\0SUBSYSTEM=usb\0").unwrap().is_disk());
    }

    #[test]
    fn what_is_no_uevent_is_dropped() {
        assert_eq!(Uevent::parse(b""), None);
        assert_eq!(Uevent::parse(b"libudev\0\xfe\xed\xca\xfe"), None);
        assert_eq!(Uevent::parse(b"no at sign\0ACTION=add\0"), None);
        let bare = Uevent::parse(b"remove@/x").unwrap();
        assert_eq!((bare.action.as_str(), bare.name()), ("remove", "x"));
        assert_eq!(bare.modalias, None);
    }
}
