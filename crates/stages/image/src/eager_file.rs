//! A file that is on its way to the medium while it is written.

use livestick_blockio::{ReadAt, WriteAt};
use std::fs::File;
use std::io;

/// A file whose bytes are sent to the medium as they come: compressing keeps the processors busy and
/// the disk idle, and what is not sent then has to be waited for at the end.
#[derive(Clone, Copy, Debug)]
pub struct EagerFile<'a>(pub(crate) &'a File);

impl ReadAt for EagerFile<'_> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        ReadAt::read_at(self.0, buffer, offset)
    }
}

impl WriteAt for EagerFile<'_> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        WriteAt::write_all_at(self.0, bytes, offset)?;
        // A hint: where it cannot be given, the file is synced at the end all the same.
        let _ = livestick_sys::start_writeback(self.0, offset, bytes.len() as u64);
        Ok(())
    }
}
