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
/// Where kind of file and machine stand, `e_type` and `e_machine`.
const ELF_TYPE: usize = 16;

impl Machine {
    const COUNT: usize = 4;

    /// The machine that a program or library is for, by its first bytes: an ELF header. Objects and
    /// kernel modules count as data: their calls lead nowhere yet, and a filter would make them
    /// larger, by 5 %.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        let fields = start.get(ELF_TYPE..)?.first_chunk::<4>()?;
        if !start.starts_with(ELF_MAGIC) {
            return None;
        }
        let (kind, machine) = match (start[ELF_DATA], fields) {
            (ELF_LITTLE_ENDIAN, [kind, 0, low, 0]) => (kind, (ELF_LITTLE_ENDIAN, low)),
            (ELF_BIG_ENDIAN, [0, kind, 0, low]) => (kind, (ELF_BIG_ENDIAN, low)),
            _ => return None,
        };
        // ET_EXEC and ET_DYN.
        if !matches!(kind, 2 | 3) {
            return None;
        }
        match machine {
            // EM_386 and EM_X86_64.
            (ELF_LITTLE_ENDIAN, 3 | 62) => Some(Self::X86),
            (ELF_LITTLE_ENDIAN, 40) => Some(Self::Arm),
            // EM_PPC and EM_PPC64. The filter does not know little-endian code.
            (ELF_BIG_ENDIAN, 20 | 21) => Some(Self::PowerPc),
            // EM_SPARC, EM_SPARC32PLUS and EM_SPARCV9.
            (ELF_BIG_ENDIAN, 2 | 18 | 43) => Some(Self::Sparc),
            _ => None,
        }
    }
}

/// How many bytes of a fragment are code, and whose.
#[derive(Default)]
pub(crate) struct CodeBytes([(usize, Option<Machine>); Machine::COUNT]);

impl CodeBytes {
    pub(crate) fn add(&mut self, machine: Option<Machine>, bytes: usize) {
        let known =
            |(_, other): &&mut (usize, Option<Machine>)| other.is_none() || *other == machine;
        if machine.is_some()
            && let Some(count) = self.0.iter_mut().find(known)
        {
            *count = (count.0 + bytes, machine);
        }
    }

    /// The machine that more than half of a fragment is code for.
    pub(crate) fn most(self, fragment_bytes: usize) -> Option<Machine> {
        let most = self.0.iter().find(|(bytes, _)| *bytes > fragment_bytes / 2);
        most.and_then(|(_, machine)| *machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_by_byte_order_and_number() {
        let header = |order: u8, fields: [u8; 4]| {
            let mut header = [0; 64];
            header[..4].copy_from_slice(ELF_MAGIC);
            header[ELF_DATA] = order;
            header[ELF_TYPE..][..4].copy_from_slice(&fields);
            header
        };
        for (order, machine, expected) in [
            (1, [3, 0, 62, 0], Some(Machine::X86)),
            (1, [2, 0, 3, 0], Some(Machine::X86)),
            (1, [3, 0, 40, 0], Some(Machine::Arm)),
            (2, [0, 2, 0, 21], Some(Machine::PowerPc)),
            (2, [0, 3, 0, 43], Some(Machine::Sparc)),
            // A kernel module.
            (1, [1, 0, 62, 0], None),
            // POWER in little-endian order, ARM64, RISC-V.
            (1, [3, 0, 21, 0], None),
            (1, [3, 0, 183, 0], None),
            (1, [3, 0, 243, 0], None),
        ] {
            assert_eq!(Machine::of(&header(order, machine)), expected);
        }
        assert_eq!(Machine::of(&header(1, [3, 0, 62, 0])[..19]), None);
        assert_eq!(Machine::of(&[0; 64]), None);
        assert_eq!(Machine::of(b"#!/bin/sh"), None);
    }
}
