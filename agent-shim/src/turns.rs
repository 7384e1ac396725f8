//! Turns: tasks that share memory run one at a time, and their events are one total order.
//!
//! Recording decides the order, by a lock that a task gives up where it may block; replay follows
//! it, by letting each task wait until the group's next event is its own. A group is named by its
//! entry in the shared arena; a merged one points to what it was merged into.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{state, Group, GROUPS_MAX, MERGE_BY_RECORDER};

use crate::ring::{self, OWNER_DIED};
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

pub fn mine(task: &Task) -> &'static Group {
    group(root(task.my_slot().group.load(Ordering::Relaxed)))
}

/// Takes the turn of the task's group.
pub fn acquire(task: &Task) {
    loop {
        let index = root(task.my_slot().group.load(Ordering::Relaxed));
        take(index, task.slot);
        if root(index) == index {
            task.my_slot().group.store(index, Ordering::Relaxed);
            return;
        }
        unlock(group(index));
    }
}

/// Locks one entry for the task in `slot`.
fn take(index: u32, slot: u32) {
    let group = group(index);
    let mut current = match group
        .turn
        .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
    {
        Ok(_) => 0,
        Err(_) => group.turn.swap(2, Ordering::SeqCst),
    };
    while current != 0 {
        if sys::futex_wait(&group.turn, 2, CHECK_NS) == Err(sys::Errno(110)) && holder_died(group) {
            break;
        }
        current = group.turn.swap(2, Ordering::SeqCst);
    }
    group.moved.store(slot + 1, Ordering::Relaxed);
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
pub fn next_order(task: &Task) -> (u32, u64) {
    let group = mine(task);
    (
        group.id.load(Ordering::Relaxed),
        group.order.fetch_add(1, Ordering::Relaxed),
    )
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
