//! Replaying: a call is compared with the next recorded event of its task; its result and outputs
//! come from there, and only calls on the program's own memory and tasks are carried out.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{slot, state, Reason};
use reenact_abi::event::{flags, Header, Kind, Role};
use reenact_abi::syscalls::{self, Arg};

use crate::arch::frame::{SigInfo, UContext};
use crate::dispatch::{After, Cx, Flow};
use crate::log::{self, Piece};
use crate::sys;
use crate::task::{session, Task};
use crate::{divergence, hooks, inputs, mark, preempt, signals, streams, turns};

pub fn call(cx: &mut Cx) -> After {
    let mut made = Header {
        kind: Kind::Call as u8,
        nr: cx.call.nr as u16,
        args: cx.call.args,
        rip: cx.call.rip,
        rsp: cx.call.rsp,
        ..Header::default()
    };
    let mut header = next(cx.task, &made);
    if header.kind == Kind::Mark as u8 {
        mark::compare(cx, &header);
        header = next(cx.task, &made);
    }
    if header.kind == Kind::Signal as u8 && header.args[0] == 1 {
        if !cx.trapped {
            return After::Trap;
        }
        cx.context.regs.rip -= 2;
        cx.context.regs.rax = cx.call.nr;
        take_turn(cx.task, &header);
        signal(cx.task, cx.context, &header);
        return after(cx.task, cx.context, true);
    }
    compare(cx, &header, &mut made);
    if header.flags & flags::UNFINISHED != 0 {
        // The recorded task died inside this call.
        if !hooks::unfinished(cx, &header) {
            return After::Done;
        }
        die(cx.task);
    }
    if !hooks::waits_for_child(cx) {
        take_turn(cx.task, &header);
    }
    let ret = match hooks::replay(cx, &header) {
        Flow::Return(ret) | Flow::Completed(ret) => ret,
        Flow::Replaced => return after(cx.task, cx.context, true),
        Flow::NotEntered => return After::Done,
    };
    streams::wrote(cx, ret);
    cx.context.regs.rax = ret as u64;
    after(cx.task, cx.context, cx.trapped)
}

/// Signals that were delivered as the call returned; and a death that left no event.
pub fn after(task: &mut Task, context: &mut UContext, trapped: bool) -> After {
    loop {
        match log::peek(task) {
            Some(header) if header.kind == Kind::Signal as u8 && header.args[0] == 0 => {
                if !trapped {
                    return After::Deliver;
                }
                take_turn(task, &header);
                signal(task, context, &header);
            }
            Some(header) if header.kind == Kind::Preempt as u8 => {
                preempt::arm(task, &header);
                return After::Done;
            }
            Some(header) if header.kind == Kind::Resume as u8 => resume(task, &header),
            // Notes for readers.
            Some(header)
                if header.kind == Kind::Merge as u8 || header.kind == Kind::Endpoint as u8 =>
            {
                take_turn(task, &header);
                log::consume(task, &header, |_, _| {});
            }
            Some(_) => return After::Done,
            None => {
                at_end(task);
                return After::Done;
            }
        }
    }
}

/// If nothing of the stream is left and nobody saw what the recorded task did next, the task ends
/// here: that may have been computing for ever. Otherwise it goes on to its next call, as recorded.
pub fn at_end(task: &mut Task) {
    if task.log_runs_on == 0 && log::peek(task).is_none() {
        end(task);
    }
}

/// The recorded stream ends here: so does the task, if it was killed or the trace was cut.
pub fn end(task: &mut Task) {
    if task.log_killed_by != 0 || task.log_complete == 0 {
        die(task);
    }
}

/// The task ends by itself; if all that is left of its process was killed, so is the process.
pub fn leave(task: &Task) {
    let process = task.process();
    // Counted first: whoever ends the process waits for no task that has left.
    done();
    let left = process.live.fetch_sub(1, Ordering::SeqCst) - 1;
    let all_parked = left != 0 && process.parked.load(Ordering::SeqCst) == left;
    if all_parked && !process.exits.load(Ordering::SeqCst) {
        kill(task)
    }
    give_slot_back(task);
}

/// Before the process ends, or becomes another program: its other tasks, which were killed by that, come to the end of their
/// streams, so that each is known to have done what the recorded one did.
pub fn await_others(task: &Task) {
    await_parked(task, 1);
}

/// The same where the process ends. Several tasks may have come as far as that: exit_group kills others only when
/// these come to know of it.
pub fn exit_process(task: &Task) {
    done();
    let process = task.process();
    process.exits.store(true, Ordering::SeqCst);
    process.parked.fetch_add(1, Ordering::SeqCst);
    await_parked(task, 0);
    give_slot_back(task);
}

/// Nothing is left to do for the task: others that come to be may have its slot.
fn give_slot_back(task: &Task) {
    let mine = task.my_slot();
    mine.pid.store(0, Ordering::SeqCst);
    mine.owner.store(0, Ordering::SeqCst);
    mine.state.store(slot::FREE, Ordering::SeqCst);
}

/// Waits until all tasks of the process but `others` have come to the end of their streams.
fn await_parked(task: &Task, others: u32) {
    const PATIENCE_NS: u64 = 2_000_000_000;
    let process = task.process();
    let begin = sys::monotonic_ns();
    while process.parked.load(Ordering::SeqCst) + others < process.live.load(Ordering::SeqCst) {
        if session().state.load(Ordering::Acquire) != state::OPEN
            || sys::monotonic_ns() - begin > PATIENCE_NS
        {
            return;
        }
        sys::sleep_ns(50_000);
    }
}

/// The recorded task was killed here. It waits for the rest of its process to come to its end; the
/// last one ends the process.
fn die(task: &mut Task) -> ! {
    if task.log_marks_robust != 0 {
        hooks::locks::killed(task);
    }
    give_turn(task);
    done();
    let process = task.process();
    let parked = process.parked.fetch_add(1, Ordering::SeqCst) + 1;
    if parked >= process.live.load(Ordering::SeqCst) && !process.exits.load(Ordering::SeqCst) {
        kill(task)
    }
    give_slot_back(task);
    loop {
        sys::sleep_ns(1_000_000_000);
    }
}

/// Ends the process the way the recorded one ended.
fn kill(task: &Task) -> ! {
    let signal = match task.log_killed_by {
        0 => signals::SIGKILL,
        signal => signal,
    };
    end_by(task, signal)
}

/// Asks the replayer to end this process with a signal: a confined process cannot send one.
pub fn end_by(task: &Task, signal: u32) -> ! {
    let signal = signal.clamp(1, 64);
    let _ = sys::sigaction(signal, Some(&sys::SigAction::DEFAULT));
    sys::sigprocmask(sys::SIG_UNBLOCK, signals::bit(signal));
    let mine = task.my_slot();
    mine.end_by.store(signal, Ordering::SeqCst);
    session().wake.fetch_add(1, Ordering::SeqCst);
    sys::futex_wake(&session().wake, 1);
    loop {
        sys::sleep_ns(1_000_000_000);
    }
}

/// This stream was replayed to its end.
pub fn done() {
    session().streams_done.fetch_add(1, Ordering::SeqCst);
}

/// The next event of the task, which is about to do `made`.
pub fn next(task: &mut Task, made: &Header) -> Header {
    if session().state.load(Ordering::Acquire) != state::OPEN {
        sys::exit_group(3);
    }
    match log::peek(task) {
        Some(header) if header.kind == Kind::Checksum as u8 && header.nr == streams::WRITTEN => {
            streams::compare(task, &header);
            next(task, made)
        }
        Some(header) if header.kind == Kind::Stored as u8 => {
            take_turn(task, &header);
            outputs(task, &header);
            next(task, made)
        }
        Some(header) => header,
        None => {
            end(task);
            divergence::report(task, Reason::EndOfStream, &Header::default(), made, 0)
        }
    }
}

fn compare(cx: &mut Cx, header: &Header, made: &mut Header) {
    let differ = |task: &Task, reason, made: &Header, detail| -> ! {
        let input = match cx
            .shape
            .args
            .iter()
            .position(|arg| matches!(arg, Arg::In(_) | Arg::Path))
        {
            Some(index) if cx.shape.args[index] == Arg::Path => (
                made.args[index],
                crate::guest_mem::string_len(made.args[index], 512).unwrap_or(0) as u64,
            ),
            Some(index) => {
                let Arg::In(len) = cx.shape.args[index] else {
                    unreachable!()
                };
                (
                    made.args[index],
                    inputs::input_len(len, made.args[index], &made.args),
                )
            }
            None => (0, 0),
        };
        divergence::report_with_input(task, reason, header, made, detail, input)
    };
    if header.kind == Kind::Preempt as u8 {
        preempt::disarm();
        differ(cx.task, Reason::Preempted, made, 0);
    }
    if header.kind != Kind::Call as u8 {
        differ(cx.task, Reason::Kind, made, 0);
    }
    if header.nr != made.nr {
        differ(cx.task, Reason::Number, made, 0);
    }
    let mut own = 0..syscalls::arity(made.nr.into());
    if let Some(index) = own.find(|index| header.args[*index] != made.args[*index]) {
        differ(cx.task, Reason::Argument, made, index as u64);
    }
    if header.rip != made.rip {
        differ(cx.task, Reason::InstructionPointer, made, 0);
    }
    if header.rsp != made.rsp {
        differ(cx.task, Reason::StackPointer, made, 0);
    }
    if header.flags & flags::UNFINISHED == 0 || header.input_hash != 0 {
        made.input_hash = inputs::hash(&cx.shape.args, &cx.call.args);
        if header.input_hash != made.input_hash {
            differ(cx.task, Reason::Input, made, 0);
        }
    }
}

/// Waits for the event's place in the group's order, and for its time if the replay is paced.
pub fn take_turn(task: &mut Task, header: &Header) {
    if header.group != 0 {
        if task.turn != (header.group, header.order.wrapping_sub(1)) {
            give_turn(task);
            if !turns::await_order(header.group, header.order) {
                sys::exit_group(3);
            }
        }
        task.turn = (header.group, header.order);
    }
    pace(header);
}

/// Lets the others of the group go on.
pub fn give_turn(task: &mut Task) {
    let (group, order) = task.turn;
    if group != 0 {
        turns::publish_order(group, order + 1);
        task.turn = (0, 0);
    }
}

fn pace(header: &Header) {
    let session = session();
    if session.pace_num == 0 || header.time_ns == 0 {
        return;
    }
    let elapsed = header.time_ns.saturating_sub(session.record_start_ns);
    let scaled = u128::from(elapsed) * u128::from(session.pace_den) / u128::from(session.pace_num);
    let due = session.replay_start_ns.saturating_add(scaled as u64);
    let now = sys::monotonic_ns();
    if due > now {
        sys::sleep_ns(due - now);
    }
}

/// Copies an event's outputs back and leaves it behind; what a call that touches the world does.
pub fn outputs(task: &mut Task, header: &Header) {
    let mut bad = false;
    log::consume(task, header, |_, piece| {
        if piece.is(Role::Output) {
            bad |= !piece.put_back();
        }
    });
    if bad {
        divergence::report(task, Reason::BadLog, header, header, 0);
    }
}

/// Delivers the recorded signal `header` (the current event).
fn signal(task: &mut Task, context: &mut UContext, header: &Header) {
    let mut info = SigInfo::ZERO;
    log::consume(task, header, |_, piece: &Piece| {
        if piece.is(Role::Data) {
            piece.copy_to(&mut info.bytes);
        }
    });
    let signal = u32::from(header.nr).clamp(1, 64);
    signals::push_frame(task, signal, &info, context, header.args[1].min(16384));
}

/// A fault of the target: it must have been recorded. Returns the recorded floating-point size.
pub fn fault(task: &mut Task, made: &Header) -> u64 {
    let header = next(task, made);
    let same = header.kind == Kind::Fault as u8
        && header.nr == made.nr
        && header.args[..2] == made.args[..2]
        && header.rip == made.rip
        && header.rsp == made.rsp;
    if !same {
        divergence::report(task, Reason::Fault, &header, made, 0);
    }
    take_turn(task, &header);
    log::consume(task, &header, |_, _| {});
    at_end(task);
    if header.ret == 0 {
        // It kills the process: no instruction of it runs any more.
        hooks::locks::end_process(task, &mut |_, _| {});
        give_turn(task);
    }
    header.args[4].min(16384)
}

/// Others ran here, and now the task goes on.
fn resume(task: &mut Task, header: &Header) {
    take_turn(task, header);
    log::consume(task, header, |_, _| {});
}

/// RDTSC or CPUID: the recorded values.
pub fn instruction(
    task: &mut Task,
    kind: Kind,
    rip: u64,
    rsp: u64,
    args: [u64; 6],
) -> (u64, [u64; 6]) {
    let made = Header {
        kind: kind as u8,
        args,
        rip,
        rsp,
        ..Header::default()
    };
    let header = next(task, &made);
    let asked = if kind == Kind::Cpuid { 2 } else { 0 };
    if header.kind != kind as u8
        || header.rip != rip
        || header.rsp != rsp
        || header.args[..asked] != args[..asked]
    {
        divergence::report(task, Reason::Kind, &header, &made, 0);
    }
    take_turn(task, &header);
    log::consume(task, &header, |_, _| {});
    if let Some(header) = log::peek(task).filter(|next| next.kind == Kind::Resume as u8) {
        resume(task, &header);
    }
    at_end(task);
    (header.ret as u64, header.args)
}
