//! Recording: a call is entered for real, and what it returned and wrote becomes an event.

use core::sync::atomic::Ordering;

use reenact_abi::arena::state;
use reenact_abi::event::{flags, Header, Kind, Role};
use reenact_abi::syscalls::{Arg, Blocks, Class};

use crate::arch::{self, frame::SigInfo, NOT_ENTERED};
use crate::dispatch::{After, Cx, Flow};
use crate::guest_mem;
use crate::intercept::clock;
use crate::sys::Errno;
use crate::task::{session, Task};
use crate::{chaos, hooks, inputs, mark, outputs, ring, scratch, signals, streams, turns};

pub fn call(cx: &mut Cx) -> After {
    if chaos::on() {
        return chaos::call(cx);
    }
    made(cx, |cx| turns::make_way(cx.task))
}

/// The call is made, and becomes an event. `make_way` may let others run first.
pub fn made(cx: &mut Cx, make_way: impl FnOnce(&mut Cx)) -> After {
    if cx.task.pending.load(Ordering::Acquire) != 0 {
        return deliver_first(cx);
    }
    if session().state.load(Ordering::Relaxed) == state::CLOSED {
        cx.task.detached = true;
    }
    // Replay compares where the task stands before others run.
    let input_hash = if cx.task.detached {
        0
    } else {
        inputs::hash(&cx.shape.args, &cx.call.args)
    };
    let header = Header {
        kind: Kind::Call as u8,
        nr: cx.call.nr as u16,
        args: cx.call.args,
        rip: cx.call.rip,
        rsp: cx.call.rsp,
        input_hash,
        ..Header::default()
    };
    mark::before(cx);
    if chaos::on() || turns::is_wanted(cx.task) {
        // Should the task be killed while others run, it is known that it had come as far as this.
        ring::begin(cx.task, &header);
        make_way(cx);
        ring::retract(cx.task);
    }
    streams::before(cx);
    ring::begin(cx.task, &header);
    let before = outputs::before(&cx.shape.args, &cx.call.args);
    let flow = match cx.row.class {
        Class::Denied => Flow::Return(Errno::ENOSYS.ret()),
        Class::Emulated | Class::Executed => hooks::record(cx),
    };
    let ret = match flow {
        Flow::Return(ret) => {
            complete(cx.task, ret);
            outputs::emit(cx.task, &cx.shape.args, &cx.call.args, ret, &before);
            note_inputs(cx, ret);
            ring::finish(cx.task);
            hooks::sockets::note(cx, ret);
            streams::wrote(cx, ret);
            ret
        }
        Flow::Completed(ret) => {
            note_inputs(cx, ret);
            ring::finish(cx.task);
            hooks::objects::note_merge(cx.task);
            streams::wrote(cx, ret);
            ret
        }
        Flow::Replaced => {
            signals::deliver_pending(cx.task, cx.context, false);
            return After::Done;
        }
        Flow::NotEntered => {
            ring::retract(cx.task);
            return deliver_first(cx);
        }
    };
    cx.context.regs.rax = ret as u64;
    if cx.trapped {
        signals::deliver_pending(cx.task, cx.context, false);
        After::Done
    } else if signals::settled(cx.task) {
        After::Done
    } else {
        After::Deliver
    }
}

/// Puts into the event what readers of a trace want to see of what the call took: replay needs none
/// of it, as it has the memory.
fn note_inputs(cx: &mut Cx, ret: i64) {
    hooks::output::note_sent(cx, ret);
    for (index, arg) in cx.shape.args.iter().enumerate() {
        let at = cx.call.args[index];
        if *arg == Arg::Path && at != 0 && !cx.task.detached {
            let len = guest_mem::string_len(at, 4096).unwrap_or(0) as u64;
            ring::part(cx.task, Role::Input, at, at, len, 0);
        }
    }
    hooks::descriptors::returned(cx);
}

/// A signal came before the call began.
fn deliver_first(cx: &mut Cx) -> After {
    if !cx.trapped {
        return After::Trap;
    }
    signals::deliver_before(cx.task, cx.context, cx.call.nr);
    After::Done
}

impl Cx<'_> {
    /// Enters the kernel with the call as the target made it.
    pub fn enter(&mut self) -> Flow {
        let (nr, args) = (self.call.nr, self.call.args);
        self.enter_with(nr, args, self.shape.blocks == Blocks::May)
    }

    /// Enters the kernel; a call that may block gives its turn up meanwhile.
    pub fn enter_with(&mut self, nr: u64, args: [u64; 6], may_block: bool) -> Flow {
        if !may_block {
            // SAFETY: the target's own call, with the target's own memory.
            return Flow::Return(unsafe { arch::syscall(nr, args) });
        }
        if chaos::on() {
            if let Some(flow) = chaos::short(self, nr, &args) {
                return flow;
            }
        }
        self.enter_waiting(nr, &args)
    }

    /// Enters the kernel for a call that may block, without the turn.
    pub fn enter_waiting(&mut self, nr: u64, args: &[u64; 6]) -> Flow {
        entered(if scratch::wanted(self) {
            scratch::enter(self, nr, args)
        } else {
            wait(self.task, nr, args)
        })
    }

    /// Enters the kernel for a call that may block but keeps its turn.
    pub fn enter_in_turn(&mut self) -> Flow {
        let (nr, args) = (self.call.nr, self.call.args);
        // SAFETY: the target's own call, with the target's own memory.
        entered(unsafe { arch::interruptible(self.task.pending.as_ptr(), nr, &args) })
    }
}

/// Enters the kernel without the turn.
#[inline(always)]
pub fn wait(task: &Task, nr: u64, args: &[u64; 6]) -> i64 {
    turns::release(task);
    // SAFETY: the target's own call, with the target's own memory or scratch memory in its place.
    let ret = unsafe { arch::interruptible(task.pending.as_ptr(), nr, args) };
    turns::acquire(task);
    ret
}

fn entered(ret: i64) -> Flow {
    if ret == NOT_ENTERED {
        Flow::NotEntered
    } else {
        Flow::Return(ret)
    }
}

/// Fills in what is known once the call has returned: result, order and time.
pub fn complete(task: &mut Task, ret: i64) {
    if task.detached {
        return;
    }
    let (group, order) = turns::next_order(task);
    let time_ns = clock::event_ns();
    let header = ring::header(task);
    header.group = group;
    header.order = order;
    header.time_ns = time_ns;
    header.ret = ret;
}

/// Emits an event without parts; group, order and time are filled in.
pub fn event(task: &mut Task, header: Header) {
    open(task, header);
    ring::finish(task);
}

/// Begins an event of the shim's own; parts and `ring::finish` follow.
pub fn open(task: &mut Task, mut header: Header) {
    if task.detached {
        return;
    }
    (header.group, header.order) = turns::next_order(task);
    header.time_ns = clock::event_ns();
    ring::begin(task, &header);
}

/// A signal is about to be delivered.
pub fn signal(task: &mut Task, signal: u32, info: &SigInfo, restart: bool, fp_size: u64) {
    open(
        task,
        Header {
            kind: Kind::Signal as u8,
            nr: signal as u16,
            args: [u64::from(restart), fp_size, 0, 0, 0, 0],
            ..Header::default()
        },
    );
    ring::part(task, Role::Data, 0, info as *const SigInfo as u64, 128, 0);
    ring::finish(task);
}

/// RDTSC or CPUID gave these values.
pub fn instruction(task: &mut Task, kind: Kind, rip: u64, rsp: u64, counter: u64, args: [u64; 6]) {
    event(
        task,
        Header {
            kind: kind as u8,
            args,
            ret: counter as i64,
            rip,
            rsp,
            ..Header::default()
        },
    );
    if turns::is_wanted(task) {
        turns::make_way(task);
        resumed(task);
    }
}

/// The task has its turn again, and goes on.
pub fn resumed(task: &mut Task) {
    event(
        task,
        Header {
            kind: Kind::Resume as u8,
            ..Header::default()
        },
    );
}

/// Writes to the run's standard output or error are ordered among all processes.
pub fn ticket(task: &mut Task, flag: u8) {
    if task.detached {
        return;
    }
    let ticket = session().tickets.fetch_add(1, Ordering::SeqCst) + 1;
    let header = ring::header(task);
    header.ticket = ticket;
    header.flags |= flag & (flags::STDOUT | flags::STDERR);
}
