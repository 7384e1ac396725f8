//! Calls that make, name and end tasks.
//!
//! Every new task has its recording-wide numbers before it runs: the parent draws them and puts
//! them into its own event, so that replay knows which log the child follows. Children that share
//! the address space get a block of their own and start from a copy of the parent's context.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{self, inflight, Reason, SLOTS_MAX};
use reenact_abi::event::{Header, Kind, Role};
use reenact_abi::syscalls::Hook;

use crate::arch::{self, frame::UContext};
use crate::dispatch::{Cx, Flow};
use crate::guest_mem;
use crate::hooks::{descriptors, locks};
use crate::intercept::{clock, net, patch, ticks, trap};
use crate::log;
use crate::nr;
use crate::sys::{self, Errno};
use crate::task::{group, session, slot, Process, Task, FRAMES_ROOM};
use crate::{chaos, checksum, divergence, outputs, preempt, record, replay, ring, streams, turns};

const CLONE_VM: u64 = 0x100;
const CLONE_FS: u64 = 0x200;
const CLONE_FILES: u64 = 0x400;
const CLONE_SIGHAND: u64 = 0x800;
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_VFORK: u64 = 0x4000;
const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_SYSVSEM: u64 = 0x4_0000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const CLONE_CHILD_CLEARTID: u64 = 0x20_0000;
const CLONE_CHILD_SETTID: u64 = 0x100_0000;
const CLONE_CLEAR_SIGHAND: u64 = 0x1_0000_0000;
/// What the shim does itself, within the turn.
const OURS: u64 = CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID;

/// `struct clone_args` as far as it is used; later fields are passed through.
#[derive(Clone, Copy, Default)]
struct Request {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    tls: u64,
    /// The caller's own structure and its size, for clone3.
    raw: [u64; 11],
    raw_size: u64,
}

fn request(cx: &Cx) -> sys::Result<Request> {
    let args = cx.call.args;
    let plain = |flags: u64| Request {
        flags,
        exit_signal: 17,
        ..Request::default()
    };
    Ok(match cx.row.hook {
        Hook::Fork => plain(0),
        Hook::Vfork => plain(CLONE_VM | CLONE_VFORK),
        Hook::Clone => Request {
            flags: args[0] & 0xffff_ff00,
            exit_signal: args[0] & 0xff,
            stack: args[1],
            parent_tid: args[2],
            pidfd: if args[0] & CLONE_PIDFD != 0 {
                args[2]
            } else {
                0
            },
            child_tid: args[3],
            tls: args[4],
            ..Request::default()
        },
        _ => {
            let size = args[1];
            if !(64..=4096).contains(&size) {
                return Err(if size < 64 {
                    Errno::EINVAL
                } else {
                    Errno::E2BIG
                });
            }
            let mut raw = [0u64; 11];
            for (index, word) in raw.iter_mut().enumerate().take((size / 8).min(11) as usize) {
                *word = guest_mem::get(args[0] + index as u64 * 8)?;
            }
            Request {
                flags: raw[0],
                pidfd: raw[1],
                child_tid: raw[2],
                parent_tid: raw[3],
                exit_signal: raw[4],
                stack: if raw[5] == 0 { 0 } else { raw[5] + raw[6] },
                tls: raw[7],
                raw,
                raw_size: size.min(88),
            }
        }
    })
}

/// What a child must know, drawn before it exists.
#[derive(Clone, Copy)]
struct Child {
    slot: u32,
    process: u32,
    number: u32,
    clear_tid: u64,
    set_tid: u64,
    stack: u64,
    flags: u64,
}

impl Child {
    fn new(request: &Request, slot: u32, process: u32, number: u32) -> Child {
        let tid_for = |flag| {
            if request.flags & flag != 0 {
                request.child_tid
            } else {
                0
            }
        };
        Child {
            slot,
            process,
            number,
            clear_tid: tid_for(CLONE_CHILD_CLEARTID),
            set_tid: tid_for(CLONE_CHILD_SETTID),
            stack: request.stack,
            flags: request.flags,
        }
    }
}

pub fn record_clone(cx: &mut Cx) -> Flow {
    let request = match request(cx) {
        Ok(request) => request,
        Err(errno) => return Flow::Return(errno.ret()),
    };
    let Some(child) = draw(cx.task, &request) else {
        cx.task.my_slot().gaps.fetch_add(1, Ordering::SeqCst);
        return Flow::Return(Errno::EAGAIN.ret());
    };
    if !cx.task.detached {
        // Should the parent be killed before the call returns, its unfinished event names the child.
        ring::header(cx.task).ticket = u64::from(child.process) << 32 | u64::from(child.number);
    }
    let (ret, is_child) = spawn(cx, &request, &child, true);
    if is_child {
        begin_child(cx, &child);
        return Flow::Replaced;
    }
    if ret < 0 {
        give_back(&child);
        return Flow::Return(ret);
    }
    slot(child.slot).tid.store(ret as u32, Ordering::Relaxed);
    record::complete(cx.task, ret);
    if request.flags & CLONE_PARENT_SETTID != 0 {
        let _ = guest_mem::put(request.parent_tid, ret as u32);
        outputs::bytes(cx.task, request.parent_tid, 4);
    }
    if request.flags & CLONE_PIDFD != 0 {
        outputs::bytes(cx.task, request.pidfd, 4);
    }
    let numbers = [child.process, child.number];
    ring::part(cx.task, Role::Data, 0, numbers.as_ptr() as u64, 8, 0);
    Flow::Completed(ret)
}

/// Claims a slot and draws numbers for a child.
fn draw(task: &mut Task, request: &Request) -> Option<Child> {
    let thread = request.flags & CLONE_THREAD != 0;
    let claimed = claim_slot()?;
    if request.flags & CLONE_FILES != 0 && !thread {
        descriptors::share();
    }
    let shared = session();
    let process = if thread {
        task.process
    } else {
        shared.next_process.fetch_add(1, Ordering::Relaxed) + 1
    };
    let number = shared.next_task.fetch_add(1, Ordering::Relaxed) + 1;
    let joins = request.flags & CLONE_VM != 0 || task.process().shares_memory;
    let own = turns::root(task.my_slot().group.load(Ordering::Relaxed));
    // Without a group of its own the child takes turns with its parent: slower, but as exact.
    let group_index = if joins {
        own
    } else {
        turns::create().unwrap_or(own)
    };
    group(group_index).members.fetch_add(1, Ordering::SeqCst);
    fill_slot(task, claimed, process, number, group_index);
    Some(Child::new(request, claimed, process, number))
}

fn fill_slot(task: &Task, index: u32, process: u32, number: u32, group_index: u32) {
    let at = slot(index) as *const arena::Slot as *mut arena::Slot;
    // SAFETY: the claim made this task the slot's only writer.
    unsafe {
        (*at).process = process;
        (*at).task = number;
        (*at).parent_process = task.process;
        (*at).parent_task = task.number;
        (*at).exe = slot(task.slot).exe;
        (*at).written.0.head.store(0, Ordering::Relaxed);
        (*at).drained.0.tail.store(0, Ordering::Relaxed);
        (*at)
            .written
            .0
            .inflight
            .store(inflight::NONE, Ordering::Relaxed);
        (*at).drained.0.waiting.store(0, Ordering::Relaxed);
        (*at).gaps.store(0, Ordering::Relaxed);
        (*at).owner.store(0, Ordering::Relaxed);
        (*at).tid.store(0, Ordering::Relaxed);
        (*at).pid.store(0, Ordering::Relaxed);
        (*at).group.store(group_index, Ordering::Release);
    }
}

/// Takes a free slot; the session's cursor spreads the search.
fn claim_slot() -> Option<u32> {
    let start = session().next_task.load(Ordering::Relaxed);
    for offset in 0..SLOTS_MAX as u32 {
        let index = start.wrapping_add(offset) % SLOTS_MAX as u32;
        let taken = slot(index).state.compare_exchange(
            arena::slot::FREE,
            arena::slot::CLAIMED,
            Ordering::SeqCst,
            Ordering::Relaxed,
        );
        if taken.is_ok() {
            return Some(index);
        }
    }
    None
}

fn give_back(child: &Child) {
    let claimed = slot(child.slot);
    group(claimed.group.load(Ordering::Relaxed))
        .members
        .fetch_sub(1, Ordering::SeqCst);
    claimed.state.store(arena::slot::FREE, Ordering::Release);
}

/// Makes the child. Returns the kernel's result and whether this is the child (of a copied address
/// space); a child that shares memory never returns from here.
fn spawn(cx: &mut Cx, request: &Request, child: &Child, real: bool) -> (i64, bool) {
    if request.flags & CLONE_VM != 0 {
        return (spawn_sharing(cx, request, child, real), false);
    }
    // The child goes on inside this very function, on a copy of this very stack.
    let ret = if !real {
        // SAFETY: a plain fork.
        unsafe { sys::call(nr::CLONE, [17, 0, 0, 0, 0]) }
    } else if cx.row.hook == Hook::Clone3 {
        let mut raw = request.raw;
        raw[0] &= !OURS;
        (raw[5], raw[6]) = (0, 0);
        // SAFETY: the target's own request, without what the shim does itself.
        unsafe { sys::call(nr::CLONE3, [raw.as_ptr() as u64, request.raw_size]) }
    } else {
        let flags = (request.flags & !OURS) | request.exit_signal;
        // SAFETY: as above.
        unsafe { sys::call(nr::CLONE, [flags, 0, request.parent_tid, 0, request.tls]) }
    };
    (ret, ret == 0)
}

fn spawn_sharing(cx: &mut Cx, request: &Request, child: &Child, real: bool) -> i64 {
    let thread = request.flags & CLONE_THREAD != 0;
    let parent = &mut *cx.task;
    let state: *mut Process = if thread {
        parent.state
    } else {
        match parent.process().duplicate() {
            Some(state) => state,
            None => return Errno::EAGAIN.ret(),
        }
    };
    let vfork = request.flags & CLONE_VFORK != 0;
    let new = match Task::create(state, vfork) {
        Ok(new) => new,
        Err(errno) => return errno.ret(),
    };
    let index = new.index;
    prepare_sharing(parent, new, cx.context, child, request);
    if thread {
        parent.process().live.fetch_add(1, Ordering::SeqCst);
    }
    let keep = CLONE_VM
        | CLONE_VFORK
        | CLONE_FS
        | CLONE_FILES
        | CLONE_SIGHAND
        | CLONE_THREAD
        | CLONE_SYSVSEM
        | CLONE_SETTLS;
    let flags = if real {
        request.flags & !OURS
    } else {
        request.flags & keep
    };
    let clear = new.alive.as_ptr() as u64;
    let stack = new.first_context & !15;
    if vfork && real {
        turns::release(cx.task);
    } else if vfork {
        replay::give_turn(cx.task);
    }
    let ret = if real && cx.row.hook == Hook::Clone3 {
        let mut raw = request.raw;
        raw[0] = flags | CLONE_CHILD_CLEARTID;
        raw[2] = clear;
        (raw[5], raw[6]) = (stack - 4096, 4096);
        // SAFETY: the child starts on its own block's stack.
        unsafe {
            arch::clone(
                nr::CLONE3,
                &[raw.as_ptr() as u64, request.raw_size, 0, 0, 0, 0],
                stack,
                start_sharing,
                0,
            )
        }
    } else {
        let flags = flags
            | CLONE_CHILD_CLEARTID
            | if real {
                request.exit_signal
            } else if thread {
                0
            } else {
                17
            };
        let args = [flags, stack, request.pidfd, clear, request.tls, 0];
        // SAFETY: as above.
        unsafe { arch::clone(nr::CLONE, &args, stack, start_sharing, 0) }
    };
    if vfork && real {
        turns::acquire(cx.task);
    }
    if vfork || ret < 0 {
        // The child has left this address space (or never came to be).
        if !thread {
            Task::at(index).process().release();
        }
        // SAFETY: nobody runs on that block any more.
        unsafe { Task::destroy(index) };
    }
    ret
}

/// Fills a new block: numbers, and a copy of the parent's context to start from.
fn prepare_sharing(
    parent: &Task,
    new: &mut Task,
    context: &UContext,
    child: &Child,
    request: &Request,
) {
    new.slot = child.slot;
    new.process = child.process;
    new.number = child.number;
    new.mask = parent.mask;
    new.detached = parent.detached;
    new.clocks_trap = parent.clocks_trap;
    new.clear_child_tid = child.clear_tid;
    if request.flags & CLONE_VFORK != 0 {
        // Without its own stack it goes on with the parent's signal stack, as natively.
        new.alt = parent.alt;
    }
    if request.flags & CLONE_CLEAR_SIGHAND != 0 {
        for action in &mut new.process().actions {
            if action.handler != sys::SIG_IGN {
                *action = sys::SigAction::DEFAULT;
            }
        }
    }
    // SAFETY: the parent's context is a kernel-made frame.
    let fp_size = unsafe { arch::frame::fpstate_size(context.regs.fpstate) };
    let fp_at = (new.stack_end() - FRAMES_ROOM - fp_size) & !63;
    let at = (fp_at - core::mem::size_of::<UContext>() as u64) & !15;
    let mut copy = *context;
    copy.stack = new.signal_stack();
    copy.regs.fpstate = if fp_size == 0 { 0 } else { fp_at };
    copy.regs.rax = 0;
    if child.stack != 0 {
        copy.regs.rsp = child.stack;
    }
    // SAFETY: both lie at the end of the new block's stack, which nobody uses yet.
    unsafe {
        arch::copy(fp_at, context.regs.fpstate, fp_size as usize);
        *(at as *mut UContext) = copy;
    }
    new.first_context = at;
}

/// A child that shares the address space begins here, on its own stack.
extern "C" fn start_sharing(_: u64) -> ! {
    let task = Task::current();
    trap::use_signal_stack(task);
    let at = task.first_context;
    let child = Child {
        slot: task.slot,
        process: task.process,
        number: task.number,
        clear_tid: task.clear_child_tid,
        set_tid: 0,
        stack: 0,
        flags: CLONE_VM,
    };
    first_steps(task, &child);
    patch::running(task);
    preempt::arm_next(task);
    // SAFETY: the context was prepared by the parent; the net is armed as the last thing.
    unsafe {
        let context = &mut *(at as *mut UContext);
        context.mask = crate::signals::real_mask(task.mask);
        if task.recording() && chaos::on() {
            chaos::begin_task(task, context);
        }
        context.regs.rip = patch::resume_at(context.regs.rip);
        arch::sigreturn(at)
    }
}

/// The child of a copied address space: the block it runs on becomes its own.
fn begin_child(cx: &mut Cx, child: &Child) {
    let task = &mut *cx.task;
    task.slot = child.slot;
    task.process = child.process;
    task.number = child.number;
    task.clear_child_tid = child.clear_tid;
    task.robust_list = 0;
    task.timer = 0;
    task.scratch = 0;
    task.events = 0;
    task.pending.store(0, Ordering::Relaxed);
    task.turn = (0, 0);
    chaos::forked(task);
    if child.flags & CLONE_CLEAR_SIGHAND != 0 {
        for action in &mut task.process().actions {
            if action.handler != sys::SIG_IGN {
                *action = sys::SigAction::DEFAULT;
            }
        }
    }
    task.process().begin();
    streams::forget(task);
    ticks::forget();
    if task.recording() {
        clock::join_recording();
    }
    drop_other_blocks(task.index);
    first_steps(task, child);
    cx.context.regs.rax = 0;
    if child.stack != 0 {
        cx.context.regs.rsp = child.stack;
    }
}

/// A forked child has only the task that forked; what others were waiting in calls with is left over.
fn drop_other_blocks(own: u32) {
    use reenact_abi::map::{SCRATCH, SCRATCH_END, SHIM_END, TASKS, TASK_STRIDE};
    let at = TASKS + u64::from(own) * TASK_STRIDE;
    // SAFETY: the other blocks belong to tasks that do not exist in this process.
    unsafe {
        if own != 0 {
            let _ = sys::munmap(TASKS, at - TASKS);
        }
        let _ = sys::munmap(at + TASK_STRIDE, SHIM_END - at - TASK_STRIDE);
        let _ = sys::munmap(SCRATCH, SCRATCH_END - SCRATCH);
    }
    Task::forget_others(own);
}

/// What every new task does before its first instruction of the target.
fn first_steps(task: &mut Task, child: &Child) {
    if task.recording() {
        task.tid = sys::gettid();
        register(task);
        if ring::map_ring(task).is_err() {
            task.detached = true;
        }
        if chaos::on() {
            chaos::delay_start(task);
        }
        turns::acquire(task);
        record::event(
            task,
            Header {
                kind: Kind::TaskStart as u8,
                ret: i64::from(task.tid),
                ..Header::default()
            },
        );
    } else {
        register(task);
        if !log::open(task) {
            divergence::failed(task, Reason::EndOfStream, 0);
        }
        let made = Header {
            kind: Kind::TaskStart as u8,
            ..Header::default()
        };
        let header = replay::next(task, &made);
        if header.kind != Kind::TaskStart as u8 {
            divergence::report(task, Reason::Kind, &header, &made, 0);
        }
        replay::take_turn(task, &header);
        log::consume(task, &header, |_, _| {});
        task.tid = header.ret as u32;
        replay::at_end(task);
    }
    if child.set_tid != 0 {
        let _ = guest_mem::put(child.set_tid, task.tid);
    }
    let process = task.process();
    if net::arm(process.net).is_err() {
        crate::warn!(
            "reenact: the kernel refused to catch system calls of a new task; it runs unrecorded"
        );
        task.detached = true;
    }
}

/// Makes the slot this task's own, so that the kernel tells of its death.
pub fn register(task: &mut Task) {
    let mine = slot(task.slot);
    let real_tid = sys::gettid();
    mine.tid.store(task.tid, Ordering::Relaxed);
    mine.pid.store(sys::getpid(), Ordering::Relaxed);
    mine.owner.store(real_tid, Ordering::SeqCst);
    mine.state.store(arena::slot::RUNNING, Ordering::SeqCst);
    task.robust.entry = &raw const task.robust as u64;
    task.robust.first = &raw const task.robust.entry as u64;
    task.robust.pending = 0;
    task.robust.futex_offset = mine.owner.as_ptr() as i64 - &raw const task.robust.entry as i64;
    robust_list(task, true);
}

/// Puts the slot on (or takes it from) the kernel's list of what to mark when the task dies.
pub fn robust_list(task: &mut Task, on: bool) {
    let head = match (on, chain(task)) {
        (false, _) => 0,
        (true, false) => &raw const task.robust as u64,
        (true, true) => &raw const task.robust_chained as u64,
    };
    // SAFETY: the kernel reads the list when the task ends; it lies in the task's own block.
    unsafe { sys::call(nr::SET_ROBUST_LIST, [head, 24]) };
}

/// Lets the list that the kernel walks go on with the target's own: it marks the target's mutexes
/// should a signal kill the process. Both share one distance from entry to futex word, which is the
/// target's choice; false where the slot has no room at that distance.
fn chain(task: &mut Task) -> bool {
    let list = task.robust_list;
    if list == 0 || !task.recording() {
        return false;
    }
    let Ok(offset) = guest_mem::get::<i64>(list + 8) else {
        return false;
    };
    let mine = task.my_slot();
    let room = core::mem::size_of_val(&mine.chain) as i64;
    if offset % 4 != 0 || !(4..=4 + room - 8).contains(&offset.wrapping_neg()) {
        return false;
    }
    let entry = (mine.owner.as_ptr() as u64).wrapping_sub(offset as u64);
    // SAFETY: within `chain`, which only this task and the kernel use; it need not be aligned.
    unsafe { (entry as *mut u64).write_unaligned(list) };
    task.robust_chained.first = entry;
    task.robust_chained.futex_offset = offset;
    task.robust_chained.pending = 0;
    true
}

/// Does the call suspend its caller while the child runs on the caller's memory?
pub fn is_vfork(cx: &Cx) -> bool {
    let both = CLONE_VM | CLONE_VFORK;
    request(cx).is_ok_and(|request| request.flags & both == both)
}

pub fn replay_clone(cx: &mut Cx, header: &Header) -> Flow {
    let waits = is_vfork(cx);
    let mut numbers = [0u8; 8];
    let have = log::first_data(cx.task, header, &mut numbers);
    if header.ret < 0 {
        if waits {
            replay::take_turn(cx.task, header);
        }
        return super::emulated(cx, header);
    }
    let word = |at: usize| {
        u32::from_le_bytes([
            numbers[at],
            numbers[at + 1],
            numbers[at + 2],
            numbers[at + 3],
        ])
    };
    if have != 8 {
        divergence::failed(cx.task, Reason::BadLog, cx.task.at);
    }
    if !replay_spawn(cx, word(0), word(4)) {
        return Flow::Replaced;
    }
    if waits {
        replay::take_turn(cx.task, header);
    }
    super::emulated(cx, header)
}

/// The recorded parent was killed inside the call, but its child may have come to be.
/// False in that child.
pub fn replay_unfinished(cx: &mut Cx, header: &Header) -> bool {
    let (process, number) = ((header.ticket >> 32) as u32, header.ticket as u32);
    number == 0 || !log::exists(cx.task, process, number) || replay_spawn(cx, process, number)
}

/// Makes the child that follows the given log. False in a child of a copied address space.
fn replay_spawn(cx: &mut Cx, process: u32, number: u32) -> bool {
    let Ok(request) = request(cx) else {
        divergence::failed(cx.task, Reason::BadLog, cx.task.at);
    };
    let Some(claimed) = claim_slot() else {
        divergence::failed(cx.task, Reason::System, 11);
    };
    fill_slot(cx.task, claimed, process, number, 0);
    let child = Child::new(&request, claimed, process, number);
    let (ret, is_child) = spawn(cx, &request, &child, false);
    if is_child {
        begin_child(cx, &child);
        return false;
    }
    if ret < 0 {
        divergence::failed(cx.task, Reason::System, (-ret) as u64);
    }
    true
}

const PR_SET_SECCOMP: u64 = 22;
const PR_SET_TSC: u64 = 26;
const PR_GET_TID_ADDRESS: u64 = 40;
const PR_GET_TSC: u64 = 25;
const PR_SET_SYSCALL_USER_DISPATCH: u64 = 59;
const ARCH_SET_GS: u64 = 0x1001;
const ARCH_SET_FS: u64 = 0x1002;
const ARCH_SET_CPUID: u64 = 0x1012;

pub fn record(cx: &mut Cx) -> Flow {
    let args = cx.call.args;
    match cx.row.hook {
        Hook::SetTidAddress => {
            cx.task.clear_child_tid = args[0];
            Flow::Return(i64::from(cx.task.tid))
        }
        Hook::RobustList if cx.call.nr == nr::SET_ROBUST_LIST => {
            if args[1] != 24 {
                return Flow::Return(Errno::EINVAL.ret());
            }
            cx.task.robust_list = args[0];
            robust_list(cx.task, true);
            Flow::Return(0)
        }
        Hook::RobustList if args[0] == 0 || args[0] == u64::from(cx.task.tid) => {
            let wrote = guest_mem::put(args[2], 24u64)
                .and_then(|()| guest_mem::put(args[1], cx.task.robust_list));
            Flow::Return(wrote.map_or_else(Errno::ret, |()| 0))
        }
        Hook::ArchPrctl if args[0] == ARCH_SET_CPUID => Flow::Return(Errno(19).ret()),
        Hook::Prctl => match args[0] {
            PR_SET_SYSCALL_USER_DISPATCH => Flow::Return(Errno::EINVAL.ret()),
            // A filter of the target's own would see our calls, not its: it is noted, not installed.
            PR_SET_SECCOMP => Flow::Return(0),
            PR_SET_TSC => Flow::Return(0),
            // The kernel has an address of ours.
            PR_GET_TID_ADDRESS => {
                let wrote = guest_mem::put(args[1], cx.task.clear_child_tid);
                Flow::Return(wrote.map_or_else(Errno::ret, |()| 0))
            }
            PR_GET_TSC => {
                let wrote = guest_mem::put(args[1], 1u32);
                Flow::Return(wrote.map_or_else(Errno::ret, |()| 0))
            }
            _ => cx.enter_with(cx.call.nr, args, false),
        },
        Hook::Seccomp => {
            const SET_MODE_STRICT: u64 = 0;
            const SET_MODE_FILTER: u64 = 1;
            if args[0] == SET_MODE_STRICT || (args[0] == SET_MODE_FILTER && args[1] & 8 == 0) {
                if args[0] == SET_MODE_FILTER && args[2] == 0 {
                    return Flow::Return(Errno::EFAULT.ret());
                }
                return Flow::Return(0);
            }
            cx.enter()
        }
        Hook::Exit | Hook::ExitGroup => end(cx),
        _ => cx.enter(),
    }
}

/// Is this the last thing that the address space does?
pub fn leaves_process(cx: &Cx) -> bool {
    cx.row.hook == Hook::ExitGroup
        || group(turns::root(cx.task.my_slot().group.load(Ordering::Relaxed)))
            .members
            .load(Ordering::Relaxed)
            <= 1
}

/// exit and exit_group: the event goes out first, then the task ends.
fn end(cx: &mut Cx) -> Flow {
    let code = cx.call.args[0] as i32;
    let clear = cx.task.clear_child_tid;
    let whole = leaves_process(cx);
    record::complete(cx.task, 0);
    if whole {
        locks::end_process(cx.task, &mut |task, word| outputs::bytes(task, word, 4));
    } else {
        locks::end_task(cx.task);
    }
    if cx.task.robust_list != 0 {
        // The kernel need not look again.
        cx.task.robust_list = 0;
        robust_list(cx.task, true);
    }
    if cx.row.hook == Hook::Exit && clear != 0 {
        // The kernel would clear it at an unforeseeable moment; we do it within the turn.
        if guest_mem::put(clear, 0u32).is_ok() {
            outputs::bytes(cx.task, clear, 4);
        }
    }
    ring::finish(cx.task);
    if whole {
        checksum::record(cx.task);
    }
    let mine = cx.task.my_slot();
    mine.state.store(arena::slot::ENDED, Ordering::SeqCst);
    ring::wake_recorder();
    if cx.row.hook == Hook::Exit {
        if clear != 0 {
            // SAFETY: wakes whoever waits for this thread.
            unsafe { sys::call(nr::FUTEX, [clear, 1, 1]) };
        }
        if !whole {
            turns::release(cx.task);
        }
        sys::exit_task(code);
    }
    turns::release(cx.task);
    sys::exit_group(code)
}

pub fn replay(cx: &mut Cx, header: &Header) -> Flow {
    let args = cx.call.args;
    match cx.row.hook {
        Hook::SetTidAddress => cx.task.clear_child_tid = args[0],
        Hook::RobustList if cx.call.nr == nr::SET_ROBUST_LIST => cx.task.robust_list = args[0],
        Hook::ArchPrctl if matches!(args[0], ARCH_SET_FS | ARCH_SET_GS) && header.ret == 0 => {
            // SAFETY: the target's own segment bases.
            unsafe { sys::call(nr::ARCH_PRCTL, [args[0], args[1]]) };
        }
        Hook::Prctl if args[0] == 15 => {
            // PR_SET_NAME: so that a debugger shows the names that the recorded run had.
            // SAFETY: the kernel reads at most 16 bytes of the target's memory.
            unsafe { sys::call(nr::PRCTL, [15, args[1]]) };
        }
        Hook::Exit | Hook::ExitGroup => {
            replay::outputs(cx.task, header);
            checksum::replay(cx.task);
            replay::give_turn(cx.task);
            if cx.row.hook == Hook::Exit {
                replay::leave(cx.task);
                sys::exit_task(args[0] as i32);
            }
            replay::exit_process(cx.task);
            sys::exit_group(args[0] as i32);
        }
        _ => {}
    }
    replay::outputs(cx.task, header);
    Flow::Completed(header.ret)
}
