//! Programs that flush every disk of the computer, though nobody asked them to.

use std::ffi::{c_int, c_ulong, c_ushort};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Has `sync(2)` succeed and do nothing in this program and in those that it starts. It waits for all
/// filesystems of the computer, the slow stick and the network share that does not answer among them.
/// Where the kernel cannot filter system calls, it stays what it is.
pub fn ignore_sync(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec the closure makes two system calls and nothing else; what it points
    // to is constant.
    unsafe { command.pre_exec(filter_own_calls) }
}

fn filter_own_calls() -> std::io::Result<()> {
    let program = Program {
        length: INSTRUCTIONS,
        instructions: FILTER.as_ptr(),
    };
    // SAFETY: both take numbers, and the second a `struct sock_fprog` that lives as long as the call, with
    // as many instructions as it says. Where one fails, nothing has changed that matters.
    unsafe {
        prctl(PR_SET_NO_NEW_PRIVS, c_ulong::from(true), 0, 0, 0);
        let program = std::ptr::from_ref(&program).expose_provenance();
        prctl(
            PR_SET_SECCOMP,
            SECCOMP_MODE_FILTER,
            program as c_ulong,
            0,
            0,
        );
    }
    Ok(())
}

/// `struct sock_filter` of `linux/filter.h`: an operation, how many instructions to skip where it finds
/// its number and how many where not, and that number.
#[repr(C)]
struct Instruction(u16, u8, u8, u32);

/// `struct sock_fprog` of `linux/filter.h`.
#[repr(C)]
struct Program {
    length: c_ushort,
    instructions: *const Instruction,
}

/// `BPF_LD | BPF_W | BPF_ABS`, `BPF_JMP | BPF_JEQ | BPF_K`, `BPF_RET | BPF_K`.
const LOAD: u16 = 0x20;
const COMPARE: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Where `struct seccomp_data` of `linux/seccomp.h` has the call's number and the architecture.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// `linux/audit.h`, and the number of `sync` on each.
const X86_64: (u32, u32) = (0xc000_003e, 162);
const I386: (u32, u32) = (0x4000_0003, 36);

/// `SECCOMP_RET_ALLOW`, and `SECCOMP_RET_ERRNO` with no error in it.
const ALLOW: u32 = 0x7fff_0000;
const SUCCEED: u32 = 0x0005_0000;

const INSTRUCTIONS: c_ushort = 9;
static FILTER: [Instruction; INSTRUCTIONS as usize] = [
    Instruction(LOAD, 0, 0, ARCHITECTURE),
    Instruction(COMPARE, 0, 2, X86_64.0),
    Instruction(LOAD, 0, 0, NUMBER),
    Instruction(COMPARE, 4, 3, X86_64.1),
    Instruction(COMPARE, 0, 2, I386.0),
    Instruction(LOAD, 0, 0, NUMBER),
    Instruction(COMPARE, 1, 0, I386.1),
    Instruction(RETURN, 0, 0, ALLOW),
    Instruction(RETURN, 0, 0, SUCCEED),
];

const PR_SET_SECCOMP: c_int = 22;
const PR_SET_NO_NEW_PRIVS: c_int = 38;
const SECCOMP_MODE_FILTER: c_ulong = 2;

unsafe extern "C" {
    fn prctl(
        operation: c_int,
        second: c_ulong,
        third: c_ulong,
        fourth: c_ulong,
        fifth: c_ulong,
    ) -> c_int;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_is_in_force_and_lets_all_else_through() {
        let mut command = Command::new("sh");
        command.args(["-c", "sync && grep Seccomp: /proc/self/status"]);
        let output = ignore_sync(&mut command).output().unwrap();
        assert!(output.status.success());
        // `proc_pid_status(5)`: the mode of a filter.
        assert_eq!(output.stdout, b"Seccomp:\t2\n");
    }
}
