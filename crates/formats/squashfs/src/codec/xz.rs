//! xz: a whole stream for each block, with a filter before LZMA2 where there is code.

use super::machine::Machine;
use crate::format::METADATA_BLOCK_BYTES;
use crate::{WriteError, XzFilter};
use liblzma::stream::{Action, Check, Error, Filters, LzmaOptions, Status, Stream};

/// Compresses blocks. The library's streams cannot be used again; to make one costs a hundredth of
/// what compressing a block does.
pub(super) struct Xz {
    options: LzmaOptions,
    filter: XzFilter,
}

/// The window, and the kernel's: it has no room for more (`fs/squashfs/xz_wrapper.c`).
pub(super) fn dictionary_bytes(block_bytes: u32) -> u32 {
    let least = u32::try_from(METADATA_BLOCK_BYTES).unwrap_or(u32::MAX);
    block_bytes.max(least)
}

/// The filters that blocks of data may have, as the format numbers them: `bcj` in squashfs-tools'
/// `xz_wrapper.c`.
pub(super) fn filter_bits(filter: XzFilter) -> u32 {
    const X86: u32 = 1 << 0;
    const POWERPC: u32 = 1 << 1;
    const ARM: u32 = 1 << 3;
    const ARM_THUMB: u32 = 1 << 4;
    const SPARC: u32 = 1 << 5;
    match filter {
        XzFilter::None => 0,
        XzFilter::Auto => X86 | POWERPC | ARM | ARM_THUMB | SPARC,
    }
}

impl Xz {
    pub(super) fn new(
        level: u32,
        filter: XzFilter,
        dictionary_bytes: u32,
    ) -> Result<Self, WriteError> {
        let mut options = LzmaOptions::new_preset(level).map_err(failure)?;
        options.dict_size(dictionary_bytes);
        Ok(Self { options, filter })
    }

    pub(super) fn encode(
        &mut self,
        input: &[u8],
        machine: Option<Machine>,
        output: &mut [u8],
    ) -> Result<Option<usize>, WriteError> {
        let mut filters = Filters::new();
        if self.filter == XzFilter::Auto {
            match machine {
                Some(Machine::X86) if has_calls(input) => filters.x86(),
                Some(Machine::PowerPc) => filters.powerpc(),
                Some(Machine::Arm) if is_thumb(input) => filters.arm_thumb(),
                Some(Machine::Arm) => filters.arm(),
                Some(Machine::Sparc) => filters.sparc(),
                _ => &mut filters,
            };
        }
        filters.lzma2(&self.options);
        let mut stream = Stream::new_stream_encoder(&filters, Check::Crc32).map_err(failure)?;
        match stream.process(input, output, Action::Finish) {
            Ok(Status::StreamEnd) => Ok(usize::try_from(stream.total_out()).ok()),
            // It has no more room.
            Ok(_) => Ok(None),
            Err(error) => Err(failure(error)),
        }
    }
}

/// In x86 code there is a call or a jump that the filter would change for each so many bytes. Fewer
/// are chance: the block is one of a program's tables, which the filter would only disturb. On
/// blocks of Debian's programs, 200 gave 0.05 % more bytes than trying both.
const BYTES_TO_A_CALL: usize = 200;

/// Whether a block of an x86 program is code.
fn has_calls(block: &[u8]) -> bool {
    // `call` or `jmp` to a place less than 16 MiB away.
    let near = |code: &&[u8]| code[0] & 0xFE == 0xE8 && matches!(code[4], 0 | 0xFF);
    block.windows(5).filter(near).count() * BYTES_TO_A_CALL > block.len()
}

/// Whether there are more calls in Thumb code than in ARM code.
fn is_thumb(block: &[u8]) -> bool {
    let arm = block.chunks_exact(4).filter(|word| word[3] == 0xEB).count();
    let halves = block.chunks_exact(2).zip(block.chunks_exact(2).skip(1));
    let thumb = halves.filter(|(first, second)| first[1] >> 3 == 0x1E && second[1] >> 3 == 0x1F);
    thumb.count() > arm
}

fn failure(error: Error) -> WriteError {
    WriteError::Compressor(match error {
        Error::Mem | Error::MemLimit => "out of memory",
        Error::Options => "xz does not know these options",
        _ => "xz cannot compress this",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_told_from_tables_by_its_calls() {
        let code = [&[0xE8, 0x34, 0x12, 0, 0][..], &[0x90; 100]].concat();
        let table = [&[0xE8, 0x34, 0x12, 0, 0][..], &[0x90; 300]].concat();
        assert!(has_calls(&code.repeat(100)));
        assert!(!has_calls(&table.repeat(100)));
        assert!(!has_calls(&[]));
    }

    #[test]
    fn thumb_is_told_from_arm_by_its_calls() {
        // `bl` in both, between other instructions.
        let arm = [0x10, 0x40, 0x2D, 0xE9, 0x34, 0x12, 0x00, 0xEB].repeat(100);
        let thumb = [0x10, 0xB5, 0x01, 0xF0, 0x34, 0xFA, 0x10, 0xBD].repeat(100);
        assert!(!is_thumb(&arm));
        assert!(is_thumb(&thumb));
        assert!(!is_thumb(&[]));
    }
}
