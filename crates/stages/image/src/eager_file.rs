//! What is on its way to the medium while it is written.

use crate::Destination;
use livestick_blockio::{ReadAt, WriteAt};
use std::io;

/// A destination whose bytes are sent to the medium as they come: compressing keeps the processors
/// busy and the disk idle, and what is not sent then has to be waited for at the end.
#[derive(Clone, Copy, Debug)]
pub struct EagerFile<'a>(pub(crate) &'a Destination);

impl ReadAt for EagerFile<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self.0 {
            Destination::File(output) => ReadAt::read_at(output.file(), buffer, offset),
            Destination::Device(device) => device.read_at(buffer, offset),
        }
    }
}

impl WriteAt for EagerFile<'_> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.0 {
            Destination::File(output) => {
                WriteAt::write_all_at(output.file(), bytes, offset)?;
                // A hint: where it cannot be given, the file is synced at the end all the same.
                let length = bytes.len() as u64;
                let _ = livestick_sys::start_writeback(output.file(), offset, length);
                Ok(())
            }
            Destination::Device(device) => device.write_all_at(bytes, offset),
        }
    }
}
