//! The net: no system call instruction outside the shim's text reaches the kernel.
//!
//! Syscall User Dispatch where the kernel has it; otherwise (or on request) a seccomp filter on the
//! instruction pointer, which execve inherits: hence the shim's fixed address. Both raise SIGSYS.

use reenact_abi::arena::Net;

use crate::arch;
use crate::nr;
use crate::sys::{self, call, check};

const PR_SET_SYSCALL_USER_DISPATCH: u64 = 59;
const PR_SYS_DISPATCH_OFF: u64 = 0;
const PR_SYS_DISPATCH_ON: u64 = 1;
const PR_SET_TSC: u64 = 26;
const PR_TSC_ENABLE: u64 = 1;
const PR_TSC_SIGSEGV: u64 = 2;
const ARCH_SET_CPUID: u64 = 0x1012;
const PR_SET_NO_NEW_PRIVS: u64 = 38;
const SECCOMP_SET_MODE_FILTER: u64 = 1;

/// Arms the net for the calling task. The kernel drops Syscall User Dispatch at fork, clone and
/// execve, so each new task arms again before its first instruction of the target; a seccomp
/// filter stays.
pub fn arm(net: Net) -> sys::Result<()> {
    match net {
        Net::Dispatch => {
            let (begin, len) = arch::text_range();
            // SAFETY: no selector byte; the range is the shim's own text.
            check(unsafe {
                call(nr::PRCTL, [PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, begin, len, 0])
            })?;
        }
        Net::Seccomp => {}
    }
    Ok(())
}

/// Installs what is inherited: the seccomp filter (once per process tree).
pub fn install(net: Net) -> sys::Result<()> {
    if net == Net::Seccomp {
        install_filter()?;
    }
    Ok(())
}

/// Lets the next program run without us: what execve does not reset is reset here.
pub fn disarm(net: Net) {
    if net == Net::Dispatch {
        // SAFETY: switches interception off; nothing is touched.
        unsafe { call(nr::PRCTL, [PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0]) };
    }
    allow_tsc(true);
    trap_cpuid(false);
}

/// RDTSC runs (`true`) or raises SIGSEGV (`false`).
pub fn allow_tsc(allow: bool) {
    let mode = if allow { PR_TSC_ENABLE } else { PR_TSC_SIGSEGV };
    // SAFETY: sets a flag of the task.
    unsafe { call(nr::PRCTL, [PR_SET_TSC, mode]) };
}

/// CPUID raises SIGSEGV (`true`); false when this CPU cannot do that.
pub fn trap_cpuid(trap: bool) -> bool {
    // SAFETY: sets a flag of the task.
    check(unsafe { call(nr::ARCH_PRCTL, [ARCH_SET_CPUID, u64::from(!trap)]) }).is_ok()
}

/// `struct sock_filter`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Filter {
    code: u16,
    jump_true: u8,
    jump_false: u8,
    k: u32,
}

const LOAD_WORD: u16 = 0x20;
const JUMP_GE: u16 = 0x35;
const JUMP_EQ: u16 = 0x15;
const RETURN: u16 = 0x06;
const RET_ALLOW: u32 = 0x7fff_0000;
const RET_TRAP: u32 = 0x0003_0000;
/// Offsets in `struct seccomp_data`.
const AT_IP_LOW: u32 = 8;
const AT_IP_HIGH: u32 = 12;

fn install_filter() -> sys::Result<()> {
    let (begin, len) = arch::text_range();
    // The kernel reports the address behind the instruction, so the range shifts by one byte.
    let program = [
        Filter { code: LOAD_WORD, jump_true: 0, jump_false: 0, k: AT_IP_HIGH },
        Filter { code: JUMP_EQ, jump_true: 0, jump_false: 4, k: 0 },
        Filter { code: LOAD_WORD, jump_true: 0, jump_false: 0, k: AT_IP_LOW },
        Filter { code: JUMP_GE, jump_true: 0, jump_false: 2, k: begin as u32 + 1 },
        Filter { code: JUMP_GE, jump_true: 1, jump_false: 0, k: (begin + len) as u32 + 1 },
        Filter { code: RETURN, jump_true: 0, jump_false: 0, k: RET_ALLOW },
        Filter { code: RETURN, jump_true: 0, jump_false: 0, k: RET_TRAP },
    ];
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const Filter,
    }
    let fprog = Program { len: program.len() as u16, filter: program.as_ptr() };
    let args = [SECCOMP_SET_MODE_FILTER, 0, &raw const fprog as u64];
    // SAFETY: the kernel copies the filter.
    match check(unsafe { call(nr::SECCOMP, args) }) {
        Ok(_) => Ok(()),
        Err(_) => {
            // Without CAP_SYS_ADMIN a filter needs no_new_privs.
            // SAFETY: sets a flag of the task; then as above.
            unsafe {
                call(nr::PRCTL, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]);
                check(call(nr::SECCOMP, args)).map(|_| ())
            }
        }
    }
}
