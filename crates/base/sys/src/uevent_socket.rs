//! What the kernel tells about devices that come and go.

use rustix::io::Errno;
use rustix::net::netlink::{KOBJECT_UEVENT, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recvfrom, socket_with, sockopt,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A netlink socket that hears the kernel's uevents, and nobody else's. It never blocks; wait with
/// `poll` on its descriptor.
#[derive(Debug)]
pub struct UeventSocket(OwnedFd);

/// What a receive gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message of so many bytes at the start of the buffer.
    Message(usize),
    /// Nothing is waiting.
    Nothing,
    /// The receive buffer was too small and messages were lost: whoever keeps track of devices must
    /// look at all of them again.
    Overrun,
}

impl UeventSocket {
    /// A receive buffer of this many bytes is enough for any message: the kernel's
    /// `UEVENT_BUFFER_SIZE` of 2 KiB, the action and the longest path before it.
    pub const MESSAGE_LIMIT_BYTES: usize = 8 * 1024;

    /// Opens it. From now on no event is missed.
    ///
    /// # Errors
    /// What the kernel reports. Needs `CAP_NET_ADMIN` for its large receive buffer; without it the
    /// buffer stays small, which is not an error.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            flags,
            Some(KOBJECT_UEVENT),
        )?;
        // A burst of a whole machine's devices must fit. Where it may not be raised, an overrun
        // shows up as such.
        let _ = sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER_BYTES);
        bind(&socket, &SocketAddrNetlink::new(0, KERNEL_GROUP))?;
        Ok(Self(socket))
    }

    /// Takes the next message of the kernel. Messages of other senders are dropped: any process may
    /// send to this group.
    ///
    /// # Errors
    /// What the kernel reports, except for what [`Received`] says.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        loop {
            match recvfrom(&self.0, &mut *buffer, RecvFlags::empty()) {
                Ok((length, _, sender)) => {
                    let sender = sender.and_then(|any| SocketAddrNetlink::try_from(any).ok());
                    if sender.is_some_and(|sender| sender.pid() == KERNEL_PID) {
                        return Ok(Received::Message(length));
                    }
                }
                Err(Errno::AGAIN) => return Ok(Received::Nothing),
                Err(Errno::NOBUFS) => return Ok(Received::Overrun),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for UeventSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const RECEIVE_BUFFER_BYTES: usize = 16 * 1024 * 1024;
/// The multicast group of the kernel's own messages; udev sends its to group 2.
const KERNEL_GROUP: u32 = 1;
const KERNEL_PID: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::is_root;

    fn drain(socket: &UeventSocket) -> Vec<Vec<u8>> {
        let mut buffer = [0; UeventSocket::MESSAGE_LIMIT_BYTES];
        let mut messages = vec![];
        while let Received::Message(length) = socket.receive(&mut buffer).unwrap() {
            messages.push(buffer[..length].to_vec());
        }
        messages
    }

    #[test]
    fn an_event_that_the_kernel_is_asked_for_arrives() {
        if !is_root() {
            return;
        }
        let socket = UeventSocket::open().unwrap();
        // The kernel sends the event before the write returns.
        std::fs::write("/sys/class/mem/null/uevent", "change").unwrap();
        let messages = drain(&socket);
        let wanted: &[u8] = b"change@/devices/virtual/mem/null\0";
        assert!(messages.iter().any(|message| message.starts_with(wanted)));
    }

    #[test]
    fn a_message_of_a_process_is_dropped() {
        if !is_root() {
            return;
        }
        let socket = UeventSocket::open().unwrap();
        let kind = SocketType::DGRAM;
        let flags = SocketFlags::CLOEXEC;
        let family = AddressFamily::NETLINK;
        let liar = socket_with(family, kind, flags, Some(KOBJECT_UEVENT)).unwrap();
        let group = SocketAddrNetlink::new(0, KERNEL_GROUP);
        let message = b"add@/devices/evil\0";
        rustix::net::sendto(&liar, message, rustix::net::SendFlags::empty(), &group).unwrap();
        assert!(!drain(&socket).iter().any(|seen| seen == message));
    }
}
