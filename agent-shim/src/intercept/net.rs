//! The net: no system call instruction outside the shim's text reaches the kernel.
//!
//! Syscall User Dispatch where the kernel has it; otherwise (or on request) a seccomp filter on the
//! instruction pointer, which execve inherits: hence the shim's fixed address. Both raise SIGSYS.

use core::sync::atomic::{AtomicU32, Ordering};

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
                call(
                    nr::PRCTL,
                    [
                        PR_SET_SYSCALL_USER_DISPATCH,
                        PR_SYS_DISPATCH_ON,
                        begin,
                        len,
                        0,
                    ],
                )
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
        unsafe {
            call(
                nr::PRCTL,
                [PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0],
            )
        };
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

/// Can this CPU do that? Asked for the first time by the loader, before anything of the target runs.
pub fn can_trap_cpuid() -> bool {
    const UNKNOWN: u32 = 0;
    const YES: u32 = 1;
    const NO: u32 = 2;
    static KNOWN: AtomicU32 = AtomicU32::new(UNKNOWN);
    if KNOWN.load(Ordering::Relaxed) == UNKNOWN {
        let known = if trap_cpuid(true) { YES } else { NO };
        trap_cpuid(false);
        KNOWN.store(known, Ordering::Relaxed);
    }
    KNOWN.load(Ordering::Relaxed) == YES
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

/// Instructions that let calls from the shim's text through to what follows, and trap the rest.
/// The kernel reports the address behind the instruction, so the range shifts by one byte.
fn only_from_shim() -> [Filter; 6] {
    let (begin, len) = arch::text_range();
    [
        Filter {
            code: LOAD_WORD,
            jump_true: 0,
            jump_false: 0,
            k: AT_IP_HIGH,
        },
        Filter {
            code: JUMP_EQ,
            jump_true: 0,
            jump_false: 3,
            k: 0,
        },
        Filter {
            code: LOAD_WORD,
            jump_true: 0,
            jump_false: 0,
            k: AT_IP_LOW,
        },
        Filter {
            code: JUMP_GE,
            jump_true: 0,
            jump_false: 1,
            k: begin as u32 + 1,
        },
        Filter {
            code: JUMP_GE,
            jump_true: 0,
            jump_false: 1,
            k: (begin + len) as u32 + 1,
        },
        Filter {
            code: RETURN,
            jump_true: 0,
            jump_false: 0,
            k: RET_TRAP,
        },
    ]
}

fn load_filter(filters: &[Filter]) -> sys::Result<()> {
    #[repr(C)]
    struct Program {
        len: u16,
        filter: *const Filter,
    }
    let fprog = Program {
        len: filters.len() as u16,
        filter: filters.as_ptr(),
    };
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

fn install_filter() -> sys::Result<()> {
    let mut program = [Filter {
        code: RETURN,
        jump_true: 0,
        jump_false: 0,
        k: RET_ALLOW,
    }; 7];
    program[..6].copy_from_slice(&only_from_shim());
    load_filter(&program)
}

/// Calls that a replaying shim makes; nothing else reaches the kernel, whatever a trace's code does.
const REPLAY_CALLS: &[u64] = &[
    nr::RT_SIGRETURN,
    // What the kernel makes of a sleep or a wait that a debugger interrupted.
    nr::RESTART_SYSCALL,
    nr::FUTEX,
    nr::PREAD64,
    nr::PWRITE64,
    nr::MMAP,
    nr::MUNMAP,
    nr::MPROTECT,
    nr::MREMAP,
    nr::MADVISE,
    nr::MINCORE,
    nr::CLOCK_GETTIME,
    nr::NANOSLEEP,
    nr::RT_SIGPROCMASK,
    nr::RT_SIGACTION,
    nr::SIGALTSTACK,
    nr::ARCH_PRCTL,
    nr::SET_ROBUST_LIST,
    nr::GETTID,
    nr::GETPID,
    nr::PRCTL,
    nr::CLONE,
    nr::EXECVEAT,
    nr::SCHED_GETAFFINITY,
    nr::EXIT,
    nr::EXIT_GROUP,
];

/// Offsets of the low and high half of argument `index` in `struct seccomp_data`.
const fn argument(index: u32) -> (u32, u32) {
    (16 + index * 8, 20 + index * 8)
}

/// Confines a replay, and all that it starts, to memory and tasks of its own: a trace carries code
/// that nobody has vouched for. Writing goes to descriptors 1 and 2, limits are its own, and new
/// tasks get no namespaces; no file can be opened and no signal sent.
pub fn confine() -> sys::Result<()> {
    const NEW_NAMESPACES: u32 = 0x7e02_0000;
    const RET_KILL: u32 = 0x8000_0000;
    const AT_NR: u32 = 0;
    const JUMP_ANY: u16 = 0x45;
    let op = |code, jump_true, jump_false, k| Filter {
        code,
        jump_true,
        jump_false,
        k,
    };
    let mut program = [op(RETURN, 0, 0, RET_KILL); 96];
    program[..6].copy_from_slice(&only_from_shim());
    let mut at = 6;
    let mut push = |filters: &[Filter]| {
        program[at..at + filters.len()].copy_from_slice(filters);
        at += filters.len();
    };
    push(&[op(LOAD_WORD, 0, 0, AT_NR)]);
    // write: descriptors 1 and 2 only.
    push(&[
        op(JUMP_EQ, 0, 4, nr::WRITE as u32),
        op(LOAD_WORD, 0, 0, argument(0).0),
        op(JUMP_EQ, 1, 0, 1),
        op(JUMP_EQ, 0, 1, 2),
        op(RETURN, 0, 0, RET_ALLOW),
        op(LOAD_WORD, 0, 0, AT_NR),
    ]);
    // prlimit64 and sched_setaffinity: its own limits and cores only.
    for number in [nr::PRLIMIT64, nr::SCHED_SETAFFINITY] {
        push(&[
            op(JUMP_EQ, 0, 3, number as u32),
            op(LOAD_WORD, 0, 0, argument(0).0),
            op(JUMP_EQ, 0, 1, 0),
            op(RETURN, 0, 0, RET_ALLOW),
            op(LOAD_WORD, 0, 0, AT_NR),
        ]);
    }
    // clone: without new namespaces. A number that fell through from above matches nothing here.
    push(&[
        op(JUMP_EQ, 0, 3, nr::CLONE as u32),
        op(LOAD_WORD, 0, 0, argument(0).0),
        op(JUMP_ANY, 0, 1, NEW_NAMESPACES),
        op(RETURN, 0, 0, RET_KILL),
        op(LOAD_WORD, 0, 0, AT_NR),
    ]);
    for number in REPLAY_CALLS {
        push(&[
            op(JUMP_EQ, 0, 1, *number as u32),
            op(RETURN, 0, 0, RET_ALLOW),
        ]);
    }
    push(&[op(RETURN, 0, 0, RET_KILL)]);
    // SAFETY: sets a flag of the task.
    unsafe { call(nr::PRCTL, [PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0]) };
    load_filter(&program[..at])
}
