//! Catching what the target does: system calls (the net), faults, RDTSC and CPUID.

pub mod clock;
pub mod cpuid;
pub mod decode;
pub mod moved;
pub mod net;
pub mod patch;
pub mod ticks;
pub mod trap;

use crate::arch::{self, PatchedFrame, PATCHED};
use crate::dispatch::{self, After, Call};
use crate::hooks::clocks;
use crate::lean;
use crate::task::Task;
use core::sync::atomic::Ordering;

/// Reads a word that was stored a moment ago. Two of them read at once, as a compiler likes to do,
/// would have to wait until both have left the CPU's store buffer.
#[inline(always)]
fn word(at: &u64) -> u64 {
    // SAFETY: a reference is valid for reads.
    unsafe { core::ptr::read_volatile(at) }
}

/// A call from a rewritten site, on the task's own stack.
///
/// # Safety
/// Only `reenact_patched_entry` may enter here, with what it keeps on the stack.
pub unsafe extern "C" fn patched(frame: *mut PatchedFrame) -> ! {
    // SAFETY: the entry made it, and nobody else has it.
    let kept = unsafe { &mut *frame };
    let stub = patch::stub_of_number(kept.site);
    // SAFETY: the stub that leads here holds it.
    let rip = unsafe { patch::logical_of(stub) };
    let regs = &mut kept.context.regs;
    regs.rsp = PATCHED.rsp.load(Ordering::Relaxed);
    regs.rip = rip;
    // As the instruction leaves them.
    (regs.rcx, regs.r11) = (rip, kept.flags);
    regs.fpstate = 0;
    let (nr, rsp) = (regs.rax, regs.rsp);
    let registers = [
        &regs.rdi, &regs.rsi, &regs.rdx, &regs.r10, &regs.r8, &regs.r9,
    ];
    let call = Call::new(nr, registers.map(word), rip, rsp);
    let task = Task::current();
    let after = match clocks::quick(task, &call) {
        Some(after) => {
            regs.rax = 0;
            after
        }
        None => match lean::call(task, &call) {
            Some((after, ret)) => {
                regs.rax = ret;
                after
            }
            None => dispatch::from_patched(task, &mut kept.context, call),
        },
    };
    let resume = match after {
        After::Done => patch::behind(stub),
        After::Trap => {
            kept.context.regs.rax = nr;
            patch::trap(stub)
        }
        After::Deliver => {
            task.returns = Some(kept.context.regs.rax);
            // Any number will do: what is wanted is the kernel's frame.
            kept.context.regs.rax = crate::nr::GETPID;
            patch::trap(stub)
        }
    };
    // Others may have had the turn meanwhile.
    PATCHED.rsp.store(rsp, Ordering::Relaxed);
    PATCHED.resume.store(resume, Ordering::Relaxed);
    patch::running(task);
    // SAFETY: the frame is the entry's.
    unsafe { arch::leave_patched(frame) }
}
