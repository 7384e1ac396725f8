//! Turns: tasks that share memory run one at a time, and their events are one total order.
//!
//! Recording decides the order, by a lock that a task gives up where it may block; replay follows
//! it, by letting each task wait until the group's next event is its own. A group is named by its
//! entry in the shared arena; a merged one points to what it was merged into.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{inflight, state, Group, GROUPS_MAX, MERGE_BY_RECORDER};

use crate::chaos;
use crate::loops;
use crate::ring::{self, OWNER_DIED};
use crate::signals;
use crate::sys;
use crate::task::{group, session, slot, Task};

/// How long a waiter sleeps before it looks whether the holder still lives.
const CHECK_NS: u64 = 50_000_000;

/// Follows merges; the path has no cycle because a group only ever points at a living root.
pub fn root(mut index: u32) -> u32 {
    for _ in 0..GROUPS_MAX {
        match group(index).merged_into.load(Ordering::Acquire) {
            0 => return index,
            next => index = next - 1,
        }
    }
    index
}

#[inline(always)]
pub fn mine(task: &Task) -> &'static Group {
    let index = task.my_slot().group.load(Ordering::Relaxed);
    let group = group(index);
    if group.merged_into.load(Ordering::Acquire) == 0 {
        return group;
    }
    merged(index)
}

#[cold]
fn merged(index: u32) -> &'static Group {
    group(root(index))
}

/// Takes the turn of the task's group.
#[inline(always)]
pub fn acquire(task: &Task) {
    let index = task.my_slot().group.load(Ordering::Relaxed);
    let own = group(index);
    // Whoever merges a group has its turn, so one that is not merged while the turn is ours stays so.
    if try_lock(own) {
        hold(own, task.slot);
        if own.merged_into.load(Ordering::Acquire) == 0 {
            loops::begin_turn(task);
            return;
        }
        unlock(own);
    }
    acquire_slowly(task);
}

#[cold]
#[inline(never)]
fn acquire_slowly(task: &Task) {
    loop {
        let index = root(task.my_slot().group.load(Ordering::Relaxed));
        take(index, task.slot);
        if root(index) == index {
            task.my_slot().group.store(index, Ordering::Relaxed);
            loops::begin_turn(task);
            return;
        }
        unlock(group(index));
    }
}

/// Locks one entry for the task in `slot`.
#[inline(always)]
fn take(index: u32, slot: u32) {
    let group = group(index);
    if !try_lock(group) {
        group.waiters.fetch_add(1, Ordering::SeqCst);
        loops::hurry();
        wait(group);
        group.waiters.fetch_sub(1, Ordering::SeqCst);
    }
    hold(group, slot);
}

/// Locks the entry unless somebody has; true if it is locked now.
#[inline(always)]
fn try_lock(group: &Group) -> bool {
    group
        .turn
        .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
}

/// The task in `slot` has locked it.
#[inline(always)]
fn hold(group: &Group, slot: u32) {
    group.moved.store(slot + 1, Ordering::Relaxed);
    // Only the holder counts. Whoever made way said so before it gave up the lock that led here.
    let grants = group.grants.load(Ordering::Relaxed).wrapping_add(1);
    group.grants.store(grants, Ordering::Release);
    if group.making_way.load(Ordering::SeqCst) != 0 {
        sys::futex_wake(&group.grants, u32::MAX >> 1);
    }
}

/// Waits until the lock is the caller's. A holder that keeps it for longer than a slice is told.
fn wait(group: &Group) {
    let mut seen = group.grants.load(Ordering::SeqCst);
    let mut waited_ns = 0;
    let mut passes = if chaos::on() { chaos::passes() } else { 0 };
    while group.turn.swap(2, Ordering::SeqCst) != 0 {
        let slice_ns = slice(group);
        let timed_out = sys::futex_wait(&group.turn, 2, slice_ns) == Err(sys::Errno(110));
        let now = group.grants.load(Ordering::SeqCst);
        if now != seen {
            (seen, waited_ns) = (now, 0);
        } else if timed_out {
            waited_ns += slice_ns;
            group.wanted.store(1, Ordering::SeqCst);
            if waited_ns >= CHECK_NS && holder_died(group) {
                break;
            }
            hurry_holder(group);
        }
        if passes != 0 && !timed_out && group.waiters.load(Ordering::SeqCst) > 1 {
            // Whoever waits behind this task goes first.
            passes -= 1;
            sys::futex_wake(&group.turn, 1);
            sys::sleep_ns(PASS_NS);
        }
    }
}

/// How long a task that passes leaves the turn to the next one.
const PASS_NS: u64 = 30_000;

/// How long a task computes while others wait: at first, and once it is known to do nothing else, or to
/// wait for memory to change.
const SLICE_NS: u64 = 5_000_000;
const SLICE_COMPUTING_NS: u64 = 20_000_000;
const SLICE_SPINNING_NS: u64 = 500_000;
/// And in ratio to what a stop takes, up to a length at which others would seem to hang.
const SLICE_PER_STOP: u64 = 3;
const SLICE_MAX_NS: u64 = 120_000_000;

fn slice(group: &Group) -> u64 {
    if chaos::on() {
        return chaos::slice_ns();
    }
    match group.slice_ns.load(Ordering::Relaxed) {
        0 => SLICE_NS,
        ns => u64::from(ns),
    }
}

/// Interrupts the holder, unless it is in a call, behind which it looks by itself.
fn hurry_holder(group: &Group) {
    let holder = group.moved.load(Ordering::Relaxed);
    if holder == 0 || slot(holder - 1).written.inflight.load(Ordering::Relaxed) != inflight::NONE {
        return;
    }
    let holder = slot(holder - 1);
    let tid = holder.owner.load(Ordering::Relaxed) & TID_MASK;
    signals::interrupt_task(holder.pid.load(Ordering::Relaxed), tid);
}

/// The part of a slot's owner that is a thread id.
const TID_MASK: u32 = 0x3fff_ffff;

/// Recording, before a call: gives the turn up if somebody has waited for long enough.
pub fn make_way(task: &Task) {
    if mine(task).wanted.load(Ordering::Relaxed) != 0 {
        hand_over(task);
    }
}

#[inline(always)]
pub fn is_wanted(task: &Task) -> bool {
    mine(task).wanted.load(Ordering::Relaxed) != 0
}

pub fn is_waited_for(task: &Task) -> bool {
    mine(task).waiters.load(Ordering::SeqCst) != 0
}

/// Did somebody give the turn up just now who will want it again?
pub fn is_made_way_for(task: &Task) -> bool {
    mine(task).making_way.load(Ordering::SeqCst) != 0
}

/// The task was stopped while it computed, which took `stop_ns`. `spins`: it will only go round until
/// memory changes. The next one computes for longer than it takes to stop it: on a virtual machine whose
/// debug registers belong to the hypervisor, each step is ten times as long as elsewhere.
pub fn give_way(task: &Task, spins: bool, stop_ns: u64) {
    let slice_ns = if spins {
        SLICE_SPINNING_NS
    } else {
        (SLICE_PER_STOP * stop_ns).clamp(SLICE_COMPUTING_NS, SLICE_MAX_NS)
    };
    mine(task)
        .slice_ns
        .store(slice_ns as u32, Ordering::Relaxed);
    hand_over(task);
}

/// Gives the turn to a task that waits for it, and takes one again afterwards.
pub fn hand_over(task: &Task) {
    let group = mine(task);
    group.wanted.store(0, Ordering::SeqCst);
    if group.waiters.load(Ordering::SeqCst) == 0 {
        return;
    }
    let seen = group.grants.load(Ordering::SeqCst);
    group.making_way.fetch_add(1, Ordering::SeqCst);
    unlock(group);
    // The one that was woken may not be running yet: whoever let it go must not be faster.
    let mut tries = 0;
    while group.grants.load(Ordering::SeqCst) == seen && tries < 10 {
        let _ = sys::futex_wait(&group.grants, seen, 1_000_000);
        tries += 1;
    }
    group.making_way.fetch_sub(1, Ordering::SeqCst);
    acquire(task);
}

/// Does a task wait for the turn that would only go round in a loop, if nothing has changed?
pub fn is_looped_for(task: &Task) -> bool {
    let group = mine(task);
    group.looping_head.load(Ordering::SeqCst) != group.looping_tail.load(Ordering::SeqCst)
}

/// How long a task that goes round in a loop waits before it looks whether the turn is free.
const LOOK_NS: u64 = 50_000;
const LOOK_MAX_NS: u64 = 1_000_000;

/// The task goes round until another changes memory: it takes its turn again behind all others. Tasks
/// that are in calls need not wait for it when they return, so it comes back when the next one like it
/// gives its turn up, or when it finds that nobody has it.
/// `seen` tells apart what the loop sees.
pub fn give_way_in_loop(task: &mut Task, seen: u64, rounds_max: u32) {
    let group = mine(task);
    group.wanted.store(0, Ordering::SeqCst);
    // The stop that was recorded just now.
    let stops = group.stops.fetch_add(1, Ordering::SeqCst) + 1;
    let others = group.order.load(Ordering::Relaxed);
    let done = [others.wrapping_sub(u64::from(stops)), seen];
    task.rounds = if done == task.done_before {
        (task.rounds + 1).min(rounds_max)
    } else {
        0
    };
    task.done_before = done;
    let ticket = group.looping_tail.fetch_add(1, Ordering::SeqCst);
    if group.waiters.load(Ordering::SeqCst) == 0 {
        admit(group, group.looping_head.load(Ordering::SeqCst));
    }
    unlock(group);
    let (mut look_ns, mut waited_ns) = (LOOK_NS, 0);
    loop {
        let head = group.looping_head.load(Ordering::SeqCst);
        if head.wrapping_sub(ticket) as i32 > 0 {
            break;
        }
        if sys::futex_wait(&group.looping_head, head, look_ns) != Err(sys::Errno(110)) {
            continue;
        }
        waited_ns += look_ns;
        let free = head == ticket && group.turn.load(Ordering::SeqCst) == 0;
        if free || waited_ns >= SLICE_NS {
            admit(group, ticket);
            break;
        }
        look_ns = (look_ns * 2).min(LOOK_MAX_NS);
    }
    acquire(task);
    // That the task goes on is an event, too.
    mine(task).stops.fetch_add(1, Ordering::SeqCst);
}

/// Lets the tasks up to that ticket take their turns.
fn admit(group: &Group, ticket: u32) {
    let next = ticket.wrapping_add(1);
    let behind = |head: u32| (next.wrapping_sub(head) as i32 > 0).then_some(next);
    let moved = group
        .looping_head
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, behind);
    if moved.is_ok() {
        sys::futex_wake(&group.looping_head, u32::MAX >> 1);
    }
}

/// A process killed in its turn never gives it up; its slot says so.
fn holder_died(group: &Group) -> bool {
    let holder = group.moved.load(Ordering::Relaxed);
    holder == 0 || slot(holder - 1).owner.load(Ordering::Relaxed) & OWNER_DIED != 0
}

fn unlock(group: &Group) {
    if group.turn.swap(0, Ordering::SeqCst) == 2 {
        sys::futex_wake(&group.turn, 1);
    }
}

/// Gives the turn up.
pub fn release(task: &Task) {
    unlock(mine(task));
}

/// After execve, whose task still holds its turn: a new program shares no memory with anybody, so
/// it leaves a group that has other members.
pub fn leave_shared(task: &Task) {
    let old = mine(task);
    if old.members.load(Ordering::SeqCst) <= 1 {
        return;
    }
    if let Some(fresh) = create() {
        group(fresh).members.store(1, Ordering::SeqCst);
        old.members.fetch_sub(1, Ordering::SeqCst);
        task.my_slot().group.store(fresh, Ordering::SeqCst);
        unlock(old);
        acquire(task);
    }
}

/// Recording: runs `act` while nobody else of the session changes who belongs to which group. The
/// task holds its turn before, within and after, but not throughout.
pub fn regroup<T>(task: &Task, act: impl FnOnce() -> T) -> T {
    // Whoever waits for this right holds no turn, so nobody waits in a ring.
    release(task);
    let lock = &session().merge_lock;
    while lock
        .compare_exchange(0, task.slot + 1, Ordering::SeqCst, Ordering::SeqCst)
        .is_err()
    {
        let holder = lock.load(Ordering::SeqCst);
        let gone = match holder {
            0 => false,
            MERGE_BY_RECORDER => !ring::recorder_alive(),
            slot_plus_one => {
                let owner = &slot(slot_plus_one - 1).owner;
                owner.load(Ordering::Relaxed) & OWNER_DIED != 0
            }
        };
        if gone {
            let _ = lock.compare_exchange(holder, 0, Ordering::SeqCst, Ordering::SeqCst);
        }
        sys::sleep_ns(50_000);
    }
    acquire(task);
    let result = act();
    lock.store(0, Ordering::SeqCst);
    result
}

/// Makes one group of the task's own and that of `other`; true when they were two. Only within
/// [`regroup`].
pub fn merge(task: &Task, other: u32) -> bool {
    let own = root(task.my_slot().group.load(Ordering::Relaxed));
    let other = root(other);
    if own == other || group(other).id.load(Ordering::SeqCst) == 0 {
        return false;
    }
    let (from, into) = (group(own), group(other));
    take(other, task.slot);
    into.order
        .fetch_max(from.order.load(Ordering::SeqCst), Ordering::SeqCst);
    into.members
        .fetch_add(from.members.swap(0, Ordering::SeqCst), Ordering::SeqCst);
    task.my_slot().group.store(other, Ordering::SeqCst);
    from.merged_into.store(other + 1, Ordering::SeqCst);
    unlock(from);
    true
}

/// Recording: the position of the event that happens now.
#[inline(always)]
pub fn next_order(task: &Task) -> (u32, u64) {
    let group = mine(task);
    // Only the task that has the turn counts.
    let order = group.order.load(Ordering::Relaxed);
    group.order.store(order + 1, Ordering::Relaxed);
    (group.id.load(Ordering::Relaxed), order)
}

/// Recording: claims a fresh group.
pub fn create() -> Option<u32> {
    let session = session();
    for index in 0..GROUPS_MAX as u32 {
        let entry = group(index);
        if entry
            .id
            .compare_exchange(0, u32::MAX, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok()
        {
            entry.turn.store(0, Ordering::Relaxed);
            entry.merged_into.store(0, Ordering::Relaxed);
            entry.members.store(0, Ordering::Relaxed);
            entry.order.store(1, Ordering::Relaxed);
            entry.waiters.store(0, Ordering::Relaxed);
            entry.wanted.store(0, Ordering::Relaxed);
            entry.slice_ns.store(0, Ordering::Relaxed);
            entry.making_way.store(0, Ordering::Relaxed);
            entry.looping_head.store(0, Ordering::Relaxed);
            entry.looping_tail.store(0, Ordering::Relaxed);
            entry.stops.store(0, Ordering::Relaxed);
            entry.id.store(
                session.next_group.fetch_add(1, Ordering::Relaxed) + 1,
                Ordering::Release,
            );
            return Some(index);
        }
    }
    None
}

/// Replay: waits until `order` in group `id` is the next event, and takes it. False when the
/// session was stopped meanwhile.
pub fn await_order(id: u32, order: u64) -> bool {
    let group = group(id);
    let mut next = group.order.load(Ordering::Acquire);
    while next != order {
        if session().state.load(Ordering::Acquire) != state::OPEN {
            return false;
        }
        let moved = group.moved.load(Ordering::SeqCst);
        group.waiters.fetch_add(1, Ordering::SeqCst);
        if group.order.load(Ordering::SeqCst) != order {
            let _ = sys::futex_wait(&group.moved, moved, CHECK_NS);
        }
        group.waiters.fetch_sub(1, Ordering::SeqCst);
        next = group.order.load(Ordering::Acquire);
    }
    true
}

/// Replay: the task will not touch memory before it has taken its next event, so others may go.
pub fn publish_order(id: u32, next: u64) {
    let group = group(id);
    group.order.store(next, Ordering::SeqCst);
    group.moved.fetch_add(1, Ordering::SeqCst);
    if group.waiters.load(Ordering::SeqCst) != 0 {
        sys::futex_wake(&group.moved, u32::MAX >> 1);
    }
}
