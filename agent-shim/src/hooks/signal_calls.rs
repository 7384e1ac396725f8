//! Calls about signals. The target's actions, mask and signal stack are kept by the shim; the
//! kernel's are derived from them, so that our own signals always get through.

use reenact_abi::event::Header;
use reenact_abi::syscalls::{Blocks, Hook};

use crate::arch::frame::{AltStack, SS_AUTODISARM, SS_DISABLE, SS_ONSTACK};
use crate::dispatch::{Cx, Flow};
use crate::guest_mem;
use crate::intercept::trap::never_blocked;
use crate::signals::{self, SIGKILL, SIGSTOP};
use crate::sys::{self, Errno, SigAction};
use crate::{divergence, outputs, record, replay, ring};
use reenact_abi::arena::Reason;

const SIGSET_SIZE: u64 = 8;
const MINSIGSTKSZ: u64 = 2048;

pub fn record(cx: &mut Cx) -> Flow {
    match cx.row.hook {
        Hook::RtSigreturn => {
            record::complete(cx.task, 0);
            ring::finish(cx.task);
            sigreturn(cx);
            Flow::Replaced
        }
        Hook::SigmaskArg => sigmask_arg(cx),
        _ => {
            let ret = carry_out(cx);
            record::complete(cx.task, ret);
            let args = cx.call.args;
            if ret == 0 {
                match cx.row.hook {
                    Hook::RtSigaction if args[2] != 0 => outputs::bytes(cx.task, args[2], 32),
                    Hook::RtSigprocmask if args[2] != 0 => {
                        outputs::bytes(cx.task, args[2], SIGSET_SIZE)
                    }
                    Hook::Sigaltstack if args[1] != 0 => outputs::bytes(cx.task, args[1], 24),
                    _ => {}
                }
            }
            Flow::Completed(ret)
        }
    }
}

pub fn replay(cx: &mut Cx, header: &Header) -> Flow {
    if cx.row.hook == Hook::RtSigreturn {
        replay::outputs(cx.task, header);
        sigreturn(cx);
        return Flow::Replaced;
    }
    let ret = carry_out(cx);
    if ret != header.ret {
        let made = Header { ret, ..*header };
        divergence::report(cx.task, Reason::Result, header, &made, ret as u64);
    }
    replay::outputs(cx.task, header);
    Flow::Completed(ret)
}

/// The part that is the same in record and replay: the shim's own tables.
fn carry_out(cx: &mut Cx) -> i64 {
    let result = match cx.row.hook {
        Hook::RtSigaction => sigaction(cx),
        Hook::RtSigprocmask => sigprocmask(cx),
        Hook::Sigaltstack => sigaltstack(cx),
        _ => Err(Errno::ENOSYS),
    };
    result.map_or_else(Errno::ret, |()| 0)
}

fn sigaction(cx: &mut Cx) -> sys::Result<()> {
    let [signal, new, old, size, ..] = cx.call.args;
    let signal = signal as u32 as u64;
    if size != SIGSET_SIZE || signal == 0 || signal > 64 {
        return Err(Errno::EINVAL);
    }
    let new = if new == 0 {
        None
    } else {
        Some(guest_mem::get::<SigAction>(new)?)
    };
    let signal = signal as u32;
    if new.is_some() && (signal == SIGKILL || signal == SIGSTOP) {
        return Err(Errno::EINVAL);
    }
    let current = cx.task.process().actions[signal as usize];
    if let Some(mut action) = new {
        action.mask = signals::settable(action.mask);
        cx.task.process().actions[signal as usize] = action;
        if cx.task.recording() {
            signals::install(signal, &action);
        }
    }
    if old != 0 {
        guest_mem::put(old, current)?;
    }
    Ok(())
}

fn sigprocmask(cx: &mut Cx) -> sys::Result<()> {
    let [how, set, old, size, ..] = cx.call.args;
    if size != SIGSET_SIZE {
        return Err(Errno::EINVAL);
    }
    let current = cx.task.mask;
    if set != 0 {
        let set = guest_mem::get::<u64>(set)?;
        let next = match how as u32 as u64 {
            sys::SIG_BLOCK => current | set,
            sys::SIG_UNBLOCK => current & !set,
            sys::SIG_SETMASK => set,
            _ => return Err(Errno::EINVAL),
        };
        cx.task.mask = signals::settable(next);
    }
    if old != 0 {
        guest_mem::put(old, current)?;
    }
    Ok(())
}

fn sigaltstack(cx: &mut Cx) -> sys::Result<()> {
    let [new, old, ..] = cx.call.args;
    let rsp = cx.call.rsp;
    let current = AltStack {
        flags: signals::alt_flags(cx.task, rsp),
        ..cx.task.alt
    };
    let new = if new == 0 {
        None
    } else {
        Some(guest_mem::get::<AltStack>(new)?)
    };
    if let Some(stack) = new {
        if cx.task.alt.flags & (SS_DISABLE | SS_AUTODISARM) == 0 && cx.task.alt.holds(rsp) {
            return Err(Errno::EPERM);
        }
        let mode = stack.flags & !SS_AUTODISARM;
        if mode != 0 && mode != SS_DISABLE && mode != SS_ONSTACK {
            return Err(Errno::EINVAL);
        }
        cx.task.alt = if mode == SS_DISABLE {
            AltStack {
                flags: stack.flags,
                ..AltStack::DISABLED
            }
        } else if stack.size < MINSIGSTKSZ {
            return Err(Errno::ENOMEM);
        } else {
            AltStack {
                pad: 0,
                flags: stack.flags & SS_AUTODISARM,
                ..stack
            }
        };
        if cx.task.alt.size != 0 {
            cx.task.alt_last = cx.task.alt;
        }
    }
    if old != 0 {
        guest_mem::put(old, AltStack { pad: 0, ..current })?;
    }
    Ok(())
}

fn sigreturn(cx: &mut Cx) {
    if !signals::pop_frame(cx.task, cx.context) {
        // The kernel kills a program whose frame it cannot read.
        let _ = sys::sigaction(crate::intercept::trap::SIGSEGV, Some(&SigAction::DEFAULT));
        signals::raise(crate::intercept::trap::SIGSEGV);
    }
}

/// Calls that take a mask: the kernel gets it without the signals that must never be blocked.
fn sigmask_arg(cx: &mut Cx) -> Flow {
    let mut args = cx.call.args;
    let mut mask = 0u64;
    let mut pair = [0u64; 2];
    match cx.row.name {
        "pselect6" if args[5] != 0 => {
            if let Ok(given) = guest_mem::get::<[u64; 2]>(args[5]) {
                pair = given;
                if pair[0] != 0 {
                    if let Ok(set) = guest_mem::get::<u64>(pair[0]) {
                        mask = set & !never_blocked();
                        pair[0] = &raw const mask as u64;
                        args[5] = pair.as_ptr() as u64;
                    }
                }
            }
        }
        name => {
            let index = match name {
                "rt_sigsuspend" | "rt_sigtimedwait" => 0,
                "signalfd" | "signalfd4" => 1,
                "ppoll" => 3,
                "epoll_pwait" | "epoll_pwait2" => 4,
                _ => return cx.enter(),
            };
            if args[index] != 0 {
                if let Ok(set) = guest_mem::get::<u64>(args[index]) {
                    mask = set & !never_blocked();
                    args[index] = &raw const mask as u64;
                }
            }
        }
    }
    let _ = (&mask, &pair);
    cx.enter_with(cx.call.nr, args, cx.shape.blocks == Blocks::May)
}
