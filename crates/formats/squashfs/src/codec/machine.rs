//! Whose code is in a file: what xz's filters are chosen by.

/// The processors whose code xz's filters know, as far as every kernel with xz knows them too:
/// ARM64 and RISC-V are read since Linux 6.12 only, and IA-64 no longer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Machine {
    X86,
    PowerPc,
    /// Both instruction sets; which of them is told by the bytes of a block.
    Arm,
    Sparc,
}

const ELF_MAGIC: &[u8] = b"\x7fELF";
/// Where an ELF header says how its numbers are stored, and how: `EI_DATA`, `ELFDATA2LSB` and
/// `ELFDATA2MSB` in Linux's `elf.h`.
const ELF_DATA: usize = 5;
const ELF_LITTLE_ENDIAN: u8 = 1;
const ELF_BIG_ENDIAN: u8 = 2;
/// Where the machine stands, `e_machine`.
const ELF_MACHINE: usize = 18;

impl Machine {
    pub(crate) const COUNT: usize = 4;

    /// The machine that a file's code is for, by its first bytes: an ELF header.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        let [low, high] = start.get(ELF_MACHINE..)?.first_chunk()?;
        if !start.starts_with(ELF_MAGIC) {
            return None;
        }
        match (start[ELF_DATA], *low, *high) {
            // EM_386 and EM_X86_64.
            (ELF_LITTLE_ENDIAN, 3 | 62, 0) => Some(Self::X86),
            (ELF_LITTLE_ENDIAN, 40, 0) => Some(Self::Arm),
            // EM_PPC and EM_PPC64. The filter does not know little-endian code.
            (ELF_BIG_ENDIAN, 0, 20 | 21) => Some(Self::PowerPc),
            // EM_SPARC, EM_SPARC32PLUS and EM_SPARCV9.
            (ELF_BIG_ENDIAN, 0, 2 | 18 | 43) => Some(Self::Sparc),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_by_byte_order_and_number() {
        let header = |order: u8, machine: [u8; 2]| {
            let mut header = [0; 64];
            header[..4].copy_from_slice(ELF_MAGIC);
            header[ELF_DATA] = order;
            header[ELF_MACHINE..][..2].copy_from_slice(&machine);
            header
        };
        for (order, machine, expected) in [
            (1, [62, 0], Some(Machine::X86)),
            (1, [3, 0], Some(Machine::X86)),
            (1, [40, 0], Some(Machine::Arm)),
            (2, [0, 21], Some(Machine::PowerPc)),
            (2, [0, 43], Some(Machine::Sparc)),
            // POWER in little-endian order, ARM64, RISC-V.
            (1, [21, 0], None),
            (1, [183, 0], None),
            (1, [243, 0], None),
        ] {
            assert_eq!(Machine::of(&header(order, machine)), expected);
        }
        assert_eq!(Machine::of(&header(1, [62, 0])[..19]), None);
        assert_eq!(Machine::of(&[0; 64]), None);
        assert_eq!(Machine::of(b"#!/bin/sh"), None);
    }
}
