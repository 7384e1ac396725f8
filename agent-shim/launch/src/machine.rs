//! What both commands ask of the machine: its monotonic clock, which net its kernel offers, and whether
//! they run under a shim themselves.

use reenact_abi::arena::{self, Net};
use reenact_abi::map;

/// Nanoseconds of a clock.
pub fn clock_ns(clock: libc::clockid_t) -> u64 {
    // SAFETY: clock_gettime writes one structure.
    unsafe {
        let mut ts: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(clock, &mut ts);
        ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64
    }
}

pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC)
}

/// Runs a probe in a child, so that it can change nothing here; true when it exits with 0.
pub fn in_child(probe: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child only runs the probe, which makes system calls, and exits.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::_exit(i32::from(!probe()));
        }
        let mut status = 0;
        pid > 0
            && libc::waitpid(pid, &mut status, 0) == pid
            && libc::WIFEXITED(status)
            && libc::WEXITSTATUS(status) == 0
    }
}

/// Does the kernel have Syscall User Dispatch?
pub fn dispatch_works() -> bool {
    in_child(|| {
        const PR_SET_SYSCALL_USER_DISPATCH: i32 = 59;
        let everything = u64::MAX >> 1;
        // SAFETY: the allowed range is the whole address space: nothing is caught.
        unsafe { libc::prctl(PR_SET_SYSCALL_USER_DISPATCH, 1, 0u64, everything, 0u64) == 0 }
    })
}

/// The net that REENACT_NET asks for.
pub fn requested_net() -> Option<Net> {
    match std::env::var("REENACT_NET").as_deref() {
        Ok("seccomp") => Some(Net::Seccomp),
        Ok("dispatch") => Some(Net::Dispatch),
        _ => None,
    }
}

/// The net to use: what was asked for, else the faster one that works.
pub fn choose_net(requested: Option<Net>) -> Net {
    match requested {
        Some(net) => net,
        None if dispatch_works() => Net::Dispatch,
        None => Net::Seccomp,
    }
}

/// Is this process itself one that a shim stands in? The shim's place in the address space is fixed, so a second
/// one cannot be started below the first.
pub fn is_recorded() -> bool {
    let control = map::CONTROL as *mut libc::c_void;
    let mut resident = 0u8;
    // SAFETY: mincore writes one byte for the one page, and fails if nothing is mapped there; what is mapped there
    // stays, and is readable, because this program maps nothing at fixed addresses.
    unsafe {
        libc::mincore(control, map::PAGE as usize, &mut resident) == 0
            && control.cast::<u64>().read_volatile() == arena::MAGIC
    }
}
