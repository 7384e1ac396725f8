//! Signals: the target's view of them, and building its handler frames.
//!
//! Masks are real (the kernel queues what the target blocks) except for the signals that the shim
//! itself needs; handlers are the shim's, which keep one signal pending until the next boundary
//! (a system call's entry or exit) and then build the frame that the kernel would have built.

use core::sync::atomic::Ordering;

use reenact_abi::event::{Header, Kind};

use crate::arch::frame::{
    self, AltStack, SigInfo, SignalFrame, UContext, FXSAVE_SIZE, HANDLER_CLEARS, MXCSR,
    XSAVE_HEADER,
};
use crate::guest_mem;
use crate::intercept::patch;
use crate::intercept::trap::{self, never_blocked};
use crate::sys::{self, SigAction};
use crate::task::Task;
use crate::{chaos, loops, preempt, record, replay, returns, turns};

pub const SIGKILL: u32 = 9;
pub const SIGSTOP: u32 = 19;
pub const SIGCHLD: u32 = 17;

pub const fn bit(signal: u32) -> u64 {
    1 << (signal - 1)
}

const UNBLOCKABLE: u64 = bit(SIGKILL) | bit(SIGSTOP);

/// The mask that the kernel is given for a mask that the target asked for.
pub fn real_mask(mask: u64) -> u64 {
    mask & !never_blocked()
}

/// A target's new mask, as the kernel would keep it.
pub fn settable(mask: u64) -> u64 {
    mask & !UNBLOCKABLE
}

/// Makes the kernel's action for `signal` fit the target's wish.
pub fn install(signal: u32, target: &SigAction) {
    if signal == trap::SIGSYS || trap::FAULTS.contains(&signal) {
        return;
    }
    let action = match target.handler {
        sys::SIG_DFL | sys::SIG_IGN => SigAction {
            restorer: 0,
            ..*target
        },
        _ => trap::asynchronous_action(target),
    };
    let _ = sys::sigaction(signal, Some(&action));
}

/// A signal came before the call began: the handler runs first, then the call is made (again).
pub fn deliver_before(task: &mut Task, context: &mut UContext, nr: u64) {
    context.regs.rip -= 2;
    context.regs.rax = nr;
    deliver_pending(task, context, true);
}

/// Delivers what is pending, at a boundary. The kernel stacks a frame for each signal that is
/// deliverable, the one for the last on top; so does this.
pub fn deliver_pending(task: &mut Task, context: &mut UContext, mut restart: bool) {
    loop {
        let signal = task.pending.swap(0, Ordering::AcqRel);
        if signal != 0 {
            deliver_one(task, context, signal, restart);
            restart = false;
        }
        let wanted = real_mask(task.mask);
        if signal == 0 && task.kernel_mask == wanted {
            return;
        }
        // With the new mask in force, the kernel hands over what it held back.
        sys::sigprocmask(sys::SIG_SETMASK, wanted);
        task.kernel_mask = wanted;
        if task.pending.load(Ordering::Acquire) == 0 {
            return;
        }
    }
}

/// With the target's mask in force, is there nothing to deliver? For calls that have no context of
/// the kernel's to deliver to.
pub fn settled(task: &mut Task) -> bool {
    let wanted = real_mask(task.mask);
    if task.kernel_mask != wanted && task.pending.load(Ordering::Acquire) == 0 {
        sys::sigprocmask(sys::SIG_SETMASK, wanted);
        task.kernel_mask = wanted;
    }
    task.pending.load(Ordering::Acquire) == 0
}

fn deliver_one(task: &mut Task, context: &mut UContext, signal: u32, restart: bool) {
    let info = task.info;
    let action = task.process().actions[signal as usize % 65];
    // The context's own mask was widened when the signal came in from target code.
    context.mask = real_mask(task.mask);
    if action.handler == sys::SIG_DFL || action.handler == sys::SIG_IGN {
        // The program changed its mind after the signal was taken; let the kernel decide again.
        if action.handler == sys::SIG_DFL {
            let _ = sys::sigaction(signal, Some(&SigAction::DEFAULT));
            raise(signal);
        }
        return;
    }
    record::signal(task, signal, &info, restart, fpstate_size(context));
    push_frame(task, signal, &info, context, fpstate_size(context));
}

fn fpstate_size(context: &UContext) -> u64 {
    // SAFETY: contexts that reach here are the kernel's own frames.
    unsafe { frame::fpstate_size(context.regs.fpstate) }
}

/// A signal waits at most this long for the task to make a call, by the task's own CPU time: one that
/// merely does not get the CPU makes its call when it does.
const HURRY_NS: u64 = 10_000_000;
/// CLOCK_THREAD_CPUTIME_ID.
const THREAD_CPUTIME: u64 = 3;
const OWN_TIMER: u64 = 0x5245_454e_4143_5421;

/// The signal that interrupts a task of ours. The kernel drops one that it raises itself while another
/// with the same number is pending. With SIGSYS a call of the target would be lost so: it is not made,
/// and nobody is told. An instruction that faults is carried out again, and faults again.
const INTERRUPT: u32 = trap::SIGFPE;

/// A signal came while the target computes: should no call come soon, a timer interrupts it.
pub fn hurry(task: &mut Task) {
    const SIGEV_THREAD_ID: u32 = 4;
    if task.timer == 0 {
        let mut event = [0u64; 8];
        event[0] = OWN_TIMER;
        event[1] = u64::from(INTERRUPT) | u64::from(SIGEV_THREAD_ID) << 32;
        event[2] = u64::from(sys::gettid());
        let mut id = 0u32;
        let args = [THREAD_CPUTIME, event.as_ptr() as u64, &raw mut id as u64];
        // SAFETY: the kernel reads the event and writes the id.
        if unsafe { sys::call(crate::nr::TIMER_CREATE, args) } < 0 {
            return;
        }
        task.timer = id + 1;
    }
    let hurry_ns = if chaos::on() {
        chaos::hurry_ns(task)
    } else {
        HURRY_NS
    };
    let due = [0u64, 0, 0, hurry_ns];
    // SAFETY: the kernel reads one itimerspec.
    unsafe {
        sys::call(
            crate::nr::TIMER_SETTIME,
            [u64::from(task.timer - 1), 0, due.as_ptr() as u64, 0],
        )
    };
}

/// The task has ended: its timer is nobody's.
pub fn drop_timer(task: &Task) {
    if task.timer != 0 {
        // SAFETY: no memory is touched.
        unsafe { sys::call(crate::nr::TIMER_DELETE, [u64::from(task.timer - 1)]) };
    }
}

/// Did our own timer send this, or another task of ours?
pub fn is_own(info: &SigInfo) -> bool {
    (info.code() == SI_TIMER || info.code() == SI_QUEUE)
        && info.bytes[24..32] == OWN_TIMER.to_le_bytes()
}

const SI_QUEUE: i32 = -1;
const SI_TIMER: i32 = -2;

/// Interrupts another task as its own timer would.
pub fn interrupt_task(pid: u32, tid: u32) {
    let mut info = SigInfo::ZERO;
    info.bytes[0..4].copy_from_slice(&INTERRUPT.to_le_bytes());
    info.bytes[8..12].copy_from_slice(&SI_QUEUE.to_le_bytes());
    info.bytes[24..32].copy_from_slice(&OWN_TIMER.to_le_bytes());
    let args = [
        u64::from(pid),
        u64::from(tid),
        u64::from(INTERRUPT),
        info.bytes.as_ptr() as u64,
    ];
    // SAFETY: the kernel reads one siginfo. A task that is gone, or that we may not signal, stays.
    unsafe { sys::call(crate::nr::RT_TGSIGQUEUEINFO, args) };
}

/// The task computes on while a signal, or another task, waits: it is to stop where it stands.
pub fn interrupt(task: &mut Task, context: &mut UContext) {
    if !task.recording() {
        return;
    }
    let waits = task.pending.load(Ordering::Acquire) != 0;
    loops::hurry();
    if trap::in_shim(context.regs.rip) || patch::in_stub(context.regs.rip) {
        if waits {
            hurry(task);
        }
        return;
    }
    if task.detached {
        // Nothing is to be found again.
        turns::give_way(task, false, 0);
        patch::running(task);
        deliver_pending(task, context, false);
        context.mask = real_mask(task.mask);
    } else if waits || turns::is_wanted(task) {
        preempt::begin(task, context);
    }
}

/// Sends a signal to the running task.
pub fn raise(signal: u32) {
    let ids = [
        u64::from(sys::getpid()),
        u64::from(sys::gettid()),
        u64::from(signal),
    ];
    // SAFETY: raises a signal in this very task.
    unsafe { sys::call(crate::nr::TGKILL, ids) };
}

/// A fault of the target's own doing.
pub fn fault(task: &mut Task, signal: u32, info: &SigInfo, context: &mut UContext) {
    let action = task.process().actions[signal as usize];
    let blocked = task.mask & bit(signal) != 0;
    let handled = action.handler > sys::SIG_IGN && !blocked;
    let size = fpstate_size(context);
    let header = Header {
        kind: Kind::Fault as u8,
        nr: signal as u16,
        args: [
            info.code() as u64,
            info.addr(),
            context.regs.trapno,
            context.regs.err,
            size,
            0,
        ],
        ret: i64::from(handled),
        rip: context.regs.rip,
        rsp: context.regs.rsp,
        ..Header::default()
    };
    let size = if task.recording() {
        record::event(task, header);
        size
    } else {
        replay::fault(task, &header)
    };
    if handled {
        push_frame(task, signal, info, context, size);
    } else {
        // Back to the instruction with the kernel's own action: it faults again and the process
        // dies as it would have, core file and status included.
        let _ = sys::sigaction(signal, Some(&SigAction::DEFAULT));
        if !task.recording() {
            replay::done();
        }
        if signal == trap::SIGTRAP {
            // A breakpoint lies behind us: returning would not hit it again.
            if task.recording() {
                raise(signal);
            } else {
                replay::end_by(task, signal);
            }
        }
    }
}

/// Rearranges `context` so that returning to it enters the target's handler, as the kernel would
/// (arch/x86/kernel/signal_64.c). `fp_size` is the recorded size of the floating-point state.
pub fn push_frame(
    task: &mut Task,
    signal: u32,
    info: &SigInfo,
    context: &mut UContext,
    fp_size: u64,
) {
    returns::shown(context.regs.rip);
    let action = task.process().actions[signal as usize % 65];
    if action.flags & sys::SA_RESETHAND != 0 {
        task.process().actions[signal as usize % 65].handler = sys::SIG_DFL;
        if task.recording() {
            install(signal, &SigAction::DEFAULT);
        }
    }
    let on_alt = task.alt.flags & frame::SS_AUTODISARM == 0 && task.alt.holds(context.regs.rsp);
    let use_alt = action.flags & sys::SA_ONSTACK != 0
        && task.alt.flags & frame::SS_DISABLE == 0
        && task.alt.size != 0
        && !on_alt;
    let mut sp = if use_alt {
        task.alt.sp + task.alt.size
    } else {
        context.regs.rsp - 128
    };

    sp = (sp - fp_size) & !63;
    let fp_at = sp;
    let copied = copy_fpstate(context.regs.fpstate, fp_at, fp_size);
    sp = ((sp - core::mem::size_of::<SignalFrame>() as u64) & !15) - 8;

    let mut saved = *context;
    saved.mask = task.mask;
    saved.stack = AltStack {
        flags: alt_flags(task, context.regs.rsp),
        ..task.alt
    };
    saved.link = 0;
    saved.regs.fpstate = if fp_size == 0 { 0 } else { fp_at };
    saved.regs.oldmask = task.mask;
    if trap::FAULTS.contains(&signal) && info.code() > 0 {
        if !task.recording() {
            saved.regs.cr2 = if signal == trap::SIGSEGV || signal == trap::SIGBUS {
                info.addr()
            } else {
                0
            };
        }
        if signal != trap::SIGSEGV && signal != trap::SIGBUS {
            saved.regs.cr2 = 0;
        }
    } else {
        // Left over from the last fault of the task: not the program's business.
        saved.regs.cr2 = 0;
        saved.regs.err = 0;
        saved.regs.trapno = 0;
    }
    saved.regs.reserved = [0; 8];
    let target_frame = SignalFrame {
        restorer: action.restorer,
        context: saved,
        info: *info,
    };
    if !copied || guest_mem::put(sp, target_frame).is_err() {
        // No room for the frame: the kernel would kill with SIGSEGV.
        let _ = sys::sigaction(trap::SIGSEGV, Some(&SigAction::DEFAULT));
        raise(trap::SIGSEGV);
        return;
    }
    if task.alt.flags & frame::SS_AUTODISARM != 0 && use_alt {
        task.alt = AltStack::DISABLED;
    }

    let mut mask = task.mask | action.mask;
    if action.flags & sys::SA_NODEFER == 0 {
        mask |= bit(signal);
    }
    task.mask = settable(mask);
    context.mask = real_mask(task.mask);
    let regs = &mut context.regs;
    regs.rdi = u64::from(signal);
    regs.rax = 0;
    regs.rsi = sp + core::mem::offset_of!(SignalFrame, info) as u64;
    regs.rdx = sp + core::mem::offset_of!(SignalFrame, context) as u64;
    regs.rip = action.handler;
    regs.rsp = sp;
    regs.eflags &= !HANDLER_CLEARS;
    reset_fpstate(regs.fpstate);
}

/// What `uc_stack.ss_flags` says.
pub fn alt_flags(task: &Task, sp: u64) -> i32 {
    if task.alt.size == 0 || task.alt.flags & frame::SS_DISABLE != 0 {
        frame::SS_DISABLE
    } else if task.alt.flags & frame::SS_AUTODISARM != 0 {
        task.alt.flags
    } else if task.alt.holds(sp) {
        frame::SS_ONSTACK
    } else {
        0
    }
}

/// Copies the floating-point state of a kernel frame into the target's, `size` bytes as recorded.
fn copy_fpstate(from: u64, to: u64, size: u64) -> bool {
    if size == 0 {
        return true;
    }
    // SAFETY: `from` is the state in our own kernel-made frame.
    let have = unsafe { frame::fpstate_size(from) };
    let take = have.min(size);
    if guest_mem::overlaps_shim(to, size) {
        return false;
    }
    // SAFETY: `to` is the target's stack, or faults and ends the copy.
    let left = unsafe { crate::arch::copy(to, from, take as usize) };
    if left != 0 {
        return false;
    }
    if take > FXSAVE_SIZE {
        // Which components are in their initial state is the CPU's affair and differs from run to
        // run; all of them were stored, so all may be called in use.
        let features = guest_mem::get::<u64>(from + frame::FEATURES).unwrap_or(3);
        return guest_mem::put(to + XSAVE_HEADER, features).is_ok();
    }
    true
}

/// A handler starts with the initial floating-point state.
fn reset_fpstate(at: u64) {
    // SAFETY: `at` is the state in our own kernel-made frame, at least FXSAVE_SIZE bytes.
    unsafe {
        let size = frame::fpstate_size(at);
        if size == 0 {
            return;
        }
        *(at as *mut u16) = 0x37f;
        *((at + 2) as *mut u16) = 0;
        *((at + 4) as *mut u8) = 0;
        *((at + MXCSR) as *mut u32) = 0x1f80;
        if size > FXSAVE_SIZE {
            // No component is in use: the CPU loads initial values for all.
            *((at + XSAVE_HEADER) as *mut u64) = 0;
        } else {
            core::ptr::write_bytes((at + 32) as *mut u8, 0, 384);
        }
    }
}

/// rt_sigreturn: the target's frame becomes the context that we return to.
/// False when the frame cannot be read.
pub fn pop_frame(task: &mut Task, context: &mut UContext) -> bool {
    let at = context.regs.rsp;
    let Ok(saved) = guest_mem::get::<UContext>(at) else {
        return false;
    };
    let own_fp = context.regs.fpstate;
    let own_segments = context.regs.segments;
    context.regs = saved.regs;
    context.regs.fpstate = own_fp;
    context.regs.segments = own_segments;
    task.mask = settable(saved.mask);
    context.mask = real_mask(task.mask);
    if saved.stack.flags & frame::SS_ONSTACK == 0 || saved.stack.size != 0 {
        let flags = saved.stack.flags & (frame::SS_AUTODISARM | frame::SS_DISABLE);
        if flags & frame::SS_DISABLE != 0 {
            task.alt = AltStack::DISABLED;
        } else if saved.stack.size >= 2048 && !task.alt.holds(context.regs.rsp) {
            task.alt = AltStack {
                flags,
                ..saved.stack
            };
        }
    }
    restore_fpstate(saved.regs.fpstate, own_fp)
}

fn restore_fpstate(from: u64, to: u64) -> bool {
    // SAFETY: `to` is the state in our own kernel-made frame.
    let room = unsafe { frame::fpstate_size(to) };
    if room == 0 {
        return true;
    }
    if from == 0 {
        reset_fpstate(to);
        return true;
    }
    // The description of the layout (software-reserved bytes and what follows the header's use
    // mask) stays the kernel's; registers and the use mask are the target's.
    let description = 464..512usize;
    let mut kept = [0u8; 48];
    // SAFETY: inside the legacy image of our own frame.
    unsafe {
        core::ptr::copy_nonoverlapping(
            (to + description.start as u64) as *const u8,
            kept.as_mut_ptr(),
            48,
        )
    };
    let take = if room > FXSAVE_SIZE { room - 4 } else { room };
    // SAFETY: the destination is our own frame, `room` bytes; the trailing magic word is kept.
    let left = unsafe { crate::arch::copy(to, from, take as usize) };
    // SAFETY: as above.
    unsafe {
        core::ptr::copy_nonoverlapping(
            kept.as_ptr(),
            (to + description.start as u64) as *mut u8,
            48,
        )
    };
    left == 0
}
