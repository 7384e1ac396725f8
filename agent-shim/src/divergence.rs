//! The first difference between record and replay: written down once, then everything stops.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{state, Reason, Report};
use reenact_abi::event::Header;

use crate::guest_mem;
use crate::sys;
use crate::task::{session, Task};

/// Exit status of a replaying process that stopped at a difference; the replayer does not look at it.
const STOPPED: i32 = 3;

/// Reports a difference and ends the process.
pub fn report(task: &Task, reason: Reason, recorded: &Header, replayed: &Header, detail: u64) -> ! {
    let input = (0, 0);
    report_with_input(task, reason, recorded, replayed, detail, input)
}

/// The same, with the bytes (address, length) that the replayed call took from memory.
pub fn report_with_input(
    task: &Task,
    reason: Reason,
    recorded: &Header,
    replayed: &Header,
    detail: u64,
    input: (u64, u64),
) -> ! {
    stop(task, reason, (recorded, replayed), detail, [(0, 0), input])
}

/// Reports two events of the shim's own that carry different bytes: the recorded ones and the others.
pub fn report_texts(
    task: &Task,
    reason: Reason,
    recorded: &Header,
    replayed: &Header,
    texts: [&[u8]; 2],
) -> ! {
    let ranges = texts.map(|text| (text.as_ptr() as u64, text.len() as u64));
    stop(task, reason, (recorded, replayed), 0, ranges)
}

/// Writes the report, with bytes (address, length) of either side, unless there is one, and ends the process.
fn stop(
    task: &Task,
    reason: Reason,
    (recorded, replayed): (&Header, &Header),
    detail: u64,
    [recorded_bytes, input]: [(u64, u64); 2],
) -> ! {
    let shared = session();
    if shared
        .report_state
        .compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst)
        .is_ok()
    {
        let at = &raw const shared.report as *mut Report;
        // SAFETY: the exchange above made this task the only writer; the page is mapped writable.
        unsafe {
            (*at).reason = reason as u32;
            (*at).process = task.process;
            (*at).task = task.number;
            (*at).event = task.events;
            (*at).detail = detail;
            (*at).recorded = *recorded;
            (*at).replayed = *replayed;
            (*at).input_len = copy(input, &mut (*at).input);
            (*at).recorded_len = copy(recorded_bytes, &mut (*at).recorded_bytes);
        }
        shared.report_state.store(2, Ordering::SeqCst);
        shared.state.store(state::STOPPED, Ordering::SeqCst);
    }
    sys::exit_group(STOPPED)
}

/// Copies as much as there is room for; how much that was.
fn copy((from, len): (u64, u64), into: &mut [u8]) -> u32 {
    let take = (len as usize).min(into.len());
    guest_mem::read(from, &mut into[..take]) as u32
}

/// Something that replay itself needs failed.
pub fn failed(task: &Task, reason: Reason, detail: u64) -> ! {
    report(task, reason, &Header::default(), &Header::default(), detail)
}
