//! The shim's signal handlers: SIGSYS (a system call), faults, and everything asynchronous.
//!
//! What must already hold: the task's signal stack is its block (see task.rs). Handlers run with
//! the target's own signal mask, so that a blocking call inside one is interrupted as it would be
//! natively.

use core::sync::atomic::Ordering;

use reenact_abi::arena::Mode;
use reenact_abi::event::Kind;

use crate::arch::{self, frame::SigInfo, frame::UContext};
use crate::dispatch::{self, Call};
use crate::intercept::patch::Hidden;
use crate::intercept::{clock, cpuid, net, patch};
use crate::signals;
use crate::sys::{self, SigAction};
use crate::task::Task;
use crate::{loops, preempt, record, replay, warn};

pub const SIGILL: u32 = 4;
pub const SIGTRAP: u32 = 5;
pub const SIGBUS: u32 = 7;
pub const SIGFPE: u32 = 8;
pub const SIGSEGV: u32 = 11;
pub const SIGSYS: u32 = 31;

/// Signals that the CPU raises at an instruction.
pub const FAULTS: [u32; 5] = [SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV];

const SI_KERNEL: i32 = 128;
const TRAP_BRKPT: i32 = 1;
const TRAP_TRACE: i32 = 2;
const SYS_SECCOMP: i32 = 1;
const SYS_USER_DISPATCH: i32 = 2;

/// Signals that must never be blocked in the kernel's mask: our net and synchronous faults.
pub const fn never_blocked() -> u64 {
    let mut mask = signals::bit(SIGSYS);
    let mut at = 0;
    while at < FAULTS.len() {
        mask |= signals::bit(FAULTS[at]);
        at += 1;
    }
    mask
}

/// Installs the handlers that are always there.
pub fn install_handlers() {
    let mut action = handler(on_sigsys as *const () as u64);
    let _ = sys::sigaction(SIGSYS, Some(&action));
    action.handler = on_fault as *const () as u64;
    for signal in FAULTS {
        let _ = sys::sigaction(signal, Some(&action));
    }
}

fn handler(function: u64) -> SigAction {
    SigAction {
        handler: function,
        flags: sys::SA_SIGINFO | sys::SA_ONSTACK | sys::SA_NODEFER | sys::SA_RESTORER,
        restorer: arch::reenact_restorer as *const () as u64,
        mask: 0,
    }
}

/// The real action for a signal that the target handles.
pub fn asynchronous_action(target: &SigAction) -> SigAction {
    let mut action = handler(on_signal as *const () as u64);
    // One at a time: without this the kernel would stack frames for all that are deliverable.
    action.mask = !never_blocked();
    action.flags |= target.flags & (sys::SA_RESTART | sys::SA_NOCLDSTOP | sys::SA_NOCLDWAIT);
    action
}

/// Points the kernel's signal stack of this task at its block.
pub fn use_signal_stack(task: &Task) {
    let stack = task.signal_stack();
    // SAFETY: the stack is this task's own memory.
    unsafe { sys::call(crate::nr::SIGALTSTACK, [&raw const stack as u64, 0]) };
}

extern "C" fn on_sigsys(_signal: i32, info: *const SigInfo, context: *mut UContext) {
    // SAFETY: the kernel passes valid pointers into the frame on our signal stack.
    let (info, context) = unsafe { (&*info, &mut *context) };
    if info.code() != SYS_SECCOMP && info.code() != SYS_USER_DISPATCH {
        // Somebody sent it: it is a signal like any other.
        on_signal(SIGSYS as i32, info, context);
        return;
    }
    if clock::in_vdso(context.regs.rip) {
        let regs = &mut context.regs;
        let args = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
        // SAFETY: the vDSO's own call, which reads a clock into memory of ours.
        regs.rax = unsafe { arch::syscall(info.syscall() as u32 as u64, args) } as u64;
        return;
    }
    preempt::cancel_by_call(context);
    let task = Task::current();
    let nr = info.syscall() as u32 as u64;
    let regs = &mut context.regs;
    if let Some(stub) = patch::trapped_stub(regs.rip) {
        // To everybody else the site's own instruction made this call.
        regs.rip = patch::logical(stub);
        (regs.rcx, regs.r11) = (regs.rip, regs.eflags);
    } else {
        patch::trapped(nr, regs.rip);
    }
    if let Some(ret) = task.returns.take() {
        regs.rax = ret;
        dispatch::deliver(task, context);
    } else {
        let registers = [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9];
        let call = Call::new(nr, registers, regs.rip, regs.rsp);
        dispatch::call(task, context, call);
    }
    go_on(context);
}

/// The target is about to go on with this context.
fn go_on(context: &mut UContext) {
    context.regs.rip = patch::resume_at(context.regs.rip);
    patch::running(Task::current());
}

extern "C" fn on_fault(signal: i32, info: *const SigInfo, context: *mut UContext) {
    // SAFETY: as in `on_sigsys`.
    let (info, context) = unsafe { (&*info, &mut *context) };
    let signal = signal as u32;
    if signals::is_own(info) {
        signals::interrupt(Task::current(), context);
        return;
    }
    if let Some(fixup) = arch::copy_fixup(context.regs.rip) {
        context.regs.rip = fixup;
        return;
    }
    let sent = info.code() <= 0;
    if sent {
        on_signal(signal as i32, info, context);
        return;
    }
    if in_shim(context.regs.rip) {
        warn!(
            "reenact: internal fault: signal {signal} at {:#x}, address {:#x}",
            context.regs.rip,
            info.addr()
        );
        let _ = sys::sigaction(signal, Some(&SigAction::DEFAULT));
        return;
    }
    let task = Task::current();
    if signal == SIGTRAP && info.code() == SI_KERNEL && loops::trapped(task, context) {
        patch::running(Task::current());
        return;
    }
    if signal == SIGTRAP && stopped(task, info, context) {
        patch::running(Task::current());
        return;
    }
    context.regs.rip = loops::logical(context.regs.rip);
    preempt::cancel(context);
    let faulted = signal == SIGSEGV && info.code() == SI_KERNEL;
    if faulted && instruction(task, context) {
        preempt::arm_next(task);
        go_on(context);
        return;
    }
    signals::fault(task, signal, info, context);
    preempt::arm_next(Task::current());
    go_on(context);
}

/// Steps and traps that serve to stop a task, or to find its stop again.
fn stopped(task: &mut Task, info: &SigInfo, context: &mut UContext) -> bool {
    if task.recording() {
        matches!(info.code(), TRAP_BRKPT | TRAP_TRACE) && preempt::step(task, context)
    } else {
        matches!(info.code(), TRAP_BRKPT | TRAP_TRACE | SI_KERNEL)
            && preempt::trapped(task, context, info.code() == TRAP_TRACE)
    }
}

extern "C" fn on_signal(signal: i32, info: *const SigInfo, context: *mut UContext) {
    // SAFETY: as in `on_sigsys`.
    let (info, context) = unsafe { (&*info, &mut *context) };
    let task = Task::current();
    if task.process().mode == Mode::Replay {
        // Nobody but the replayer sends signals to a replaying process; they mean nothing to it.
        return;
    }
    if task.pending.load(Ordering::Relaxed) == 0 {
        task.info = *info;
        task.pending.store(signal as u32, Ordering::Release);
    }
    // The kernel keeps the rest queued until this one has been delivered.
    context.mask = !never_blocked();
    if let Some(abort) = arch::window_abort(context.regs.rip) {
        context.regs.rip = abort;
    } else {
        // In the shim, too: the task may have looked for signals for the last time.
        signals::hurry(task);
    }
}

/// Is this address in the shim's own code, or in the vDSO that it reads clocks with?
pub fn in_shim(rip: u64) -> bool {
    let (text, len) = arch::text_range();
    (text..text + len).contains(&rip) || clock::in_vdso(rip)
}

const CPUID: [u8; 2] = [0x0f, 0xa2];

/// Emulates RDTSC, RDTSCP and CPUID, which fault under us; false when it is none of them.
fn instruction(task: &mut Task, context: &mut UContext) -> bool {
    let mut code = [0u8; 3];
    let got = crate::guest_mem::read(context.regs.rip, &mut code);
    let (kind, len) = match code {
        [0x0f, 0x31, _] if got >= 2 => (Kind::Tsc, 2),
        [0x0f, 0x01, 0xf9] if got >= 3 => (Kind::Tsc, 3),
        [first, second, _] if got >= 2 && [first, second] == CPUID => (Kind::Cpuid, 2),
        _ => match patch::hidden(context.regs.rip) {
            Some(Hidden::Rdtsc) => (Kind::Tsc, 2),
            Some(Hidden::Rdtscp) => (Kind::Tsc, 3),
            Some(Hidden::Cpuid) => (Kind::Cpuid, 2),
            None => return false,
        },
    };
    let regs = &mut context.regs;
    let (leaf, subleaf) = (regs.rax as u32, regs.rcx as u32);
    let mut values = match kind {
        Kind::Cpuid => [leaf, subleaf, 0, 0, 0, 0].map(u64::from),
        _ => [0; 6],
    };
    let mut counter = 0;
    if task.recording() {
        if kind == Kind::Cpuid {
            let out = cpuid::answer(leaf, subleaf);
            values[2..6].copy_from_slice(&out.map(u64::from));
            if code[0] == CPUID[0] {
                clock::executed_cpuid(regs.rip);
            }
        } else {
            if task.clocks_trap {
                net::allow_tsc(true);
            }
            (counter, values[0]) = arch::tsc();
            if task.clocks_trap {
                net::allow_tsc(false);
            }
        }
        record::instruction(task, kind, regs.rip, regs.rsp, counter, values);
    } else {
        (counter, values) = replay::instruction(task, kind, regs.rip, regs.rsp, values);
    }
    if kind == Kind::Cpuid {
        regs.rax = values[2];
        regs.rbx = values[3];
        regs.rcx = values[4];
        regs.rdx = values[5];
    } else {
        regs.rax = counter & 0xffff_ffff;
        regs.rdx = counter >> 32;
        if len == 3 {
            regs.rcx = values[0] & 0xffff_ffff;
        }
    }
    regs.rip += len;
    true
}
