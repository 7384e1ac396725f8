//! The freestanding program that loads a target and stands between it and the kernel.
//!
//! It is entered by execve in place of the target, with one environment entry that says where the
//! session's shared memory is. It maps the target and its interpreter, arms the net that catches
//! every system call, and jumps. From then on its code runs only in signal handlers.
//!
//! What must already hold: nothing; there is no C library, no heap and no thread-local storage.
//! What it never does: change what the target sees of the world, or end the target's run because
//! something of ours failed.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(not(test), no_main)]
#![cfg_attr(test, allow(dead_code))]

mod arch;
mod chaos;
mod checksum;
mod dispatch;
mod divergence;
mod guest_mem;
mod hooks;
mod images;
mod inputs;
mod intercept;
mod lean;
mod loader;
mod log;
mod loops;
mod mark;
mod nr;
mod outputs;
mod preempt;
mod record;
mod replay;
mod returns;
mod ring;
mod say;
mod scratch;
mod signals;
mod streams;
mod sys;
mod task;
mod turns;

/// Called by the entry point with the kernel's initial stack; never returns.
extern "C" fn start(initial_stack: u64) -> ! {
    loader::start(initial_stack)
}

/// What an ordinary build of this crate runs; the embedded one is entered at `reenact_start`.
#[cfg(not(test))]
#[no_mangle]
extern "C" fn main() -> i32 {
    warn!("reenact-agent-shim: this program is embedded in `record` and `replay`");
    125
}

#[cfg(not(test))]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo) -> ! {
    say::panic(info);
    sys::exit_group(125)
}
