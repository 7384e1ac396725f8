//! Locks in the target's memory that the kernel itself changes: robust ones, which it marks when
//! their owner ends, and ones with priority inheritance, which it hands over.
//!
//! Both at moments that nothing would tell replay. So the shim does what the kernel would, within
//! the turn: it walks the list that the target registers when a task ends, and locks with priority
//! inheritance are ordinary locks, without the inheritance. The kernel is led to that list too, for
//! a process that a signal kills.

use core::sync::atomic::Ordering;

use reenact_abi::event::{Header, Kind};
use reenact_abi::map::{PAGE, TASKS, TASKS_MAX, TASK_STRIDE};

use crate::arch;
use crate::dispatch::{Cx, Flow};
use crate::guest_mem;
use crate::nr;
use crate::sys::{self, Errno};
use crate::task::Task;
use crate::{inputs, outputs, record, ring, turns};

const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;
const TID: u32 = 0x3fff_ffff;

const FUTEX_WAIT: u64 = 0;
const FUTEX_WAKE: u64 = 1;
const FUTEX_LOCK_PI: u64 = 6;
const FUTEX_UNLOCK_PI: u64 = 7;
const FUTEX_TRYLOCK_PI: u64 = 8;
const FUTEX_WAIT_BITSET: u64 = 9;
const FUTEX_WAIT_REQUEUE_PI: u64 = 11;
const FUTEX_CMP_REQUEUE_PI: u64 = 12;
const FUTEX_LOCK_PI2: u64 = 13;
const PRIVATE: u64 = 128;
const CLOCK_REALTIME: u64 = 256;

const ESRCH: Errno = Errno(3);
const EDEADLK: Errno = Errno(35);
const ETIMEDOUT: Errno = Errno(110);

/// ROBUST_LIST_LIMIT.
const ENTRIES_MAX: usize = 2048;

/// A waiter looks again after so long, should its waker have been killed before it took the lock.
const LOOK_AGAIN_NS: u64 = 50_000_000;

fn wake(word: u64, private: u64, count: u64) -> i64 {
    // SAFETY: the kernel only looks the address up.
    unsafe { arch::syscall(nr::FUTEX, [word, FUTEX_WAKE | private, count, 0, 0, 0]) }
}

/// Marks the locks that a task holds, as the kernel does when it ends; each one is told to `each`.
fn release_robust(
    task: &mut Task,
    list: u64,
    tid: u32,
    each: &mut impl FnMut(&mut Task, u64),
) -> sys::Result<()> {
    let mut entry: u64 = guest_mem::get(list)?;
    let offset: u64 = guest_mem::get(list + 8)?;
    let pending: u64 = guest_mem::get(list + 16)?;
    for _ in 0..ENTRIES_MAX {
        if entry & !1 == list {
            break;
        }
        // Whoever gets the lock may reuse its memory.
        let next = guest_mem::get(entry & !1);
        if entry & !1 != pending & !1 {
            release(task, (entry & !1).wrapping_add(offset), tid, false, each)?;
        }
        entry = next?;
    }
    if pending & !1 != 0 {
        let word = (pending & !1).wrapping_add(offset);
        // An unlock that was cut short may have cleared the word without waking anybody.
        release(task, word, tid, pending & 1 == 0, each)?;
    }
    Ok(())
}

fn release(
    task: &mut Task,
    word: u64,
    tid: u32,
    wakes_free: bool,
    each: &mut impl FnMut(&mut Task, u64),
) -> sys::Result<()> {
    if !word.is_multiple_of(4) {
        return Err(Errno::EINVAL);
    }
    let value: u32 = guest_mem::get(word)?;
    if value & TID == tid {
        guest_mem::put(word, value & WAITERS | OWNER_DIED)?;
        each(task, word);
    }
    if value & TID == tid && value & WAITERS != 0 || wakes_free && value == 0 {
        wake(word, 0, 1);
        wake(word, PRIVATE, 1);
    }
    Ok(())
}

/// The task ends: its locks are marked, and the words become outputs of the current event.
pub fn end_task(task: &mut Task) {
    let (list, tid) = (task.robust_list, task.tid);
    release_list(task, list, tid, &mut |task, word| {
        outputs::bytes(task, word, 4)
    });
}

/// Replay: the recorded task was killed, and the kernel marked its locks. When that was is not
/// known: others of its group have not looked since its last event, or what they saw differs.
pub fn killed(task: &mut Task) {
    let (list, tid) = (task.robust_list, task.tid);
    release_list(task, list, tid, &mut |_, _| {});
}

/// All tasks of the process end.
pub fn end_process(task: &mut Task, each: &mut impl FnMut(&mut Task, u64)) {
    release_list(task, task.robust_list, task.tid, each);
    let ever_lived = u64::from(task.process().live.load(Ordering::Relaxed));
    if ever_lived <= 1 {
        return;
    }
    // Blocks are given out from the first on; a few belong to vfork children, or to a parent's.
    for index in 0..(ever_lived + 64).min(TASKS_MAX) {
        let mut resident = 0u8;
        let at = TASKS + index * TASK_STRIDE;
        // SAFETY: the kernel writes one byte, and fails where nothing is mapped.
        let mapped = unsafe { sys::call(nr::MINCORE, [at, PAGE, &raw mut resident as u64]) } == 0;
        if mapped && index != u64::from(task.index) {
            let other = Task::at(index as u32);
            if other.state == task.state {
                release_list(task, other.robust_list, other.tid, each);
            }
        }
    }
}

fn release_list(task: &mut Task, list: u64, tid: u32, each: &mut impl FnMut(&mut Task, u64)) {
    if list != 0 {
        // A list that leads nowhere ends there, as in the kernel.
        let _ = release_robust(task, list, tid, each);
    }
}

/// Recording: the running call has changed a word although it has not come to its end, and others
/// see that: an event of its own, before the call's.
pub fn stored(task: &mut Task, word: u64) {
    if task.detached {
        return;
    }
    let call = *ring::header(task);
    ring::retract(task);
    record::open(
        task,
        Header {
            kind: Kind::Stored as u8,
            ..Header::default()
        },
    );
    outputs::bytes(task, word, 4);
    ring::finish(task);
    ring::begin(task, &call);
}

/// A futex call while recording.
pub fn record(cx: &mut Cx) -> Flow {
    let [word, op, value, count, second, expected] = cx.call.args;
    if cx.call.nr != nr::FUTEX {
        return cx.enter();
    }
    let private = op & PRIVATE;
    let realtime = op & CLOCK_REALTIME;
    match op & 0xffff_ffff & !(PRIVATE | CLOCK_REALTIME) {
        FUTEX_LOCK_PI | FUTEX_UNLOCK_PI | FUTEX_TRYLOCK_PI | FUTEX_CMP_REQUEUE_PI
            if realtime != 0 =>
        {
            Flow::Return(Errno::ENOSYS.ret())
        }
        FUTEX_LOCK_PI => lock(cx, word, private, CLOCK_REALTIME, true),
        FUTEX_LOCK_PI2 => lock(cx, word, private, realtime, true),
        FUTEX_TRYLOCK_PI => lock(cx, word, private, 0, false),
        FUTEX_UNLOCK_PI => {
            Flow::Return(unlock(cx.task, word, private).map_or_else(Errno::ret, |()| 0))
        }
        FUTEX_WAIT_REQUEUE_PI => {
            let args = [
                word,
                FUTEX_WAIT_BITSET | private | realtime,
                value,
                count,
                0,
                u64::from(u32::MAX),
            ];
            match cx.enter_with(nr::FUTEX, args, true) {
                Flow::Return(0) => lock(cx, second, private, realtime, true),
                Flow::Return(ret) if ret == Errno::EINTR.ret() && pending(cx.task) => {
                    Flow::NotEntered
                }
                flow => flow,
            }
        }
        FUTEX_CMP_REQUEUE_PI => Flow::Return(match guest_mem::get::<u32>(word) {
            Err(errno) => errno.ret(),
            Ok(_) if value != 1 => Errno::EINVAL.ret(),
            Ok(now) if u64::from(now) != expected & 0xffff_ffff => Errno::EAGAIN.ret(),
            // Who would be moved to the lock's queue takes its place there by itself.
            Ok(_) => wake(word, private, 1 + (count & 0x3fff_ffff)),
        }),
        _ => cx.enter(),
    }
}

fn pending(task: &Task) -> bool {
    task.pending.load(Ordering::Acquire) != 0
}

/// Absolute time at which a wait ends, in nanoseconds; `u64::MAX` for never.
fn deadline(at: u64) -> sys::Result<u64> {
    if at == 0 {
        return Ok(u64::MAX);
    }
    let [seconds, nanoseconds] = guest_mem::get::<[u64; 2]>(at)?;
    if seconds >> 63 != 0 || nanoseconds >= 1_000_000_000 {
        return Err(Errno::EINVAL);
    }
    Ok(seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds))
}

fn lock(cx: &mut Cx, word: u64, private: u64, clock: u64, waits: bool) -> Flow {
    let until = match deadline(if waits { cx.call.args[3] } else { 0 }) {
        Ok(until) => until,
        Err(errno) => return Flow::Return(errno.ret()),
    };
    if !word.is_multiple_of(4) {
        return Flow::Return(Errno::EINVAL.ret());
    }
    loop {
        let value = match take(cx.task, word) {
            Ok(Taken::Now) => return Flow::Return(0),
            Ok(Taken::Held(_)) if !waits => return Flow::Return(Errno::EAGAIN.ret()),
            Ok(Taken::Held(value)) => value,
            Err(errno) => return Flow::Return(errno.ret()),
        };
        if pending(cx.task) {
            // As in the kernel the handler runs, and the call begins anew.
            return Flow::NotEntered;
        }
        let now = match clock {
            CLOCK_REALTIME => sys::wall_ns(),
            _ => sys::monotonic_ns(),
        };
        if now >= until {
            return Flow::Return(ETIMEDOUT.ret());
        }
        if value & WAITERS == 0 {
            if let Err(errno) = guest_mem::put(word, value | WAITERS) {
                return Flow::Return(errno.ret());
            }
            stored(cx.task, word);
            if !cx.task.detached {
                ring::header(cx.task).input_hash = inputs::hash(&cx.shape.args, &cx.call.args);
            }
        }
        let wait = LOOK_AGAIN_NS.min(until - now);
        let time = [wait / 1_000_000_000, wait % 1_000_000_000];
        let args = [
            word,
            FUTEX_WAIT | private,
            u64::from(value | WAITERS),
            time.as_ptr() as u64,
            0,
            0,
        ];
        turns::release(cx.task);
        // SAFETY: the kernel reads the word and a timespec of ours.
        unsafe { arch::interruptible(cx.task.pending.as_ptr(), nr::FUTEX, &args) };
        // Whatever ended the wait: if the lock is free now, it is ours.
        turns::acquire(cx.task);
    }
}

enum Taken {
    Now,
    Held(u32),
}

/// Takes a lock that nobody holds.
fn take(task: &Task, word: u64) -> sys::Result<Taken> {
    let value: u32 = guest_mem::get(word)?;
    match value & TID {
        0 => {
            guest_mem::put(word, value | task.tid)?;
            Ok(Taken::Now)
        }
        owner if owner == task.tid => Err(EDEADLK),
        owner => {
            // SAFETY: signal 0 is none.
            let lives = unsafe { sys::call(nr::TKILL, [u64::from(owner), 0]) };
            if lives == ESRCH.ret() {
                return Err(ESRCH);
            }
            Ok(Taken::Held(value))
        }
    }
}

fn unlock(task: &Task, word: u64, private: u64) -> sys::Result<()> {
    let value: u32 = guest_mem::get(word)?;
    if value & TID != task.tid {
        return Err(Errno::EPERM);
    }
    // Who waits takes the lock by itself. While the mark stands, nobody takes it without a call.
    guest_mem::put(word, value & WAITERS)?;
    if value & WAITERS != 0 && wake(word, private, 1) == 0 {
        guest_mem::put(word, 0u32)?;
    }
    Ok(())
}
