//! The first difference between record and replay: written down once, then everything stops.

use core::sync::atomic::Ordering;

use reenact_abi::arena::{state, Reason, Report};
use reenact_abi::event::Header;

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
            let bytes = &mut (*at).input;
            let take = (input.1 as usize).min(bytes.len());
            (*at).input_len = crate::guest_mem::read(input.0, &mut bytes[..take]) as u32;
        }
        shared.report_state.store(2, Ordering::SeqCst);
        shared.state.store(state::STOPPED, Ordering::SeqCst);
    }
    sys::exit_group(STOPPED)
}

/// Something that replay itself needs failed.
pub fn failed(task: &Task, reason: Reason, detail: u64) -> ! {
    report(task, reason, &Header::default(), &Header::default(), detail)
}
