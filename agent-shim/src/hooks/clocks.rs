//! Reading clocks, which programs do more often than anything else: without entering the kernel where
//! that can be.

use core::sync::atomic::Ordering;

use crate::dispatch::{After, Call, Cx, Flow};
use crate::guest_mem;
use crate::intercept::{clock, ticks};
use crate::nr;
use crate::task::Task;
use crate::{lean, outputs, record, ring, turns};

/// Most clock reads, from a rewritten site, without what other calls need: `None` for any other call,
/// and whenever there is something else to do as well. The call returns 0.
#[inline(always)]
pub fn quick(task: &mut Task, call: &Call) -> Option<After> {
    let (id, to) = match call.nr {
        nr::CLOCK_GETTIME => (call.args[0], call.args[1]),
        nr::GETTIMEOFDAY if call.args[1] == 0 => (clock::REALTIME, call.args[0]),
        _ => return None,
    };
    let undisturbed = lean::undisturbed(task) && ring::has_room_for_whole(task);
    if id > clock::MONOTONIC || to == 0 || !undisturbed {
        return None;
    }
    let (time_ns, time) = ticks::read(id)?;
    let value = match call.nr {
        nr::GETTIMEOFDAY => [time[0], time[1] / 1000],
        _ => time,
    };
    guest_mem::put_pair(to, value).ok()?;
    let order = turns::next_order(task);
    ring::whole(task, call, order, clock::event_time(time_ns), to, value);
    Some(match task.pending.load(Ordering::Acquire) {
        0 => After::Done,
        _ => After::Deliver,
    })
}

pub fn record(cx: &mut Cx) -> Flow {
    let Some((ret, value, to)) = clock::answer(cx.call.nr, &cx.call.args) else {
        return cx.enter();
    };
    // A null pointer: only `time` may have one, the others fail in their own ways.
    if to == 0 && cx.call.nr != nr::TIME {
        return cx.enter();
    }
    let size = if cx.call.nr == nr::TIME { 8 } else { 16 };
    if to != 0 {
        let wrote = match size {
            8 => guest_mem::put(to, value[0]),
            _ => guest_mem::put(to, value),
        };
        if wrote.is_err() {
            return cx.enter();
        }
    }
    record::complete(cx.task, ret);
    if to != 0 {
        outputs::bytes(cx.task, to, size);
    }
    Flow::Completed(ret)
}
